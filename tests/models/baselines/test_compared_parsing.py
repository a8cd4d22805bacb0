"""The compared networks of parsing."""

import pytest
import torch
from tester import LABELS, ParsingTester

from mmpyramid.core.errors import UserError
from mmpyramid.models.baselines.avel import AVELParserConfig
from mmpyramid.models.baselines.avsdn import AVSDNParserConfig
from mmpyramid.models.baselines.cmcs import CMCSConfig
from mmpyramid.models.baselines.kong import KongConfig
from mmpyramid.models.baselines.stpn import STPNConfig
from mmpyramid.models.baselines.talnet import TALNetConfig
from mmpyramid.models.registry import create_model
from mmpyramid.problems.parsing.losses import (
    CompletenessObjective,
    GuidedObjective,
    SparseObjective,
    VideoObjective,
)

TINY = {
    "labels": LABELS,
    "audio_streams": {"ear": 5},
    "visual_streams": {"eye": 6, "flow": 4},
    "width": 16,
}


class TestKong(ParsingTester):
    config = KongConfig(**TINY)
    objective = VideoObjective()
    perceived = ("audio",)

    def test_a_batch_of_one_segment_trains(self):
        """Where the last batch of an epoch is one video of a second, no variance can be taken."""
        network = create_model(self.config).train()
        streams = {"ear": torch.randn(1, 1, 5), "eye": torch.randn(1, 1, 6)}
        network({**streams, "flow": torch.randn(1, 1, 4)}).video_BC.sum().backward()
        norm = network.layers[0]
        assert norm.weight.grad.abs().sum() > 0
        assert norm.num_batches_tracked == 0, "its value is no statistic of the corpus"


class TestTALNet(ParsingTester):
    config = TALNetConfig(**TINY)
    objective = VideoObjective()
    perceived = ("audio",)


class TestSTPN(ParsingTester):
    config = STPNConfig(**TINY)
    objective = SparseObjective()
    perceived = ("visual",)


class TestAVELParser(ParsingTester):
    config = AVELParserConfig(**TINY, input_width=8, head_width=8)
    objective = GuidedObjective()


class TestAVSDNParser(ParsingTester):
    config = AVSDNParserConfig(**TINY, input_width=8, head_width=8)
    objective = GuidedObjective()


class TestCMCS(ParsingTester):
    config = CMCSConfig(**TINY)
    objective = CompletenessObjective()
    perceived = ("visual",)


@torch.no_grad()
def test_linear_softmax_weighs_probabilities_by_themselves():
    network = create_model(TALNetConfig(**TINY)).eval()
    pooled = network({name: torch.randn(2, 9, w) for name, w in network.streams.items()})
    prob_BTC = pooled.prob_BTMC[:, :, 0]
    expected = (prob_BTC**2).sum(1) / prob_BTC.sum(1)
    torch.testing.assert_close(pooled.video_BC, expected)


@torch.no_grad()
def test_sparse_pooling_is_a_linear_classifier_of_the_weighted_mean_feature():
    network = create_model(STPNConfig(**TINY)).eval()
    network.head.bias.uniform_(-1, 1)
    streams = {name: torch.randn(2, 9, width) for name, width in network.streams.items()}
    x_BTD = torch.cat((streams["eye"], streams["flow"]), dim=-1)
    attention_BTO = torch.sigmoid(network.attention(x_BTD))
    weight, bias = network.classifier.weight, network.head.bias
    pooled = network(streams)
    mean_BD = (attention_BTO * x_BTD).mean(1)
    torch.testing.assert_close(pooled.video_BC, torch.sigmoid(mean_BD @ weight.T + bias))
    activation_BTC = attention_BTO * torch.sigmoid(x_BTD @ weight.T + bias)
    torch.testing.assert_close(pooled.prob_BTMC[:, :, 1], activation_BTC)


@pytest.mark.parametrize("make", [TALNetConfig, AVELParserConfig, AVSDNParserConfig])
def test_an_odd_width_is_refused(make):
    with pytest.raises(UserError, match="should be even, got 15"):
        make(**{**TINY, "width": 15})
