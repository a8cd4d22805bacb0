"""A server that goes on for long: idle, and after many mixed requests as of benchmarks/soak.py."""

import runpy
import time
from pathlib import Path
from types import SimpleNamespace

import psutil
import pytest

from mmpyramid.web.app import poll_seldom

SOAK = Path(__file__).parents[2] / "benchmarks" / "soak.py"


def test_a_gradio_that_polls_in_another_way_keeps_it():
    for app in (SimpleNamespace(), SimpleNamespace(_queue=SimpleNamespace(seconds=1))):
        before = repr(app)
        poll_seldom(app)
        assert repr(app) == before


@pytest.mark.slow
@pytest.mark.network
def test_an_idle_server_rests(server):
    loop = psutil.Process(server.process.pid)  # Counts what its first thread does.

    def times_awake(seconds: float = 0.5) -> float:
        before = loop.num_ctx_switches().voluntary
        time.sleep(seconds)
        return (loop.num_ctx_switches().voluntary - before) / seconds

    assert min(times_awake() for _ in range(4)) < 100, "times a second"


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
