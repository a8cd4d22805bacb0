"""HAN, and what is special about it."""

import numpy as np
import pytest
import torch
from parsing_network_tests import ParsingNetworkTests, batch_of, video
from torch import nn

from mmpyramid.core.errors import UserError
from mmpyramid.models import HANConfig
from mmpyramid.models.han import HANLayer


class TestHAN(ParsingNetworkTests):
    config_class = HANConfig
    num_parameters = 4_569_675


class TestHANWithLabelDecoder(ParsingNetworkTests):
    config_class = HANConfig
    num_parameters = TestHAN.num_parameters

    @pytest.fixture
    def settings(self):
        return {"head": "leap"}

    def test_segments_of_long_videos_do_not_depend_on_the_order_of_windows(self, network):
        """A label reads a window, so that a segment has the higher score of those it is in."""
        features = video(25)
        found = network.predict(features)
        with torch.no_grad():
            encoded = network.encode(batch_of(features), *everything(25))
            windows = {
                start: network.head(encoded.fused_BTMD[:, start : start + 10], *everything(10))
                for start in (0, 5, 10, 15)
            }
        for at in range(25):
            of = [p.prob_BTMC[0, at - s, 0] for s, p in windows.items() if s <= at < s + 10]
            np.testing.assert_allclose(found.audio[at], torch.stack(of).amax(0), atol=1e-6)


def everything(length):
    return torch.ones(1, length, dtype=torch.bool), torch.ones(1, 2, dtype=torch.bool)


def test_segments_have_no_order():
    network, features = TestHAN().make(), video(10)
    order = np.random.default_rng(5).permutation(10)
    shuffled = network.predict({name: values[order] for name, values in features.items()})
    straight = network.predict(features)
    np.testing.assert_allclose(shuffled.audio, straight.audio[order], atol=1e-6)
    np.testing.assert_allclose(shuffled.video, straight.video, atol=1e-6)


def test_fresh_attention_is_distributed_as_that_of_torch():
    """The release is made of `torch.nn.MultiheadAttention`."""
    torch.manual_seed(0)
    theirs, layer = nn.MultiheadAttention(512, 1), HANLayer(512, 1, dropout=0.1)
    parts = theirs.in_proj_weight.chunk(3)
    for ours in (layer.self_attention, layer.cross_attention):
        pairs = [*zip((ours.query, ours.key, ours.value), parts, strict=True)]
        for projection, weight in [*pairs, (ours.output, theirs.out_proj.weight)]:
            assert projection.weight.std().item() == pytest.approx(weight.std().item(), rel=0.01)
            assert projection.weight.max().item() == pytest.approx(weight.max().item(), rel=0.01)
            assert projection.weight.min().item() == pytest.approx(weight.min().item(), rel=0.01)
            assert not projection.bias.any()
    assert not theirs.in_proj_bias.any()
    assert not theirs.out_proj.bias.any()


def test_a_width_that_the_heads_cannot_share_is_refused():
    with pytest.raises(UserError, match="width 16 is not a multiple of num_heads 3"):
        TestHAN().make(num_heads=3)
