"""Our network gives the released numbers, whose origin tests/reference/README.md tells."""

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import Tensor

from mmpyramid.data.batch import Streams, collate
from mmpyramid.models.convert import convert_mm_pyramid, read_official, tensor_names
from mmpyramid.models.heads import Pooled
from mmpyramid.models.mm_pyramid import MMPyramid
from mmpyramid.training.losses import guided_loss
from reference import released

GOLDEN = np.load(Path(__file__).parents[1] / "reference" / "mm_pyramid_released.npz")


@pytest.fixture(scope="module")
def checkpoint(tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[str, Tensor]]:
    """The made-up official checkpoint, as read from a file on disk."""
    path = tmp_path_factory.mktemp("official") / "MM_Pyramid.pt"
    torch.save(released.state_dict(), path)
    yield read_official(path)
    path.unlink()


def converted(checkpoint: dict[str, Tensor], *, swap_streams: bool) -> MMPyramid:
    config, weights = convert_mm_pyramid(checkpoint, swap_streams=swap_streams)
    with torch.device("meta"):  # 41 million random numbers need not be drawn first
        network = MMPyramid(config)
    network.load_state_dict(weights, assign=True)
    return network.eval()


def videos() -> list[dict[str, np.ndarray]]:
    """The two videos as feature files would give them, 80 frames of ResNet-152 each."""
    vggish, resnet152, r2plus1d = (tensor.numpy() for tensor in released.inputs())
    return [
        {"vggish": vggish[row], "resnet152": resnet152[row], "r2plus1d_18": r2plus1d[row]}
        for row in range(released.NUM_VIDEOS)
    ]


def streams_float64() -> dict[str, Tensor]:
    vggish, resnet152, r2plus1d = (tensor.double() for tensor in released.inputs())
    pooled = resnet152.unflatten(1, (released.NUM_SEGMENTS, 8)).mean(2)
    return {"vggish": vggish, "resnet152": pooled, "r2plus1d_18": r2plus1d}


def golden(dtype: str, *, swap_streams: bool) -> dict[str, np.ndarray]:
    """The released outputs under our names; index 0 of the released streams is the visual one."""
    names = ("global_prob", "a_prob", "v_prob", "frame_prob")
    video, first, second, frame = (GOLDEN[f"{name}_{dtype}"] for name in names)
    if swap_streams:
        audio, visual = (first, frame[:, :, 0]), (second, frame[:, :, 1])
    else:
        audio, visual = (second, frame[:, :, 1]), (first, frame[:, :, 0])
    return {
        "video": video,
        "video_audio": audio[0],
        "video_visual": visual[0],
        "audio": audio[1],
        "visual": visual[1],
    }


def named(pooled: Pooled) -> dict[str, np.ndarray]:
    outputs = {
        "video": pooled.video_BC,
        "video_audio": pooled.stream_BMC[:, 0],
        "video_visual": pooled.stream_BMC[:, 1],
        "audio": pooled.prob_BTMC[:, :, 0],
        "visual": pooled.prob_BTMC[:, :, 1],
    }
    return {name: tensor.numpy() for name, tensor in outputs.items()}


def assert_close(actual: dict[str, np.ndarray], golden: dict[str, np.ndarray], atol: float) -> None:
    for name, expected in golden.items():
        np.testing.assert_allclose(actual[name], expected, rtol=0, atol=atol, err_msg=name)


def test_golden_probabilities_are_spread():
    frame = GOLDEN["frame_prob_float64"]
    assert frame.std() > 0.2
    assert ((frame > 0.05) & (frame < 0.95)).mean() > 0.85
    assert np.abs(frame[:, :, 0] - frame[:, :, 1]).mean() > 0.1


def test_number_of_parameters(checkpoint):
    network = converted(checkpoint, swap_streams=False)
    assert len(checkpoint) == 394
    assert len(list(network.parameters())) == 306
    assert sum(parameter.numel() for parameter in network.parameters()) == 40_827_469


@pytest.mark.parametrize("swap_streams", [True, False])
@torch.no_grad()
def test_every_output_equals_the_released_one(checkpoint, swap_streams):
    network = converted(checkpoint, swap_streams=swap_streams)
    config = network.config
    inputs = Streams(audio=config.audio_streams, visual=config.visual_streams)
    batch = collate(videos(), inputs)
    actual = named(network(batch.streams, batch.mask_BT, batch.present_BM))
    assert_close(actual, golden("float32", swap_streams=swap_streams), atol=1e-5)


@pytest.mark.parametrize("swap_streams", [True, False])
@torch.no_grad()
def test_every_output_equals_the_released_one_in_float64(checkpoint, swap_streams):
    network = converted(checkpoint, swap_streams=swap_streams).double()
    actual = named(network(streams_float64()))
    assert_close(actual, golden("float64", swap_streams=swap_streams), atol=1e-11)


def test_predict_equals_the_released_outputs(checkpoint):
    network = converted(checkpoint, swap_streams=False)
    expected = golden("float32", swap_streams=False)
    for row, scores in enumerate(network.predict(videos())):
        actual = {name: getattr(scores, name) for name in expected}
        assert_close(actual, {n: values[row] for n, values in expected.items()}, atol=1e-5)


@pytest.mark.slow
def test_training_takes_the_released_path(checkpoint):
    """Same first gradients, tensor by tensor, and same losses over five steps of Adam."""
    network = converted(checkpoint, swap_streams=True).double()
    streams, target = streams_float64(), released.target().double()
    optimizer = torch.optim.Adam(network.parameters(), lr=1e-4)
    losses, norms = [], {}
    for _ in GOLDEN["loss"]:
        optimizer.zero_grad()
        loss = guided_loss(network(streams), target)
        loss.backward()
        norms = norms or {n: p.grad.norm().item() for n, p in network.named_parameters()}
        optimizer.step()
        losses.append(loss.item())
    np.testing.assert_allclose(losses, GOLDEN["loss"], rtol=0, atol=1e-9)
    ours = tensor_names(released.NUM_UNITS)
    actual = [norms[ours[name]] for name in GOLDEN["gradient_name"]]
    np.testing.assert_allclose(actual, GOLDEN["gradient_norm"], rtol=1e-9, atol=1e-11)
