"""The objectives of compared systems, against their formulas."""

import pytest
import torch

from mmpyramid.core.batch import Batch
from mmpyramid.core.errors import UserError
from mmpyramid.models.network import Encoded, Localized, Pooled
from mmpyramid.problems.localization.losses import SegmentObjective, segment_loss, similarity_loss
from mmpyramid.problems.parsing.losses import CompletenessObjective, SparseObjective, VideoObjective

EVERY = torch.ones(1, 2, dtype=torch.bool)
SCORE_BTC = torch.tensor([[[1.0, -2.0, 0.5], [0.3, 0.4, -1.0]]])
SEGMENT_BT = torch.tensor([[2, 0]])


def localized(similarity_BT=None):
    return Localized(SCORE_BTC, similarity_BT=similarity_BT)


def batch(mask_BT=EVERY):
    present_BM = torch.ones(1, 2, dtype=torch.bool)
    weak_BC = torch.tensor([[1.0, 0.0, 0.0]])
    return Batch(
        streams={}, mask_BT=mask_BT, present_BM=present_BM, weak_BC=weak_BC, segment_BT=SEGMENT_BT
    )


def test_soft_margin_is_the_cross_entropy_of_the_sigmoid_of_a_probability():
    probability = torch.sigmoid(SCORE_BTC.softmax(-1))
    label = torch.tensor([[[0.0, 0.0, 1.0], [1.0, 0.0, 0.0]]])
    expected = -(label * probability.log() + (1 - label) * (1 - probability).log()).mean()
    torch.testing.assert_close(SegmentObjective()(localized(), batch()), expected)


def test_cross_entropy_is_the_mean_surprise():
    log_prob = SCORE_BTC.log_softmax(-1)
    expected = -(log_prob[0, 0, 2] + log_prob[0, 1, 0]) / 2
    actual = segment_loss(SCORE_BTC, SEGMENT_BT, EVERY, "cross-entropy")
    torch.testing.assert_close(actual, expected)


@pytest.mark.parametrize("loss", ["soft-margin", "cross-entropy"])
def test_padding_costs_nothing(loss):
    alone = segment_loss(SCORE_BTC[:, :1], SEGMENT_BT[:, :1], EVERY[:, :1], loss)
    padded = segment_loss(SCORE_BTC, SEGMENT_BT, torch.tensor([[True, False]]), loss)
    torch.testing.assert_close(padded, alone)


def test_similarity_is_asked_for_in_the_event_only():
    """Shares 0.5, 0.25, 0, 0.25 of the similarity; the event shares 1 between two segments."""
    similarity_BT = torch.tensor([[0.4, 0.2, -0.7, 0.2, 0.9]])
    happens_BT = torch.tensor([[True, False, False, True, True]])
    mask_BT = torch.tensor([[True, True, True, True, False]])
    expected = (0.0**2 + 0.25**2 + 0.0**2 + 0.25**2) / 4
    actual = similarity_loss(similarity_BT, happens_BT, mask_BT)
    torch.testing.assert_close(actual, torch.tensor(expected))


def test_a_clip_of_background_asks_for_no_similarity():
    nothing = torch.zeros(1, 2, dtype=torch.bool)
    loss = similarity_loss(torch.tensor([[0.3, 0.1]]), nothing, EVERY)
    assert loss.item() == pytest.approx((0.75**2 + 0.25**2) / 2)


def test_psp_adds_both_losses():
    objective = SegmentObjective(loss="cross-entropy", similarity_weight=100.0)
    similarity_BT = torch.tensor([[0.3, 0.1]])
    expected = segment_loss(SCORE_BTC, SEGMENT_BT, EVERY, "cross-entropy")
    expected = expected + 100 * similarity_loss(similarity_BT, SEGMENT_BT != 2, EVERY)
    torch.testing.assert_close(objective(localized(similarity_BT), batch()), expected)
    with pytest.raises(UserError, match="needs a network that compares both modalities"):
        objective(localized(), batch())


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"supervision": "weak"}, "learned from full supervision"),
        ({"similarity_weight": -1.0}, "similarity-weight should be 0 or more, got -1"),
    ],
)
def test_impossible_objectives_are_refused(changes, message):
    with pytest.raises(UserError, match=message):
        SegmentObjective(**changes)


def pooled(side_BTD, video_BC):
    """What a network that sees only gives to its objective."""
    features_BTMD = torch.stack((torch.zeros_like(side_BTD), side_BTD), dim=2)
    return Pooled(torch.empty(0), torch.empty(0), video_BC, Encoded(features_BTMD, features_BTMD))


def weak_batch(mask_BT):
    present_BM = torch.ones(len(mask_BT), 2, dtype=torch.bool)
    weak_BC = torch.tensor([[0.0, 1.0], [1.0, 0.0]])
    return Batch(streams={}, mask_BT=mask_BT, present_BM=present_BM, weak_BC=weak_BC)


MASK_BT = torch.tensor([[True, True, True], [True, True, False]])
VIDEO_BC = torch.tensor([[0.3, 0.6], [0.9, 0.2]])
SURPRISE = -(torch.tensor([0.7, 0.6, 0.9, 0.8]).log().mean())


def test_the_video_objective_is_the_cross_entropy_of_its_classes():
    loss = VideoObjective()(pooled(torch.empty(2, 3, 0), VIDEO_BC), weak_batch(MASK_BT))
    torch.testing.assert_close(loss, SURPRISE)


def test_sparsity_is_the_sum_of_the_attention_of_existing_segments():
    logit_BT = torch.tensor([[0.0, 1.0, -1.0], [2.0, 0.0, 9.0]])
    side_BTD = torch.cat((torch.randn(2, 3, 2), logit_BT[..., None]), dim=-1)
    loss = SparseObjective(sparsity_weight=0.5)(pooled(side_BTD, VIDEO_BC), weak_batch(MASK_BT))
    first, second = logit_BT[0].sigmoid().sum(), logit_BT[1, :2].sigmoid().sum()
    torch.testing.assert_close(loss, SURPRISE + 0.5 * (first + second) / 2)


def test_completeness_wants_branches_of_one_size_at_different_times():
    """Written out over videos, classes and branches."""
    num_branches, num_classes = 3, 2
    generator = torch.Generator().manual_seed(0)
    side_BTD = torch.randn(2, 3, num_branches * num_classes + 1, generator=generator)
    output, batch = pooled(side_BTD, VIDEO_BC), weak_batch(MASK_BT)
    loss = CompletenessObjective(diversity_weight=0.2)(output, batch)
    diversity, norm = [], []
    for row, length in enumerate((3, 2)):
        score_TKC = side_BTD[row, :length, :-1].view(length, num_branches, num_classes)
        prob_TKC = score_TKC.softmax(-1)
        for c in range(num_classes):
            size_K = score_TKC[..., c].abs().mean(0)
            norm += [(size - size_K.mean()).abs() for size in size_K]
            tracks = prob_TKC[..., c].T
            pairs = [
                torch.cosine_similarity(tracks[a], tracks[b], dim=0)
                for a in range(num_branches)
                for b in range(num_branches)
                if a != b
            ]
            diversity.append(torch.stack(pairs).mean())
    expected = SURPRISE + 0.2 * (torch.stack(diversity).mean() + torch.stack(norm).mean())
    torch.testing.assert_close(loss, expected, atol=1e-5, rtol=1e-5)
