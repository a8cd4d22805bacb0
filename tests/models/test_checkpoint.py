"""A checkpoint folder loads to the same network, or says why not."""

import json

import numpy as np
import pytest
import torch

from mmpyramid import load_pretrained
from mmpyramid.core.errors import UserError
from mmpyramid.models import MMPyramid, MMPyramidConfig, PyramidConfig, save_pretrained

CONFIG = MMPyramidConfig(
    labels=("Dog", "Cat"),
    audio_streams={"ear": 3},
    visual_streams={"eye": 4},
    width=8,
    pyramid=PyramidConfig(windows=(1, 3)),
)
FEATURES = {"ear": np.ones((10, 3), np.float32), "eye": np.ones((10, 4), np.float32)}


def set_config(folder, **values):
    path = folder / "config.json"
    description = json.loads(path.read_text())
    description["config"] |= values
    path.write_text(json.dumps(description))


@pytest.fixture
def folder(tmp_path):
    torch.manual_seed(3)
    return save_pretrained(MMPyramid(CONFIG), tmp_path / "model", {"type_av": 12.5})


def test_round_trip(folder):
    torch.manual_seed(3)
    original, loaded = MMPyramid(CONFIG).eval(), load_pretrained(folder)
    assert loaded.config == CONFIG
    assert loaded.labels == ("Dog", "Cat")
    assert loaded.streams == {"ear": 3, "eye": 4}
    np.testing.assert_array_equal(loaded.predict(FEATURES).audio, original.predict(FEATURES).audio)


def test_the_description_is_readable(folder):
    description = json.loads((folder / "config.json").read_text())
    assert description["architecture"] == "mm-pyramid"
    assert description["metrics"] == {"type_av": 12.5}
    assert sorted(path.name for path in folder.iterdir()) == ["config.json", "model.safetensors"]


def test_saving_again_replaces(folder):
    save_pretrained(MMPyramid(CONFIG), folder, {"type_av": 99.0})
    assert json.loads((folder / "config.json").read_text())["metrics"] == {"type_av": 99.0}


def test_layers_may_share_a_weight(tmp_path):
    network = MMPyramid(CONFIG)
    network.head.modality_attention.weight = network.head.time_attention.weight
    loaded = load_pretrained(save_pretrained(network, tmp_path))
    np.testing.assert_array_equal(
        loaded.predict(FEATURES).audio, network.eval().predict(FEATURES).audio
    )


@pytest.mark.parametrize(
    ("damage", "message"),
    [
        (lambda f: (f / "model.safetensors").write_bytes(b"\0" * 64), "cannot be loaded"),
        (lambda f: (f / "model.safetensors").unlink(), "cannot be loaded"),
        (lambda f: (f / "config.json").unlink(), "expected a checkpoint folder"),
        (lambda f: (f / "config.json").write_text("{"), "expected a checkpoint folder"),
        (
            lambda f: (f / "config.json").write_text('{"architecture": "resnet"}'),
            "no network `resnet`",
        ),
        (lambda f: set_config(f, window=3), "cannot be loaded"),
        (lambda f: set_config(f, pyramid={"units": 3}), "cannot be loaded"),
        (lambda f: set_config(f, width=16), "cannot be loaded"),
        (lambda f: set_config(f, width=12), "no multiple of num_heads"),
    ],
)
def test_damage_is_told(folder, damage, message):
    damage(folder)
    with pytest.raises(UserError, match=message):
        load_pretrained(folder)


def test_an_absent_folder_is_told():
    with pytest.raises(UserError, match="there is no checkpoint folder `no-such-model`"):
        load_pretrained("no-such-model")
