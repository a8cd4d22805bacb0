"""Jobs of programs, by real requests to real servers: submit, poll, fetch, cancel, and attacks."""

import os
import signal
import time
from concurrent.futures import ThreadPoolExecutor

import httpx
import pytest

from kept_by_formats import is_refused
from mmpyramid.core import Timeline
from mmpyramid.render import FORMATS

pytestmark = [pytest.mark.slow, pytest.mark.network]
LOW = {"threshold": 0.1, "video_threshold": 0.1}


def visitor(server, address="127.0.0.1", **options) -> httpx.Client:
    transport = httpx.HTTPTransport(local_address=address)
    return httpx.Client(base_url=server.url, transport=transport, timeout=60, **options)


@pytest.fixture
def guest(server):
    with visitor(server) as client:
        yield client
    deadline = time.monotonic() + 10
    while server.held() and time.monotonic() < deadline:
        time.sleep(0.05)
    assert server.held() == [], "videos of jobs that are over are deleted"


def submit(client, path, **params) -> httpx.Response:
    with path.open("rb") as file:
        return client.post("/api/jobs", files={"video": (path.name, file)}, params=params)


def finished(client, address) -> dict:
    """Poll until a job is over; its progress never shrinks."""
    progress, deadline = 0.0, time.monotonic() + 60
    while time.monotonic() < deadline:
        status = client.get(address).raise_for_status().json()
        assert progress <= status["progress"] <= 1
        progress = status["progress"]
        if status["state"] in {"done", "failed"}:
            return status
        time.sleep(0.1)
    raise AssertionError(status)


def paused(server):
    """Stop the worker of a server; returns how to let it go on."""
    (worker,) = server.workers()
    os.kill(worker, signal.SIGSTOP)
    return lambda: os.kill(worker, signal.SIGCONT)


def test_a_job_gives_what_a_request_that_waits_does_in_every_format(guest, clip):
    answer = submit(guest, clip)
    assert answer.status_code == 202
    address = answer.headers["location"]
    assert address == f"/api/jobs/{answer.json()['id']}"
    status = finished(guest, address)
    assert (status["state"], status["name"], status["result"]) == (
        *("done", clip.name),
        f"{address}/result",
    )
    assert 3500 < status["kept_seconds"] <= 3600
    found = Timeline.from_json(guest.get(status["result"], params=LOW).text)
    with clip.open("rb") as file:
        waited = guest.post("/api/parse", files={"video": (clip.name, file)}, params=LOW).text
    assert found == Timeline.from_json(waited)
    assert len(found) > 0
    assert len(Timeline.from_json(guest.get(status["result"]).text)) == 0, "other thresholds"
    for name, form in FORMATS.items():
        result = guest.get(status["result"], params={**LOW, "format": name})
        assert result.status_code == (422 if is_refused(name, found) else 200), name
        if result.status_code == 200:
            assert result.headers["content-type"].startswith(form.media_type)
            assert f"Bell.{name}" in result.headers["content-disposition"]
    assert guest.delete(address).status_code == 204
    assert guest.get(status["result"]).status_code == 404


def test_a_bad_video_fails_with_the_reason_and_the_status(guest, corrupt):
    status = finished(guest, submit(guest, corrupt).headers["location"])
    assert status["state"] == "failed"
    assert "cannot open broken.mp4" in status["detail"]
    assert status["result"] is None
    result = guest.get(f"/api/jobs/{status['id']}/result")
    assert (result.status_code, result.json()["detail"]) == (422, status["detail"])


def test_jobs_wait_in_order_and_can_be_cancelled(guest, brief, server):
    go_on = paused(server)
    try:
        first, second, third = (submit(guest, brief).headers["location"] for _ in range(3))
        places = [guest.get(address).json()["position"] for address in (second, third)]
        assert places == [1, 2]
        waiting = guest.get(f"{third}/result")
        assert (waiting.status_code, "is waiting" in waiting.text) == (409, True)
        assert guest.delete(second).status_code == 204
        assert guest.delete(second).status_code == 404, "twice"
        assert guest.get(third).json()["position"] == 1
        assert len(server.held()) == 2, "the video of a cancelled job is deleted at once"
        health = guest.get("/api/health").json()
        assert (health["waiting"], health["jobs"] >= 2) == (1, True)
        assert guest.get(first).json()["state"] == "running"
        assert guest.delete(first).status_code == 204
    finally:
        go_on()
    assert finished(guest, third)["state"] == "done", "the next one has a worker that is fit"


