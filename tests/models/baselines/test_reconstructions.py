"""The networks of Table 1 that are reconstructions: every setting, sizes, what is known of them."""

from typing import Any

import pytest
import torch
from tester import LABELS, LocalizationTester
from torch.nn import functional as F

from mmpyramid.core.errors import UserError
from mmpyramid.models.baselines.avin import AVINConfig, Interaction
from mmpyramid.models.baselines.avrb import AVRBConfig
from mmpyramid.models.baselines.avt import AVTConfig
from mmpyramid.models.baselines.cman import AdaptiveCoAttention, CMANConfig, SentinelLSTM, Where
from mmpyramid.models.baselines.dam import DAMConfig, matched
from mmpyramid.models.baselines.mpn import BottleneckAttention, MPNConfig
from mmpyramid.models.baselines.parts import FactorizedBilinear
from mmpyramid.models.registry import create_model
from mmpyramid.problems.localization.losses import (
    DecomposedObjective,
    PooledObjective,
    SegmentObjective,
)
from mmpyramid.training.recipes import RECIPES

TINY: dict[str, Any] = {
    "labels": LABELS,
    "audio_streams": {"ear": 5},
    "visual_streams": {"eye": 6},
    "width": 16,
}
GUIDED: dict[str, Any] = {**TINY, "attention_width": 8, "map_size": (2, 3)}
AVRB: dict[str, Any] = {**GUIDED, "fusion_width": 12, "gate_width": 8, "head_width": 8}
AVIN: dict[str, Any] = {**GUIDED, "fusion_width": 12}
CMAN: dict[str, Any] = {**TINY, "attention_width": 8, "co_attention_width": 8, "head_width": 8}
AVT: dict[str, Any] = {**TINY, "feed_forward_width": 16}
MPN: dict[str, Any] = {**GUIDED, "feed_forward_width": 16, "bottleneck_width": 2}
SEGMENTS = SegmentObjective(loss="cross-entropy")


class TestDAM(LocalizationTester):
    config = DAMConfig(**GUIDED)
    objective = DecomposedObjective()


class TestDAMOfTransformers(LocalizationTester):
    config = DAMConfig(
        **GUIDED,
        block="transformer",
        num_layers=2,
        num_heads=4,
        share_attention=True,
        scaled=True,
        feed_forward_width=16,
    )
    objective = DecomposedObjective()


class TestAVRB(LocalizationTester):
    config = AVRBConfig(**AVRB)
    objective = SEGMENTS


class TestWeakAVRB(LocalizationTester):
    config = AVRBConfig(**AVRB, fusion_residual=False, keep_mean=False)
    objective = PooledObjective(pool="mean", loss="categorical")


class TestAVIN(LocalizationTester):
    config = AVINConfig(**AVIN)
    objective = SEGMENTS


class TestGuidedAVIN(LocalizationTester):
    config = AVINConfig(
        **AVIN,
        spatial="guided",
        bidirectional=False,
        weighting="channel",
        inter_query="mean",
        keep_mean=True,
    )
    objective = PooledObjective(pool="mean", loss="categorical")


class TestCMAN(LocalizationTester):
    config = CMANConfig(**CMAN)
    objective = SEGMENTS


class TestScalarCMAN(LocalizationTester):
    config = CMANConfig(**CMAN, self_attention="scalar", residual=False, fusion="sum")
    objective = PooledObjective(pool="mean", loss="categorical")


class TestAVT(LocalizationTester):
    config = AVTConfig(**AVT)
    objective = SEGMENTS


class TestPlainAVT(LocalizationTester):
    config = AVTConfig(**AVT, intra_frame=False, instance_attention=False, memory="inter")
    objective = PooledObjective(pool="mean", loss="categorical")


class TestMPN(LocalizationTester):
    config = MPNConfig(**MPN)
    objective = DecomposedObjective()


class TestWeakMPN(LocalizationTester):
    config = MPNConfig(**MPN, head="fused", joint_squeeze=False, share_stem=False, num_layers=1)
    objective = PooledObjective()


@pytest.mark.parametrize(
    ("recipe", "changes", "expected"),
    [
        ("dam", {}, 1_083_981),
        ("avrb", {}, 2_108_366),
        ("avin", {}, 1_616_669),
        ("avin", {"spatial": "guided"}, 1_995_598),
        ("cman", {}, 2_285_982),
        ("avt", {}, 3_605_789),
        ("mpn", {}, 3_766_000),
        ("mpn", {"num_layers": 1}, 2_184_432),
    ],
)
def test_number_of_parameters(recipe, changes, expected):
    """Counted by hand from the description of each layer."""
    config = RECIPES[recipe]().model
    with torch.device("meta"):
        network = create_model(type(config)(**changes))
    assert sum(parameter.numel() for parameter in network.parameters()) == expected


