"""Times the ten official numbers, from probabilities in memory to the report.

    python benchmarks/evaluation.py
    python benchmarks/evaluation.py --official MM_Pyramid     beside the authors' evaluator

With `--golden FILE` the authors' scores are kept for the tests, with the masks that they belong to:

    python benchmarks/evaluation.py --videos 60 --official MM_Pyramid \
        --golden tests/problems/official_scores.npz
"""

import platform
import runpy
import statistics
import sys
import time
from pathlib import Path

import numpy as np
from timing import command

from mmpyramid.core.labels import LLP_LABELS
from mmpyramid.problems.parsing import llp_masks, parsing_f_scores, parsing_report

NUM_SEGMENTS, NUM_CLASSES = 10, len(LLP_LABELS)
REPEATS = 20


def random_corpus(num_videos, seed):
    """Audio, visual and video probabilities, and the audio and visual truth they resemble.

    From videos without any event to videos with many; events of all lengths, often in pieces.
    """
    random = np.random.RandomState(seed)
    shape = (2, num_videos, NUM_SEGMENTS, NUM_CLASSES)
    crowd = 0.25 * random.random_sample((1, num_videos, 1, 1))
    present = random.random_sample((2, num_videos, 1, NUM_CLASSES)) < crowd
    steadiness = random.random_sample(present.shape)
    truth = present & (random.random_sample(shape) < steadiness)
    segments = 0.45 * truth + 0.55 * random.random_sample(shape)
    weak = present.any(axis=(0, 2))
    video = 0.45 * weak + 0.55 * random.random_sample(weak.shape)
    return *segments.astype(np.float32), video.astype(np.float32), *truth


def official_f_scores(checkout: Path, masks):
    """Run the authors' evaluator on our masks; (N, 2, 4) as `parsing_f_scores`."""
    official = runpy.run_path(str(checkout / "utils" / "eval_metrics.py"))
    scores = []
    for audio, visual, true_audio, true_visual in zip(
        *(mask.swapaxes(1, 2).astype(float) for mask in masks), strict=True
    ):
        streams = (audio, visual, audio * visual)
        truths = (true_audio, true_visual, true_audio * true_visual)
        levels = (official["segment_level"], official["event_level"])
        rows = [level(*streams, *truths) for level in levels]
        scores.append([(audio, visual, both, event) for audio, visual, event, both in rows])
    return np.array(scores)


def main(
    videos: int = 1200, seed: int = 0, official: Path | None = None, golden: Path | None = None
) -> None:
    """Time the evaluation of random predictions.

    Args:
        videos: how many videos of 10 segments and 25 classes.
        seed: of the random predictions.
        official: a checkout of the authors' code (MM_Pyramid or AVVP-ECCV20), to compare with.
        golden: where to keep the authors' scores for the tests.
    """
    audio, visual, video, *truth = random_corpus(videos, seed)

    times = []
    for _ in range(REPEATS):
        start = time.perf_counter()
        parsing_report(*llp_masks(audio, visual, video), *truth)
        times.append(1000 * (time.perf_counter() - start))
    median = statistics.median(times)
    print(f"$ python {' '.join(sys.argv)}")
    print(f"{videos} videos, {platform.machine()}, numpy {np.__version__}")
    print(f"gate, ten numbers: median {median:.1f} ms, best {min(times):.1f} ms of {REPEATS}")
    if official is None:
        return
    masks = (*llp_masks(audio, visual, video), *truth)
    start = time.perf_counter()
    expected = official_f_scores(official, masks)
    theirs = 1000 * (time.perf_counter() - start)
    difference = np.abs(parsing_f_scores(*masks) - expected).max()
    print(f"authors' evaluator: {theirs:.0f} ms, {theirs / median:.0f} times as long")
    print(f"largest difference of a video's F: {difference:.1e}")
    if golden is not None:
        np.savez_compressed(golden, masks=np.packbits(masks), shape=masks[0].shape, f=expected)


if __name__ == "__main__":
    command(main)