def test_jobs_are_nobody_elses(guest, brief, server):
    address = submit(guest, brief).headers["location"]
    id_ = address.rpartition("/")[2]
    near = ("B" if id_[0] == "A" else "A") + id_[1:]
    guesses = [near, id_.swapcase(), f"{id_}%00", f"../jobs/{id_}x", "*", "x" * 2000]
    for guess in guesses:
        assert guest.get(f"/api/jobs/{guess}").status_code == 404
    with visitor(server, "127.0.9.9") as stranger:
        for answer in (
            stranger.get(address),
            stranger.get(f"{address}/result"),
            stranger.delete(address),
        ):
            assert answer.status_code == 404
            assert "there is no such job" in answer.json()["detail"]
    with visitor(server) as browser:
        browser.get("/")  # Now it has a cookie, and is no longer everybody at this address.
        assert browser.get(address).status_code == 404
    assert finished(guest, address)["state"] == "done"


def test_other_methods_and_parameters_are_told(guest, brief):
    for address, method in (
        ("/api/jobs", "GET"),
        ("/api/jobs?model=x", "PUT"),
        ("/api/parse", "GET"),
        ("/api/jobs/x", "POST"),
        ("/api/jobs/x/result", "DELETE"),
        ("/api/health", "POST"),
    ):
        answer = guest.request(method, address)
        assert answer.status_code == 405, address
        assert f"method {answer.headers['allow']}" in answer.json()["detail"]
    misspelled = submit(guest, brief, modl="teachers-ave")
    assert misspelled.status_code == 422
    assert "no parameter 'modl'; did you mean `model`?" in misspelled.json()["detail"]
    address = submit(guest, brief).headers["location"]
    finished(guest, address)
    misspelled = guest.get(f"{address}/result", params={"formats": "vtt"})
    assert "did you mean `format`?" in misspelled.json()["detail"]


def test_hundreds_of_submits_of_one_visitor_leave_room_for_others(guest, brief, server):
    """Ten of them wait; the others cost nothing, and somebody else gets a turn."""
    go_on = paused(server)
    try:
        with visitor(server, "127.0.9.1") as flood, ThreadPoolExecutor(8) as threads:
            small = brief.with_name("small.wav")
            small.write_bytes(b"no sound")
            answers = threads.map(lambda _: submit(flood, small).status_code, range(200))
            statuses = sorted(answers)
        assert statuses == [202] * 10 + [429] * 190
        assert len(server.held()) == 10
        address = submit(guest, brief).headers["location"]
    finally:
        go_on()
    assert finished(guest, address)["state"] == "done"


def test_results_expire_and_make_room(serve, tmp_path):
    sound = tmp_path / "bad.wav"
    sound.write_bytes(b"no sound")
    words = ("--keep-minutes", "0.1", "--max-jobs", "4", "--max-each", "2", "--workers", "1")
    with serve("--models", "teachers-ave", *words) as own, visitor(own) as guest:
        first = submit(guest, sound).headers["location"]
        assert finished(guest, first)["kept_seconds"] <= 6
        deadline = time.monotonic() + 60
        while guest.get(first).status_code != 404:
            assert time.monotonic() < deadline, "it does not expire"
            time.sleep(0.1)
        mine = [submit(guest, sound).headers["location"]]
        for _ in range(2):
            finished(guest, mine[-1])
            mine.append(submit(guest, sound).headers["location"])
        finished(guest, mine[-1])
        kept = [guest.get(address).status_code for address in mine]
        assert kept == [404, 200, 200], "a visitor's oldest result makes room"
        paused(own)
        for address, refused in (("127.0.9.2", 429), ("127.0.9.3", 503)):
            with visitor(own, address) as other:
                statuses = [submit(other, sound).status_code for _ in range(3)]
                assert statuses == [202, 202, refused]
        refused = submit(guest, sound)
        assert (refused.status_code, refused.headers["retry-after"]) == (503, "60")
        assert "4 jobs are waiting or worked on" in refused.json()["detail"]
        begun = time.monotonic()
        assert own.stop() == 0, "jobs that wait do not keep a server from stopping"
        assert time.monotonic() - begun < 10
        assert [path.name for path in own.folder.iterdir()] == ["log"]


def test_all_errors_of_jobs_are_described(server):
    paths = httpx.get(f"{server.url}/openapi.json").json()["paths"]
    described = {
        (method, path): set(operation["responses"])
        for path, operations in paths.items()
        for method, operation in operations.items()
    }
    common = {"401", "403", "421"}
    assert described["post", "/api/jobs"] == common | {
        *("202", "400", "408", "413", "422", "429", "503", "507")
    }
    assert described["get", "/api/jobs/{id}"] >= common | {"200", "404"}
    assert described["get", "/api/jobs/{id}/result"] == common | {
        *("200", "404", "409", "422", "500", "501", "503")
    }
    assert described["delete", "/api/jobs/{id}"] >= common | {"204", "404"}
