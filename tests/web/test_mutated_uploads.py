"""Damaged media files from strangers: each is answered, and none stays or hurts the server."""

import httpx
import psutil
import pytest

from fuzz.media import write_mutants
from fuzz.mutations import number_of_cases

MEMORY = 6 * 2**30
"""Bytes that the server and its processes take together at most."""


@pytest.mark.slow
@pytest.mark.network
def test_mutated_uploads_get_a_timeline_or_a_paragraph(server, checkpoint, tmp_path):
    uploads = write_mutants(tmp_path / "mutants", number_of_cases(28, of=2_000))
    before, answers = len(server.log), []
    address = f"{server.url}/api/parse?model={checkpoint.name}"
    for path in uploads:
        with path.open("rb") as file:
            answer = httpx.post(address, files={"video": file}, timeout=60)
        answers.append(answer.status_code)
        if answer.status_code != 200:
            assert answer.status_code == 422, (path.name, answer.text)
            told = answer.json()["detail"]
            assert path.name in told
            assert "\n" not in told
            assert "mmpyramid-serve-" not in told
    processes = [psutil.Process(pid) for pid in (server.process.pid, *server.workers())]
    assert sum(process.memory_info().rss for process in processes) < MEMORY
    assert server.held() == []
    assert httpx.get(f"{server.url}/api/health").json()["waiting"] == 0
    assert "Traceback" not in server.log[before:]
    assert set(answers) == {200, 422}
