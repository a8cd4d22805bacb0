"""What several annotators or programs made of the same videos, compared on a grid of one second.

Segments of all videos are pooled before anything is computed: where nobody marks anything,
agreement by chance is undefined, so that a mean over videos would be over some of them only.
Silence counts, and more of it raises kappa and alpha; read them beside the share of segments that
are marked, and beside F, which silence does not change.

Source: Cohen, "A coefficient of agreement for nominal scales", 1960; Krippendorff, "Content
Analysis", 3rd edition, 2013, chapter 12, nominal data.

Axes: N videos, S raters, P pairs of raters, T segments of one second, L labels, C columns (labels
heard, then labels seen), R draws; 4 and 3 are the counts of `pair_counts` and `coincidences`; `...`
any.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from itertools import combinations
from typing import Any

import numpy as np
from numpy.typing import NDArray

from mmpyramid.core import Modality, Timeline
from mmpyramid.core.errors import UserError
from mmpyramid.core.runs import rasterize
from mmpyramid.problems.counts import event_counts, mean_of_known, ratio
from mmpyramid.problems.resampling import FEWEST_VIDEOS, bootstrap

SIDES = (Modality.AUDIO, Modality.VISUAL)
ALL = "all labels"


@dataclass(frozen=True, kw_only=True, slots=True)
class Row:
    """How raters agree on a label through a modality, or on several pooled.

    Attributes:
        label: the label, or `ALL`.
        modality: `audio`, `visual`, or empty for both.
        kappa: Cohen's, the mean over pairs of raters; NaN where it is undefined.
        alpha: Krippendorff's, of all raters.
        segment_f: F of marked segments, per cent, the mean over pairs.
        event_f: F of events at an intersection over union of 0.5, per cent, the mean over pairs.
        marked: the share of judged segments that are marked, per cent.
        kappa_ends: its 95 % interval over videos, NaN for fewer than two.
        alpha_ends: the same of alpha.
    """

    label: str
    modality: str
    kappa: float
    alpha: float
    segment_f: float
    event_f: float
    marked: float
    kappa_ends: tuple[float, float] = (math.nan, math.nan)
    alpha_ends: tuple[float, float] = (math.nan, math.nan)


@dataclass(frozen=True, kw_only=True, eq=False)
class Agreement:
    """Counts of every video, from which all measures follow.

    Attributes:
        raters: what they are called.
        videos: those that two raters or more have.
        labels: those that somebody used.
        pair_NPC4: `pair_counts` of every pair of raters.
        event_NPC3: events that match, and those of either alone.
        coincidence_NC3: `coincidences` of all raters.
    """

    raters: tuple[str, ...]
    videos: tuple[str, ...]
    labels: tuple[str, ...]
    pair_NPC4: Numbers
    event_NPC3: Numbers
    coincidence_NC3: Numbers

    @property
    def pairs(self) -> list[tuple[str, str]]:
        """The pairs of raters."""
        return list(combinations(self.raters, 2))

    def rows(self, resamples: int = 0, seed: int = 0) -> list[Row]:
        """Every label and modality, then all labels of a modality, then everything.

        Args:
            resamples: draws of the videos for the intervals of what is pooled; 0 leaves them out.
            seed: of the draws.
        """
        num_labels = len(self.labels)
        single = [
            (label, str(side), [place * num_labels + column])
            for column, label in enumerate(self.labels)
            for place, side in enumerate(SIDES)
        ]
        pooled = [
            (ALL, str(side), list(range(place * num_labels, (place + 1) * num_labels)))
            for place, side in enumerate(SIDES)
        ]
        everything = (ALL, "", list(range(len(SIDES) * num_labels)))
        rows = [self._row(label, modality, columns) for label, modality, columns in single]
        used = [row for row in rows if row.marked > 0]
        return used + [
            self._row(label, modality, columns, resamples, seed)
            for label, modality, columns in (*pooled, everything)
        ]

    def pair_kappas(self) -> Numbers:
        """Cohen's kappa of each pair of raters, everything pooled, (P,)."""
        return cohen_kappa(self.pair_NPC4.sum(axis=(0, 2)))

    def _row(
        self, label: str, modality: str, columns: list[int], resamples: int = 0, seed: int = 0
    ) -> Row:
        pair_NP4 = self.pair_NPC4[:, :, columns].sum(axis=2)
        coincidence_N3 = self.coincidence_NC3[:, columns].sum(axis=1)
        event_P3 = self.event_NPC3[:, :, columns].sum(axis=(0, 2))
        pair_P4, coincidence_3 = pair_NP4.sum(axis=0), coincidence_N3.sum(axis=0)
        doubled = 2 * event_P3[:, 0]
        events = 100 * ratio(doubled, doubled + event_P3[:, 1] + event_P3[:, 2])
        kappa_ends = alpha_ends = (math.nan, math.nan)
        if resamples and len(self.videos) >= FEWEST_VIDEOS:
            flat_NX = pair_NP4.reshape(len(pair_NP4), -1)

            def kappa_of(weight_RN: Numbers) -> Numbers:
                counts = (weight_RN @ flat_NX).reshape(len(weight_RN), *pair_P4.shape)
                return mean_of_known(cohen_kappa(counts))

            kappa_ends = self._ends(kappa_of, resamples, seed)
            alpha_ends = self._ends(
                lambda weight_RN: krippendorff_alpha(weight_RN @ coincidence_N3), resamples, seed
            )
        return Row(
            label=label,
            modality=modality,
            kappa=float(mean_of_known(cohen_kappa(pair_P4))),
            alpha=float(krippendorff_alpha(coincidence_3)),
            segment_f=float(mean_of_known(overlap_f(pair_P4))),
            event_f=float(mean_of_known(events)),
            marked=float(100 * ratio(coincidence_3[1], coincidence_3[1] + coincidence_3[2])),
            kappa_ends=kappa_ends,
            alpha_ends=alpha_ends,
        )

    def _ends(
        self, statistic: Callable[[Numbers], Numbers], resamples: int, seed: int
    ) -> tuple[float, float]:
        low, high = bootstrap(statistic, len(self.videos), resamples=resamples, seed=seed).tolist()
        return low, high


