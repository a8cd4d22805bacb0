"""Files of an earlier version are read as they were written.

`old_files/make.py` wrote them once, with the version of commit a6598bd.
"""

import shutil
from pathlib import Path

import numpy as np
import pytest

from mmpyramid import load_pretrained
from mmpyramid.core import Timeline
from mmpyramid.formats import read_timeline
from mmpyramid.problems.parsing import read_predictions
from mmpyramid.store.store import FeatureStore
from old_files.make import PREDICTED, TIMELINE, network
from store.tiny_store import assert_same, video

OLD = Path(__file__).parent / "old_files"


def test_they_are_small():
    assert sum(path.stat().st_size for path in OLD.rglob("*") if path.is_file()) < 70_000


def test_a_timeline():
    assert Timeline.load(OLD / "timeline.json") == TIMELINE


@pytest.mark.parametrize("suffix", ["csv", "tsv", "eaf", "labels.txt"])
def test_annotations(suffix):
    found = read_timeline(OLD / f"timeline.{suffix}", original=TIMELINE)
    assert [(e.start, e.end, e.label, e.modality) for e in found] == [
        (e.start, e.end, e.label, e.modality) for e in TIMELINE
    ]


def test_predictions():
    found = read_predictions(OLD / "predictions.npz", PREDICTED.ids, (3, 2))
    np.testing.assert_array_equal(found.audio, PREDICTED.audio)


def test_a_store(tmp_path):
    shutil.copytree(OLD / "store", tmp_path / "store")
    assert_same(FeatureStore(tmp_path / "store"), {name: video(n) for n, name in enumerate("abc")})


def test_a_checkpoint():
    loaded = load_pretrained(OLD / "model")
    for name, weight in network().state_dict().items():
        np.testing.assert_array_equal(loaded.state_dict()[name], weight)
