"""Official checkpoints: what is accepted, and what is said about the rest."""

import pytest
import torch
from torch import Tensor

from mmpyramid.errors import UserError
from mmpyramid.models.convert import convert_mm_pyramid, read_official, tensor_names
from reference import released

TINY = {"layer.weight": torch.arange(6.0).reshape(2, 3), "layer.bias": torch.zeros(2)}


def shapes_only() -> dict[str, Tensor]:
    """An official checkpoint without values: names and shapes."""
    return {n: torch.empty(shape, device="meta") for n, shape in released.shapes().items()}


def test_every_live_tensor_is_used_once_and_nothing_else():
    official = shapes_only()
    config, weights = convert_mm_pyramid(official)
    assert config.windows == (1, 2, 4, 8)
    assert len(weights) == len({id(tensor) for tensor in weights.values()}) == 306
    dropped = {
        n for n, tensor in official.items() if all(tensor is not w for w in weights.values())
    }
    assert dropped == official.keys() - tensor_names(num_units=4).keys()
    assert len(dropped) == 88


def test_the_number_of_units_is_read_from_the_names():
    three = {n: t for n, t in shapes_only().items() if ".msa.3." not in n and "work.3." not in n}
    config, _ = convert_mm_pyramid(three)
    assert config.windows == (1, 2, 4)


def test_missing_and_unknown_tensors_are_named():
    official = shapes_only()
    official["fc_audio.weight"] = official.pop("fc_a.weight")
    with pytest.raises(UserError, match=r"missing: fc_a\.weight; unknown: fc_audio\.weight"):
        convert_mm_pyramid(official)


def test_a_checkpoint_of_another_network_is_refused():
    with pytest.raises(UserError, match=r"missing: .* and \d+ more; unknown: layer\.bias, layer"):
        convert_mm_pyramid(TINY)


def test_a_wrong_shape_is_named():
    official = shapes_only() | {"fc_prob.bias": torch.empty(26, device="meta")}
    with pytest.raises(UserError, match=r"fc_prob\.bias \(26,\) instead of \(25,\)"):
        convert_mm_pyramid(official)


@pytest.mark.parametrize(
    "content",
    [
        TINY,
        {f"module.{name}": tensor for name, tensor in TINY.items()},
        {"epoch": 3, "state_dict": TINY},
        {"optimizer": {"state": {}}, "model": {f"module.{n}": t for n, t in TINY.items()}},
    ],
    ids=["plain", "data parallel", "nested", "nested data parallel"],
)
def test_read_official(tmp_path, content):
    torch.save(content, tmp_path / "model.pt")
    read = read_official(tmp_path / "model.pt")
    assert read.keys() == TINY.keys()
    assert all(torch.equal(read[name], TINY[name]) for name in TINY)


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ({"a": TINY, "b": TINY}, "found 2"),
        ({"epoch": 3}, "found 0"),
        ([torch.zeros(2)], "found 0"),
        (torch.nn.Linear(2, 2), "holds more than tensors"),
    ],
    ids=["two state dicts", "none", "a list", "a pickled module"],
)
def test_read_official_refuses(tmp_path, content, message):
    torch.save(content, tmp_path / "model.pt")
    with pytest.raises(UserError, match=message):
        read_official(tmp_path / "model.pt")


@pytest.mark.parametrize("content", [b"", b"not a checkpoint"], ids=["empty", "text"])
def test_read_official_refuses_a_damaged_file(tmp_path, content):
    (tmp_path / "model.pt").write_bytes(content)
    with pytest.raises(UserError, match="damaged"):
        read_official(tmp_path / "model.pt")


def test_read_official_without_a_file(tmp_path):
    with pytest.raises(UserError, match="No such file"):
        read_official(tmp_path / "absent.pt")
