"""The Ray engine on a real Ray of this machine, with two actors."""

import os
import subprocess
import sys
from dataclasses import replace
from functools import partial

import pytest
from tiny_extraction import make, make_otherwise_elsewhere

from media_files import gray, tone, write_media
from mmpyramid.core.errors import UserError
from mmpyramid.extract.corpus import extract_corpus
from mmpyramid.extract.engines import LocalEngine
from mmpyramid.store.store import FeatureStore

pytestmark = pytest.mark.slow
ray = pytest.importorskip("ray", reason="the extra `scale` is not installed")
NAMES = ("mean_color", "bands")


@pytest.fixture(scope="module")
def engine():
    """Two actors on a cluster that lasts for all tests."""
    from mmpyramid.extract.ray_engine import RayEngine

    ray.init(
        "local",
        num_cpus=2,
        num_gpus=1,  # Ray counts it, and nothing here computes on it.
        include_dashboard=False,
        object_store_memory=2**28,
        runtime_env={"env_vars": {"PYTHONPATH": os.pathsep.join(sys.path)}},
    )
    yield RayEngine(workers=2)
    ray.shutdown()


@pytest.fixture(scope="module")
def clips(tmp_path_factory):
    """Twenty clips of one or two seconds, of which one is black, one mute and one bad."""
    folder = tmp_path_factory.mktemp("clips")
    for n in range(20):
        frames = [(k / 10, gray(n)) for k in range(10 + 10 * (n % 2))]
        write_media(folder / f"{n:02d}.mp4", frames, tone(300 + 9 * n, 1) if n != 7 else None)
    (folder / "bad\udcff.mp4").write_bytes(b"not a video")
    return folder


def shard_bytes(store):
    return [path.read_bytes() for path in sorted(store.glob("shard-*.h5"))]


def test_the_store_is_that_of_the_local_engine(clips, tmp_path, engine):
    found = extract_corpus(clips, tmp_path / "ray", NAMES, factory=make, engine=engine)
    local = LocalEngine(workers=1)
    expected = extract_corpus(clips, tmp_path / "local", NAMES, factory=make, engine=local)
    assert found == expected
    assert (found.done, list(found.failed)) == (20, ["bad\udcff"])
    assert shard_bytes(tmp_path / "ray") == shard_bytes(tmp_path / "local")
    assert FeatureStore(tmp_path / "ray").failures == found.failed
    again = extract_corpus(clips, tmp_path / "ray", NAMES, factory=make, engine=engine)
    assert (again.done, again.skipped) == (0, 20)


@pytest.mark.network
def test_the_open_backbones_give_the_same_bits(clips, tmp_path, engine):
    few = sorted(clips.glob("0*.mp4"))[:6]
    extract_corpus(few, tmp_path / "ray", engine=engine)
    extract_corpus(few, tmp_path / "local", engine=LocalEngine(workers=2))
    assert shard_bytes(tmp_path / "ray") == shard_bytes(tmp_path / "local") != []


def test_actors_know_backbones_of_the_user(clips, tmp_path, engine, monkeypatch):
    from mmpyramid.core.code import VARIABLE, load_code

    monkeypatch.setenv(VARIABLE, "[]")  # The cluster was started before.
    path = tmp_path / "my_backbone.py"
    path.write_text(
        "from tiny_extraction import MeanColor\n\n"
        "class Mine(MeanColor):\n    pass\n\n"
        "def make(names):\n    return [Mine()]\n"
    )
    module = load_code(path)
    few = sorted(clips.glob("0*.mp4"))[:4]
    summary = extract_corpus(
        few, tmp_path / "out", ("mean_color",), factory=module.make, engine=engine
    )
    assert (summary.done, summary.failed) == (4, {}), summary


def test_an_actor_that_dies_costs_one_video(clips, tmp_path, engine):
    factory = partial(make, on_black="die")
    summary = extract_corpus(clips, tmp_path, NAMES, factory=factory, engine=engine)
    assert sorted(summary.failed) == ["00", "bad\udcff"]
    assert "died" in summary.failed["00"]
    assert summary.done == 19


def make_on_visible_gpus(names, driver):
    """Extractors whose weights are called after the GPU that their process has, if any."""
    assert os.getpid() != driver, "the driver may have no GPU"
    extractors = make(names)
    for extractor in extractors:
        extractor.weights_sha256 = f"gpu {os.environ.get('CUDA_VISIBLE_DEVICES')}"
    return extractors


def test_actors_have_gpus_of_their_own(clips, tmp_path, engine):
    factory = partial(make_on_visible_gpus, driver=os.getpid())
    few = sorted(clips.glob("0[1-4].mp4"))
    summary = extract_corpus(few, tmp_path, NAMES, factory=factory, engine=replace(engine, gpus=1))
    assert summary.done == 4
    provenance = FeatureStore(tmp_path).provenance
    assert {stream.weights_sha256 for stream in provenance.streams.values()} == {"gpu 0"}


def test_a_cluster_without_enough_gpus_is_told(clips, tmp_path, engine):
    with pytest.raises(UserError, match="with 2 GPU for each worker, but it has 1; start its"):
        extract_corpus(clips, tmp_path, NAMES, factory=make, engine=replace(engine, gpus=2))


def test_actors_must_compute_as_the_driver_says(clips, tmp_path, engine):
    factory = partial(make_otherwise_elsewhere, here=os.getpid())
    with pytest.raises(UserError, match="precision of mean_color is float32 and not bfloat16"):
        extract_corpus(clips, tmp_path, NAMES, factory=factory, engine=engine)
    assert len(FeatureStore(tmp_path)) == 0


def test_a_cluster_that_is_not_there_is_told():
    code = (
        "from mmpyramid.extract.ray_engine import RayEngine\n"
        "next(RayEngine(address='127.0.0.1:1').run(None, ['a']))"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=False, timeout=120
    )
    assert "expected a Ray cluster at 127.0.0.1:1" in done.stderr