def maps(num_videos: int, seed: int = 0) -> dict[str, torch.Tensor]:
    """Features as after the last ReLU of the published ones: none is negative, most are 0."""
    generator = torch.Generator().manual_seed(seed)
    return {
        "vggish": (torch.randn(num_videos, 10, 128, generator=generator) - 1).relu(),
        "vgg19": (torch.randn(num_videos, 10, 7, 7, 512, generator=generator) - 1).relu(),
    }


@torch.no_grad()
def test_dam_starts_undecided_and_its_loss_is_that_of_the_mean_probability():
    torch.manual_seed(0)
    network = create_model(RECIPES["dam"]().model).eval()
    output = network(maps(4))
    probability = output.relevance_BT.sigmoid()
    assert 0.4 < probability.min() < probability.max() < 0.6
    happens = torch.zeros(4, 10)
    happens[:, 3:7] = 1
    torch.testing.assert_close(
        F.binary_cross_entropy_with_logits(output.relevance_BT, happens),
        F.binary_cross_entropy(probability, happens),
    )


def test_dam_matches_a_segment_with_the_other_modality():
    sounds, sights = torch.tensor([[1.0, 0.0]]), torch.tensor([[0.0, 1.0]])
    audio_BTD = torch.tensor([[[0.0, 50.0], [0.0, -50.0]]])
    visual_BTD = torch.tensor([[[50.0, 0.0], [50.0, 0.0]]])
    # The first segment matches by ear and by eye, the second by eye alone: half a match.
    found = matched(sounds, sights, audio_BTD, visual_BTD)
    torch.testing.assert_close(found, torch.tensor([[1.0, 0.5]]))


def test_bilinear_fusion_multiplies_sums_takes_roots_and_normalizes():
    fusion = FactorizedBilinear(3, 4, width=2, num_factors=3, dropout=0.5).eval()
    audio, visual = torch.randn(1, 1, 3), torch.randn(1, 1, 4)
    factors = (fusion.audio(audio) * fusion.visual(visual)).flatten().tolist()
    sums = [sum(factors[:3]), sum(factors[3:])]
    roots = torch.tensor([abs(x) ** 0.5 * (1 if x > 0 else -1) for x in sums])
    torch.testing.assert_close(fusion(audio, visual).flatten(), roots / roots.norm())


def test_bilinear_fusion_of_nothing_has_finite_gradients():
    fusion = FactorizedBilinear(3, 4, width=2, num_factors=3, dropout=0.1)
    torch.nn.init.zeros_(fusion.audio.weight)
    torch.nn.init.zeros_(fusion.audio.bias)
    fusion(torch.ones(1, 1, 3), torch.ones(1, 1, 4)).sum().backward()
    assert all(parameter.grad.isfinite().all() for parameter in fusion.parameters())


def test_avin_asks_the_other_modality_with_a_sum_ten_times_the_mean():
    network = create_model(AVINConfig(**AVIN))
    literal = create_model(AVINConfig(**AVIN, inter_query="mean"))
    x_BTD, mask_BT = torch.randn(2, 10, 16), torch.ones(2, 10, dtype=torch.bool)
    torch.testing.assert_close(network._query(x_BTD, mask_BT), x_BTD.sum(1))
    torch.testing.assert_close(literal._query(x_BTD, mask_BT), x_BTD.mean(1))


def test_avin_weighs_segments_or_their_channels():
    x_BTD = torch.tensor([[[1.0, 0.0], [0.0, 1.0]]])
    query_BD, mask_BT = torch.tensor([[50.0, 0.0]]), torch.ones(1, 2, dtype=torch.bool)
    scalar = Interaction(AVINConfig())(x_BTD, query_BD, mask_BT)
    torch.testing.assert_close(scalar, torch.tensor([[[1.0, 0.0], [0.0, 0.0]]]))
    channel = Interaction(AVINConfig(weighting="channel"))(x_BTD, query_BD, mask_BT)
    torch.testing.assert_close(channel, torch.tensor([[[1.0, 0.0], [0.0, 0.5]]]))


@torch.no_grad()
def test_the_sentinel_of_cman_starts_as_one_entry_among_eleven():
    torch.manual_seed(0)
    network = create_model(RECIPES["cman"]().model).eval()
    mask_BT = torch.ones(4, 10, dtype=torch.bool)
    audio_BTD = network.audio_when(maps(4)["vggish"], mask_BT)
    visual_BTD = network.visual_when(maps(4)["vgg19"].mean((2, 3)), mask_BT)
    weight_BTS = network.audio_which.weights(*network.audio_lstm(audio_BTD), visual_BTD, mask_BT)
    assert weight_BTS.shape == (4, 10, 11)
    torch.testing.assert_close(weight_BTS.sum(-1), torch.ones(4, 10))
    assert weight_BTS[..., -1].mean().item() == pytest.approx(1 / 11, abs=0.03)


