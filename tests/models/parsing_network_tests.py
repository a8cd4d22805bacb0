"""What every parsing network keeps to: inherit, name the config, and say what is special beside it.

class TestMine(ParsingNetworkTests):
    config_class = MineConfig
    num_parameters = 1_234_567
"""

import json
from typing import Any, ClassVar

import numpy as np
import pytest
import torch
from torch import Tensor

from mmpyramid import load_pretrained
from mmpyramid.core.errors import UserError
from mmpyramid.models import ParsingConfig, ParsingNetwork, create_model, save_pretrained

LABELS = ("Dog", "Cat", "Car")
WIDTHS = {"ear": 5, "eye": 6, "flow": 4}
WITHOUT_EFFECT = ("key.bias", "head.time_attention.bias", "head.modality_attention.bias")
"""A softmax gives the same whatever is added to all of its scores; these add to all."""


def video(length: int, seed: int = 0) -> dict[str, np.ndarray]:
    rng = np.random.default_rng(seed)
    return {n: rng.normal(size=(length, w)).astype(np.float32) for n, w in WIDTHS.items()}


def batch_of(features: dict[str, np.ndarray]) -> dict[str, Tensor]:
    return {name: torch.from_numpy(values)[None] for name, values in features.items()}


def padded(features: dict[str, np.ndarray], num_more: int) -> tuple[dict[str, Tensor], Tensor]:
    """A batch of one video with something odd behind its end, and the mask that tells so."""
    length = len(next(iter(features.values())))
    streams = {n: torch.full((1, length + num_more, w), 77.0) for n, w in WIDTHS.items()}
    for name, values in features.items():
        streams[name][0, :length] = torch.from_numpy(values)
    return streams, torch.arange(length + num_more)[None] < length


