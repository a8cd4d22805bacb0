"""HAN, and what is special about it."""

import numpy as np
import pytest
import torch
from parsing_network_tests import ParsingNetworkTests, video
from torch import nn

from mmpyramid.core.errors import UserError
from mmpyramid.models import HANConfig
from mmpyramid.models.han import HANLayer


class TestHAN(ParsingNetworkTests):
    config_class = HANConfig
    num_parameters = 4_569_675


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
    with pytest.raises(UserError, match="width 16 is no multiple of num_heads 3"):
        TestHAN().make(num_heads=3)
