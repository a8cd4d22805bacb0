"""Extractors by name."""

import re
import subprocess
import sys
from importlib import import_module
from pathlib import Path

import numpy as np
import pytest

from mmpyramid.backbones.precision import Precision
from mmpyramid.backbones.sets import (
    EXTRACTORS,
    FEATURE_SETS,
    OPEN,
    BackboneOptions,
    create_extractor,
    create_extractors,
)
from mmpyramid.core import Modality
from mmpyramid.core.errors import UserError
from mmpyramid.store.provenance import Provenance


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
    assert {name for names in FEATURE_SETS.values() for name in names} <= set(EXTRACTORS)


def test_unknown_names_list_the_known_ones():
    with pytest.raises(UserError, match=r"'vgg'; there are efficientnet_lite0, .*, yamnet"):
        create_extractor("vgg")
    with pytest.raises(UserError, match="'closed'; there are ave, llp, open"):
        create_extractors("closed")


def test_random_weights_are_said_loudly_and_are_always_the_same():
    options = BackboneOptions(random_weights=True, precision=Precision.FLOAT32)
    sound = np.random.default_rng(0).normal(scale=0.1, size=(2, 16000)).astype(np.float32)
    (first,), (second,) = (create_extractors(["vggish"], options) for _ in range(2))
    assert first.weights_sha256 == "RANDOM WEIGHTS"
    assert "vggish (128-d, RANDOM WEIGHTS)" in Provenance.of([first]).describe()
    np.testing.assert_array_equal(first.embed(sound), second.embed(sound))


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
    assert {name for name, _, _ in rows} == set(EXTRACTORS)
    for name, sets, shape in rows:
        assert {key for key, names in FEATURE_SETS.items() if name in names} == {
            key for key in sets.strip().split(", ") if key
        }
        module, attribute = EXTRACTORS[name]
        extractor = getattr(import_module(f"mmpyramid.backbones.{module}"), attribute)
        width = extractor.dim if name in OPEN else extractor.shape
        assert shape == str(width).strip("(,)")


def test_importing_the_sets_imports_no_backbone():
    code = (
        "import sys, mmpyramid.backbones.sets; "
        "print([m for m in ('torch', 'torchvision', 'av') if m in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
