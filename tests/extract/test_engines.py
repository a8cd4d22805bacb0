"""Every engine gives the same bits, and batches hold segments of several videos."""

import os
import signal
import time
from functools import partial
from pathlib import Path

import numpy as np
import psutil
import pytest
from tiny_extraction import Bands, MeanColor

from media_files import gray, steady, tone, write_media
from mmpyramid.core.scores import Extracted, VideoInfo
from mmpyramid.extract.corpus import extract_corpus
from mmpyramid.extract.decoding import Limits
from mmpyramid.extract.embedding import Embedder, FileExtractor, extract_features
from mmpyramid.extract.engines import GPU_BATCH, Job, LocalEngine
from mmpyramid.extract.pieces import Failure, RequiredInputs, read_pieces
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


@pytest.mark.slow
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


def test_pieces_of_several_videos_may_come_in_turns(clips):
    paths = sorted(clips.iterdir())
    embedder = Embedder([MeanColor(), Bands()], 3)
    required = RequiredInputs.of([MeanColor(), Bands()])
    coming = {path: iter(read_pieces(path, required, 1)) for path in paths}
    while coming:
        for path in list(coming):
            piece = next(coming[path])
            embedder.add(path, piece)
            if isinstance(piece, VideoInfo):
                del coming[path]
    embedder.flush()
    assert sorted(path for path, _ in embedder.finished) == paths
    for path, extracted in embedder.finished:
        assert_equal(extracted, extract_features(path, [MeanColor(), Bands()]))


def with_one_network(names, log, **options):
    return [MeanColor(log=log, **options), Bands()]


class Waiting(MeanColor):
    """Goes on once so many processes have begun, however long one of them takes to start."""

    def __init__(self, log, company):
        super().__init__(log)
        self.company = company

    def embed(self, segments):
        means = super().embed(segments)
        deadline = time.monotonic() + 60
        while len(set(self.log.read_text().split())) < self.company:
            assert time.monotonic() < deadline, "the other never came"
            time.sleep(0.02)
        return means


def with_a_waiting_network(names, log, company):
    return [Waiting(log, company), Bands()]


def _decoders(processes) -> set[int]:
    return {p.pid for p in processes if p.cmdline()[-1:] == ["mmpyramid-decode"]}


@pytest.mark.slow
@pytest.mark.parametrize("gpus", [1, 2])
def test_several_decoders_feed_the_process_of_each_gpu(clips, tmp_path, gpus):
    """Each has files of its own. All features come from this process, or from one for each GPU."""
    log = tmp_path / "log"
    paths = [tmp_path / "absent.mp4"]
    for path in [*sorted(clips.iterdir())] * 3 * gpus:
        paths.append(tmp_path / f"{len(paths)}.mp4")
        paths[-1].write_bytes(path.read_bytes())
    engine = LocalEngine(workers=4, gpus=gpus, limits=Limits())
    factory = partial(with_a_waiting_network, log=log, company=gpus)
    job = engine.prepare(Job(factory=factory, extractors="", batch=4))
    before = set(children())  # Other tests of this process may have started some.
    results, decoders = [], set()
    for path, result in engine.run(job, paths):
        decoders |= _decoders(set(children()) - before)
        results.append(path)
        if path.name == "absent.mp4":
            assert "does not exist" in result.reason
        else:
            assert_equal(result, extract_features(path, with_one_network("", tmp_path / "other")))
    assert sorted(results) == sorted(paths)
    assert len(decoders) == 4
    owners = {int(pid) for pid in log.read_text().split()}
    assert len(owners) == gpus
    assert (owners == {os.getpid()}) == (gpus == 1)
    assert set(children()) <= before, "they end with the run"


def test_batches_of_a_gpu_are_larger_than_pieces(clips):
    sizes = Sizes()
    paths = sorted(clips.iterdir())
    with FileExtractor([sizes], GPU_BATCH, Limits()) as extractor:
        results = dict(extractor.each(paths))
    assert sizes.sizes == [10], "of all clips together"
    for path, extracted in results.items():
        assert_equal(extracted, extract_features(path, [Sizes()]))


@pytest.mark.slow
@pytest.mark.parametrize("how", [signal.SIGKILL, signal.SIGSTOP])
def test_a_decoder_that_dies_or_hangs_costs_one_file_of_its_own(clips, tmp_path, how):
    long = [write_media(tmp_path / f"{n}.mp4", steady(200), tone(300, 20)) for n in range(2)]
    paths = [*long, *sorted(clips.iterdir())]
    limits = Limits(timeout=4.0)
    extractors = [MeanColor(), Bands()]
    with FileExtractor(extractors, 1, limits, decoders=2) as extractor:
        for path in paths:
            extractor.expect(path)
        next(p for p in children() if p.cmdline()[-1:] == ["mmpyramid-decode"]).send_signal(how)
        results = dict(extractor.next() for _ in paths)
    failures = {path: result for path, result in results.items() if isinstance(result, Failure)}
    (reason,) = (failure.reason for failure in failures.values())
    assert failures.keys() <= {*long}
    assert ("crashed" if how == signal.SIGKILL else "took longer than 4") in reason
    for path in results.keys() - failures.keys():
        assert_equal(results[path], extract_features(path, extractors))


def children():
    """Processes that this one has started, or those have."""
    return [
        p for p in psutil.Process().children(recursive=True) if p.status() != psutil.STATUS_ZOMBIE
    ]


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
