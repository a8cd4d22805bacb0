"""The compared networks of event localization."""

from typing import ClassVar

import numpy as np
import pytest
import torch
from tester import LABELS, LocalizationTester

from mmpyramid.core.errors import UserError
from mmpyramid.models.baselines.avel import AVELConfig
from mmpyramid.models.baselines.avsdn import AVSDNConfig
from mmpyramid.models.baselines.cmran import CMRANConfig
from mmpyramid.models.baselines.psp import PSPConfig
from mmpyramid.models.registry import create_model
from mmpyramid.problems.localization.losses import (
    DecomposedObjective,
    PooledObjective,
    SegmentObjective,
)

STREAMS = {"labels": LABELS, "audio_streams": {"ear": 5}, "visual_streams": {"eye": 6}}
CMRAN = {**STREAMS, "width": 16, "feed_forward_width": 16}
GUIDED = {**STREAMS, "width": 16, "attention_width": 8, "map_size": (2, 3)}
NARROW = {**GUIDED, "head_width": 8}


class TestCMRAN(LocalizationTester):
    config = CMRANConfig(**CMRAN)
    objective = DecomposedObjective()


class TestWeakCMRAN(LocalizationTester):
    config = CMRANConfig(**CMRAN, head="fused", interaction_heads=2)
    objective = PooledObjective()


class TestCMRANWithoutMap(LocalizationTester):
    config = CMRANConfig(**CMRAN)
    objective = DecomposedObjective()
    grids: ClassVar = {}

    # One position has all the weight, whatever the layers in front of the softmax say.
    def test_every_parameter_learns(self):
        network, batch = self.network().train(), self.batch(6, 10)
        self.objective(network(batch.streams), batch).backward()
        idle = {n for n, p in network.named_parameters() if p.grad is None or not p.grad.any()}
        assert {name.split(".")[1] for name in idle} == {
            "spatial",
            "spatial_audio",
            "spatial_visual",
        }


class TestPSP(LocalizationTester):
    config = PSPConfig(**NARROW)
    objective = SegmentObjective(loss="cross-entropy", similarity_weight=100.0)


class TestProportionPSP(LocalizationTester):
    config = PSPConfig(**NARROW, design="weak", threshold=0.095)
    objective = PooledObjective(supervision="proportion", pool="mean", loss="cross-entropy")
    seed = 1  # from others the ReLU before the weight of segments may be 0 everywhere, as released


class TestAVEL(LocalizationTester):
    config = AVELConfig(**NARROW)
    objective = SegmentObjective()


class TestAVELWithoutMap(LocalizationTester):
    config = AVELConfig(**{**NARROW, "map_size": None})
    objective = PooledObjective()
    grids: ClassVar = {}


class TestDMRN(LocalizationTester):
    config = AVELConfig(**NARROW, fusion="residual")
    objective = SegmentObjective()


class TestAVSDN(LocalizationTester):
    config = AVSDNConfig(**GUIDED)
    objective = DecomposedObjective()


class TestWeakAVSDN(LocalizationTester):
    config = AVSDNConfig(**GUIDED, head="fused")
    objective = PooledObjective()


def test_propagation_keeps_what_exceeds_the_threshold():
    propagation = create_model(PSPConfig(**NARROW, threshold=0.25)).propagation
    kept = propagation.kept(torch.tensor([[[1.0, 2.0, 1.0], [0.0, 0.0, 0.0], [9.0, 0.0, 1.0]]]))
    expected = torch.tensor([[[0.0, 1.0, 0.0], [0.0, 0.0, 0.0], [1.0, 0.0, 0.0]]])
    torch.testing.assert_close(kept, expected)
    weak = create_model(PSPConfig(**NARROW, design="weak", threshold=0.25)).propagation
    kept = weak.kept(torch.tensor([[[1.0, 2.0, 1.0], [9.0, 0.0, 1.0]]]))
    torch.testing.assert_close(kept, torch.tensor([[[0.0, 0.5, 0.0], [0.9, 0.0, 0.0]]]))


@pytest.mark.parametrize(
    ("make", "changes", "message"),
    [
        (CMRANConfig, {"audio_streams": {"ear": 5, "nose": 3}}, "takes one audio and one visual"),
        (CMRANConfig, {"width": 18}, "width 18 is not a multiple of num_heads 4"),
        (CMRANConfig, {"interaction_heads": 3}, "not a multiple of interaction_heads 3"),
        (AVELConfig, {"width": 15}, "width should be even"),
        (PSPConfig, {"threshold": 1.0}, "threshold should be in"),
    ],
)
def test_impossible_networks_are_refused(make, changes, message):
    with pytest.raises(UserError, match=message):
        make(**{**STREAMS, "width": 16, **changes})


@pytest.mark.parametrize("grid", [(), (3, 3)])
def test_a_map_of_another_size_is_refused(grid):
    network = create_model(AVELConfig(**NARROW))
    features = {"ear": np.zeros((4, 5), "f4"), "eye": np.zeros((4, *grid, 6), "f4")}
    with pytest.raises(UserError, match=r"map_size \(2, 3\), got"):
        network.predict(features)
