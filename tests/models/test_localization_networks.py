"""Localization networks: lengths, masks, decisions, the two heads of MM-Pyramid on AVE."""

import numpy as np
import pytest
import torch

from mmpyramid.core import Modality
from mmpyramid.core.errors import UserError
from mmpyramid.models import MMPyramidAVE, MMPyramidAVEConfig
from mmpyramid.models.localization import (
    AudioGuidedAttention,
    event_probabilities,
    overlap_mean,
)
from mmpyramid.models.network import Localized
from mmpyramid.problems import decode
from mmpyramid.problems.localization.problem import predicted_classes

LABELS = ("Bell", "Bark", "Bus")
WIDTHS = {"ear": (5,), "eye": (2, 3, 6)}


def tiny(**changes) -> MMPyramidAVE:
    torch.manual_seed(0)
    settings = {
        "labels": LABELS,
        "audio_streams": {"ear": 5},
        "visual_streams": {"eye": 6},
        "width": 16,
        "map_size": (2, 3),
    }
    return MMPyramidAVE(MMPyramidAVEConfig(**{**settings, **changes})).eval()


def video(length, seed=0):
    rng = np.random.default_rng(seed)
    return {n: rng.normal(size=(length, *w)).astype(np.float32) for n, w in WIDTHS.items()}


def batched(features):
    return {name: torch.from_numpy(values)[None] for name, values in features.items()}


@pytest.mark.parametrize("head", ["category", "fused"])
@torch.no_grad()
def test_padding_changes_no_real_segment(head):
    network, features = tiny(head=head), video(7)
    alone = network(batched(features))
    padded = {
        name: torch.cat((values, torch.full((1, 4, *WIDTHS[name]), 9.0)), dim=1)
        for name, values in batched(features).items()
    }
    together = network(padded, torch.arange(11)[None] < 7)
    close = {"atol": 1e-6, "rtol": 1e-5}
    torch.testing.assert_close(together.relevance_BT[:, :7], alone.relevance_BT, **close)
    torch.testing.assert_close(together.category_BC, alone.category_BC, **close)
    torch.testing.assert_close(together.score_BTC[:, :7], alone.score_BTC, **close)


@torch.no_grad()
def test_scores_of_the_category_head_are_a_distribution_over_classes_and_background():
    output = tiny()(batched(video(4)))
    torch.testing.assert_close(output.score_BTC.sum(-1), torch.ones(1, 4))
    torch.testing.assert_close(output.score_BTC[..., 3], torch.sigmoid(-output.relevance_BT))
    assert tiny(head="fused")(batched(video(4))).category_BC.shape == (1, 4)


def test_a_long_video_is_scored_in_windows_and_decoded_to_one_category_at_a_time():
    network = tiny(context=10)
    scores = network.predict(video(23))
    assert scores.relevance.shape == (23,)
    assert scores.local_category.shape == (23, 3)
    assert scores.unit_weights.shape == (23, 2, 4)
    alone = network.predict({name: values[:5] for name, values in video(23).items()})
    assert alone.local_category is None
    timeline = decode(scores)
    assert all(event.modality is Modality.AUDIO_VISUAL for event in timeline)
    covered = sum(event.duration for event in timeline)
    assert covered == np.count_nonzero(scores.relevance > 0.5)


def test_the_two_decisions():
    output = Localized(
        score_BTC=torch.tensor([[[0.1, 0.5, 0.4], [0.1, 0.2, 0.7]]]),
        relevance_BT=torch.tensor([[-0.1, 0.1]]),
        category_BC=torch.tensor([[2.0, 1.0]]),
    )
    every_BT = torch.ones(1, 2, dtype=torch.bool)
    assert predicted_classes(output, 2, every_BT)[0].tolist() == [[1, 2]]
    assert predicted_classes(output, 2, every_BT)[1].tolist() == [[2, 0]]
    says_background = output._replace(category_BC=torch.tensor([[2.0, 1.0, 3.0]]))
    assert predicted_classes(says_background, 2, every_BT)[1].tolist() == [[2, 2]]


