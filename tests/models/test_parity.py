"""Our networks give the released numbers, whose origin tests/reference/README.md tells."""

from collections.abc import Callable, Iterator, Mapping
from functools import partial
from itertools import cycle, islice
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
import pytest
import torch
from torch import Tensor

from mmpyramid.core.batch import Batch, collate
from mmpyramid.models import ParsingConfig, ParsingNetwork, create_model
from mmpyramid.models.convert import convert_han, convert_mm_pyramid, read_official
from mmpyramid.models.convert.parsing import han_names, mm_pyramid_names
from mmpyramid.models.network import Pooled
from mmpyramid.problems.parsing.losses import GuidedObjective, contrastive_loss
from reference import made_up, released, released_han

REFERENCE = Path(__file__).parents[1] / "reference"
OUTPUT_TOLERANCE = {"float32": 1e-5, "float64": 1e-11}
LOSS_TOLERANCE = {"float32": 1e-4, "float64": 1e-11}
"""Relative; ours differ from the released ones by 4e-6 and 3e-16 where those were made."""

EXACTNESS = pytest.mark.parametrize("dtype", ["float32", "float64"])


def streams_of(inputs: tuple[Tensor, Tensor, Tensor], dtype: str) -> dict[str, Tensor]:
    vggish, resnet152, r2plus1d = (tensor.to(getattr(torch, dtype)) for tensor in inputs)
    pooled = resnet152.unflatten(1, (made_up.NUM_SEGMENTS, 8)).mean(2)
    return {"vggish": vggish, "resnet152": pooled, "r2plus1d_18": r2plus1d}


def named(pooled: Pooled) -> dict[str, np.ndarray]:
    outputs = {
        "video": pooled.video_BC,
        "video_audio": pooled.stream_BMC[:, 0],
        "video_visual": pooled.stream_BMC[:, 1],
        "audio": pooled.prob_BTMC[:, :, 0],
        "visual": pooled.prob_BTMC[:, :, 1],
    }
    return {name: tensor.numpy() for name, tensor in outputs.items()}


class ParityTests:
    """What is compared for every release."""

    release: ClassVar[str]
    state_dict: ClassVar[Callable[[float], dict[str, Tensor]]]
    convert: ClassVar[Callable[[Mapping[str, Tensor]], tuple[ParsingConfig, dict[str, Tensor]]]]
    audio_index: ClassVar[int] = 0
    """Which of the two released streams is our audio."""
    num_entries: ClassVar[int]
    num_parameters: ClassVar[int]

    @property
    def golden(self) -> Mapping[str, np.ndarray]:
        return np.load(REFERENCE / f"{self.release}_released.npz")

    @pytest.fixture(scope="class")
    @classmethod
    def checkpoint(cls, tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[str, Tensor]]:
        """The made-up official checkpoint, as read from a file on disk."""
        path = tmp_path_factory.mktemp("official") / "model.pt"
        torch.save(cls.state_dict(1.0), path)
        yield read_official(path)
        path.unlink()

    def converted(self, checkpoint: dict[str, Tensor], dtype: str = "float32") -> ParsingNetwork:
        config, weights = self.convert(checkpoint)
        with torch.device("meta"):  # 41 million random numbers need not be drawn first
            network = create_model(config)
        network.load_state_dict(weights, assign=True)
        return network.to(getattr(torch, dtype)).eval()

    def expected(self, dtype: str) -> dict[str, np.ndarray]:
        """The released outputs under our names."""
        names = ("global_prob", "a_prob", "v_prob", "frame_prob")
        video, *streams, frame = (self.golden[f"{name}_{dtype}"] for name in names)
        audio, visual = self.audio_index, 1 - self.audio_index
        return {
            "video": video,
            "video_audio": streams[audio],
            "video_visual": streams[visual],
            "audio": frame[:, :, audio],
            "visual": frame[:, :, visual],
        }

    def test_golden_probabilities_are_spread(self):
        frame = self.golden["frame_prob_float64"]
        assert frame.std() > 0.2
        assert ((frame > 0.05) & (frame < 0.95)).mean() > 0.85
        assert np.abs(frame[:, :, 0] - frame[:, :, 1]).mean() > 0.1

    def test_number_of_parameters(self, checkpoint):
        network = self.converted(checkpoint)
        assert len(checkpoint) == self.num_entries
        assert sum(parameter.numel() for parameter in network.parameters()) == self.num_parameters

    @EXACTNESS
    @torch.no_grad()
    def test_every_output_equals_the_released_one(self, checkpoint, dtype):
        actual = named(self.converted(checkpoint, dtype)(streams_of(made_up.inputs(), dtype)))
        for name, expected in self.expected(dtype).items():
            np.testing.assert_allclose(
                actual[name], expected, rtol=0, atol=OUTPUT_TOLERANCE[dtype], err_msg=name
            )

    def test_predict_equals_the_released_outputs(self, checkpoint):
        """From features as files hold them, 80 frames of ResNet-152 for each video."""
        network = self.converted(checkpoint)
        streams = dict(zip(network.streams, (x.numpy() for x in made_up.inputs()), strict=True))
        videos = [{name: x[row] for name, x in streams.items()} for row in range(2)]
        assert collate(videos, network.inputs).streams["resnet152"].shape == (2, 10, 2048)
        for row, scores in enumerate(network.predict(videos)):
            for name, expected in self.expected("float32").items():
                np.testing.assert_allclose(
                    getattr(scores, name), expected[row], rtol=0, atol=1e-5, err_msg=name
                )


