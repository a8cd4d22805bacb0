"""Extractors by name."""

import re
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import torch

from mmpyramid.backbones.base import Precision, SimpleExtractor
from mmpyramid.backbones.registry import (
    BACKBONES,
    FEATURE_SETS,
    BackboneOptions,
    create_extractor,
    create_extractors,
    register,
)
from mmpyramid.core import Modality
from mmpyramid.core.device import computes_in_bf16
from mmpyramid.core.errors import UserError
from mmpyramid.store.store import Provenance


@pytest.mark.network
def test_the_open_set_is_one_extractor_per_modality():
    sound, picture = create_extractors("open")
    assert (sound.name, sound.modality, sound.dim) == ("yamnet", Modality.AUDIO, 1024)
    assert (sound.frames_per_segment, sound.frame_size) == (0, (0, 0))
    assert (picture.name, picture.modality) == ("efficientnet_lite0", Modality.VISUAL)
    assert (picture.dim, picture.frames_per_segment) == (1280, 2)
    assert picture.frame_size == (224, 224)
    assert [len(extractor.weights_sha256) for extractor in (sound, picture)] == [64, 64]


@pytest.mark.network
def test_extractors_can_be_chosen_by_name():
    assert [e.name for e in create_extractors(["efficientnet_lite0"])] == ["efficientnet_lite0"]


def test_every_set_names_known_extractors():
    assert {name for names in FEATURE_SETS.values() for name in names} <= set(BACKBONES)


def test_unknown_names_list_the_known_ones():
    with pytest.raises(UserError, match=r"'vgg'; there are clap, .*, yamnet"):
        create_extractor("vgg")
    with pytest.raises(UserError, match="'closed'; there are ave, llp, open, text"):
        create_extractors("closed")


@pytest.mark.slow
def test_random_weights_are_said_loudly_and_are_always_the_same():
    options = BackboneOptions(random_weights=True, precision=Precision.FLOAT32)
    sound = np.random.default_rng(0).normal(scale=0.1, size=(2, 16000)).astype(np.float32)
    (first,), (second,) = (create_extractors(["vggish"], options) for _ in range(2))
    assert first.weights_sha256 == "RANDOM WEIGHTS"
    assert "vggish (128-d, RANDOM WEIGHTS)" in Provenance.of([first]).describe()
    np.testing.assert_array_equal(first.embed(sound), second.embed(sound))


@pytest.mark.slow
def test_mistaken_weights_are_told(tmp_path):
    weights = {"vggish": tmp_path / "absent.pth"}
    for names, message in (
        (["resnet152"], "expected weights for resnet152, got some for vggish"),
        (["yamnet"], "expected weights for none of the streams, got some for vggish"),
        (["vggish"], "absent.pth, but reading it failed.*check the path"),
    ):
        with pytest.raises(UserError, match=message):
            create_extractors(names, BackboneOptions(weights=weights))
    with pytest.raises(UserError, match="got both: vggish"):
        BackboneOptions(weights=weights, random_weights=True)


def test_a_machine_without_a_hub_is_told_what_to_fetch(tmp_path, monkeypatch):
    monkeypatch.setenv("MMPYRAMID_CACHE", str(tmp_path))
    for variable in ("http_proxy", "https_proxy"):
        monkeypatch.setenv(variable, "http://127.0.0.1:9")
    for name, url, checksum in (
        ("vggish", "torchvggish/releases/download/v0.1/vggish-10086976.pth", "SHA-256 10086976"),
        ("resnet152", "download.pytorch.org/models/resnet152-394f9c45.pth", "SHA-256 394f9c45"),
        ("r2plus1d_18", "pytorch.org/models/r2plus1d_18-91a641e6.pth", "SHA-256 91a641e6"),
        ("vgg19", "vgg19_weights_tf_dim_ordering_tf_kernels_notop.h5", "MD5 253f8cb515780f3b"),
        ("vgg19_torchvision", "pytorch.org/models/vgg19-dcbb9e9d.pth", "SHA-256 dcbb9e9d"),
    ):
        with pytest.raises(UserError, match="On a machine that can, fetch") as caught:
            create_extractor(name)
        assert url in str(caught.value)
        assert f"{checksum}" in str(caught.value)
        assert str(tmp_path / url.rsplit("/", maxsplit=1)[-1]) in str(caught.value)


