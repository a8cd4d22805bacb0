"""Test vectors of the decision rules: scores, settings, and the events that the rules decide.

The rules of `mmpyramid.problems` write them; the page's JavaScript has to decide alike.
"""

from collections.abc import Iterator
from dataclasses import replace
from typing import NamedTuple

import numpy as np

from mmpyramid.core import AnyScores, Decoder, LocalizationScores, Modality, Scores, Timeline
from mmpyramid.problems import GATES, decode

LABELS = ("Dog", "Cat", "Car")


class Vector(NamedTuple):
    """One case.

    Attributes:
        scores: probabilities of one video.
        timeline: what is decided by `made`.
        made: the first decoder.
        moved: another decoder.
        expected: what is decided by `moved`.
    """

    scores: AnyScores
    timeline: Timeline
    made: Decoder
    moved: Decoder
    expected: Timeline


def vector(
    scores: AnyScores,
    made: Decoder,
    moved: Decoder,
    duration: float | None = None,
    missing: tuple[Modality, ...] = (),
) -> Vector:
    """Decide a case by the rule of its problem."""
    first, second = (
        decode(scores, each, duration=duration, missing=missing) for each in (made, moved)
    )
    return Vector(scores, first, made, moved, second)


def parsing_vectors() -> Iterator[Vector]:
    """Random scores of every kind, and the edges of every threshold."""
    random = np.random.default_rng(0)
    for _ in range(300):
        T = int(random.integers(1, 30))
        has_streams, has_local = random.random(2) < 0.5
        scores = random_parsing(random, T, has_streams=has_streams, has_local=has_local)
        made, moved = (random_decoder(random, has_streams=has_streams) for _ in range(2))
        missing = [(), (Modality.AUDIO,), (Modality.VISUAL,)][random.integers(3)]
        duration = T - float(random.random()) if random.random() < 0.5 else None
        yield vector(scores, made, moved, duration, missing)
    for limit in (0.0, 0.3, 0.45, 0.5, 0.7, 1.0):
        yield from _edges(limit)


def _edges(limit: float) -> Iterator[Vector]:
    """Probabilities at a threshold, and next to it on both sides, in segments and in videos."""
    exact = np.float32(limit)
    below, above = (np.nextafter(exact, np.float32(end)) for end in (0, 1))
    column_T = np.array([exact, below, above, below, exact], np.float32).clip(0, 1)
    audio = np.stack([column_T] * 3, axis=1)
    video = np.array([below, exact, above], np.float32).clip(0, 1)
    scores = Scores(
        audio=audio,
        visual=audio[::-1].copy(),
        video=video,
        labels=LABELS,
        video_audio=video[::-1].copy(),
        video_visual=video,
    )
    made = Decoder(threshold=limit, video_threshold=limit)
    for gate in GATES:
        moved = replace(made, gate=gate)
        yield vector(scores, made, moved)
        yield vector(scores, made, replace(moved, max_gap=1))
        yield vector(scores, made, replace(moved, min_length=2))
        yield vector(scores, made, replace(moved, visual_threshold=0.5))
    local = replace(scores, local_video=np.roll(audio, 1, axis=0))
    yield vector(local, made, replace(made, gate="global"))


def localization_vectors() -> Iterator[Vector]:
    """Random scores, relevance at its threshold, ties of categories with background."""
    random = np.random.default_rng(1)
    for _ in range(100):
        T = int(random.integers(1, 30))
        local = random.dirichlet([0.3] * 4, T)[:, :3].astype(np.float32)
        scores = LocalizationScores(
            relevance=(random.integers(0, 201, T) / 200).astype(np.float32),
            category=local.mean(0),
            labels=LABELS,
            local_category=local if random.random() < 0.7 else None,
        )
        made, moved = (random_decoder(random, has_streams=False) for _ in range(2))
        yield vector(scores, made, moved)
    relevance = np.array([0.5, np.nextafter(np.float32(0.5), 1), 0.9, 0.2, 0.9], np.float32)
    for category in ([0.5, 0.25, 0.25], [0.25, 0.25, 0.25], [0.25, 0.5, 0.0], [0.125, 0.125, 0.25]):
        scores = LocalizationScores(
            relevance=relevance, category=np.array(category, np.float32), labels=LABELS
        )
        for moved in (Decoder(), Decoder(threshold=0.2), Decoder(max_gap=1, min_length=2)):
            yield vector(scores, Decoder(), moved)


def random_parsing(
    random: np.random.Generator, T: int, *, has_streams: bool, has_local: bool
) -> Scores:
    """Probabilities on a grid of 200 steps, so that some are at a threshold."""

    def grid(*shape: int) -> np.ndarray:
        return (random.integers(0, 201, shape) / 200).astype(np.float32)

    C = len(LABELS)
    return Scores(
        audio=grid(T, C),
        visual=grid(T, C),
        video=grid(C),
        labels=LABELS,
        video_audio=grid(C) if has_streams else None,
        video_visual=grid(C) if has_streams else None,
        local_video=grid(T, C) if has_local else None,
        inferred=LABELS[: random.integers(C)],
    )


def random_decoder(random: np.random.Generator, *, has_streams: bool) -> Decoder:
    """Settings as the sliders of a page give them."""

    def stop() -> float:
        return int(random.integers(0, 101)) / 100

    gates = [gate for gate in GATES if has_streams or gate != "per_modality"]
    return Decoder(
        threshold=stop(),
        visual_threshold=stop() if random.random() < 0.5 else None,
        video_threshold=stop(),
        gate=gates[random.integers(len(gates))],
        max_gap=int(random.integers(0, 4)),
        min_length=int(random.integers(0, 4)),
    )
