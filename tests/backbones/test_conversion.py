"""Converted weights are taken from the cache only if they are those that were converted."""

import hashlib
import json
import struct
import zipfile

import numpy as np
import pytest

from mmpyramid.backbones.conversion import Release, fingerprint
from mmpyramid.backbones.efficientnet import EfficientNetLite0Extractor
from mmpyramid.backbones.faces import FaceExtractor
from mmpyramid.backbones.weights import Wheel
from mmpyramid.backbones.yamnet import YAMNetExtractor

WEIGHTS = {"a.weight": np.arange(6, dtype=np.float32).reshape(2, 3), "a.bias": np.ones(2, "f4")}


@pytest.fixture
def cache(tmp_path, monkeypatch):
    monkeypatch.setenv("MMPYRAMID_CACHE", str(tmp_path / "cache"))
    (tmp_path / "cache").mkdir()
    with zipfile.ZipFile(tmp_path / "cache" / "tiny.whl", "w") as archive:
        archive.writestr("b.bin", b"second")
        archive.writestr("a.bin", b"first")
    return tmp_path / "cache"


@pytest.fixture
def converted(cache):
    """Weights of a release whose wheel has been downloaded."""
    wheel = Wheel(
        project="tiny",
        version="1.0",
        filename="tiny.whl",
        sha256=hashlib.sha256((cache / "tiny.whl").read_bytes()).hexdigest(),
    )

    def weights(sha256, convert):
        release = Release(wheel=wheel, members=("a.bin", "b.bin"), convert=convert, sha256=sha256)
        return release.weights("tiny")

    return weights


def convert(first, second):
    assert (first, second) == (b"first", b"second")
    return {name: values.copy() for name, values in WEIGHTS.items()}


def fail(*contents):
    raise AssertionError("the cache has them")


def same(found):
    return found.keys() == WEIGHTS.keys() and all(
        np.array_equal(found[k], WEIGHTS[k]) for k in found
    )


def test_weights_are_converted_once(cache, converted):
    sha256 = fingerprint(WEIGHTS)
    assert same(converted(sha256, convert))
    (file,) = cache.glob("*.safetensors")
    assert same(converted(sha256, fail))
    for damaged in (b"", file.read_bytes()[:-1], b"\xff" * 200, file.read_bytes()[:-1] + b"\1"):
        file.write_bytes(damaged)
        assert same(converted(sha256, convert))
        assert same(converted(sha256, fail)), "it was written anew"


def test_numbers_that_numpy_lacks_are_made_anew(cache, converted):
    sha256 = fingerprint(WEIGHTS)
    header = json.dumps({"a.bias": {"dtype": "BF16", "shape": [1], "data_offsets": [0, 2]}})
    file = cache / f"tiny-{sha256[:12]}.safetensors"
    file.write_bytes(struct.pack("<Q", len(header)) + header.encode() + bytes(2))
    assert same(converted(sha256, convert))
    assert same(converted(sha256, fail)), "it was written anew"


def test_a_name_a_shape_and_a_value_change_the_fingerprint():
    others = (
        {**WEIGHTS, "a.bias": np.zeros(2, "f4")},
        {**WEIGHTS, "a.weight": WEIGHTS["a.weight"].reshape(3, 2)},
        {("b.bias" if name == "a.bias" else name): values for name, values in WEIGHTS.items()},
    )
    assert len({fingerprint(weights) for weights in (WEIGHTS, *others)}) == 4


def test_what_converts_to_other_weights_is_used_and_not_kept(cache, converted):
    assert same(converted("0" * 64, convert))
    assert [path.name for path in cache.iterdir()] == ["tiny.whl"]


def test_a_cache_that_cannot_be_written_costs_time_only(cache, converted):
    (cache / f"tiny-{fingerprint(WEIGHTS)[:12]}.safetensors").mkdir()
    assert same(converted(fingerprint(WEIGHTS), convert))


@pytest.mark.network
@pytest.mark.parametrize("extractor", [YAMNetExtractor, EfficientNetLite0Extractor, FaceExtractor])
def test_the_released_weights_are_converted_to_the_same_bits_everywhere(extractor):
    assert fingerprint(extractor.release.read()) == extractor.release.sha256
