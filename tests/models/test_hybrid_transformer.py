"""The hybrid transformer, and what is special about it."""

from typing import Any

import numpy as np
import pytest
import torch
from parsing_network_tests import ParsingNetworkTests, video

from mmpyramid.core.errors import UserError
from mmpyramid.models.hybrid_transformer import HybridTransformerConfig, positional_encoding


class TestHybridTransformer(ParsingNetworkTests):
    config_class = HybridTransformerConfig
    num_parameters = 8_253_003

    @pytest.fixture
    def settings(self) -> dict[str, Any]:
        return {"num_layers": 2, "num_heads": 4}


def test_segments_have_an_order():
    network, features = TestHybridTransformer().make(num_heads=4), video(10)
    reversed_ = network.predict({name: values[::-1].copy() for name, values in features.items()})
    assert np.abs(reversed_.audio[::-1] - network.predict(features).audio).max() > 1e-3


def test_positions_are_those_of_the_paper():
    position_TD = positional_encoding(50, torch.zeros(1, 1, 8, dtype=torch.float64))
    for position in (0, 3, 49):
        for pair in range(4):
            angle = position / 10_000 ** (2 * pair / 8)
            assert position_TD[position, 2 * pair].item() == pytest.approx(np.sin(angle))
            assert position_TD[position, 2 * pair + 1].item() == pytest.approx(np.cos(angle))


def test_positions_are_counted_in_float32():
    exact = positional_encoding(300, torch.zeros(1, 1, 16))
    in_bf16 = positional_encoding(300, torch.zeros(1, 1, 16, dtype=torch.bfloat16))
    assert in_bf16.dtype == torch.bfloat16
    assert torch.equal(in_bf16, exact.bfloat16())
    assert not torch.equal(in_bf16[256], in_bf16[257])


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"num_layers": 0}, "num_layers should be at least 1"),
        ({"num_heads": 3}, "width 16 is odd or not a multiple of 3"),
        ({"width": 7, "num_heads": 7}, "width 7 is odd"),
    ],
)
def test_impossible_sizes_are_refused(changes, message):
    with pytest.raises(UserError, match=message):
        TestHybridTransformer().make(**changes)
