"""Random plans of which label is heard and seen when, as annotations of LLP and as features.

The rendered corpus and the simulated one in LLP's layout plant such plans. Every draw is seeded by
the corpus seed and the video's name: a smaller corpus is a subset of a larger one.

A simulated feature vector is a sum of sparse patterns, one for each class and nuisance, weighted by
how active each is. What does not exceed a threshold is 0, which leaves features as sparse as real
VGGish. With difficulty h, a class that is there is active at 1 - 0.6 h to 1, and every class by
chance at (0.02 + 0.2 h) N(0, 1); 0.6 h of each activation leaks into the class it is paired with.

Shape letters: C classes, K classes and nuisances, D width; `...` segments, or segments and places.
"""

from __future__ import annotations

import json
import string
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray

from mmpyramid.core import Array, Event, Modality
from mmpyramid.core.errors import UserError
from mmpyramid.core.files import write_durably
from mmpyramid.core.text import read_text
from mmpyramid.datasets.base import LABELS_FILE
from mmpyramid.datasets.llp import AUDIO_FILE, ID_LENGTH, VISUAL_FILE, WEAK_FILES

NUM_NUISANCES = 16
ACTIVE_SHARE = 0.15
"""Share of a pattern's dimensions that are not zero."""

NOISE_STD = 0.1
THRESHOLD = 0.55
SCALE = 0.6

Activations: TypeAlias = NDArray[np.floating[Any]]


def check_seed(seed: int) -> None:
    """Refuse a seed that no generator takes.

    Raises:
        UserError: if it is negative.
    """
    if seed < 0:
        raise UserError(f"expected a seed of at least 0, got {seed}")


MOST_VIDEOS = 1_000_000
"""Of a split. All are planned before the first is written."""


def check_parameters(
    sizes: Mapping[str, int], splits: Collection[str], seed: int, difficulty: float
) -> None:
    """Refuse what no corpus can be made with.

    Raises:
        UserError: if the difficulty is outside 0..1, a split is unknown, or a size or the seed is
            negative, or a size too large.
    """
    check_seed(seed)
    if not 0 <= difficulty <= 1:
        raise UserError(f"expected a difficulty within 0..1, got {difficulty}")
    unknown = [name for name in sizes if name not in splits]
    if unknown:
        raise UserError(f"expected splits out of {', '.join(splits)}, got {', '.join(unknown)}")
    check_sizes(sizes)


def check_sizes(sizes: Mapping[str, int]) -> None:
    """Refuse splits that nobody can make.

    Raises:
        UserError: if a size is negative or too large.
    """
    wrong = [f"{name}={size}" for name, size in sizes.items() if not 0 <= size <= MOST_VIDEOS]
    if wrong:
        raise UserError(
            f"expected at least 0 and at most {MOST_VIDEOS:,} videos in a split, got "
            f"{', '.join(wrong)}"
        )


def draw_patterns(num_classes: int, dim: int, rng: np.random.Generator) -> Activations:
    """(K, D) non-negative, mostly 0: a pattern for each class, then one for each nuisance."""
    active = rng.random((num_classes + NUM_NUISANCES, dim)) < ACTIVE_SHARE
    return active * rng.exponential(size=active.shape)


def draw_strengths(truth: NDArray[Any], difficulty: float, rng: np.random.Generator) -> Activations:
    """(..., C) how active each class is, where `truth` says how much of it is there, 0 to 1."""
    return truth * rng.uniform(1 - 0.6 * difficulty, 1, truth.shape)


def draw_latent(planted: Activations, difficulty: float, rng: np.random.Generator) -> Activations:
    """(..., K) how active all is: what was planted, (..., C), with chance, leaks and nuisances."""
    chance = (0.02 + 0.2 * difficulty) * rng.standard_normal(planted.shape)
    active = planted + chance
    num_classes = planted.shape[-1]
    partner = np.minimum(np.arange(num_classes) ^ 1, num_classes - 1)
    leaking = active + 0.6 * difficulty * active[..., partner]
    return np.concatenate([leaking, _draw_nuisances(planted.shape, rng)], axis=-1)


def _draw_nuisances(shape: tuple[int, ...], rng: np.random.Generator) -> Activations:
    """What else is in the video, (..., NUM_NUISANCES): constant over time, with some change."""
    scene = abs(rng.standard_normal((1, *shape[1:-1], NUM_NUISANCES)))
    change = rng.standard_normal((*shape[:-1], NUM_NUISANCES))
    return 0.15 * scene + 0.05 * abs(change)


def rectify(latent: Activations, patterns_KD: Activations, rng: np.random.Generator) -> Array:
    """(..., D) float32 features: the patterns at their activations, with noise and a threshold."""
    values = latent @ patterns_KD
    noise = rng.standard_normal(values.shape)
    return (SCALE * np.maximum(0, values + NOISE_STD * noise - THRESHOLD)).astype(np.float32)


Extent: TypeAlias = tuple[int, int]
"""Onset and offset in whole seconds."""