class TrainingParityTests(ParityTests):
    """Besides, first gradients tensor by tensor, and losses over 20 steps of Adam."""

    learning_rate: ClassVar[float]
    tensor_names: ClassVar[Mapping[str, tuple[str, ...]]]

    def losses(self, pooled: Pooled, weak_BC: Tensor) -> list[Tensor]:
        every = torch.ones(len(weak_BC), 2, dtype=torch.bool)
        batch = Batch(streams={}, mask_BT=every, present_BM=every, weak_BC=weak_BC)
        return [GuidedObjective()(pooled, batch)]

    @pytest.mark.slow
    @EXACTNESS
    def test_training_takes_the_released_path(self, dtype):
        network = self.converted(self.state_dict(made_up.TRAINING_SCALE), dtype)
        optimizer = torch.optim.Adam(network.parameters(), lr=self.learning_rate, fused=True)
        terms: list[list[float]] = []
        gradients: dict[str, Tensor] = {}
        for inputs, target in islice(cycle(made_up.batches()), made_up.NUM_STEPS):
            optimizer.zero_grad()
            pooled = network(streams_of(inputs, dtype))
            parts = self.losses(pooled, target.to(getattr(torch, dtype)))
            torch.stack(parts).sum().backward()
            gradients = gradients or {n: p.grad.clone() for n, p in network.named_parameters()}
            optimizer.step()
            terms.append([part.item() for part in parts])
        expected = self.golden[f"loss_{dtype}"]
        np.testing.assert_allclose(terms, expected, rtol=LOSS_TOLERANCE[dtype])
        assert expected[-1, 0] < 0.8 * expected[0, 0], "something should be learned"
        self.compare_gradients(gradients, dtype)

    def compare_gradients(self, gradients: dict[str, Tensor], dtype: str) -> None:
        names = [str(name) for name in self.golden[f"gradient_name_{dtype}"]]
        assert sorted(names) == sorted(self.tensor_names)
        norms = [
            torch.cat([gradients[part] for part in self.tensor_names[name]]).norm().item()
            for name in names
        ]
        rtol, atol = {"float32": (1e-3, 1e-6), "float64": (1e-9, 1e-11)}[dtype]
        expected = self.golden[f"gradient_norm_{dtype}"]
        np.testing.assert_allclose(norms, expected, rtol=rtol, atol=atol)


class MMPyramidParity:
    release = "mm_pyramid"
    state_dict = staticmethod(released.state_dict)
    num_entries, num_parameters = 394, 40_827_469


class TestMMPyramid(MMPyramidParity, ParityTests):
    """Its streams put right; index 0 of the released ones is the visual one."""

    convert = staticmethod(convert_mm_pyramid)
    audio_index = 1


class TestMMPyramidWithSwappedStreams(MMPyramidParity, TrainingParityTests):
    convert = staticmethod(partial(convert_mm_pyramid, swap_streams=True))
    learning_rate = 1e-4
    tensor_names: ClassVar[dict[str, Any]] = {
        theirs: (ours,) for theirs, ours in mm_pyramid_names(released.NUM_UNITS).items()
    }


class TestHAN(TrainingParityTests):
    release = "han"
    state_dict = staticmethod(released_han.state_dict_han)
    convert = staticmethod(convert_han)
    num_entries, num_parameters = 74, 4_569_675
    learning_rate = 3e-4
    tensor_names = han_names()


class TestMA(TestHAN):
    """HAN with the contrastive loss: audio after its layer, visual before it."""

    release = "ma"
    state_dict = staticmethod(released_han.state_dict_ma)
    num_entries = 98

    def losses(self, pooled: Pooled, weak_BC: Tensor) -> list[Tensor]:
        assert pooled.encoded is not None
        audio_BTD = pooled.encoded.fused_BTMD[:, :, 0]
        visual_BTD = pooled.encoded.projected_BTMD[:, :, 1]
        every_BT = torch.ones(audio_BTD.shape[:2], dtype=torch.bool)
        contrastive = contrastive_loss(audio_BTD, visual_BTD, every_BT)
        return [*super().losses(pooled, weak_BC), contrastive]
