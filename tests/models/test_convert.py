"""Official checkpoints: what is accepted, and what is said about the rest."""

import io
from typing import get_args

import pytest
import torch
from torch import Tensor

from mmpyramid.cli.export import Architecture, convert
from mmpyramid.core.errors import UserError
from mmpyramid.models import HANConfig, create_model, load_pretrained
from mmpyramid.models.convert import (
    CONVERTERS,
    convert_han,
    convert_mm_pyramid,
    mm_pyramid_names,
    read_official,
)
from mmpyramid.models.convert.parsing import han_names
from reference import released, released_han
from reference.made_up import Shapes

TINY = {"layer.weight": torch.arange(6.0).reshape(2, 3), "layer.bias": torch.zeros(2)}


def numbered(shapes: Shapes) -> dict[str, Tensor]:
    """An official checkpoint that needs no memory: the i-th tensor holds i, again and again."""
    return {name: torch.tensor(i).expand(shape) for i, (name, shape) in enumerate(shapes.items())}


OFFICIAL = {
    "mm-pyramid": (released.shapes, "MM-Pyramid"),
    "han": (released_han.shapes_han, "HAN"),
    "ma": (released_han.shapes_ma, "HAN"),
}


@pytest.fixture(params=OFFICIAL)
def case(request: pytest.FixtureRequest):
    """Converter, tensors of an official checkpoint, and how messages call the network."""
    shapes, network = OFFICIAL[request.param]
    return CONVERTERS["han" if request.param == "ma" else request.param], shapes(), network


@pytest.mark.parametrize(
    ("converter", "shapes", "names", "num_dropped"),
    [
        (convert_mm_pyramid, released.shapes, mm_pyramid_names(num_units=4), 88),
        (convert_han, released_han.shapes_han, han_names(), 44),
        (convert_han, released_han.shapes_ma, han_names(), 68),
    ],
    ids=OFFICIAL,
)
def test_every_live_tensor_is_used_and_nothing_else(converter, shapes, names, num_dropped):
    official = numbered(shapes())
    config, weights = converter(official)
    with torch.device("meta"):
        expected = create_model(config).state_dict()
    assert {n: w.shape for n, w in weights.items()} == {n: w.shape for n, w in expected.items()}
    order = list(official)
    used = {order[int(tensor.flatten()[0])] for tensor in weights.values()}
    assert used == names.keys()
    assert len(official) - len(used) == num_dropped


def test_the_number_of_units_is_read_from_the_names():
    official = numbered(released.shapes())
    three = {n: t for n, t in official.items() if ".msa.3." not in n and "work.3." not in n}
    config, _ = convert_mm_pyramid(three)
    assert config.pyramid.windows == (1, 2, 4)


def test_swapping_streams_changes_no_weight():
    official = numbered(released.shapes())
    right, swapped = convert_mm_pyramid(official), convert_mm_pyramid(official, swap_streams=True)
    assert not right[0].swap_streams
    assert swapped[0].swap_streams
    assert all(torch.equal(right[1][name], tensor) for name, tensor in swapped[1].items())


@pytest.mark.parametrize(
    ("shapes", "gate"),
    [(released_han.shapes_han, "global"), (released_han.shapes_ma, "per_modality")],
)
def test_the_gate_is_known_by_layers_that_only_ma_has(shapes, gate):
    assert convert_han(numbered(shapes()))[0].gate == gate


def test_packed_attention_is_split_into_query_key_and_value():
    official = numbered(released_han.shapes_han())
    name = "hat_encoder.layers.0.cm_attn.in_proj_weight"
    official[name] = torch.arange(1536.0)[:, None].expand(1536, 512)
    _, weights = convert_han(official)
    for start, part in ((0, "query"), (512, "key"), (1024, "value")):
        rows = weights[f"layer.cross_attention.{part}.weight"][:, 0]
        assert torch.equal(rows, torch.arange(start, start + 512.0))


def test_missing_and_unknown_tensors_are_named(case):
    converter, shapes, network = case
    official = numbered(shapes)
    official["fc_audio.weight"] = official.pop("fc_a.weight")
    message = rf"{network} checkpoint; missing: fc_a\.weight; unknown: fc_audio\.weight"
    with pytest.raises(UserError, match=message):
        converter(official)


def test_a_checkpoint_of_another_network_is_refused(case):
    converter, _, _ = case
    with pytest.raises(UserError, match=r"missing: .* and \d+ more; unknown: layer\.bias, layer"):
        converter(TINY)


@pytest.mark.parametrize("architecture", CONVERTERS)
def test_the_checkpoint_of_another_architecture_is_refused(architecture):
    other = released_han.shapes_han() if architecture == "mm-pyramid" else released.shapes()
    with pytest.raises(UserError, match="is it the checkpoint of another network"):
        CONVERTERS[architecture](numbered(other))


def test_the_command_knows_every_converter():
    assert get_args(Architecture) == tuple(CONVERTERS)


def test_the_command_reads_a_checkpoint_of_ma(tmp_path, capsys):
    torch.save(released_han.state_dict_ma(), tmp_path / "MMIL_Net.pt")
    assert convert(tmp_path / "MMIL_Net.pt", out=tmp_path / "model", architecture="han") == 0
    assert "han with 4,569,675 parameters" in capsys.readouterr().out
    assert load_pretrained(tmp_path / "model").config == HANConfig(gate="per_modality")


def test_only_mm_pyramid_has_streams_to_swap(tmp_path):
    with pytest.raises(UserError, match="han has its streams in the right order"):
        convert(tmp_path / "a.pt", out=tmp_path, architecture="han", swap_streams=True)


def test_a_wrong_shape_is_named(case):
    converter, shapes, network = case
    official = numbered(shapes | {"fc_prob.bias": (26,)})
    with pytest.raises(UserError, match=rf"a {network} of other.*fc_prob\.bias \(26,\) .* \(25,\)"):
        converter(official)


@pytest.mark.parametrize("shape", [(1535,), (1536, 1), ()])
def test_a_wrong_shape_of_a_packed_tensor_is_named(shape):
    name = "hat_encoder.layers.0.self_attn.in_proj_bias"
    official = numbered(released_han.shapes_han() | {name: shape})
    with pytest.raises(UserError, match=r"self_attn\.in_proj_bias \(.*\) instead of \(1536,\)"):
        convert_han(official)


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


@pytest.mark.parametrize(
    "content", [b"", b"not a checkpoint", b"hello", b"q", b"M", b"X\x01\0\0\0\xff"]
)
def test_read_official_refuses_a_damaged_or_foreign_file(tmp_path, content):
    (tmp_path / "model.pt").write_bytes(content)
    with pytest.raises(UserError, match="is damaged, is not one of PyTorch"):
        read_official(tmp_path / "model.pt")


def test_read_official_refuses_a_file_of_the_old_format_that_was_cut(tmp_path):
    whole = io.BytesIO()
    torch.save({"a": torch.ones(2)}, whole, _use_new_zipfile_serialization=False)
    for size in range(0, len(whole.getvalue()), 7):
        (tmp_path / "model.pt").write_bytes(whole.getvalue()[:size])
        with pytest.raises(UserError, match="is damaged"):
            read_official(tmp_path / "model.pt")


def test_read_official_without_a_file(tmp_path):
    with pytest.raises(UserError, match="No such file"):
        read_official(tmp_path / "absent.pt")
