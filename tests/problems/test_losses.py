"""The loss and the learning rate, against their definitions."""

import pytest
import torch

from mmpyramid.core.batch import Batch
from mmpyramid.models.network import Pooled
from mmpyramid.problems.parsing.losses import (
    EPSILON,
    GuidedObjective,
    smooth,
    stream_target,
)


def guided(pooled, weak_BC, modality_BMC=None, **settings):
    every = torch.ones(len(weak_BC), 2, dtype=torch.bool)
    batch = Batch(
        streams={}, mask_BT=every, present_BM=every, weak_BC=weak_BC, modality_BMC=modality_BMC
    )
    return GuidedObjective(**settings)(pooled, batch)


def test_smoothing_goes_to_one_half():
    assert smooth(torch.tensor([0.0, 1.0]), 0.9).tolist() == pytest.approx([0.05, 0.95])
    assert smooth(torch.tensor([0.0, 1.0]), 1.0).tolist() == [0.0, 1.0]


def test_the_loss_is_the_sum_of_three_cross_entropies():
    stream_BMC = torch.tensor([[[0.2, 0.7], [0.6, 0.1]]])
    video_BC, weak_BC = torch.tensor([[0.4, 0.9]]), torch.tensor([[0.0, 1.0]])

    def entropy(p, y):
        return -(y * p.log() + (1 - y) * (1 - p).log()).mean()

    expected = (
        entropy(stream_BMC[:, 0], weak_BC)
        + entropy(stream_BMC[:, 1], torch.tensor([[0.05, 0.95]]))
        + entropy(video_BC, weak_BC)
    )
    loss = guided(Pooled(torch.empty(0), stream_BMC, video_BC), weak_BC)
    torch.testing.assert_close(loss, expected)


def test_certain_mistakes_cost_a_finite_amount():
    wrong = Pooled(torch.empty(0), torch.ones(1, 2, 1), torch.ones(1, 1))
    loss = guided(wrong, torch.zeros(1, 1), visual_smoothing=1.0)
    assert loss.item() == pytest.approx(-3 * torch.log(torch.tensor(EPSILON)).item(), rel=0.05)


def test_a_class_that_is_not_in_a_modality_is_a_target_of_zero_without_smoothing():
    weak_BC, present_BC = torch.tensor([[1.0, 1.0, 0.0]]), torch.tensor([[1.0, 0.0, 0.0]])
    target_BC = stream_target(weak_BC, 0.9, present_BC)
    assert target_BC.tolist() == [pytest.approx([0.95, 0.0, 0.05])]


def test_refined_labels_reach_their_own_stream_only():
    pooled = Pooled(torch.empty(0), torch.full((1, 2, 1), 0.3), torch.full((1, 1), 0.4))
    weak_BC, modality_BMC = torch.ones(1, 1), torch.tensor([[[0.0], [1.0]]])
    plain = guided(pooled, weak_BC, visual_smoothing=1.0)
    refined = guided(pooled, weak_BC, visual_smoothing=1.0, modality_BMC=modality_BMC)
    difference = torch.tensor(0.3).log() - torch.tensor(0.7).log()
    assert (refined - plain).item() == pytest.approx(difference.item(), abs=1e-6)