def test_the_page_about_features_tells_the_truth():
    page = (Path(__file__).parents[2] / "docs" / "features.md").read_text()
    rows = re.findall(r"^\| `(\w+)` \|([^|]*)\| \(T, ([\d, ]+)\) \|", page, re.MULTILINE)
    assert {name for name, _, _ in rows} == set(BACKBONES)
    for name, sets, shape in rows:
        assert {key for key, names in FEATURE_SETS.items() if name in names} == {
            key for key in sets.strip().split(", ") if key
        }
        extractor = BACKBONES[name].load()
        assert (extractor.name, extractor.modality) == (name, BACKBONES[name].modality)
        width = getattr(extractor, "shape", None) or extractor.dim
        assert shape == str(width).strip("(,)")


def test_importing_the_sets_imports_no_backbone():
    code = (
        "import sys, mmpyramid.backbones.registry; "
        "print([m for m in ('torch', 'torchvision', 'av') if m in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


@pytest.fixture
def registry(monkeypatch):
    """The registry, which is as before after the test."""
    monkeypatch.setattr("mmpyramid.backbones.registry.BACKBONES", known := dict(BACKBONES))
    return known


class Loudness(SimpleExtractor):
    name, modality, dim = "loudness", Modality.AUDIO, 1

    def embed(self, segments):
        return np.sqrt((segments**2).mean(1, keepdims=True))


def test_a_backbone_of_the_user_is_made_by_its_name(registry):
    register(Loudness)
    made, options = create_extractors(["loudness"]), BackboneOptions(device="cuda")
    assert made[0].embed(np.ones((3, 16000), np.float32)).shape == (3, 1)
    assert create_extractors(["loudness"], options)[0].name == "loudness"
    assert Provenance.of(made).streams["loudness"].dim == 1


def test_a_backbone_of_the_user_takes_the_options_that_it_knows(registry):
    class Louder(Loudness):
        name = "louder"

        def __init__(self, *, device, weights=None):
            self.device, self.weights = device, weights

    register(Louder)
    options = BackboneOptions(device="meta", weights={"louder": Path("a.pth")})
    (made,) = create_extractors(["louder"], options)
    assert (made.device, made.weights) == ("meta", Path("a.pth"))
    with pytest.raises(UserError, match="no published sampling for louder"):
        create_extractors(["louder"], BackboneOptions(sampling="published"))


def test_names_of_backbones_are_taken_once(registry):
    register(Loudness)
    register(Loudness)

    class Other(Loudness):
        pass

    class Yamnet(Loudness):
        name = "yamnet"

    class Nameless(SimpleExtractor):
        modality = Modality.AUDIO

    for taken in (Other, Yamnet):
        with pytest.raises(UserError, match="a name that no other backbone has"):
            register(taken)
    with pytest.raises(UserError, match="whose class has a `name`"):
        register(Nameless)


def test_auto_is_resolved_once():
    assert BackboneOptions().resolved("llp").precision in {Precision.FLOAT32, Precision.BFLOAT16}
    exact = BackboneOptions(precision=Precision.FLOAT32)
    assert exact.resolved("llp") == exact


@pytest.mark.parametrize("device", ["cuda", "mps", "xpu"])
def test_a_gpu_that_is_not_here_does_not_take_the_answer_of_the_cpu(device, monkeypatch):
    monkeypatch.setattr("torch.cpu.get_capabilities", lambda: {"avx512_bf16": True}, raising=False)
    assert computes_in_bf16("cpu")
    if device != "cuda" or not torch.cuda.is_available():
        assert not computes_in_bf16(device)
