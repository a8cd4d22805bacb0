"""A check finds what is missing, damaged or changed, and nothing else."""

import shutil

import numpy as np
import pytest
from tiny_extraction import MeanColor, make

from media_files import gray, steady, tone, write_media
from mmpyramid.core.errors import UserError
from mmpyramid.extract.corpus import check_corpus, extract_corpus
from mmpyramid.extract.engines import LocalEngine
from mmpyramid.store.store import FeatureStore

NAMES = ("mean_color", "bands")
ENGINE = LocalEngine(workers=1)


@pytest.fixture
def corpus(tmp_path):
    """Four clips, one of them bad, and their store."""
    folder = tmp_path / "videos"
    folder.mkdir()
    for n in range(3):
        write_media(folder / f"{n}.mp4", steady(20), tone(300 + 100 * n, 2))
    (folder / "bad.mp4").write_bytes(b"not a video")
    extract_corpus(folder, tmp_path / "store", NAMES, factory=make, engine=ENGINE)
    return folder, tmp_path / "store"


def check(corpus, factory=make, **options):
    return check_corpus(*corpus, NAMES, factory=factory, engine=ENGINE, **options)


@pytest.mark.slow
def test_a_sound_store(corpus):
    report = check(corpus)
    assert report.is_sound
    assert (report.num_sound, list(report.failed), sorted(report.same)) == (3, ["bad"], [*"012"])
    assert len(check(corpus, sample=2).same) == 2


@pytest.mark.slow
def test_absent_strange_and_changed_videos(corpus):
    folder, _ = corpus
    write_media(folder / "new.mp4", steady(10))
    (folder / "1.mp4").unlink()
    write_media(folder / "2.mp4", [(k / 10, gray(30)) for k in range(20)], tone(500, 2))
    (folder / "0.mp4").write_bytes(b"overwritten")
    report = check(corpus)
    assert not report.is_sound
    assert (report.absent, report.strange, report.same) == (["new"], ["1"], [])
    assert "mean_color differs by" in report.changed["2"]
    assert "cannot be extracted any more" in report.changed["0"]


@pytest.mark.slow
def test_another_machine_may_differ_a_little(corpus):
    class Shaken(MeanColor):
        def embed(self, segments):
            return super().embed(segments) * np.float32(1 + 1e-5)

    report = check(corpus, lambda names: [Shaken(), make(names)[1]])
    assert report.is_sound
    assert sorted(report.close) == [*"012"]


@pytest.mark.slow
def test_damaged_features(corpus):
    _, store = corpus
    opened = FeatureStore(store)
    features = opened.load("0")["mean_color"]
    (shard,) = store.glob("shard-*.h5")
    data = shard.read_bytes()
    begin = data.index(features.tobytes())
    shard.write_bytes(data[:begin] + np.full(3, np.nan, "f4").tobytes() + data[begin + 12 :])
    report = check(corpus)
    assert not report.is_sound
    assert report.damaged.keys() == set(opened.ids), "the checksum is that of their file"
    assert "checksum differs" in next(iter(report.damaged.values()))
    assert report.num_sound == 0


def test_other_backbones_are_refused(corpus):
    with pytest.raises(UserError, match="bands is not asked for"):
        check_corpus(*corpus, ["mean_color"], factory=make, engine=ENGINE)
    shutil.rmtree(corpus[1])
    with pytest.raises(UserError, match="expected a store"):
        check(corpus)