def test_a_sentinel_that_has_all_the_weight_hides_the_other_modality():
    attention, mask = AdaptiveCoAttention(4, 3), torch.ones(1, 5, dtype=torch.bool)
    torch.nn.init.zeros_(attention.other.weight)
    torch.nn.init.zeros_(attention.state.weight)
    torch.nn.init.ones_(attention.sentinel.weight)
    torch.nn.init.constant_(attention.output.weight, 100.0)
    state, sentinel = torch.randn(1, 5, 4), torch.ones(1, 5, 4)
    outputs = [attention(state, sentinel, torch.randn(1, 5, 4), mask) for _ in range(2)]
    torch.testing.assert_close(outputs[0], state + sentinel)
    torch.testing.assert_close(outputs[1], outputs[0])


def test_the_sentinel_follows_its_equations():
    lstm, x = SentinelLSTM(4), torch.randn(1, 3, 4)
    states, sentinels = lstm(x)
    state = memory = torch.zeros(1, 4)
    for t in range(3):
        gate = torch.sigmoid(lstm.input_gate(x[:, t]) + lstm.state_gate(state))
        state, memory = lstm.cell(x[:, t], (state, memory))
        torch.testing.assert_close(states[:, t], state)
        torch.testing.assert_close(sentinels[:, t], gate * memory.tanh())


@torch.no_grad()
def test_cosines_as_described_hardly_prefer_a_position():
    """With a factor of 1 the weights of positions are nearly equal, as in a mean."""
    audio, maps_BTPD = maps(2)["vggish"], torch.eye(49).expand(2, 10, 49, 49)
    largest = {}
    for temperature in (1.0, 10.0):
        torch.manual_seed(0)
        where = Where(128, 49, CMANConfig(temperature=temperature, learn_temperature=False))
        weight_BTP = where(audio, maps_BTPD)  # The weighted mean of one-hot vectors.
        torch.testing.assert_close(weight_BTP.sum(-1), torch.ones(2, 10))
        largest[temperature] = 49 * weight_BTP.amax(-1).mean().item()
    assert 1.0 < largest[1.0] < 1.5
    assert largest[10.0] > 2 * largest[1.0]


def test_gates_of_mpn_see_both_modalities_unless_told_otherwise():
    mask_BT = torch.ones(1, 6, dtype=torch.bool)
    audio, visual, other = (torch.randn(1, 6, 16) for _ in range(3))
    for is_joint in (True, False):
        gates = BottleneckAttention(MPNConfig(**MPN, joint_squeeze=is_joint))
        heard, heard_too = (gates(audio, x, mask_BT)[..., :16] for x in (visual, other))
        assert torch.equal(heard, heard_too) != is_joint
        assert ((heard / audio) > 1).all()
        assert ((heard / audio) < 2).all()


def test_the_categorical_loss_is_the_cross_entropy_of_the_pooled_scores():
    network, batch = TestWeakAVRB().network(), TestWeakAVRB().batch(3, 4)
    output = network(batch.streams)
    for pool, pooled in (("mean", output.score_BTC.mean(1)), ("max", output.score_BTC.amax(1))):
        loss = PooledObjective(pool=pool, loss="categorical")(output, batch)
        torch.testing.assert_close(loss, F.cross_entropy(pooled, batch.weak_BC.argmax(1)))


@pytest.mark.parametrize(
    ("make", "changes", "message"),
    [
        (DAMConfig, {"num_heads": 3}, "width 16 is not a multiple of num_heads 3"),
        (DAMConfig, {"block": "other"}, "block should be one of plain, transformer"),
        (AVRBConfig, {"fusion_width": 0}, "fusion_width should be at least 1"),
        (CMANConfig, {"temperature": 0.0}, "temperature should be above 0, got 0"),
        (AVTConfig, {"num_heads": 5}, "not a multiple of num_heads 5"),
        (MPNConfig, {"num_heads": 5}, "not a multiple of num_heads 5"),
        (MPNConfig, {"dilation": 0}, "dilation should be at least 1, got 0"),
    ],
)
def test_impossible_networks_are_refused(make, changes, message):
    with pytest.raises(UserError, match=message):
        make(**{**TINY, **changes})


@pytest.mark.parametrize(
    "config", [DAMConfig, AVRBConfig, AVINConfig, CMANConfig, AVTConfig, MPNConfig]
)
def test_readers_of_its_timelines_learn_that_it_is_a_reconstruction(config):
    network = create_model(config(**TINY))
    assert any("reconstruction" in note for note in network.notes)
    assert "reconstruction" in type(network).__doc__
    guessed = {"avrb-like": "AVRB-like", "avt-like": "AVT-like"}.get(config.architecture, "")
    assert guessed in type(network).__doc__
