"""Every engine gives the same bits, and batches hold segments of several videos."""

from pathlib import Path

import numpy as np
import pytest
from tiny_extraction import Bands, MeanColor

from media_files import gray, tone, write_media
from mmpyramid.extract.corpus import extract_corpus
from mmpyramid.extract.decoding import Failure, RequiredInputs, read_pieces
from mmpyramid.extract.embedding import Embedder, extract_features
from mmpyramid.extract.engines import LocalEngine
from mmpyramid.store.shard import Extracted
from mmpyramid.store.store import FeatureStore


@pytest.fixture(scope="module")
def clips(tmp_path_factory):
    """Clips of 1, 2, 3 and 4 s, the second one mute."""
    folder = tmp_path_factory.mktemp("clips")
    for n in range(1, 5):
        frames = [(k / 10, gray(n + k)) for k in range(10 * n)]
        write_media(folder / f"{n}.mp4", frames, tone(300 * n, n) if n != 2 else None)
    return folder


@pytest.fixture
def code(tmp_path, monkeypatch):
    """A module with a backbone of the user, loaded as `--code` does."""
    from mmpyramid.core.code import VARIABLE, load_code

    monkeypatch.setenv(VARIABLE, "[]")
    path = tmp_path / "random.py"
    path.write_text(MINE)
    return load_code(path)


MINE = """
from tiny_extraction import MeanColor

class Mine(MeanColor):
    name = "mine"

def make(names):
    return [Mine()]
"""


def test_spawned_workers_know_backbones_of_the_user(clips, tmp_path, code):
    summary = extract_corpus(
        clips, tmp_path / "out", ("mine",), factory=code.make, engine=LocalEngine(workers=2)
    )
    assert summary.done == 4, summary


class Sizes(MeanColor):
    """Notes the size of every batch, and fails on pictures of some brightness."""

    name = "sizes"

    def __init__(self, bad=-1.0):
        super().__init__()
        self.sizes, self.bad = [], bad

    def embed(self, segments):
        self.sizes.append(len(segments))
        means = super().embed(segments)
        if (np.abs(means - self.bad).max(1) < 0.005).any():
            raise IndexError("a bad second")
        return means


def embed(paths, extractors, batch, size=2):
    embedder, required = Embedder(extractors, batch), RequiredInputs.of(extractors)
    for path in paths:
        for piece in read_pieces(path, required, size):
            embedder.add(path, piece)
    embedder.flush()
    return dict(embedder.finished)


def assert_equal(found: Extracted, expected: Extracted):
    assert found.features.keys() == expected.features.keys()
    for name, array in expected.features.items():
        assert found.features[name].tobytes() == array.tobytes()
    assert (found.duration, found.missing) == (expected.duration, expected.missing)


def test_batches_are_full_and_every_video_gets_its_own(clips):
    paths = sorted(clips.iterdir())
    sizes = Sizes()
    results = embed(paths, [sizes, Bands()], batch=4)
    assert sizes.sizes == [4, 4, 2]
    assert sorted(results) == paths
    for path, extracted in results.items():
        assert_equal(extracted, extract_features(path, [Sizes(), Bands()]))


def test_a_batch_that_fails_costs_only_the_video_that_is_to_blame(clips):
    paths = sorted(clips.iterdir())
    worst = extract_features(paths[2], [MeanColor()]).features["mean_color"][1].mean()
    results = embed(paths, [Sizes(bad=worst)], batch=16)
    failed = {path for path, result in results.items() if isinstance(result, Failure)}
    assert failed == {paths[2]}
    assert results[paths[2]] == Failure("IndexError: a bad second")


def test_a_video_that_ends_in_failure_leaves_the_others_alone(clips):
    paths = sorted(clips.iterdir())
    embedder, required = Embedder([MeanColor()], 64), RequiredInputs.of([MeanColor()])
    embedder.add(paths[0], next(read_pieces(paths[0], required, 1)))
    embedder.add(paths[0], Failure("stuck"))
    for piece in read_pieces(paths[1], required, 1):
        embedder.add(paths[1], piece)
    embedder.flush()
    assert [path for path, _ in embedder.finished] == paths[:2]
    assert embedder.finished[0][1] == Failure("stuck")


def shard_bytes(store: Path):
    return {path.name: path.read_bytes() for path in store.glob("shard-*.h5")}


@pytest.mark.slow
@pytest.mark.network
def test_engines_write_the_same_bits(clips, tmp_path):
    """The real backbones: whatever the processes and batches, the files of the store are equal."""
    settings = {"one": (1, 32), "two": (2, 32), "small": (2, 3)}
    for name, (workers, batch) in settings.items():
        engine = LocalEngine(workers=workers)
        assert extract_corpus(clips, tmp_path / name, engine=engine, batch=batch).done == 4
    assert FeatureStore(tmp_path / "one").streams.keys() == {"yamnet", "efficientnet_lite0"}
    first, *others = (shard_bytes(tmp_path / name) for name in settings)
    assert list(first) == ["shard-00000.h5"]
    assert all(other == first for other in others)
