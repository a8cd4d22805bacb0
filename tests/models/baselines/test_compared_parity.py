"""The compared networks give the released numbers (tests/reference/compared/README.md)."""

from pathlib import Path

import numpy as np
import pytest
import torch
from torch import Tensor

from mmpyramid.core.batch import Batch
from mmpyramid.core.errors import UserError
from mmpyramid.models import Network, create_model
from mmpyramid.models.baselines.cmcs import split_branches
from mmpyramid.models.baselines.parts import VISUAL
from mmpyramid.models.convert import CONVERTERS, read_official
from mmpyramid.models.convert.localization import names_by_layer
from mmpyramid.models.network import Localized, Pooled
from mmpyramid.training.recipes import RECIPES
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
KONG = {
    **{f"emb.bn{i}": f"layers.{max(0, 4 * i - 2)}" for i in range(4)},
    **{f"emb.conv{i}": f"layers.{4 * i - 3}" for i in range(1, 4)},
    "attention.att": "head.attention",
    "attention.cla": "head.classifier",
}
CMCS = {
    "base.base_conv_0": "base",
    "att_bottom.att_conv_0": "attention.convolution",
    "att_head": "attention.output",
    **{f"cls_bottoms.{i}.cls_b{i}_conv_0": f"branches.{i}.convolution" for i in range(4)},
    **{f"cls_heads.{i}": f"branches.{i}.output" for i in range(4)},
}
UNCONVERTED = {"avsdn": AVSDN, "avsdn-weak": AVSDN, "kong": KONG, "cmcs": CMCS}
"""The layers of others' code that they follow, by recipe; no checkpoint fits our classes."""


def golden(name: str) -> dict[str, np.ndarray]:
    with np.load(GOLDEN / f"{name}.npz") as stored:
        return dict(stored)


def checkpoint(stored: dict[str, np.ndarray]) -> dict[str, Tensor]:
    """The made-up official checkpoint."""
    shapes = zip(stored["tensor_name"], stored["tensor_shape"], strict=True)
    return made_up.state_dict({n: tuple(map(int, s.split("x"))) if s else () for n, s in shapes})


def converted(name: str, weights: dict[str, Tensor]) -> tuple[Network, dict[str, str]]:
    """Our network with the official weights, and the official names of its parameters."""
    config = RECIPES[name]().model
    network = create_model(config)
    if name in CONVERTED:
        described, ours = CONVERTERS[config.architecture](weights)
        assert described == config
    else:
        shapes = {mine: tensor.shape for mine, tensor in network.state_dict().items()}
        names = names_by_layer(config, UNCONVERTED[name]).items()
        ours = {mine: weights[theirs].view(shapes[mine]) for theirs, (mine,) in names}
    network.load_state_dict(ours)
    origin = {tensor.data_ptr(): theirs for theirs, tensor in weights.items()}
    return network.eval(), {mine: origin[tensor.data_ptr()] for mine, tensor in ours.items()}


def batch(name: str, dtype: torch.dtype) -> Batch:
    audio, visual = made_up.inputs()
    streams = {"vggish": audio, "vgg19": visual}
    streams |= {n: made_up.stream(n, w) for n, w in (("resnet152", 2048), ("r2plus1d_18", 512))}
    labels = made_up.proportion_labels() if "proportion" in name else made_up.video_labels()
    if RECIPES[name]().objective.problem == "parsing":
        labels = made_up.llp_labels()
    return Batch(
        streams={stream: values.to(dtype) for stream, values in streams.items()},
        mask_BT=torch.ones(audio.shape[:2], dtype=torch.bool),
        present_BM=torch.ones(len(audio), 2, dtype=torch.bool),
        weak_BC=labels.to(dtype),
        segment_BT=made_up.segment_labels(),
    )


def named(output: Localized | Pooled, pool: str) -> dict[str, Tensor]:
    """Our outputs under the names of the golden file."""
    if isinstance(output, Pooled):
        seen_BTD = output.encoded.fused_BTMD[:, :, VISUAL]
        found = {"segment": output.prob_BTMC[:, :, VISUAL], "video": output.video_BC}
        if seen_BTD.any():
            branches_BTKC = split_branches(seen_BTD, made_up.NUM_LLP)
            found["branches"] = branches_BTKC.permute(2, 0, 1, 3)
        return found
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
@pytest.mark.parametrize("name", [*CONVERTED, *UNCONVERTED])
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


@pytest.mark.parametrize("name", [*CONVERTED, *UNCONVERTED])
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
    learned = {name: norm for name, norm in expected.items() if norm > 1e-12}
    assert actual == pytest.approx(learned, rel=1e-9, abs=1e-12)


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