def test_a_network_without_the_two_heads_is_read_by_its_softmax():
    output = Localized(score_BTC=torch.tensor([[[4.0, 0.0, 0.0], [0.0, 0.0, 4.0]]]))
    every_BT = torch.ones(1, 2, dtype=torch.bool)
    relevance_BT, category_BC = event_probabilities(output, 2, every_BT)
    assert relevance_BT[0, 0] > 0.9 > 0.1 > relevance_BT[0, 1]
    torch.testing.assert_close(category_BC.sum(-1), torch.ones(1))
    assert predicted_classes(output, 2, every_BT)[1].tolist() == [[0, 2]]


def test_both_rules_find_the_same_segments_of_a_network_without_the_two_heads():
    score_BTC = torch.randn(16, 10, 29, generator=torch.Generator().manual_seed(0))
    argmax_BT, two_head_BT = predicted_classes(
        Localized(score_BTC), 28, torch.ones(16, 10, dtype=torch.bool)
    )
    assert 0 < (argmax_BT == 28).sum() < argmax_BT.size
    assert ((argmax_BT == 28) == (two_head_BT == 28)).all()


def test_segments_of_background_say_little_about_the_category():
    """The one segment with an event is outnumbered by background that faintly suggests another."""
    background = [0.0, 3.0, 9.0]
    score_BTC = torch.tensor([[[4.0, 0.0, 0.0], background, background]])
    _, category_BC = event_probabilities(Localized(score_BTC), 2, torch.ones(1, 3).bool())
    assert category_BC[0, 0] > 0.9


def test_padding_has_no_part_in_the_category_of_a_network_without_the_two_heads():
    score_BTC = torch.tensor([[[2.0, 1.0, 0.0], [3.0, 0.0, 0.0], [0.0, 9.0, 0.0]]])
    alone = event_probabilities(Localized(score_BTC[:, :2]), 2, torch.ones(1, 2).bool())
    mask_BT = torch.tensor([[True, True, False]])
    padded = event_probabilities(Localized(score_BTC), 2, mask_BT)
    torch.testing.assert_close(padded[1], alone[1])
    assert predicted_classes(Localized(score_BTC), 2, mask_BT)[1][0, 1] == 0


def test_overlapping_windows_are_averaged():
    windows = torch.tensor([[1.0, 1.0, 1.0], [4.0, 4.0, 4.0]])
    assert overlap_mean(windows, [0, 2], 5).tolist() == [1, 1, 2.5, 4, 4]


@torch.no_grad()
def test_audio_guided_attention_is_the_published_formula():
    attention = AudioGuidedAttention(3, 6, num_positions=4, hidden_width=8)
    audio_BTD, map_BTHWD = torch.randn(1, 2, 3), torch.randn(1, 2, 2, 2, 6)
    for t in range(2):
        v = map_BTHWD[0, t].reshape(4, 6)
        left = attention.visual_score(attention.visual(v).relu())
        right = attention.audio_score(attention.audio(audio_BTD[0, t]).relu())
        rows = [torch.tanh(left[k] + right[k]) for k in range(4)]
        weights = torch.stack([attention.output(row)[0] for row in rows]).softmax(0)
        expected = sum(weights[k] * v[k] for k in range(4))
        torch.testing.assert_close(attention(audio_BTD, map_BTHWD)[0, t], expected)


@pytest.mark.parametrize("grid", [(), (3, 3)])
def test_a_map_of_another_size_is_refused(grid):
    features = {"ear": np.ones((3, 5), "f4"), "eye": np.ones((3, *grid, 6), "f4")}
    with pytest.raises(UserError, match=r"map_size \(2, 3\), got"):
        tiny().predict(features)


def test_features_without_positions_need_no_map():
    network = tiny(visual_streams={"flat": 6, "flow": 4}, map_size=None)
    flat = {"ear": np.ones((3, 5), np.float32), "flat": np.ones((3, 6), np.float32)}
    scores = network.predict({**flat, "flow": np.ones((3, 4), np.float32)})
    assert scores.category.shape == (3,)
    with pytest.raises(UserError, match="set map_size to None"):
        tiny(visual_streams={"flat": 6, "flow": 4})