def compare_annotations(
    timelines: Mapping[str, Mapping[str, Timeline]], *, duration: float | None = None
) -> Agreement:
    """Draw what every rater marked on the grid of seconds, and count.

    A video lasts as long as its longest timeline; tables without a duration end with their last
    event. What a file does not have (`missing`) was not judged.

    Args:
        timelines: the timelines of each rater, by rater, then by video.
        duration: seconds of every video, where the files do not say how long it lasts.

    Raises:
        UserError: if there are fewer than two raters, no video in common, no event, or an event
            ends behind the given duration.

    Example:
        >>> from mmpyramid.core import Event
        >>> ends = {"ann": 5.0, "ben": 4.0}
        >>> marked = {
        ...     rater: {"clip": Timeline(events=(Event(2.0, end, "Dog", Modality.AUDIO),),
        ...                              duration=10.0, labels=("Dog",))}
        ...     for rater, end in ends.items()
        ... }
        >>> round(compare_annotations(marked).rows()[0].kappa, 3)
        0.737
    """
    if len(timelines) < FEWEST_RATERS:
        raise UserError(f"expected two or more raters to compare, got {len(timelines)}")
    every = list(dict.fromkeys(video for of_rater in timelines.values() for video in of_rater))
    videos = [v for v in every if sum(v in each for each in timelines.values()) >= FEWEST_RATERS]
    if not videos:
        first = {rater: next(iter(each), "none") for rater, each in timelines.items()}
        named = ", ".join(f"{video} of {rater}" for rater, video in first.items())
        raise UserError(
            "expected videos that two raters or more have, by the names of the files, got none in "
            f"common, such as {named}; name the files of a video alike"
        )
    labels = sorted(
        {e.label for each in timelines.values() for v in videos for e in each.get(v, ())}
    )
    if not labels:
        raise UserError("expected events to compare, but nobody marked any in the videos in common")
    counted = [
        _count([each.get(video) for each in timelines.values()], labels, duration, video)
        for video in videos
    ]
    pair_NPC4, event_NPC3, coincidence_NC3 = (np.stack(part) for part in zip(*counted, strict=True))
    return Agreement(
        raters=tuple(timelines),
        videos=tuple(videos),
        labels=tuple(labels),
        pair_NPC4=pair_NPC4,
        event_NPC3=event_NPC3,
        coincidence_NC3=coincidence_NC3,
    )


def _count(
    timelines: Sequence[Timeline | None],
    labels: Sequence[str],
    duration: float | None,
    video: str,
) -> tuple[Numbers, Numbers, Numbers]:
    present = [timeline for timeline in timelines if timeline is not None]
    longest = max(timeline.duration for timeline in present)
    last = max((event.end for timeline in present for event in timeline), default=0.0)
    if duration is not None and last > duration:
        raise UserError(
            f"expected events within the {duration:g} s of every video, got one that ends at "
            f"{last:g} s in {video}"
        )
    num_segments = math.ceil(max(longest, last) if duration is None else duration)
    rating_STC = np.stack([_ratings(each, labels, num_segments) for each in timelines])
    pairs = list(combinations(rating_STC, 2))
    return (
        np.stack([pair_counts(*pair) for pair in pairs]),
        np.stack([_event_counts(*pair) for pair in pairs]),
        coincidences(rating_STC),
    )


