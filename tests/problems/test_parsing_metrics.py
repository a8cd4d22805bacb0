"""The torchmetrics wrapper: batches, padding, devices."""

import numpy as np
import parsing_reference
import pytest
import torch

from mmpyramid import UserError
from mmpyramid.problems.parsing import llp_masks, parsing_report
from mmpyramid.problems.parsing.stateful import ParsingMetrics

N, T, C = 40, 10, 25


@pytest.fixture(scope="module")
def corpus():
    """Probabilities of both streams and of the video, and the truth, as tensors."""
    audio, visual, *truth = parsing_reference.random_masks(seed=8, shape=(N, T, C))
    random = np.random.RandomState(8)
    streams = [0.5 * each + 0.4999 * random.random_sample(each.shape) for each in (audio, visual)]
    video = random.random_sample((N, C))
    return [torch.from_numpy(each).float() for each in (*streams, video, *truth)]


def functional_report(corpus):
    audio, visual, video, *truth = (each.numpy() for each in corpus)
    return parsing_report(*llp_masks(audio, visual, video), *truth)


def flat(report):
    return {
        f"{level}_{column}": value
        for level, scores in report.to_dict().items()
        for column, value in scores.items()
    }


def test_batches_of_any_size_give_the_functional_numbers(corpus):
    metrics = ParsingMetrics()
    for size in (1, 7, 20, 12):
        start = int(metrics.num_videos)
        metrics.update(*(each[start : start + size] for each in corpus))
    assert int(metrics.num_videos) == N
    expected = functional_report(corpus)
    assert metrics.compute() == pytest.approx(flat(expected), abs=1e-9)
    assert metrics.report().segment.type_av == metrics.compute()["segment_type_av"]
    assert flat(metrics.report()) == metrics.compute()


def test_padded_segments_do_not_count(corpus):
    audio, visual, video, *truth = corpus
    wide = [
        torch.nn.functional.pad(each, (0, 0, 0, 3), value=1.0) for each in (audio, visual, *truth)
    ]
    mask_BT = (torch.arange(T + 3) < T).expand(N, T + 3)
    metrics = ParsingMetrics()
    metrics.update(*wide[:2], video, *wide[2:], mask_BT)
    assert metrics.compute() == pytest.approx(flat(functional_report(corpus)), abs=1e-9)


def test_the_protocol_is_the_constructors(corpus):
    audio, visual, video, *truth = corpus
    protocol = {"gate": "per_modality", "threshold": (0.25, 0.3), "video_threshold": 0.6}
    metrics = ParsingMetrics(**protocol, iou_threshold=0.3)
    metrics.update(*corpus, video_audio_BC=video, video_visual_BC=1 - video)
    masks = llp_masks(
        audio.numpy(),
        visual.numpy(),
        video.numpy(),
        **protocol,
        video_audio=video.numpy(),
        video_visual=(1 - video).numpy(),
    )
    expected = parsing_report(*masks, *(each.numpy() for each in truth), iou_threshold=0.3)
    assert metrics.compute() == pytest.approx(flat(expected), abs=1e-9)


def test_bfloat16_and_gradients_are_welcome(corpus):
    audio, visual, video, *truth = (each.bfloat16() for each in corpus)
    metrics = ParsingMetrics()
    metrics.update(audio.requires_grad_(), visual, video, *truth)
    expected = functional_report([each.detach().float() for each in (audio, visual, video, *truth)])
    assert metrics.compute() == pytest.approx(flat(expected), abs=1e-9)


def test_compute_without_videos_and_after_reset(corpus):
    metrics = ParsingMetrics()
    metrics.update(*corpus)
    metrics.reset()
    with (
        pytest.warns(UserWarning, match="before the ``update``"),
        pytest.raises(UserError, match="at least one video"),
    ):
        metrics.compute()


def test_the_sum_over_devices_equals_one_pass_to_the_last_bit(corpus):
    whole, other = ParsingMetrics(), ParsingMetrics()
    whole.update(*corpus)
    other.update(*(each[25:] for each in corpus))
    states = {state.shape: state for state in (other.f_sum, other.num_videos)}
    metrics = ParsingMetrics(
        distributed_available_fn=lambda: True,
        dist_sync_fn=lambda state, group: [state, states[state.shape]],
    )
    metrics.update(*(each[:25] for each in corpus))
    assert metrics.compute() == whole.compute()
    assert int(metrics.num_videos) == 25


def score_part(rank, world_size, store, corpus, results):
    torch.distributed.init_process_group(
        "gloo", init_method=f"file://{store}", rank=rank, world_size=world_size
    )
    metrics = ParsingMetrics()
    metrics.update(*(each[rank::world_size] for each in corpus))
    torch.save(metrics.compute(), f"{results}/{rank}.pt")
    torch.distributed.destroy_process_group()


@pytest.mark.slow
def test_two_processes_agree_with_one(tmp_path, corpus):
    expected = ParsingMetrics()
    expected.update(*corpus)
    torch.multiprocessing.spawn(
        score_part, args=(2, tmp_path / "store", corpus, tmp_path), nprocs=2
    )
    for rank in range(2):
        assert torch.load(tmp_path / f"{rank}.pt") == expected.compute()
