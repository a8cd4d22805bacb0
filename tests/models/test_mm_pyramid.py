"""MM-Pyramid, with every part that can be chosen; what is special about it."""

from typing import Any, get_args

import numpy as np
import pytest
import torch
from parsing_network_tests import ParsingNetworkTests, batch_of, video

from mmpyramid.core.errors import UserError
from mmpyramid.models import MMPyramid, MMPyramidConfig, PyramidConfig
from mmpyramid.models.attention import TransformerLayer
from mmpyramid.models.mm_pyramid import Block, DilatedBlock, Fusion
from mmpyramid.models.network import window_starts

PARTS = [
    *({"block": name} for name in get_args(Block)),
    *({"fusion": name} for name in get_args(Fusion)),
    {"share_cross_attention": False},
    {"tied_initialization": False},
    {"windows": (1, 3)},
    {"causal": True},
    {"positions": True},
]


class TestMMPyramid(ParsingNetworkTests):
    config_class = MMPyramidConfig
    num_parameters = 40_827_469

    @pytest.fixture(params=PARTS, ids=str)
    def settings(self, request: pytest.FixtureRequest) -> dict[str, Any]:
        return {"pyramid": PyramidConfig(num_heads=4, **request.param)}


def tiny(*, swap_streams: bool = False, **parts: Any) -> MMPyramid:
    network = TestMMPyramid().make(
        pyramid=PyramidConfig(num_heads=4, **parts), swap_streams=swap_streams
    )
    assert isinstance(network, MMPyramid)
    return network


def test_a_segment_depends_on_what_its_windows_reach():
    network, near, far = tiny(), video(300), video(300)
    for values in far.values():
        values[200:] = 0
    reach = sum(network.config.pyramid.windows) * 2 + 2 * network.context
    before, after = network.predict(near), network.predict(far)
    np.testing.assert_allclose(after.audio[: 200 - reach], before.audio[: 200 - reach], atol=1e-5)
    assert np.abs(after.audio[200:] - before.audio[200:]).max() > 1e-3


def test_window_starts_cover_everything():
    for length in range(1, 60):
        covered = {s for start in window_starts(length, 10) for s in range(start, start + 10)}
        assert set(range(length)) <= covered
        assert max(window_starts(length, 10)) == max(0, length - 10)


def test_swapped_streams_exchange_what_is_read_as_audio():
    features = video(10)
    right, swapped = tiny().predict(features), tiny(swap_streams=True).predict(features)
    np.testing.assert_allclose(right.audio, swapped.visual, atol=1e-6)
    np.testing.assert_allclose(right.visual, swapped.audio, atol=1e-6)
    np.testing.assert_allclose(right.video, swapped.video, atol=1e-6)


@pytest.mark.parametrize("fusion", ["semantic", "selective", "average", "last"])
def test_weights_of_units_are_given_where_units_are_weighed(fusion):
    weights = tiny(fusion=fusion).predict(video(25)).unit_weights
    if fusion in ("average", "last"):
        assert weights is None
    else:
        assert weights.shape == (25, 2, 4)
        assert 0 < weights.min() < weights.max() < 1


def test_separate_cross_attention_is_one_layer_more_in_each_unit():
    def count(**parts: Any) -> int:
        return sum(isinstance(m, TransformerLayer) for m in tiny(**parts).modules())

    assert count(share_cross_attention=False) == count() + 4


def test_tied_initialization_copies_layers():
    encoder = tiny().encoder
    layers = [m for m in encoder.pyramid.modules() if isinstance(m, TransformerLayer)]
    for layer in layers:
        assert torch.equal(layer.attention.query.weight, layer.attention.output.weight)
        assert torch.equal(layer.feed_forward[0].weight, layers[0].feed_forward[0].weight)
    audio, visual = encoder.audio_fusion.unit_attention, encoder.visual_fusion.unit_attention
    assert torch.equal(audio.feed_forward[0].weight, visual.feed_forward[0].weight)
    untied = tiny(tied_initialization=False).encoder.pyramid.units[0].audio_attention.attention
    assert not torch.equal(untied.query.weight, untied.key.weight)


@pytest.mark.parametrize("windows", [(), (0, 1)])
def test_impossible_windows_are_refused(windows):
    with pytest.raises(UserError, match="one or more sizes"):
        tiny(windows=windows)


def test_a_width_that_the_heads_cannot_share_is_refused():
    with pytest.raises(UserError, match="width 15 is not a multiple of num_heads 8"):
        MMPyramidConfig(width=15)


@pytest.mark.parametrize("parts", [{}, {"causal": True}, {"positions": True}], ids=str)
def test_a_long_video_in_pieces_is_the_video_as_a_whole(parts, monkeypatch):
    network, features = tiny(**parts), video(230)
    whole = network.predict(features)
    monkeypatch.setattr("mmpyramid.models.parsing.PIECE", 50)
    in_pieces = network.predict(features)
    for name in ("audio", "visual", "video", "local_video", "video_audio", "unit_weights"):
        np.testing.assert_allclose(
            getattr(in_pieces, name), getattr(whole, name), atol=1e-6, err_msg=name
        )


def test_the_encoder_reaches_no_further_than_it_says():
    network, near = tiny(), video(200)
    far = {name: values.copy() for name, values in near.items()}
    reach = network.encoder_reach
    assert reach == 30
    for values in far.values():
        values[100 + reach + 1 :] += 1
    before, after = (network(batch_of(features)).encoded.fused_BTMD for features in (near, far))
    torch.testing.assert_close(after[:, :101], before[:, :101], atol=1e-6, rtol=0)
    assert not torch.equal(after[:, 101 : 101 + reach], before[:, 101 : 101 + reach])


@torch.no_grad()
def test_a_causal_block_reads_nothing_that_comes_later():
    every = torch.ones(1, 9, dtype=torch.bool)
    x, later = torch.randn(1, 9, 4), torch.zeros(1, 9, 4)
    later[:, 5:] = 1
    for is_causal in (False, True):
        block = DilatedBlock(4, 2, "residual", causal=is_causal)
        before, after = block(x, every)[:, :5], block(x + later, every)[:, :5]
        assert torch.equal(before, after) == is_causal


def test_positions_tell_equal_segments_apart():
    features = {name: np.repeat(values[:1], 10, axis=0) for name, values in video(1).items()}
    for has_positions in (False, True):
        audio_TC = tiny(positions=has_positions, block="none").predict(features).audio
        assert np.allclose(audio_TC, audio_TC[:1], atol=1e-6) != has_positions
