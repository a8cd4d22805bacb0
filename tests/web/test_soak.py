"""Many mixed requests, a small version of benchmarks/soak.py: nothing of them stays."""

import runpy
import time
from pathlib import Path

import pytest

SOAK = Path(__file__).parents[2] / "benchmarks" / "soak.py"


@pytest.mark.slow
@pytest.mark.network
def test_memory_and_files_do_not_grow(server, monkeypatch):
    monkeypatch.syspath_prepend(SOAK.parent)
    soak = runpy.run_path(str(SOAK))

    def use():
        return soak["use_of"](server.process.pid, str(server.folder))

    soak["soak"](server.url, 24)
    before = use()
    answers = soak["soak"](server.url, 64)
    deadline = time.monotonic() + 20  # Connections that idle are closed after some seconds.
    while (use().files > before.files or server.held()) and time.monotonic() < deadline:
        time.sleep(0.2)
    after = use()
    assert answers == {
        "look 200": 8,
        "parse 200": 8,
        "foreign 403": 8,
        "choose 200": 8,
        "bomb 422": 8,
        "no_video 422": 8,
        "break_off 0": 8,
        "no_http 0": 8,
    }
    assert after.files <= before.files
    assert after.stored <= before.stored
    assert after.megabytes < before.megabytes + 50
    assert server.held() == []
