"""Jobs end, whatever the videos and the processes do."""

import os
import signal
import time
from concurrent.futures import ThreadPoolExecutor
from threading import Event

import psutil
import pytest

from mmpyramid.core.errors import UserError
from mmpyramid.pipeline import Pipeline
from mmpyramid.problems import Decoder
from mmpyramid.web.limits import BusyError, GivenUpError, Limits
from mmpyramid.web.pool import Job, Pool, Setup

pytestmark = [pytest.mark.slow, pytest.mark.network]
PATIENCE = 90.0
"""Seconds; other tests may keep the machine busy."""


@pytest.fixture(scope="module")
def setup(checkpoint):
    return Setup(models=(str(checkpoint),), max_seconds=30)


@pytest.fixture(scope="module")
def pool(setup):
    made = Pool(setup, Limits(max_seconds=20, max_waiting=1), 1)
    yield made
    made.close()


@pytest.fixture
def job(setup, clip):
    def make(path=clip, **options):
        decoder = Decoder(threshold=0.1, video_threshold=0.1)
        return Job(path=path, name="mine.mp4", model="model", decoder=decoder)

    return make


def test_a_worker_finds_what_the_pipeline_finds(pool, job, clip, checkpoint):
    stages = []
    parsed = pool.parse(job(), "me", stages.append)
    here = Pipeline(checkpoint, decoder=job().decoder)(clip)
    assert parsed.timeline.events == here.events
    assert len(here) > 0
    assert (parsed.timeline.source, parsed.features) == ("mine.mp4", {})
    assert list(dict.fromkeys(stage.name for stage in stages)) == [
        *("wait", "load", "extract", "score", "decode")
    ]
    done = [(stage.done, stage.total) for stage in stages if stage.total]
    assert done == sorted(done)
    assert done[-1] == (10, 10)


def test_each_video_has_a_decoder_of_its_own_that_ends_with_it(pool, job):
    def decoders():
        children = psutil.Process(pool.workers[0].pid).children()
        return {child.pid for child in children if child.cmdline()[-1:] == ["mmpyramid-decode"]}

    seen: list[set[int]] = []
    for _ in range(2):
        pool.parse(job(), "me", lambda stage: seen.append(decoders() if stage.done == 4 else set()))
        used = set().union(*seen)
        assert not used & decoders(), "another one waits for the next video"
    first, second = filter(None, seen)
    assert len(first) == len(second) == 1
    assert first != second


def test_a_bad_video_is_told_by_the_name_that_its_visitor_knows(pool, job, corrupt):
    worker = pool.workers[0].pid
    with pytest.raises(UserError, match=r"cannot open mine\.mp4") as caught:
        pool.parse(job(corrupt), "me")
    assert str(corrupt.parent) not in str(caught.value)
    assert pool.workers[0].pid == worker, "a bad video costs no process"


def test_a_worker_that_dies_is_replaced(pool, job):
    def murder(stage):
        if stage.name == "extract":
            os.kill(pool.workers[0].pid, signal.SIGKILL)

    with pytest.raises(GivenUpError, match=r"worked on mine\.mp4 died"):
        pool.parse(job(), "me", murder)
    assert len(pool.parse(job(), "me").timeline) > 0


@pytest.mark.alone
def test_a_worker_that_hangs_is_given_up(setup, job):
    hanging = Pool(setup, Limits(max_seconds=6), 1)
    pid = hanging.workers[0].pid

    def freeze(stage):
        if stage.name == "extract" and hanging.workers[0].pid == pid:
            os.kill(pid, signal.SIGSTOP)

    with pytest.raises(GivenUpError, match="took longer than 6 s and was given up"):
        hanging.parse(job(), "me", freeze)
    assert not psutil.pid_exists(pid)
    assert len(hanging.parse(job(), "me", freeze).timeline) > 0
    hanging.close()


def test_no_more_than_may_wait_do(pool, job):
    begun, go = Event(), Event()

    def hold_up(stage):
        if stage.name == "extract" and not begun.is_set():
            begun.set()
            assert go.wait(PATIENCE)

    with ThreadPoolExecutor(2) as threads:
        first = threads.submit(pool.parse, job(), "me", hold_up)
        assert begun.wait(PATIENCE)
        inside = Event()
        second = threads.submit(pool.parse, job(), "me", lambda stage: inside.set())
        assert inside.wait(PATIENCE)
        assert pool.num_waiting == 1
        with pytest.raises(BusyError, match="1 others are waiting"):
            pool.parse(job(), "me")
        go.set()
        assert first.result(PATIENCE).timeline == second.result(PATIENCE).timeline
    assert pool.num_waiting == 0


def test_who_waits_is_told_when_the_pool_is_closed(setup, job):
    closing = Pool(setup, Limits(max_seconds=20), 1)
    begun = Event()
    with ThreadPoolExecutor(2) as threads:
        first = threads.submit(closing.parse, job(), "me", lambda stage: begun.set())
        assert begun.wait(PATIENCE)
        second = threads.submit(closing.parse, job(), "me")
        while closing.num_waiting == 0:
            assert not second.done()
            time.sleep(0.01)
        closing.close()
        with pytest.raises((GivenUpError, BusyError)):
            first.result(PATIENCE)
        with pytest.raises(BusyError, match="being stopped"):
            second.result(PATIENCE)


def test_a_model_that_cannot_be_had_is_told_at_the_start():
    with pytest.raises(UserError, match="nowhere"):
        Pool(Setup(models=("./nowhere",)), Limits(), 1)
