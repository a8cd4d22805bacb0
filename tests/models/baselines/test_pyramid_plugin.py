"""MM-Pyramid's encoder in front of other networks: an identity that learns."""

import pytest
import torch
from tester import LABELS, LocalizationTester, ParsingTester

from mmpyramid.core.errors import UserError
from mmpyramid.models import PyramidConfig, create_model
from mmpyramid.models.baselines.cmran import CMRANConfig
from mmpyramid.models.baselines.psp import PSPConfig
from mmpyramid.models.han import HANConfig
from mmpyramid.models.network import Network
from mmpyramid.models.pyramid_plugin import (
    CMRANPyramidConfig,
    HANPyramidConfig,
    PSPPyramidConfig,
    PyramidPlugin,
)
from mmpyramid.problems.localization.losses import DecomposedObjective, SegmentObjective
from mmpyramid.problems.parsing.losses import GuidedObjective

TINY = {
    "labels": LABELS,
    "audio_streams": {"ear": 5},
    "visual_streams": {"eye": 6},
    "width": 16,
}
CMRAN = {**TINY, "feed_forward_width": 16}
PSP = {**TINY, "attention_width": 8, "map_size": (2, 3), "head_width": 8}
PART = {"pyramid": PyramidConfig(windows=(1, 3))}


class Plugged:
    """A network whose part is no identity any more, as after a step."""

    def network(self) -> Network:
        network = super().network()
        for layer in (network.plugin.audio_output, network.plugin.visual_output):
            torch.nn.init.normal_(layer.weight, std=0.1)
        return network


class TestHANPyramid(Plugged, ParsingTester):
    config = HANPyramidConfig(**TINY, **PART)
    objective = GuidedObjective()

    # Softmax does not see what a bias of the keys adds to all scores of a query.
    def test_every_parameter_learns(self):
        network, batch = self.network().train(), self.batch(6, 10)
        self.objective(network(batch.streams), batch).backward()
        idle = [n for n, p in network.named_parameters() if p.grad is None or not p.grad.any()]
        assert [name for name in idle if not name.endswith("key.bias")] == []

    # HAN attends to all of a video, however long it is.
    def test_a_long_video_keeps_far_things_apart(self):
        network, features = self.network(), self.video(47)
        before = network.predict(features)
        for values in features.values():
            values[40:] = 0
        assert abs(network.predict(features).audio[0] - before.audio[0]).max() > 1e-6


class TestCMRANPyramid(Plugged, LocalizationTester):
    config = CMRANPyramidConfig(**CMRAN, **PART)
    objective = DecomposedObjective()


class TestPSPPyramid(Plugged, LocalizationTester):
    config = PSPPyramidConfig(**PSP, **PART)
    objective = SegmentObjective(loss="cross-entropy", similarity_weight=100.0)


@pytest.mark.parametrize(
    ("alone", "plugged", "tester"),
    [
        (HANConfig(**TINY), HANPyramidConfig(**TINY, **PART), TestHANPyramid),
        (CMRANConfig(**CMRAN), CMRANPyramidConfig(**CMRAN, **PART), TestCMRANPyramid),
        (PSPConfig(**PSP), PSPPyramidConfig(**PSP, **PART), TestPSPPyramid),
    ],
)
@torch.no_grad()
def test_trained_weights_keep_what_they_know_behind_a_new_part(alone, plugged, tester):
    trained, network = create_model(alone).eval(), create_model(plugged).eval()
    missing, unexpected = network.load_state_dict(trained.state_dict(), strict=False)
    assert {name.split(".")[0] for name in missing} == {"plugin"}
    assert unexpected == []
    streams = tester().streams(2, 10)
    for before, after in zip(trained(streams), network(streams), strict=True):
        if isinstance(before, torch.Tensor):
            torch.testing.assert_close(after, before, rtol=0, atol=0)


def test_the_part_learns_from_the_second_step_on():
    plugin = PyramidPlugin(3, 4, width=8)
    optimizer = torch.optim.SGD(plugin.parameters(), lr=0.1)
    audio, visual = torch.randn(2, 6, 3), torch.randn(2, 6, 4)
    before = plugin.audio_input.weight.clone()
    moved = []
    for _ in range(2):
        optimizer.zero_grad()
        sum(out.square().mean() for out in plugin(audio, visual)).backward()
        optimizer.step()
        moved.append(not torch.equal(plugin.audio_input.weight, before))
    assert moved == [False, True]


@torch.no_grad()
def test_padding_is_not_read():
    plugin = PyramidPlugin(3, 4, width=8).eval()
    for layer in (plugin.audio_output, plugin.visual_output):
        torch.nn.init.normal_(layer.weight)
    audio, visual = torch.randn(1, 9, 3), torch.randn(1, 9, 4)
    mask = torch.arange(9)[None] < 5
    for padded, alone in zip(
        plugin(audio, visual, mask), plugin(audio[:, :5], visual[:, :5]), strict=True
    ):
        torch.testing.assert_close(padded[:, :5], alone)


def test_a_width_that_heads_cannot_share_is_refused():
    with pytest.raises(UserError, match="width 12 is not a multiple of num_heads 8"):
        PyramidPlugin(3, 4, width=12)
    with pytest.raises(UserError, match="width 12 is not a multiple"):
        HANPyramidConfig(**{**TINY, "width": 12})