class ParsingNetworkTests:
    config_class: ClassVar[type[ParsingConfig]]
    num_parameters: ClassVar[int]
    """Of the network with its default configuration."""

    @pytest.fixture
    def settings(self) -> dict[str, Any]:
        """What differs from the defaults of the configuration, to make it small."""
        return {}

    def make(self, **settings: Any) -> ParsingNetwork:
        streams = {"audio_streams": {"ear": 5}, "visual_streams": {"eye": 6, "flow": 4}}
        defaults = {"labels": LABELS, "width": 16, **streams}
        torch.manual_seed(0)
        return create_model(self.config_class(**{**defaults, **settings})).eval()

    @pytest.fixture
    def network(self, settings: dict[str, Any]) -> ParsingNetwork:
        return self.make(**settings)

    def test_size_of_the_default_network(self):
        with torch.device("meta"):
            network = create_model(self.config_class())
        assert sum(p.numel() for p in network.parameters()) == self.num_parameters

    @pytest.mark.parametrize("length", [1, 7, 10, 200])
    @torch.no_grad()
    def test_forward_gives_probabilities_at_any_length(self, network, length):
        pooled = network({n: torch.randn(2, length, w) for n, w in WIDTHS.items()})
        assert pooled.prob_BTMC.shape == (2, length, 2, 3)
        assert pooled.stream_BMC.shape == (2, 2, 3)
        assert pooled.video_BC.shape == (2, 3)
        assert pooled.encoded.fused_BTMD.shape == (2, length, 2, 16)
        assert pooled.encoded.projected_BTMD.shape == (2, length, 2, 16)
        for prob in pooled[:3]:
            assert prob.min() > 0
            assert prob.max() <= 1

    def test_every_parameter_learns(self, network):
        pooled = network({n: torch.randn(4, 10, w) for n, w in WIDTHS.items()})
        (pooled.video_BC.sum() + pooled.stream_BMC.square().sum()).backward()
        idle = [
            name
            for name, parameter in network.named_parameters()
            if parameter.grad is None
            or (parameter.grad.abs().max() < 1e-6 and not name.endswith(WITHOUT_EFFECT))
        ]
        assert idle == []

    @pytest.mark.parametrize("length", [1, 7, 120])
    def test_padding_changes_neither_scores_nor_gradients(self, network, length):
        features = video(length)
        found = []
        for streams, mask in (padded(features, 0), padded(features, 13)):
            pooled = network(streams, mask)
            network.zero_grad()
            (pooled.video_BC.square().sum() + pooled.stream_BMC.sum()).backward()
            gradients = [parameter.grad.clone() for parameter in network.parameters()]
            scores = pooled.prob_BTMC[:, :length], pooled.stream_BMC, pooled.video_BC
            found.append([*scores, *gradients])
        for alone, with_padding in zip(*found, strict=True):
            torch.testing.assert_close(with_padding, alone, atol=1e-5, rtol=1e-4)

    def test_a_mixed_batch_gives_what_single_videos_give(self, network):
        videos = [video(10, 1), video(3, 2), video(25, 3)]
        alone, together = map(network.predict, videos), network.predict(videos)
        for one, other in zip(alone, together, strict=True):
            for name in ("audio", "visual", "video", "video_audio", "video_visual"):
                np.testing.assert_allclose(getattr(one, name), getattr(other, name), atol=1e-5)

    def test_prediction_of_the_trained_length_is_the_forward_pass(self, network):
        features = video(10)
        scores = network.predict(features)
        with torch.no_grad():
            pooled = network(batch_of(features))
        np.testing.assert_allclose(scores.audio, pooled.prob_BTMC[0, :, 0], atol=1e-6)
        np.testing.assert_allclose(scores.visual, pooled.prob_BTMC[0, :, 1], atol=1e-6)
        np.testing.assert_allclose(scores.video, pooled.video_BC[0], atol=1e-6)
        np.testing.assert_allclose(scores.video_audio, pooled.stream_BMC[0, 0], atol=1e-6)
        np.testing.assert_allclose(scores.video_visual, pooled.stream_BMC[0, 1], atol=1e-6)
        assert scores.labels == LABELS
        assert scores.local_video is None

    def test_long_videos_get_local_video_probabilities(self, network):
        scores = network.predict(video(300))
        assert scores.audio.shape == scores.local_video.shape == (300, 3)
        np.testing.assert_array_equal(scores.local_video.max(0), scores.video)
        assert scores.local_video.std(0).max() > 0

    def test_an_absent_modality_is_never_perceived(self, network):
        silent = {name: values for name, values in video(10).items() if name != "ear"}
        scores = network.predict(silent)
        assert scores.audio.max() == scores.video_audio.max() == 0
        assert scores.visual.min() > 0
        np.testing.assert_allclose(scores.video, scores.video_visual, atol=1e-6)

    def test_a_frame_stream_is_averaged_to_segments(self, network):
        features = video(10)
        frames = {**features, "eye": np.repeat(features["eye"], 8, axis=0)}
        np.testing.assert_allclose(
            network.predict(frames).visual, network.predict(features).visual, atol=1e-5
        )

    def test_prediction_is_repeatable_and_leaves_the_mode_alone(self, network):
        network.train()
        first, second = network.predict(video(10)), network.predict(video(10))
        np.testing.assert_array_equal(first.audio, second.audio)
        assert network.training
        streams = batch_of(video(10))
        assert not torch.equal(network(streams).video_BC, network(streams).video_BC), "dropout"

    def test_bf16_autocast_keeps_probabilities_in_float32(self, network):
        streams = batch_of(video(10))
        with torch.no_grad(), torch.autocast("cpu", dtype=torch.bfloat16):
            pooled = network(streams)
        assert pooled.video_BC.dtype == torch.float32
        with torch.no_grad():
            exact = network(streams)
        torch.testing.assert_close(pooled.video_BC, exact.video_BC, atol=0.03, rtol=0)

    def test_saved_and_loaded_it_is_the_same_network(self, network, tmp_path):
        loaded = load_pretrained(save_pretrained(network, tmp_path / "model"))
        assert type(loaded) is type(network)
        assert loaded.config == network.config
        assert (loaded.labels, loaded.streams) == (LABELS, WIDTHS)
        features = video(25)
        np.testing.assert_array_equal(
            loaded.predict(features).audio, network.predict(features).audio
        )

    def test_the_configuration_survives_json(self, network):
        written = json.loads(json.dumps(network.config.to_dict()))
        assert self.config_class.from_dict(written) == network.config

    def test_the_network_keeps_its_own_configuration(self, settings):
        network = self.make(**settings)
        again = create_model(network.config)
        network.config.labels = ("Bird",)
        assert again.labels == LABELS

    @pytest.mark.parametrize(
        ("changes", "message"),
        [
            ({"visual_streams": {}}, "needs an audio stream"),
            ({"visual_streams": {"ear": 5}}, "listed as both"),
            ({"labels": ()}, "and a label"),
            ({"width": 0}, "should be at least 1"),
            ({"context": 0}, "should be at least 1"),
        ],
    )
    def test_impossible_networks_are_refused(self, changes, message):
        with pytest.raises(UserError, match=message):
            self.make(**changes)

    @pytest.mark.parametrize(
        ("features", "message"),
        [
            ({"nose": np.zeros((10, 3), np.float32)}, "the network reads `ear`, `eye`, `flow`"),
            ({"eye": np.zeros((10, 6), np.float32)}, "also needs `flow`"),
            ({**video(10), "ear": np.zeros((10, 7), np.float32)}, "another extractor"),
            ({**video(10), "ear": np.zeros((13, 5), np.float32)}, "not a multiple of the 10"),
            ({**video(10), "ear": np.zeros((10, 2, 2, 5), np.float32)}, r"got \(2, 2, 5\) each"),
        ],
    )
    def test_wrong_features_are_refused(self, network, features, message):
        with pytest.raises(UserError, match=message):
            network.predict(features)
