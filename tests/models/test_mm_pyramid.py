"""The network: lengths, masks, modalities, prediction."""

import numpy as np
import pytest
import torch

from mmpyramid.errors import UserError
from mmpyramid.models import MMPyramid, MMPyramidConfig
from mmpyramid.models.attention import TransformerLayer
from mmpyramid.models.base import window_starts

TINY = {
    "labels": ("Dog", "Cat", "Car"),
    "audio_streams": {"ear": 5},
    "visual_streams": {"eye": 6, "flow": 4},
    "width": 16,
    "num_heads": 4,
}
WIDTHS = {"ear": 5, "eye": 6, "flow": 4}


def tiny(**changes) -> MMPyramid:
    torch.manual_seed(0)
    return MMPyramid(MMPyramidConfig(**{**TINY, **changes})).eval()


def video(length, seed=0):
    rng = np.random.default_rng(seed)
    return {n: rng.normal(size=(length, w)).astype(np.float32) for n, w in WIDTHS.items()}


def test_the_default_is_the_released_network():
    with torch.device("meta"):
        network = MMPyramid(MMPyramidConfig(tied_initialization=False))
    assert sum(p.numel() for p in network.parameters()) == 40_827_469


@pytest.mark.parametrize("length", [1, 7, 10, 40])
@torch.no_grad()
def test_padding_changes_no_real_segment(length):
    network, features = tiny(context=100), video(length)
    alone = network({n: torch.from_numpy(x)[None] for n, x in features.items()})
    padded_streams, longer = {}, length + 13
    for name, values in features.items():
        padded_streams[name] = torch.full((1, longer, WIDTHS[name]), 77.0)
        padded_streams[name][0, :length] = torch.from_numpy(values)
    mask = torch.arange(longer)[None] < length
    padded = network(padded_streams, mask)
    torch.testing.assert_close(padded.prob_BTMC[:, :length], alone.prob_BTMC, atol=1e-6, rtol=1e-5)
    torch.testing.assert_close(padded.video_BC, alone.video_BC, atol=1e-6, rtol=1e-5)
    torch.testing.assert_close(padded.stream_BMC, alone.stream_BMC, atol=1e-6, rtol=1e-5)


def test_a_mixed_batch_gives_what_single_videos_give():
    network, videos = tiny(), [video(10, 1), video(3, 2), video(25, 3)]
    for alone, together in zip(map(network.predict, videos), network.predict(videos), strict=True):
        np.testing.assert_allclose(together.audio, alone.audio, atol=1e-5)
        np.testing.assert_allclose(together.visual, alone.visual, atol=1e-5)
        np.testing.assert_allclose(together.video, alone.video, atol=1e-5)


def test_prediction_of_the_trained_length_is_the_forward_pass():
    network, features = tiny(), video(10)
    scores = network.predict(features)
    with torch.no_grad():
        pooled = network({n: torch.from_numpy(x)[None] for n, x in features.items()})
    np.testing.assert_allclose(scores.audio, pooled.prob_BTMC[0, :, 0], atol=1e-6)
    np.testing.assert_allclose(scores.visual, pooled.prob_BTMC[0, :, 1], atol=1e-6)
    np.testing.assert_allclose(scores.video, pooled.video_BC[0], atol=1e-6)
    np.testing.assert_allclose(scores.video_visual, pooled.stream_BMC[0, 1], atol=1e-6)
    assert scores.local_video is None


def test_long_videos_get_local_video_probabilities():
    network = tiny()
    scores = network.predict(video(300))
    assert scores.local_video.shape == (300, 3)
    np.testing.assert_allclose(scores.local_video.max(0), scores.video)
    far = video(300)
    for values in far.values():
        values[200:] = 0
    again = network.predict(far)
    reach = sum(network.config.windows) * 2 + 2 * network.context
    np.testing.assert_allclose(again.audio[: 200 - reach], scores.audio[: 200 - reach], atol=1e-5)
    assert np.abs(again.audio[200:] - scores.audio[200:]).max() > 1e-3


def test_window_starts_cover_everything():
    for length in range(1, 60):
        covered = {s for start in window_starts(length, 10) for s in range(start, start + 10)}
        assert set(range(length)) <= covered
        assert max(window_starts(length, 10)) == max(0, length - 10)


def test_an_absent_modality_is_never_perceived():
    network = tiny()
    silent = {name: values for name, values in video(10).items() if name != "ear"}
    scores = network.predict(silent)
    assert scores.audio.max() == scores.video_audio.max() == 0
    assert scores.visual.min() > 0
    np.testing.assert_allclose(scores.video, scores.video_visual, atol=1e-6)


def test_a_frame_stream_is_averaged_to_segments():
    network, features = tiny(), video(10)
    frames = {**features, "eye": np.repeat(features["eye"], 8, axis=0)}
    np.testing.assert_allclose(
        network.predict(frames).visual, network.predict(features).visual, atol=1e-5
    )


def test_swapped_streams_exchange_what_is_read_as_audio():
    features = video(10)
    right, swapped = tiny().predict(features), tiny(swap_streams=True).predict(features)
    np.testing.assert_array_equal(right.audio, swapped.visual)
    np.testing.assert_array_equal(right.visual, swapped.audio)
    np.testing.assert_allclose(right.video, swapped.video, atol=1e-6)


def test_tied_initialization_copies_layers():
    layers = [m for m in tiny().pyramid.modules() if isinstance(m, TransformerLayer)]
    for layer in layers:
        assert torch.equal(layer.attention.query.weight, layer.attention.output.weight)
        assert torch.equal(layer.feed_forward[0].weight, layers[0].feed_forward[0].weight)
    untied = tiny(tied_initialization=False).pyramid.units[0].audio_attention.attention
    assert not torch.equal(untied.query.weight, untied.key.weight)


def test_every_parameter_learns():
    network = tiny(tied_initialization=False).train()
    pooled = network({n: torch.randn(4, 10, w) for n, w in WIDTHS.items()})
    (pooled.video_BC.sum() + pooled.stream_BMC.square().sum()).backward()
    idle = [n for n, p in network.named_parameters() if p.grad is None or not p.grad.any()]
    assert idle == []


def test_bf16_autocast_keeps_probabilities_in_float32():
    network = tiny()
    streams = {n: torch.randn(2, 10, w) for n, w in WIDTHS.items()}
    with torch.no_grad(), torch.autocast("cpu", dtype=torch.bfloat16):
        pooled = network(streams)
    assert pooled.video_BC.dtype == torch.float32
    with torch.no_grad():
        torch.testing.assert_close(pooled.video_BC, network(streams).video_BC, atol=0.02, rtol=0)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"width": 15}, "no multiple of num_heads"),
        ({"windows": ()}, "one or more sizes"),
        ({"visual_streams": {}}, "needs an audio stream"),
        ({"visual_streams": {"ear": 5}}, "listed as both"),
    ],
)
def test_impossible_networks_are_refused(changes, message):
    with pytest.raises(UserError, match=message):
        tiny(**changes)


@pytest.mark.parametrize(
    ("features", "message"),
    [
        ({"nose": np.zeros((10, 3), np.float32)}, "the network reads `ear`, `eye`, `flow`"),
        ({"eye": np.zeros((10, 6), np.float32)}, "also needs `flow`"),
        ({**video(10), "ear": np.zeros((10, 7), np.float32)}, "another extractor"),
        ({**video(10), "ear": np.zeros((13, 5), np.float32)}, "no multiple of the 10"),
    ],
)
def test_wrong_features_are_refused(features, message):
    with pytest.raises(UserError, match=message):
        tiny().predict(features)
