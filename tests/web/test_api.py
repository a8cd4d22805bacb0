"""The HTTP interface, by real requests to a real server."""

import os
import signal
import socket
import threading
import time
from concurrent.futures import ThreadPoolExecutor, as_completed
from contextlib import nullcontext

import httpx
import pytest

import media_files
from mmpyramid.core import Timeline
from mmpyramid.pipeline import Pipeline
from mmpyramid.problems import Decoder
from mmpyramid.render import FORMATS
from mmpyramid.web.limits import Limits

pytestmark = [pytest.mark.slow, pytest.mark.network]
LOW = {"threshold": 0.1, "video_threshold": 0.1}
NONE = {"threshold": 0, "video_threshold": 0}
CHUNKED = {"Content-Type": "multipart/form-data; boundary=x"}
PART = (
    b'--x\r\nContent-Disposition: form-data; name="video"; filename="a.mp4"\r\n'
    b"Content-Type: video/mp4\r\n\r\n"
)
"""How a body begins whose size no header tells."""


@pytest.fixture(scope="module")
def post(server):
    """Upload a file with options."""

    def send(path, name=None, **options):
        with path.open("rb") as file:
            files = {"video": (name or path.name, file)}
            return httpx.post(f"{server.url}/api/parse", files=files, params=options, timeout=60)

    return send


def paragraph(response, status: int) -> str:
    """The message of a refusal, which is one paragraph without the server's own paths."""
    assert response.status_code == status, response.text
    told = response.json()["detail"]
    assert "\n" not in told
    assert "mmpyramid-serve-" not in told
    return told


def alike(first: Timeline, second: Timeline) -> bool:
    """Whether the events are equal, and their scores nearly: threads change the order of sums."""
    plain = [[(e.label, e.modality, e.start, e.end) for e in both] for both in (first, second)]
    scores = [[e.score for e in both] for both in (first, second)]
    return plain[0] == plain[1] and scores[0] == pytest.approx(scores[1], abs=1e-4)


def test_a_video_gives_its_timeline(post, clip, server):
    response = post(clip, **LOW)
    assert response.status_code == 200
    assert response.headers["content-type"] == "application/json"
    timeline = Timeline.from_json(response.text)
    decoder = Decoder(threshold=0.1, video_threshold=0.1)
    assert alike(timeline, Pipeline("teachers-ave", decoder=decoder)(clip))
    assert alike(timeline, Timeline.from_json(post(clip, sensitivity=0.9).text))
    assert {event.modality for event in timeline} == {"audio", "visual", "audio_visual"}
    assert (timeline.source, timeline.model) == (clip.name, "teachers-ave")
    assert server.held() == []


def test_the_model_is_chosen_by_a_name_that_is_no_path(post, brief):
    timeline = Timeline.from_json(post(brief, model="model").text)
    assert (timeline.labels, timeline.model) == (("Dog", "Cat"), "model")


@pytest.mark.parametrize("suffix", ["html", "otio", "parquet", "png", "TextGrid", "vtt"])
def test_text_and_bytes_of_other_formats_can_be_had(suffix, post, brief):
    response = post(brief, name="mein höhlenvideo.mp4", format=suffix, **NONE)
    assert response.status_code == 200, response.text
    assert len(response.content) > 100
    named = response.headers["content-disposition"]
    assert named == f"attachment; filename*=utf-8''mein%20h%C3%B6hlenvideo.{suffix}"
    if suffix == "vtt":
        assert response.headers["content-type"].startswith("text/vtt")
        assert response.text.startswith("WEBVTT")


def test_what_is_no_video_is_refused(post, corrupt, tmp_path, server):
    assert "cannot open broken <b>.mp4" in paragraph(post(corrupt, name="broken <b>.mp4"), 422)
    (tmp_path / "empty.mp4").touch()
    assert "is empty" in paragraph(post(tmp_path / "empty.mp4"), 422)
    assert server.held() == []


@pytest.mark.parametrize(
    ("options", "told"),
    [
        ({"threshold": 1.5}, "`threshold`"),
        ({"threshold": "high"}, "`threshold`"),
        ({"max_gap": "inf"}, "`max_gap`"),
        ({"sensitivity": 2}, "`sensitivity`"),
        ({"sensitivity": 0.7, "threshold": 0.3}, "either the sensitivity"),
        ({"gate": "garden"}, "`gate`"),
        ({"model": "../secret"}, "`model` to be one of teachers-ave"),
        ({"format": "exe"}, "`format` to be one of ass, audition.csv"),
        ({"threshld": 0.3}, "no parameter 'threshld'; did you mean `threshold`?"),
        ({"threshold": [0.3, 0.4]}, "`threshold` once, got it 2 times"),
    ],
)
def test_wrong_options_are_refused(options, told, post, brief):
    assert told in paragraph(post(brief, **options), 422)


def test_a_request_without_a_video_is_refused(server):
    response = httpx.post(f"{server.url}/api/parse", data={"video": "clip.mp4"})
    assert "`video`" in paragraph(response, 400)


@pytest.mark.parametrize("options", [{}, {"live": "1"}])
def test_a_long_video_is_refused(options, post, tmp_path):
    path = tmp_path / "long.mkv"
    media_files.write_media(path, media_files.steady(330), options=options)
    assert "at most 30 s of video or sound, but long.mkv has 3" in paragraph(post(path), 422)


def test_a_large_file_is_refused_before_it_is_sent(server):
    head = (
        "POST /api/parse HTTP/1.1\r\nHost: localhost\r\nContent-Length: 9000000\r\n"
        "Content-Type: multipart/form-data; boundary=x\r\n\r\n"
    )
    address = server.url.removeprefix("http://").split(":")
    with socket.create_connection((address[0], int(address[1])), timeout=10) as connection:
        connection.sendall(head.encode())
        assert connection.recv(4096).startswith(b"HTTP/1.1 413")