def _ratings(timeline: Timeline | None, labels: Sequence[str], num_segments: int) -> Ratings:
    if timeline is None:
        return np.full((num_segments, len(SIDES) * len(labels)), ABSENT, np.int8)
    masks = rasterize(timeline, num_segments, labels)
    sides = [
        np.full(mask.shape, ABSENT, np.int8) if side in timeline.missing else mask.astype(np.int8)
        for side, mask in zip(SIDES, masks, strict=True)
    ]
    return np.concatenate(sides, axis=1)


def _event_counts(first_TC: Ratings, second_TC: Ratings) -> Numbers:
    """Events that match, and those of the first and of the second alone, (C, 3)."""
    judged_TC = (first_TC != ABSENT) & (second_TC != ABSENT)
    found = event_counts(((first_TC == 1) & judged_TC)[None], ((second_TC == 1) & judged_TC)[None])
    counts_C3: Numbers = found[0].astype(np.float64)
    return counts_C3


ABSENT = -1
"""Where a rater did not judge."""
FEWEST_RATERS = 2

Ratings = NDArray[np.int8]
Numbers = NDArray[np.float64]


def pair_counts(first_TC: Ratings, second_TC: Ratings) -> Numbers:
    """How often both, the first alone, the second alone and neither marks a segment, (C, 4).

    Args:
        first_TC: 1 where marked, 0 where not, `ABSENT` where not judged.
        second_TC: the same of the other rater.

    Raises:
        UserError: if the shapes differ.
    """
    if first_TC.shape != second_TC.shape:
        raise UserError(
            "expected two raters on the same segments and classes, got "
            f"{first_TC.shape} and {second_TC.shape}"
        )
    pairs = ((1, 1), (1, 0), (0, 1), (0, 0))
    counts = [((first_TC == a) & (second_TC == b)).sum(axis=0) for a, b in pairs]
    return np.stack(counts, axis=-1).astype(np.float64)


def cohen_kappa(count_4: NDArray[Any]) -> Numbers:
    """Agreement beyond chance from counts (..., 4) of `pair_counts`, at most 1.

    NaN where both mark everything or nothing: then there is nothing to agree on by chance or not.

    Example:
        >>> a = np.array([1, 1, 1, 0, 0, 0, 0, 1, 1, 0], np.int8)[:, None]
        >>> b = np.array([1, 1, 0, 0, 0, 0, 0, 1, 1, 1], np.int8)[:, None]
        >>> round(float(cohen_kappa(pair_counts(a, b))[0]), 4)
        0.6
    """
    both, first, second, neither = np.moveaxis(np.asarray(count_4, np.float64), -1, 0)
    total = both + first + second + neither
    agreed = (both + neither) * total
    chance = (both + first) * (both + second) + (second + neither) * (first + neither)
    return ratio(agreed - chance, total**2 - chance)


def overlap_f(count_4: NDArray[Any]) -> Numbers:
    """F of the segments marked by one against the other, per cent, from counts (..., 4).

    It is the same whichever rater counts as the truth (Dice); NaN where neither marks any.
    """
    both, first, second, _ = np.moveaxis(np.asarray(count_4, np.float64), -1, 0)
    return 100 * ratio(2 * both, 2 * both + first + second)


def coincidences(rating_STC: Ratings) -> Numbers:
    """What alpha is made of: disagreements, marks and blanks of all raters, (C, 3).

    Segments that fewer than two raters judged are left out.
    """
    judged_TC = (rating_STC != ABSENT).sum(axis=0)
    marked_TC = (rating_STC == 1).sum(axis=0)
    pairable_TC = judged_TC >= FEWEST_RATERS
    blank_TC = judged_TC - marked_TC
    others_TC = np.maximum(judged_TC - 1, 1)
    parts = (2 * marked_TC * blank_TC / others_TC, marked_TC, blank_TC)
    return np.stack([np.where(pairable_TC, part, 0).sum(axis=0) for part in parts], axis=-1)


def krippendorff_alpha(sum_3: NDArray[Any]) -> Numbers:
    """Agreement of any number of raters beyond chance from sums (..., 3) of `coincidences`.

    NaN where all that was judged is marked, or none of it.

    Example:
        >>> a = np.array([1, 1, 1, 0, 0, 0, 0, 1, 1, 0], np.int8)
        >>> b = np.array([1, 1, 0, 0, 0, 0, 0, 1, 1, 1], np.int8)
        >>> float(krippendorff_alpha(coincidences(np.stack([a, b])[..., None]))[0])
        0.62
    """
    unequal, marked, blank = np.moveaxis(np.asarray(sum_3, np.float64), -1, 0)
    return 1 - ratio(unequal * (marked + blank - 1), 2 * marked * blank)