EVENT_FILES = {Modality.AUDIO: AUDIO_FILE, Modality.VISUAL: VISUAL_FILE}
"""The files with the dense events of validation and test videos."""

FULL_FILE = "AVVP_dataset_full.csv"
_KINDS = (Modality.AUDIO, Modality.VISUAL, Modality.AUDIO_VISUAL)
_ID_ALPHABET = np.array(list(string.ascii_letters + string.digits))


@dataclass(frozen=True, kw_only=True)
class EventStatistics:
    """How labels, modalities and extents of planted events are distributed.

    Attributes:
        num_labels: probability that a video carries 1, 2, 3, … labels.
        kinds: probability that a label is only heard, only seen, or both heard and seen.
        same: probability that a label heard and seen has equal extents in both modalities.
        full_same: probability that such an equal extent covers the whole video.
        full_audio: the same for an extent drawn for the sound alone.
        full_visual: the same for an extent drawn for the picture alone.
        skew: shorter extents last 1 + (T - 1) u^skew seconds, rounded down, with u uniform in 0..1;
            at 1 all lengths are equally likely, above 1 short ones are more frequent.
        repeat: probability that a label comes back after its extent, where there is room.
    """

    num_labels: tuple[float, ...]
    kinds: tuple[float, float, float]
    same: float
    full_same: float
    full_audio: float
    full_visual: float
    skew: float
    repeat: float

    def full(self, modality: Modality) -> float:
        """Probability that an extent drawn for one modality covers the whole video."""
        return self.full_audio if modality is Modality.AUDIO else self.full_visual


BALANCED = EventStatistics(
    num_labels=(0.3, 0.45, 0.25),
    kinds=(0.27, 0.27, 0.46),
    same=0.5,
    full_same=0.05,
    full_audio=0.05,
    full_visual=0.05,
    skew=1.6,
    repeat=0.15,
)
"""Short events, the three kinds all frequent: what to learn from in a small corpus."""

LLP_LIKE = EventStatistics(
    num_labels=(0.40, 0.59, 0.01),
    kinds=(0.34, 0.04, 0.62),
    same=0.60,
    full_same=0.72,
    full_audio=0.20,
    full_visual=0.50,
    skew=1.0,
    repeat=0.20,
)
"""Measured on the 1,200 LLP test videos (`num_labels`: on the training videos), rounded."""


@dataclass(frozen=True, slots=True)
class ClipPlan:
    """What happens in one video.

    Attributes:
        filename: LLP's name of the video, `<11-character id>_<start>_<end>`.
        events: heard and seen events (`AUDIO` or `VISUAL`) in whole seconds.
    """

    filename: str
    events: tuple[Event, ...]

    @property
    def video_id(self) -> str:
        """The 11 characters that name the video's feature files."""
        return self.filename[:ID_LENGTH]


def video_rng(seed: int, name: str) -> np.random.Generator:
    """A generator that depends on the corpus seed and the video's name only."""
    return np.random.default_rng([seed, *name.encode()])


def draw_video_id(rng: np.random.Generator) -> str:
    """Draw an id as YouTube's, of 11 characters.

    There are 62^11: two equal ones in a corpus of a million have probability 1e-8.
    """
    return "".join(rng.choice(_ID_ALPHABET, size=ID_LENGTH))


def draw_labels(
    labels: Sequence[str], statistics: EventStatistics, rng: np.random.Generator
) -> tuple[str, ...]:
    """Draw the distinct labels of one video, in class order."""
    count = 1 + rng.choice(len(statistics.num_labels), p=statistics.num_labels)
    chosen = rng.choice(len(labels), size=min(count, len(labels)), replace=False)
    return tuple(labels[index] for index in sorted(chosen))


def draw_events(
    labels: Iterable[str],
    statistics: EventStatistics,
    num_segments: int,
    rng: np.random.Generator,
) -> tuple[Event, ...]:
    """Draw when each label is heard and seen in a video of T seconds.

    Args:
        labels: the video's labels; every one gets at least one event.
        statistics: the distribution to draw from.
        num_segments: T, the length of the video in seconds.
        rng: source of randomness.

    Returns:
        Sorted events of modality `AUDIO` or `VISUAL`.

    Example:
        >>> draw_events(["Bell"], BALANCED, 1, np.random.default_rng(0))[0].duration
        1.0
    """
    events = []
    for label in labels:
        for modality, extents in _draw_kind(statistics, num_segments, rng).items():
            events += [Event(float(on), float(off), label, modality) for on, off in extents]
    return tuple(sorted(events))


def _draw_kind(
    statistics: EventStatistics, num_segments: int, rng: np.random.Generator
) -> dict[Modality, list[Extent]]:
    kind = _KINDS[rng.choice(len(_KINDS), p=statistics.kinds)]
    if kind is Modality.AUDIO_VISUAL and rng.random() < statistics.same:
        extents = _draw_extents(statistics, statistics.full_same, num_segments, rng)
        return {Modality.AUDIO: extents, Modality.VISUAL: extents}
    return {
        modality: _draw_extents(statistics, statistics.full(modality), num_segments, rng)
        for modality in EVENT_FILES
        if kind in (modality, Modality.AUDIO_VISUAL)
    }


