"""A checkpoint folder loads to the same network, or says why not."""

import json
import os
import random
import resource
from pathlib import Path

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
        (
            lambda f: (
                (f / "model.safetensors").unlink(),
                os.mkfifo(f / "model.safetensors"),
            ),
            "expected a file, got",
        ),
        (lambda f: (f / "config.json").unlink(), "expected a checkpoint folder"),
        (
            lambda f: (f / "config.json").write_text("{"),
            "config.json of a checkpoint folder, got text that is not JSON",
        ),
        (
            lambda f: (f / "config.json").write_text('{"architecture": "resnet", "config": {}}'),
            "no network `resnet`",
        ),
        (lambda f: set_config(f, window=3), "cannot be used: .* argument 'window'"),
        (lambda f: set_config(f, pyramid={"units": 3}), "cannot be used: .* argument 'units'"),
        (lambda f: set_config(f, width=16), "cannot be loaded"),
        (lambda f: set_config(f, width=12), "not a multiple of num_heads"),
    ],
)
def test_damage_is_told(folder, damage, message):
    damage(folder)
    with pytest.raises(UserError, match=message):
        load_pretrained(folder)


def test_an_absent_folder_is_told():
    with pytest.raises(UserError, match="there is no checkpoint folder `no-such-model`"):
        load_pretrained("no-such-model")


def set_description(folder, **values):
    path = folder / "config.json"
    path.write_text(json.dumps({**json.loads(path.read_text()), **values}))


@pytest.mark.parametrize(
    ("values", "told"),
    [
        ({"architecture": [1]}, "`architecture` should be `str`, got `array`"),
        ({"architecture": "x" * 200_000}, r"there is no network `xxx.*characters\)`; known are"),
        ({"config": []}, "`config` should be `object`, got `array`"),
        ({"format": "x"}, "invalid enum value 'x'"),
        ({"metrics": {"a": []}}, r"`metrics\[...\]` should be"),
        ({"version": 3}, "`version` should be `str`"),
    ],
)
def test_a_description_of_other_types_is_told(folder, values, told):
    set_description(folder, **values)
    with pytest.raises(UserError, match=told) as caught:
        load_pretrained(folder)
    assert len(str(caught.value)) < 1000


@pytest.mark.parametrize(
    ("values", "told"),
    [
        ({"gate": "evil"}, "gate should be one of global, per_modality, none, got 'evil'"),
        ({"gate": ["global"]}, "gate should be one of global, per_modality, none"),
        ({"width": "8"}, "`width` should be `int`, got `str`"),
        ({"width": 8.5}, "not a multiple|`width` should be `int`, got `float`"),
        ({"width": 10**9}, "width should be at most 131072"),
        ({"labels": "abc"}, "`labels` should be `array`, got `str`"),
        ({"labels": [1, 2]}, r"`labels\[0\]` should be `str`, got `int`"),
        ({"audio_streams": {"ear": -3}}, "widths of streams should be from 1 to 131072"),
        ({"audio_streams": ["ear"]}, "`audio_streams` should be `object`"),
        ({"visual_streams": {"eye": 10**30}}, "widths of streams should be from 1"),
        ({"pyramid": "x"}, "`pyramid` should be `object`, got `str`"),
        ({"pyramid": {"windows": [10**9]}}, "windows should be at most 100 sizes of at most"),
        ({"pyramid": {"windows": [1] * 10_000}}, "windows should be at most 100 sizes of at most"),
        ({"pyramid": {"block": "evil"}}, "block should be one of residual, convolution, none"),
        ({"swap_streams": "no"}, "`swap_streams` should be `bool`, got `str`"),
    ],
)
def test_a_configuration_of_other_types_is_told(folder, values, told):
    set_config(folder, **values)
    with pytest.raises(UserError, match=told):
        load_pretrained(folder)


def test_a_number_that_is_none_is_told(folder):
    path = folder / "config.json"
    path.write_text(path.read_text().replace('"dropout": 0.2', '"dropout": NaN'))
    with pytest.raises(UserError, match="NaN, which is not finite"):
        load_pretrained(folder)


def test_no_memory_is_taken_for_a_network_that_the_weights_are_not_of(folder):
    set_config(folder, width=2**15)
    before = resource.getrlimit(resource.RLIMIT_AS)
    used = int(Path("/proc/self/statm").read_text().split()[0]) * resource.getpagesize()
    resource.setrlimit(resource.RLIMIT_AS, (used + 2**30, before[1]))
    try:
        with pytest.raises(UserError, match=r"other shapes: \d+ \(.*, …\). Copy or train"):
            load_pretrained(folder)
    finally:
        resource.setrlimit(resource.RLIMIT_AS, before)


@pytest.mark.parametrize("value", [float("nan"), float("inf")])
def test_weights_that_are_no_numbers_are_refused(tmp_path, value):
    network = MMPyramid(CONFIG)
    with torch.no_grad():
        network.head.probability.weight[0, 0] = value
    with pytest.raises(UserError, match=r"head\.probability\.weight has NaN or infinite values"):
        load_pretrained(save_pretrained(network, tmp_path))


def test_weights_of_another_checkpoint_are_refused(folder, tmp_path):
    """As when a process is killed after the weights were replaced, and before the labels were."""
    torch.manual_seed(4)
    other = save_pretrained(MMPyramid(CONFIG), tmp_path / "other")
    (other / "model.safetensors").replace(folder / "model.safetensors")
    with pytest.raises(UserError, match=r"that its config\.json was written with, got others"):
        load_pretrained(folder)


def test_checkpoints_of_earlier_versions_have_no_checksum(folder):
    path = folder / "config.json"
    description = json.loads(path.read_text())
    assert len(description.pop("weights_sha256")) == 64
    path.write_text(json.dumps(description))
    load_pretrained(folder)


@pytest.mark.slow
def test_no_flipped_bit_of_the_weights_is_silent(folder):
    path, choose = folder / "model.safetensors", random.Random(1)
    whole = path.read_bytes()
    for _ in range(60):
        damaged = bytearray(whole)
        damaged[choose.randrange(len(whole))] ^= 1 << choose.randrange(8)
        path.write_bytes(damaged)
        with pytest.raises(UserError):
            load_pretrained(folder)
    path.write_bytes(whole)
    load_pretrained(folder)


def test_of_the_folder_of_a_run_the_network_in_it_is_meant(tmp_path, folder):
    (tmp_path / "run").mkdir()
    folder.rename(tmp_path / "run" / "model")
    with pytest.raises(UserError, match=r"no config\.json; did you mean .*run/model\?"):
        load_pretrained(tmp_path / "run")
