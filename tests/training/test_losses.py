"""The loss and the learning rate, against their definitions."""

import pytest
import torch

from mmpyramid.models.heads import Pooled
from mmpyramid.training.config import learning_rate_factor
from mmpyramid.training.losses import EPSILON, guided_loss, smooth


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
    loss = guided_loss(Pooled(torch.empty(0), stream_BMC, video_BC), weak_BC)
    torch.testing.assert_close(loss, expected)


def test_certain_mistakes_cost_a_finite_amount():
    wrong = Pooled(torch.empty(0), torch.ones(1, 2, 1), torch.ones(1, 1))
    loss = guided_loss(wrong, torch.zeros(1, 1), visual_smoothing=1.0)
    assert loss.item() == pytest.approx(-3 * torch.log(torch.tensor(EPSILON)).item(), rel=0.05)


def test_both_schedules():
    released = [learning_rate_factor("released", epoch) for epoch in (0, 9, 10, 20, 39)]
    assert released == pytest.approx([1, 1, 0.1, 0.01, 0.001])
    paper = [learning_rate_factor("paper", epoch) for epoch in (0, 9, 10, 39)]
    assert paper == [1, 1, 0.2, 0.2]
    assert learning_rate_factor("constant", 39) == 1
