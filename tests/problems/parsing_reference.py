"""The rules of the benchmark written slowly, one video and class at a time; masks to try."""

from itertools import groupby

import numpy as np


def runs(row):
    """[(start, stop), ...] of the maximal runs of ones."""
    found, position = [], 0
    for value, group in groupby(row.tolist()):
        stop = position + len(list(group))
        if value:
            found.append(set(range(position, stop)))
        position = stop
    return found


def segment_counts(predicted, truth):
    pairs = list(zip(predicted.tolist(), truth.tolist(), strict=True))
    return pairs.count((True, True)), pairs.count((True, False)), pairs.count((False, True))


def event_counts(predicted, truth, iou):
    ours, theirs = runs(predicted), runs(truth)
    match = [[len(p & t) >= iou * len(p | t) for t in theirs] for p in ours]
    hits = sum(any(row) for row in match)
    missed = sum(not any(row[t] for row in match) for t in range(len(theirs)))
    return hits, len(ours) - hits, missed


def video_f(counts_by_class):
    scores = [2 * tp / (2 * tp + fp + fn) for tp, fp, fn in counts_by_class if tp + fp + fn]
    return sum(scores) / len(scores) if scores else 1.0


def f_scores_of_video(predicted, truth, iou=0.5):
    """(2, 4): levels by measures, from (audio, visual) masks (T, C) on both sides."""
    streams = [*zip(predicted, truth, strict=True), (np.minimum(*predicted), np.minimum(*truth))]
    levels = []
    for count in (segment_counts, lambda p, t: event_counts(p, t, iou)):
        audio, visual, both = (
            [count(p[:, c], t[:, c]) for c in range(p.shape[1])] for p, t in streams
        )
        pooled = [
            tuple(map(sum, zip(a, v, strict=True))) for a, v in zip(audio, visual, strict=True)
        ]
        levels.append([video_f(counts) for counts in (audio, visual, both, pooled)])
    return np.array(levels)


def f_scores(predicted_audio, predicted_visual, truth_audio, truth_visual, iou=0.5):
    """(N, 2, 4), as `parsing_f_scores`."""
    videos = zip(predicted_audio, predicted_visual, truth_audio, truth_visual, strict=True)
    return np.array([f_scores_of_video((a, v), (x, y), iou) for a, v, x, y in videos])


def random_masks(seed, shape=(40, 10, 25), density=0.2, noise=0.1):
    """Predicted audio and visual, true audio and visual: the truth with some cells flipped.

    `RandomState` promises the same numbers in every version of numpy.
    """
    random = np.random.RandomState(seed)
    truth = random.random_sample((2, *shape)) < density
    truth &= random.random_sample((2, shape[0], 1, shape[2])) < 0.3
    predicted = truth ^ (random.random_sample(truth.shape) < noise)
    predicted &= random.random_sample((2, shape[0], 1, 1)) < 0.8
    return *predicted, *truth
