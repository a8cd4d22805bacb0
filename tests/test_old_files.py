"""Files of an earlier version are read as they were written.

`old_files/make.py` wrote them once, with the version of commit a6598bd.
"""

import shutil
from pathlib import Path

import numpy as np
import pytest

from mmpyramid import load_pretrained
from mmpyramid.core import Timeline
from mmpyramid.core.errors import UserError
from mmpyramid.core.files import seal
from mmpyramid.formats import read_timeline
from mmpyramid.problems.parsing import read_predictions
from mmpyramid.store.exchange import import_features
from mmpyramid.store.store import FeatureStore, check_files
from mmpyramid.store.writer import StoreWriter
from old_files.make import PREDICTED, TIMELINE, network
from store.tiny_store import PROVENANCE, assert_same, video

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


def test_a_store_is_imported(tmp_path):
    old = shutil.copytree(OLD / "store", tmp_path / "old")
    before = {path: path.read_bytes() for path in old.rglob("*") if path.is_file()}
    for use in (FeatureStore, lambda folder: StoreWriter(folder, PROVENANCE), check_files):
        with pytest.raises(UserError, match="of an earlier version; `mmpyramid store import OLD"):
            use(old)
    assert_same(
        import_features(old, tmp_path / "new"), {name: video(n) for n, name in enumerate("abc")}
    )
    assert check_files(tmp_path / "new").damaged == {}
    assert {path: path.read_bytes() for path in before if path.is_file()} == before
    with pytest.raises(UserError, match="`format` is `mmpyramid-features-1`"):
        import_features(tmp_path / "new", tmp_path / "third")


@pytest.mark.parametrize("is_sealed", [False, True])
def test_damage_to_an_old_store_stops_its_import(tmp_path, is_sealed):
    shutil.copytree(OLD / "store", tmp_path / "old")
    shard = tmp_path / "old" / "shard-00000.h5"
    content = shard.read_bytes()
    content = seal(content) if is_sealed else content
    place = content.index(video(0).features["sound"].tobytes()) if is_sealed else 0
    shard.write_bytes(content[:place] + bytes([content[place] ^ 1]) + content[place + 1 :])
    with pytest.raises(
        UserError, match=r"earlier version in .*shard-00000\.h5, but reading failed"
    ):
        import_features(tmp_path / "old", tmp_path / "new")


def test_a_checkpoint():
    loaded = load_pretrained(OLD / "model")
    for name, weight in network().state_dict().items():
        np.testing.assert_array_equal(loaded.state_dict()[name], weight)