def _draw_extents(
    statistics: EventStatistics, full: float, num_segments: int, rng: np.random.Generator
) -> list[Extent]:
    if num_segments == 1 or rng.random() < full:
        return [(0, num_segments)]
    length = 1 + int((num_segments - 1) * rng.random() ** statistics.skew)
    onset = int(rng.integers(num_segments - length + 1))
    offset = onset + length
    extents = [(onset, offset)]
    if offset + 1 < num_segments and rng.random() < statistics.repeat:
        second = int(rng.integers(offset + 1, num_segments))
        extents.append((second, int(rng.integers(second + 1, num_segments + 1))))
    return extents


def plan_corpus(
    sizes: Mapping[str, int],
    labels: Sequence[str],
    statistics: EventStatistics,
    *,
    num_segments: int = 10,
    seed: int = 0,
) -> dict[str, tuple[ClipPlan, ...]]:
    """Plan the videos of every split.

    Args:
        sizes: number of videos of `train`, `val` and `test`.
        labels: the class names in order.
        statistics: the distribution of labels and events.
        num_segments: T, the length of every video in seconds.
        seed: same seed, same plans.

    Returns:
        The plans by split; all video ids differ.

    Raises:
        UserError: if a split's size or the seed is negative, or a size too large.
    """
    check_seed(seed)
    check_sizes(sizes)
    return {
        split: tuple(
            _plan_clip(labels, statistics, num_segments, video_rng(seed, f"{split}/{index}"))
            for index in range(size)
        )
        for split, size in sizes.items()
    }


def _plan_clip(
    labels: Sequence[str],
    statistics: EventStatistics,
    num_segments: int,
    rng: np.random.Generator,
) -> ClipPlan:
    video_id = draw_video_id(rng)
    chosen = draw_labels(labels, statistics, rng)
    events = draw_events(chosen, statistics, num_segments, rng)
    return ClipPlan(f"{video_id}_0_{num_segments}", events)


def claim_folder(folder: Path, marker: str, parameters: Mapping[str, Any]) -> None:
    """Create a corpus folder and note its parameters in it.

    Args:
        folder: the folder; it may hold an unfinished corpus of equal parameters.
        marker: name of the JSON file for the parameters.
        parameters: everything that decides the content.

    Raises:
        UserError: if the folder holds another corpus, or files that are not ours.
    """
    text = json.dumps(parameters, indent=2)
    path = folder / marker
    if path.exists():
        if read_text(path) != text:
            raise UserError(
                f"{folder} holds a corpus made with other parameters (see {path}); "
                "choose another folder, or delete that one first"
            )
    elif folder.exists() and any(folder.iterdir()):
        raise UserError(
            f"expected {folder} to be empty or to hold a corpus of ours, but it has other files "
            f"and no {marker}; choose another folder"
        )
    folder.mkdir(parents=True, exist_ok=True)
    write_durably(path, text.encode(), outlast_power_cuts=False)


def write_annotations(
    folder: Path, splits: Mapping[str, Sequence[ClipPlan]], labels: Sequence[str]
) -> None:
    """Write the LLP annotation files and `labels.txt`.

    Training videos get weak labels only, the union of what is heard and seen; the dense events of
    validation and test videos are written as well.

    Args:
        folder: where to write; it must exist.
        splits: plans by split, `train`, `val` and `test`.
        labels: the class names in order.
    """
    weak = {split: [_weak_row(plan, labels) for plan in plans] for split, plans in splits.items()}
    header = ("filename", "event_labels")
    for split, name in WEAK_FILES.items():
        _write_table(folder / name, header, weak[split])
    _write_table(folder / FULL_FILE, header, [row for split in WEAK_FILES for row in weak[split]])
    for modality, name in EVENT_FILES.items():
        rows = [
            (plan.filename, str(int(event.start)), str(int(event.end)), event.label)
            for plan in (*splits["val"], *splits["test"])
            for event in plan.events
            if event.modality is modality
        ]
        _write_table(folder / name, ("filename", "onset", "offset", "event_labels"), rows)
    names = "".join(f"{label}\n" for label in labels)
    write_durably(folder / LABELS_FILE, names.encode(), outlast_power_cuts=False)


def _weak_row(plan: ClipPlan, labels: Sequence[str]) -> tuple[str, str]:
    present = {event.label for event in plan.events}
    return plan.filename, ",".join(label for label in labels if label in present)


def _write_table(path: Path, header: Sequence[str], rows: Iterable[Sequence[str]]) -> None:
    lines = ["\t".join(row) for row in (header, *rows)]
    content = "\n".join(lines) + "\n"
    write_durably(path, content.encode(), outlast_power_cuts=False)
