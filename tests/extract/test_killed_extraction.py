"""Extraction that is killed for good, again and again, ends in the store of one quiet run."""

import os
import random
import signal
import subprocess
import sys
import time
from pathlib import Path

import psutil
import pytest
import tiny_extraction
from tiny_extraction import make

from media_files import gray, tone, write_media
from mmpyramid.extract.corpus import extract_corpus
from mmpyramid.extract.engines import LocalEngine
from mmpyramid.store.store import FeatureStore

NAMES = ("mean_color", "bands")
PATIENCE = 60.0
SCRIPT = Path(tiny_extraction.__file__)


def wait_until(condition):
    end = time.monotonic() + PATIENCE
    while not condition():
        assert time.monotonic() < end, "waited too long"
        time.sleep(0.002)


def calls(log):
    """The process of every call of the picture extractor, one per video."""
    return log.read_text().split() if log.exists() else []


def wait_for_calls(log, process, number):
    wait_until(lambda: len(calls(log)) >= number or process.poll() is not None)
    assert process.poll() is None, process.stderr.read().decode()


def count_calls_of_all(log):
    """Wait for the end of every process that made calls; count the calls and start anew."""
    wait_until(lambda: not any(is_running(int(pid)) for pid in set(calls(log))))
    number = len(calls(log))
    log.unlink(missing_ok=True)
    return number


def write_corpus(folder, num_videos):
    folder.mkdir()
    for n in range(num_videos):
        frames = [(k / 10, gray(n % 32)) for k in range(10)]
        write_media(folder / f"{n:03d}.mp4", frames, tone(200 + 20 * n, 1), video_codec="mpeg4")
    return folder


def start(videos, out, log, workers):
    command = [sys.executable, str(SCRIPT), *map(str, (videos, out, log, workers))]
    return subprocess.Popen(command, stderr=subprocess.PIPE)


def is_running(pid):
    return psutil.pid_exists(pid) and psutil.Process(pid).status() != psutil.STATUS_ZOMBIE


def kill_repeatedly(tmp_path, num_videos, num_kills, workers):
    """Kill runs at random moments, let the last one end, and compare with a quiet run."""
    rng = random.Random(0)
    videos = write_corpus(tmp_path / "videos", num_videos)
    out, log = tmp_path / "killed", tmp_path / "log"
    finished = frozenset()
    for turn in range(num_kills):
        process = start(videos, out, log, workers)
        if turn % 5 == 4:  # While it starts, or finds out what there is.
            time.sleep(rng.uniform(0, 1))
        else:
            wait_for_calls(log, process, rng.randint(1, max(1, num_videos // num_kills - 2)))
            time.sleep(rng.uniform(0, 0.05))
        process.kill()
        process.communicate()
        assert count_calls_of_all(log) <= num_videos - len(finished)
        assert finished <= frozenset(FeatureStore(out).ids)
        finished = frozenset(FeatureStore(out).ids)
    assert len(finished) < num_videos
    assert start(videos, out, log, workers).wait(PATIENCE) == 0
    assert count_calls_of_all(log) == num_videos - len(finished)
    assert_quiet_run_gives_the_same(videos, FeatureStore(out), tmp_path / "quiet")


def assert_quiet_run_gives_the_same(videos, killed, out):
    extract_corpus(videos, out, NAMES, factory=make, engine=LocalEngine(workers=1))
    quiet = FeatureStore(out)
    assert len(killed) == len(quiet)
    assert sorted(killed.ids) == sorted(quiet.ids)
    assert list((killed.folder / "pending").iterdir()) == []
    for video_id in quiet.ids:
        found, expected = killed.read(video_id), quiet.read(video_id)
        assert found.features.keys() == expected.features.keys() == set(NAMES)
        for name, array in expected.features.items():
            assert found.features[name].tobytes() == array.tobytes()
        assert (found.duration, found.notes) == (expected.duration, expected.notes)


@pytest.mark.slow
def test_killed_runs_lose_nothing_and_redo_nothing(tmp_path):
    kill_repeatedly(tmp_path, num_videos=16, num_kills=3, workers=1)


@pytest.mark.slow
def test_many_killed_runs_lose_nothing_and_redo_nothing(tmp_path):
    kill_repeatedly(tmp_path, num_videos=60, num_kills=10, workers=2)


@pytest.mark.slow
@pytest.mark.parametrize("how", [signal.SIGINT, signal.SIGTERM])
def test_an_interrupted_run_leaves_a_good_store_and_no_process(tmp_path, how):
    videos = write_corpus(tmp_path / "videos", 40)
    out, log = tmp_path / "stopped", tmp_path / "log"
    process = start(videos, out, log, workers=2)
    wait_for_calls(log, process, 6)
    wait_until(lambda: len(FeatureStore(out)) > 0)  # A busy disk is slower than the backbones.
    os.kill(process.pid, how)
    _, told = process.communicate(timeout=PATIENCE)
    assert process.returncode != 0, told.decode()
    assert count_calls_of_all(log) < 40
    store = FeatureStore(out)
    assert 1 <= len(store) < 40
    assert store.failures == {}
    assert start(videos, out, log, 1).wait(PATIENCE) == 0
    assert_quiet_run_gives_the_same(videos, FeatureStore(out), tmp_path / "quiet")
