"""Batches: padding over segments, streams with a grid, and what event localization adds."""

import numpy as np
import pytest
import torch

from mmpyramid.core.batch import Batch, Streams, collate
from mmpyramid.core.errors import UserError

STREAMS = Streams(audio={"vggish": 4}, visual={"vgg19": 6})


def video(num_segments, grid=(2, 3), seed=0):
    rng = np.random.default_rng(seed)
    return {
        "vggish": rng.random((num_segments, 4), np.float32),
        "vgg19": rng.random((num_segments, *grid, 6), np.float32),
    }


def test_a_grid_stays_and_only_segments_are_padded():
    long, short = video(5), video(3, seed=1)
    batch = collate([long, short], STREAMS)
    assert batch.streams["vgg19"].shape == (2, 5, 2, 3, 6)
    assert batch.mask_BT.tolist() == [[True] * 5, [True] * 3 + [False] * 2]
    np.testing.assert_array_equal(batch.streams["vgg19"][0].numpy(), long["vgg19"])
    np.testing.assert_array_equal(batch.streams["vgg19"][1, :3].numpy(), short["vgg19"])
    assert not batch.streams["vgg19"][1, 3:].any()
    np.testing.assert_array_equal(batch.streams["vggish"][0].numpy(), long["vggish"])


def test_frames_of_a_grid_are_averaged_per_segment():
    frames = video(6) | {"vggish": np.ones((3, 4), np.float32)}
    pooled = collate([frames], STREAMS).streams["vgg19"][0].numpy()
    np.testing.assert_allclose(pooled, (frames["vgg19"][::2] + frames["vgg19"][1::2]) / 2)


def test_a_video_without_the_grid_stream_is_zero_and_marked():
    batch = collate([video(4), {"vggish": video(4)["vggish"]}], STREAMS)
    assert batch.streams["vgg19"].shape == (2, 4, 2, 3, 6)
    assert batch.present_BM.tolist() == [[True, True], [True, False]]
    assert not batch.streams["vgg19"][1].any()


def test_videos_of_a_batch_share_the_grid():
    with pytest.raises(UserError, match=r"same grid .* got \(2, 3\) and \(3, 3\)"):
        collate([video(4), video(4, grid=(3, 3))], STREAMS)


def test_no_segments_are_refused():
    with pytest.raises(UserError, match="at least one segment in `vgg19`, `vggish`"):
        collate([video(0)], STREAMS)


@pytest.mark.parametrize("shape", [(4, 2, 3, 5), (4, 3, 6), (4,)])
def test_other_shapes_are_refused(shape):
    features = video(4) | {"vgg19": np.zeros(shape, np.float32)}
    with pytest.raises(UserError, match=r"`vgg19` should be \(segments, 6\) or "):
        collate([features], STREAMS)


def test_the_segment_classes_move_with_the_batch():
    batch = Batch(
        streams={"vggish": torch.zeros(2, 5, 4)},
        mask_BT=torch.ones(2, 5, dtype=torch.bool),
        present_BM=torch.ones(2, 2, dtype=torch.bool),
        weak_BC=torch.zeros(2, 29),
        segment_BT=torch.full((2, 5), 28),
    ).to("meta")
    assert batch.segment_BT.device.type == "meta"
    assert batch.segment_BT.dtype == torch.int64
    assert batch.weak_BC.device.type == "meta"
