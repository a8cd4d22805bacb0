"""What every compared network has to do, whatever it is made of.

A test class names a tiny configuration and an objective, and inherits the rest.
"""

from typing import Any, ClassVar, NamedTuple

import numpy as np
import torch
from torch import Tensor

from mmpyramid.core.batch import Batch, Streams
from mmpyramid.models import Network, NetworkConfig, create_model, load_pretrained, save_pretrained
from mmpyramid.problems import Objective

LABELS = ("Dog", "Cat", "Car")
GARBAGE = 77.0


def tensors(output: NamedTuple) -> dict[str, Tensor]:
    """What a network gives, by name; the letters after the last underscore are its axes."""
    return {n: x for n, x in output._asdict().items() if isinstance(x, Tensor)}


def first_segments(name: str, value: Tensor, length: int) -> Tensor:
    axes = name.rpartition("_")[2]
    return value.narrow(axes.index("T"), 0, length) if "T" in axes else value


class BaselineTester:
    """Lengths, masks, modalities, gradients, prediction, files."""

    config: ClassVar[NetworkConfig]
    objective: ClassVar[Objective]
    grids: ClassVar[dict[str, tuple[int, ...]]] = {}
    """Height and width of the streams that have them."""
    seed: ClassVar[int] = 0

    @property
    def inputs(self) -> Streams:
        return self.config.inputs

    def network(self) -> Network[Any, Any]:
        torch.manual_seed(self.seed)
        return create_model(self.config).eval()

    def streams(self, num_videos: int, length: int, seed: int = 0) -> dict[str, Tensor]:
        generator = torch.Generator().manual_seed(seed)
        return {
            name: torch.randn(
                num_videos, length, *self.grids.get(name, ()), width, generator=generator
            )
            for name, width in self.inputs.widths.items()
        }

    def video(self, length: int, seed: int = 0) -> dict[str, np.ndarray]:
        return {name: values[0].numpy() for name, values in self.streams(1, length, seed).items()}

    def batch(self, num_videos: int, length: int) -> Batch:
        """Random features, and labels of the objective's task."""
        localization = self.objective.problem == "localization"
        num_classes = len(self.config.labels)
        category_B = torch.arange(num_videos) % num_classes
        segment_BT = category_B[:, None].repeat(1, length)
        segment_BT[:, : length // 3] = num_classes
        one_hot = torch.nn.functional.one_hot(category_B, num_classes + localization)
        return Batch(
            streams=self.streams(num_videos, length),
            mask_BT=torch.ones(num_videos, length, dtype=torch.bool),
            present_BM=torch.ones(num_videos, 2, dtype=torch.bool),
            weak_BC=one_hot.float(),
            segment_BT=segment_BT if localization else None,
        )

    @torch.no_grad()
    def test_padding_changes_no_real_segment(self):
        network = self.network()
        for length in (1, 7, 10):
            streams, padded = self.streams(2, length), {}
            for name, values in streams.items():
                padded[name] = torch.full((2, length + 6, *values.shape[2:]), GARBAGE)
                padded[name][:, :length] = values
            alone = tensors(network(streams))
            mask_BT = (torch.arange(length + 6) < length).expand(2, -1)
            for name, value in tensors(network(padded, mask_BT)).items():
                actual = first_segments(name, value, length)
                torch.testing.assert_close(actual, alone[name], atol=1e-5, rtol=1e-5, msg=name)

    @torch.no_grad()
    def test_videos_of_different_lengths_do_not_touch(self):
        network, short, long = self.network(), self.streams(1, 4, seed=1), self.streams(1, 9)
        mask_BT = torch.arange(9)[None] < torch.tensor([[4], [9]])
        both = {}
        for name, values in long.items():
            both[name] = torch.cat((torch.full_like(values, GARBAGE), values))
            both[name][0, :4] = short[name][0]
        together = tensors(network(both, mask_BT))
        for row, (alone, length) in enumerate(((short, 4), (long, 9))):
            for name, expected in tensors(network(alone)).items():
                actual = first_segments(name, together[name][row : row + 1], length)
                torch.testing.assert_close(actual, expected, atol=1e-5, rtol=1e-5, msg=name)

    @torch.no_grad()
    def test_an_absent_modality_is_not_read(self):
        network, streams = self.network(), self.streams(2, 5)
        present_BM = torch.tensor([[True, False], [False, True]])
        emptied = {name: values.clone() for name, values in streams.items()}
        for row, side in ((0, self.inputs.visual), (1, self.inputs.audio)):
            for name in side:
                emptied[name][row] = 0
        mask_BT = torch.ones(2, 5, dtype=torch.bool)
        expected = tensors(network(emptied, mask_BT, present_BM))
        for name, value in tensors(network(streams, mask_BT, present_BM)).items():
            torch.testing.assert_close(value, expected[name], atol=1e-6, rtol=1e-6, msg=name)

    @torch.no_grad()
    def test_the_order_of_a_batch_does_not_matter(self):
        network, streams, order = self.network(), self.streams(3, 6), torch.tensor([2, 0, 1])
        turned = tensors(network({name: values[order] for name, values in streams.items()}))
        for name, value in tensors(network(streams)).items():
            torch.testing.assert_close(turned[name], value[order], msg=name)

    def test_every_parameter_learns(self):
        network, batch = self.network().train(), self.batch(6, 10)
        output = network(batch.streams, batch.mask_BT, batch.present_BM)
        self.objective(output, batch).backward()
        idle = [n for n, p in network.named_parameters() if p.grad is None or not p.grad.any()]
        assert idle == []

    @torch.no_grad()
    def test_bf16_is_near(self):
        network, streams = self.network(), self.streams(2, 10)
        expected = tensors(network(streams))
        with torch.autocast("cpu", dtype=torch.bfloat16):
            output = tensors(network(streams))
        for name, value in output.items():
            torch.testing.assert_close(
                value.float(), expected[name], atol=0.05, rtol=0.05, msg=name
            )

    def test_a_checkpoint_gives_the_same(self, tmp_path):
        network, features = self.network(), self.video(10)
        save_pretrained(network, tmp_path)
        restored = load_pretrained(tmp_path)
        assert type(restored) is type(network)
        assert restored.config == network.config
        expected, actual = network.predict(features), restored.predict(features)
        for name in self.scores:
            np.testing.assert_array_equal(getattr(actual, name), getattr(expected, name))

    def test_a_long_video_keeps_far_things_apart(self):
        """The same weights score 47 segments; a change at the end leaves the start alone."""
        network, features = self.network(), self.video(47)
        before = network.predict(features)
        for values in features.values():
            values[40:] = 0
        after = network.predict(features)
        for name in self.per_segment:
            assert getattr(before, name).shape[0] == 47
            start, end = slice(0, 20), slice(40, 47)
            expected = getattr(before, name)
            np.testing.assert_allclose(getattr(after, name)[start], expected[start], atol=1e-6)
            assert np.abs(getattr(after, name)[end] - expected[end]).max() > 1e-4, name

    scores: ClassVar[tuple[str, ...]]
    """What a prediction of this task holds."""
    per_segment: tuple[str, ...]
    """What it holds for every segment of a long video."""


class LocalizationTester(BaselineTester):
    """Event localization: segments of one category or background."""

    grids: ClassVar = {"eye": (2, 3)}
    scores = ("relevance", "category")
    per_segment = ("relevance", "local_category")

    @torch.no_grad()
    def test_scores_have_a_column_for_the_background(self):
        for length in (1, 10, 23):
            output = self.network()(self.streams(2, length))
            assert output.score_BTC.shape == (2, length, len(LABELS) + 1)

    def test_prediction_holds_probabilities(self):
        scores = self.network().predict(self.video(10))
        assert scores.labels == LABELS
        assert scores.local_category is None
        assert 0 <= scores.relevance.min() <= scores.relevance.max() <= 1
        assert scores.category.min() > 0
        assert scores.category.sum() <= 1 + 1e-6


class ParsingTester(BaselineTester):
    """Parsing: what is heard and what is seen."""

    scores = ("audio", "visual", "video", "video_audio", "video_visual")
    perceived: ClassVar[tuple[str, ...]] = ("audio", "visual")
    """The modalities that the network perceives."""

    @property
    def per_segment(self) -> tuple[str, ...]:
        return self.perceived

    @torch.no_grad()
    def test_probabilities_lie_between_0_and_1(self):
        for length in (1, 10, 23):
            pooled = self.network()(self.streams(2, length))
            assert pooled.prob_BTMC.shape == (2, length, 2, len(LABELS))
            assert pooled.stream_BMC.shape == (2, 2, len(LABELS))
            assert pooled.video_BC.shape == (2, len(LABELS))
            for value in tensors(pooled).values():
                assert 0 <= value.min() <= value.max() <= 1

    def test_what_is_not_perceived_has_probability_0(self):
        scores = self.network().predict(self.video(10))
        for modality in ("audio", "visual"):
            segments, video = getattr(scores, modality), getattr(scores, f"video_{modality}")
            if modality in self.perceived:
                assert segments.min() > 0
                assert video.min() > 0
            else:
                assert segments.max() == video.max() == 0

    def test_a_missing_modality_is_never_perceived(self):
        network, features = self.network(), self.video(10)
        silent = {n: x for n, x in features.items() if n not in self.inputs.audio}
        blind = {n: x for n, x in features.items() if n not in self.inputs.visual}
        assert network.predict(silent).audio.max() == 0
        assert network.predict(blind).visual.max() == 0

    def test_long_videos_get_local_video_probabilities(self):
        scores = self.network().predict(self.video(47))
        assert scores.local_video.shape == (47, len(LABELS))
        np.testing.assert_allclose(scores.local_video.max(0), scores.video)
