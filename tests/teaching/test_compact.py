"""Hundreds of clips teach the compact network: here twenty simulated ones, to see it trained."""

import os
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest

from mmpyramid.core import Event, Modality
from mmpyramid.core.errors import UserError
from mmpyramid.datasets.folder_files import BOTH, Video
from mmpyramid.teaching.examples import Lesson
from mmpyramid.teaching.teach import teach, train_compact

LABELS = ("=bang", "clip.mp4")
"""As a spreadsheet would run, and a name of a file would be cut."""


def lesson_of(num_clips, *, with_times=True):
    """Simulated features in which each class is plain to see in its seconds 1 to 4."""
    rng = np.random.default_rng(0)
    directions = {"yamnet": rng.random((2, 1024)), "efficientnet_lite0": rng.random((2, 1280))}
    videos, features = {}, {}
    for number in range(num_clips):
        name, label = f"clip {number}.v1", number % 2
        video = Video(where=name)
        if with_times:
            event = Event(1.0, 4.0, LABELS[label], Modality.AUDIO_VISUAL)
            video.events.append((event, name))
        else:
            video.weak.append((LABELS[label], BOTH, name))
        videos[name] = video
        features[name] = {}
        for stream, direction_CD in directions.items():
            values = 0.1 * rng.random((6, direction_CD.shape[1]))
            values[1:4] += direction_CD[label]
            features[name][stream] = values.astype(np.float32)
    return Lesson(labels=LABELS, videos=videos, features=features, corrected=frozenset(videos))


@pytest.mark.slow
def test_a_network_is_trained_and_asked_about_clips_that_it_has_not_seen(tmp_path):
    lesson = lesson_of(20)
    network, found = train_compact(lesson, tmp_path, seed=1)
    assert network.labels == LABELS
    assert network.config.width == 128
    rows = [row for row, _ in found]
    assert len(rows) == len(set(rows)) == 4
    for _, masks in found:
        assert {mask_TC.shape for mask_TC in masks.values()} == {(6, 2)}
    assert list(tmp_path.iterdir()) == [], "what the training needs is gone afterwards"


@pytest.mark.slow
@pytest.mark.network
def test_of_enough_videos_the_better_of_the_two_is_taken(tmp_path, monkeypatch):
    teaching = sys.modules["mmpyramid.teaching.teach"]
    monkeypatch.setattr(teaching, "ENOUGH", 20)
    network, results, reason = teaching._learn(lesson_of(20), None, "auto", 0, "cpu", tmp_path)
    kind, _, told = reason.partition(": ")
    first, second = (float(word.rstrip(",")) for word in told.split() if word[:2] in {"0.", "1."})
    assert told.startswith("on 4 videos kept aside the mean F of the network is ")
    assert (kind == "the compact MM-Pyramid") == (first > second)
    assert (network.config.architecture == "mm-pyramid") == (first > second)
    assert {result.modality for result in results} == {"audio", "visual"}


def test_without_times_there_is_nothing_to_choose_an_epoch_on(tmp_path):
    with pytest.raises(UserError, match="expected corrections with times to choose"):
        train_compact(lesson_of(30, with_times=False), tmp_path)


@pytest.mark.slow
def test_what_a_killed_training_left_is_deleted_by_the_next_one(tmp_path):
    code = f"train_compact(lesson_of(20), Path({str(tmp_path)!r}), seed=1)"
    imports = "from pathlib import Path\nfrom teaching.test_compact import *\n"
    tests = str(Path(__file__).parents[1])
    paths = os.pathsep.join([tests, *filter(None, [os.environ.get("PYTHONPATH")])])
    environment = {**os.environ, "PYTHONPATH": paths}
    training = subprocess.Popen([sys.executable, "-c", imports + code], env=environment)
    while not list(tmp_path.glob("mmpyramid-training-*/data/features")):
        assert training.poll() is None
        time.sleep(0.01)
    training.kill()
    training.wait()
    mine = tmp_path / "training-of-mine"
    mine.mkdir()
    with pytest.raises(UserError):
        teach(tmp_path / "absent", tmp_path / "absent", tmp_path)
    assert [path for path in tmp_path.iterdir() if path.is_dir()] == [mine]
