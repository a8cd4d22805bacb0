"""The compared networks give the released numbers (tests/reference/compared/README.md)."""

from pathlib import Path

import numpy as np
import pytest
import torch
from torch import Tensor

from mmpyramid.data.batch import Batch
from mmpyramid.errors import UserError
from mmpyramid.models import Network, create_model
from mmpyramid.models.convert import CONVERTERS, read_official
from mmpyramid.models.convert.layers import names_by_layer
from mmpyramid.models.outputs import Localized
from mmpyramid.recipes import RECIPES
from reference.compared import made_up

GOLDEN = Path(__file__).parents[2] / "reference" / "compared"
CONVERTED = ["cmran", "cmran-weak", "psp", "psp-proportion", "avel", "avel-weak", "dmrn"]
"""Recipes whose networks have official checkpoints."""

AVSDN = {
    "affine_audio": "visual_attention.audio",
    "affine_video": "visual_attention.visual",
    "affine_v": "visual_attention.visual_score",
    "affine_g": "visual_attention.audio_score",
    "affine_h": "visual_attention.output",
    "lstm_audio": "sequence.audio_encoder",
    "lstm_video": "sequence.visual_encoder",
    "lstm_a_v": "sequence.decoder",
    "U_a": "sequence.fusion.audio",
    "U_v": "sequence.fusion.visual",
    "event_classifier.0": "head.relevance",
    "category_classifier.0": "head.category",
}
RECONSTRUCTED = {"avsdn": AVSDN, "avsdn-weak": AVSDN}
"""Their layers in the code of others that is followed, by recipe."""


def golden(name: str) -> dict[str, np.ndarray]:
    with np.load(GOLDEN / f"{name}.npz") as stored:
        return dict(stored)


def checkpoint(stored: dict[str, np.ndarray]) -> dict[str, Tensor]:
    """The made-up official checkpoint."""
    shapes = zip(stored["tensor_name"], stored["tensor_shape"], strict=True)
    return made_up.state_dict({n: tuple(map(int, shape.split("x"))) for n, shape in shapes})


def converted(name: str, weights: dict[str, Tensor]) -> tuple[Network, dict[str, str]]:
    """Our network with the official weights, and the official names of its parameters."""
    recipe = RECIPES[name]().model
    if name in CONVERTED:
        config, ours = CONVERTERS[recipe.architecture](weights)
        assert config == recipe
    else:
        config = recipe
        names = names_by_layer(config, RECONSTRUCTED[name])
        ours = {mine: weights[theirs] for theirs, (mine,) in names.items()}
    network = create_model(config)
    network.load_state_dict(ours)
    origin = {tensor.data_ptr(): theirs for theirs, tensor in weights.items()}
    return network.eval(), {mine: origin[tensor.data_ptr()] for mine, tensor in ours.items()}


def batch(name: str, dtype: torch.dtype) -> Batch:
    audio, visual = made_up.inputs()
    labels = made_up.proportion_labels() if "proportion" in name else made_up.video_labels()
    return Batch(
        streams={"vggish": audio.to(dtype), "vgg19": visual.to(dtype)},
        mask_BT=torch.ones(audio.shape[:2], dtype=torch.bool),
        present_BM=torch.ones(len(audio), 2, dtype=torch.bool),
        weak_BC=labels.to(dtype),
        segment_BT=made_up.segment_labels(),
    )


def named(output: Localized, pool: str) -> dict[str, Tensor]:
    """Our outputs under the names of the golden file."""
    pooled_BC = output.score_BTC.mean(1) if pool == "mean" else output.score_BTC.amax(1)
    found = {
        "score": output.score_BTC,
        "segment_distribution": output.score_BTC.softmax(-1),
        "distribution": pooled_BC.softmax(-1),
        "relevance": output.relevance_BT,
        "category": output.category_BC,
        "similarity": output.similarity_BT,
    }
    return {name: value for name, value in found.items() if value is not None}


@pytest.mark.parametrize(("dtype", "atol"), [(torch.float32, 1e-5), (torch.float64, 1e-12)])
@pytest.mark.parametrize("name", [*CONVERTED, *RECONSTRUCTED])
@torch.no_grad()
def test_every_output_equals_the_released_one(name, dtype, atol):
    stored = golden(name)
    network, _ = converted(name, checkpoint(stored))
    videos = batch(name, dtype)
    pool = getattr(RECIPES[name]().objective, "pool", "max")
    actual = named(network.to(dtype)(videos.streams), pool)
    suffix = f"_{str(dtype).removeprefix('torch.')}"
    expected = {key.removesuffix(suffix): stored[key] for key in stored if key.endswith(suffix)}
    assert expected
    for key, value in expected.items():
        np.testing.assert_allclose(actual[key].numpy(), value, rtol=0, atol=atol, err_msg=key)


@pytest.mark.parametrize("name", [*CONVERTED, *RECONSTRUCTED])
def test_loss_and_gradients_equal_the_released_ones(name):
    """The objective of the recipe, and what it says to every tensor that the release trains."""
    stored = golden(name)
    network, origin = converted(name, checkpoint(stored))
    videos = batch(name, torch.float64)
    loss = RECIPES[name]().objective(network.double()(videos.streams), videos)
    loss.backward()
    assert loss.item() == pytest.approx(float(stored["loss"]), abs=1e-12)
    actual = {origin[n]: p.grad.norm().item() for n, p in network.named_parameters()}
    expected = dict(zip(stored["gradient_name"], stored["gradient_norm"], strict=True))
    assert actual == pytest.approx(expected, rel=1e-9, abs=1e-12)


@pytest.mark.parametrize(
    ("name", "live"),
    [
        ("cmran", 9_509_150),
        ("cmran-weak", 9_509_407),
        ("psp", 1_548_657),
        ("psp-proportion", 1_253_902),
        ("avel", 1_335_246),
        ("dmrn", 1_571_150),
    ],
)
def test_number_of_parameters(name, live):
    with torch.device("meta"):
        network = create_model(RECIPES[name]().model)
    assert sum(parameter.numel() for parameter in network.parameters()) == live


@pytest.mark.parametrize("architecture", ["cmran", "psp", "avel"])
def test_another_checkpoint_is_refused(architecture):
    with pytest.raises(UserError, match=r"released (CMRAN|PSP|AVEL) checkpoint; missing: .* more"):
        CONVERTERS[architecture]({"layer.weight": torch.zeros(2, 2)})


def test_pickled_networks_are_not_opened(tmp_path):
    """As PSP and AVEL release them; this one was pickled by code that is at hand."""
    torch.save(create_model(RECIPES["avel"]().model), tmp_path / "AV_att.pt")
    with pytest.raises(UserError, match=r"save `model\.state_dict\(\)` with `torch\.save` where"):
        read_official(tmp_path / "AV_att.pt")