def test_who_sends_all_of_a_large_file_gets_the_answer(server):
    pieces = [PART, *[bytes(100_000)] * 30]
    for _ in range(3):  # A connection that is reset loses the answer now and then.
        response = httpx.post(f"{server.url}/api/parse", content=iter(pieces), headers=CHUNKED)
        assert "at most 2 MB" in paragraph(response, 413)


def test_a_large_file_is_refused_while_it_is_sent(server):
    """Chunked, so that no header tells its size; an honest sender would go on for ever."""
    sent = 0

    def pieces():
        nonlocal sent
        yield PART
        while sent < 50_000_000:
            sent += 100_000
            yield bytes(100_000)
            time.sleep(0.002)

    try:
        response = httpx.post(f"{server.url}/api/parse", content=pieces(), headers=CHUNKED)
        assert "at most 2 MB" in paragraph(response, 413)
    except httpx.TransportError:  # The server hung up before this side looked for an answer.
        pass
    assert sent < 50_000_000
    assert server.held() == []


def test_health_answers_while_others_wait(server, post, brief):
    (worker,) = server.workers()
    os.kill(worker, signal.SIGSTOP)
    deadline = time.monotonic() + 60
    with ThreadPoolExecutor(3) as threads, httpx.Client(base_url=server.url, timeout=5) as client:
        jobs = [threads.submit(post, brief) for _ in range(3)]
        try:
            while (health := client.get("/api/health").json())["waiting"] < 2:
                assert time.monotonic() < deadline, health
                time.sleep(0.05)
        finally:
            os.kill(worker, signal.SIGCONT)
    assert all(job.result().status_code == 200 for job in jobs)
    assert health["formats"] == list(FORMATS)
    assert health["limits"]["max_minutes"] == 0.5


def test_the_interface_describes_itself(server):
    described = httpx.get(f"{server.url}/openapi.json").json()
    jobs = {"/api/jobs", "/api/jobs/{id}", "/api/jobs/{id}/result"}
    assert set(described["paths"]) == {"/health", "/api/health", "/api/parse"} | jobs
    parse = described["paths"]["/api/parse"]["post"]
    assert parse["requestBody"]["content"]["multipart/form-data"]["schema"]["required"] == ["video"]
    assert {"401", "403", "421", "429", "501"} <= set(parse["responses"])
    options = {p["name"] for p in parse["parameters"]}
    more = {"model", "format", "sensitivity", "audio_track", "video_track"}
    assert options == more | set(Decoder.__slots__)
    page = httpx.get(f"{server.url}/docs").text
    assert "://" not in page.replace("http://www.w3.org", ""), "nothing is fetched from elsewhere"


def test_another_method_is_told(server):
    response = httpx.get(f"{server.url}/api/parse")
    assert "expected the method POST" in paragraph(response, 405)
    assert response.headers["allow"] == "POST"


def test_addresses_of_others_cannot_be_guessed(server):
    for number in ("1", "x", "-1", "9" * 5000, "٣"):
        response = httpx.get(f"{server.url}/visits/somebody/{number}/page")
        assert "no longer here" in paragraph(response, 404)


@pytest.fixture(scope="module")
def hurried(serve):
    """A server that gives up early, and that its last test stops."""
    with serve("--models", "teachers-ave", "--max-waiting", "2", "--max-seconds", "20") as started:
        yield started


@pytest.fixture
def send(hurried, brief):
    """Upload a brief video to it."""

    def send(_=None):
        with brief.open("rb") as file:
            return httpx.post(f"{hurried.url}/api/parse", files={"video": file}, timeout=200)

    return send


def test_a_hanging_job_does_not_block_the_next(hurried, send):
    (worker,) = hurried.workers()
    os.kill(worker, signal.SIGSTOP)
    assert "took longer than 20 s" in paragraph(send(), 503)
    assert hurried.held() == []
    assert send().status_code == 200
    assert hurried.workers() != [worker]


def test_of_many_at_once_no_more_than_may_wait_do(hurried, send):
    (worker,) = hurried.workers()
    os.kill(worker, signal.SIGSTOP)
    with ThreadPoolExecutor(10) as threads:
        answers = as_completed([threads.submit(send, number) for number in range(10)])
        refused = [next(answers).result() for _ in range(7)]
        assert all("2 others are waiting" in paragraph(each, 503) for each in refused)
        os.kill(worker, signal.SIGCONT)
        assert [answer.result().status_code for answer in answers] == [200] * 3


@pytest.mark.parametrize("how", [signal.SIGINT, signal.SIGTERM])
def test_a_server_that_is_stopped_leaves_nothing_behind(how, serve, hurried, brief):
    with serve("--models", "teachers-ave") if how == signal.SIGINT else nullcontext(hurried) as own:
        (worker,) = own.workers()
        os.kill(worker, signal.SIGSTOP)
        answers = []

        def send():
            with brief.open("rb") as file:
                answers.append(httpx.post(f"{own.url}/api/parse", files={"video": file}))

        thread = threading.Thread(target=send)
        thread.start()
        while not own.held():
            time.sleep(0.05)
        begun = time.monotonic()
        assert own.stop(how) == 0
        assert time.monotonic() - begun < 10
        thread.join()
        assert own.log == ""
        assert [path.name for path in own.folder.iterdir()] == ["log"]


def test_limits_are_positive():
    from mmpyramid.core.errors import UserError

    with pytest.raises(UserError, match="--max-megabytes above 0 and finite, got 0"):
        Limits(max_megabytes=0)
