"""Audio-visual event localization (AVE) scored as its papers do: accuracy over segments.

Background is a class like any other: an answer that never predicts an event scores its share of the
segments. `mmpyramid.problems.localization.decisions` turns scores into classes.

Axes: N clips, T segments of one second, C classes; class C is background.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray

from mmpyramid.core.errors import UserError
from mmpyramid.core.runs import Mask

Classes: TypeAlias = NDArray[np.integer[Any]]


@dataclass(frozen=True, kw_only=True, slots=True)
class AccuracyPair:
    """Accuracy in per cent, unrounded, of the same scores read by both rules.

    Attributes:
        argmax: by `argmax_rule`.
        two_head: by `two_head_rule`.
    """

    argmax: float
    two_head: float


@dataclass(frozen=True, kw_only=True, slots=True)
class LocalizationReport:
    """The numbers of audio-visual event localization (AVE).

    Attributes:
        all: accuracy on all clips.
        subset: accuracy on the clips whose event is shorter than they are; None if there are none.

    Example:
        >>> report = LocalizationReport(all=AccuracyPair(argmax=77.5, two_head=77.8), subset=None)
        >>> print(report)
                     argmax  two-head
        all clips     77.50     77.80
    """

    all: AccuracyPair
    subset: AccuracyPair | None

    def to_dict(self) -> dict[str, dict[str, float] | None]:
        """The metrics JSON: clips, then rule, in per cent and unrounded."""
        return asdict(self)

    @classmethod
    def from_dict(cls, numbers: Mapping[str, Mapping[str, float] | None]) -> LocalizationReport:
        """The report that `to_dict` was called on."""
        every, subset = numbers["all"], numbers["subset"]
        if every is None:
            raise UserError("expected the accuracy on all clips, got none")
        return cls(
            all=AccuracyPair(**every), subset=None if subset is None else AccuracyPair(**subset)
        )

    def table(self, title: str = "") -> str:
        """A text table with one line per set of clips, rounded to two decimals."""
        rows = [("all clips", _cells(self.all)), ("subset", _cells(self.subset))]
        return _lines(title, [("", _HEADINGS), *(rows if self.subset else rows[:1])])

    def __str__(self) -> str:
        return self.table()


def localization_table(reports: Mapping[str, LocalizationReport], title: str = "") -> str:
    """Several reports side by side, one line each: all clips, then the subset.

    Args:
        reports: the reports by the name of what was evaluated.
        title: a line above the table.

    Returns:
        Aligned text, rounded to two decimals; names of up to 40 letters fit 80 columns.
    """
    rows = [(name, _cells(report.all) + _cells(report.subset)) for name, report in reports.items()]
    over = f"{'all clips':>{2 * _WIDTH}}{'subset':>{2 * _WIDTH}}"
    return _lines(title, [("", over), ("", 2 * _HEADINGS), *rows])


_WIDTH = 10
_HEADINGS = f"{'argmax':>{_WIDTH}}{'two-head':>{_WIDTH}}"


def _cells(pair: AccuracyPair | None) -> str:
    if pair is None:
        return 2 * f"{'-':>{_WIDTH}}"
    return f"{pair.argmax:{_WIDTH}.2f}{pair.two_head:{_WIDTH}.2f}"


def _lines(title: str, rows: list[tuple[str, str]]) -> str:
    width = max(len(name) for name, _ in rows)
    lines = [f"{name:<{width}}{cells}".rstrip() for name, cells in rows]
    return "\n".join([title, *lines] if title else lines)


def accuracy(predicted_NT: Classes, truth_NT: Classes, mask_NT: Mask | None = None) -> float:
    """Share of segments whose class is right, in per cent; background counts as a class.

    All segments of all clips weigh the same, so batches of any size give the same number.

    Args:
        predicted_NT: the class of each segment.
        truth_NT: the true one.
        mask_NT: True where a segment exists; without it all do.

    Raises:
        UserError: if shapes disagree or there is no segment.

    Example:
        >>> accuracy(np.array([[0, 2, 2, 2]]), np.array([[0, 0, 2, 2]]))
        75.0
    """
    mask_NT = np.ones(truth_NT.shape, np.bool_) if mask_NT is None else mask_NT.astype(bool)
    if not predicted_NT.shape == truth_NT.shape == mask_NT.shape:
        raise UserError(
            f"expected predicted and true classes, and their mask, of one shape (N, T), got "
            f"{predicted_NT.shape}, {truth_NT.shape} and {mask_NT.shape}"
        )
    num_segments = np.count_nonzero(mask_NT)
    if not num_segments:
        raise UserError("expected at least one segment to score, got none")
    num_right = np.count_nonzero((predicted_NT == truth_NT) & mask_NT)
    return float(100 * num_right / num_segments)


def localization_report(
    argmax_NT: Classes,
    two_head_NT: Classes,
    truth_NT: Classes,
    is_subset_N: Mask,
    mask_NT: Mask | None = None,
) -> LocalizationReport:
    """Score one set of clips; where no segment is of the subset, its accuracy is None.

    Args:
        argmax_NT: predicted classes by `argmax_rule`.
        two_head_NT: predicted classes by `two_head_rule`.
        truth_NT: the true classes.
        is_subset_N: True for clips whose event is shorter than they are.
        mask_NT: True where a segment exists; without it all do.

    Raises:
        UserError: if shapes disagree or there is no segment.
    """
    if is_subset_N.shape != truth_NT.shape[:1]:
        raise UserError(
            f"expected true classes (N, T) and the subset (N,), got {truth_NT.shape} and "
            f"{is_subset_N.shape}"
        )

    def pair(counted_NT: Mask) -> AccuracyPair:
        return AccuracyPair(
            argmax=accuracy(argmax_NT, truth_NT, counted_NT),
            two_head=accuracy(two_head_NT, truth_NT, counted_NT),
        )

    mask_NT = np.ones(truth_NT.shape, np.bool_) if mask_NT is None else mask_NT.astype(bool)
    every = pair(mask_NT)
    subset_NT = mask_NT & is_subset_N.astype(bool)[:, None]
    return LocalizationReport(all=every, subset=pair(subset_NT) if subset_NT.any() else None)


def background_everywhere(
    truth_NT: Classes, is_subset_N: Mask, background: int, mask_NT: Mask | None = None
) -> LocalizationReport:
    """What a network has to beat: the score of an answer that never predicts an event.

    Args:
        truth_NT: the true classes.
        is_subset_N: True for clips whose event is shorter than they are.
        background: C.
        mask_NT: True where a segment exists; without it all do.
    """
    nothing_NT = np.full(truth_NT.shape, background)
    return localization_report(nothing_NT, nothing_NT, truth_NT, is_subset_N, mask_NT)


def category_everywhere(
    category_N: Classes, truth_NT: Classes, is_subset_N: Mask, mask_NT: Mask | None = None
) -> LocalizationReport:
    """What a network has to beat: a perfect tagger of whole clips that knows nothing about time.

    Args:
        category_N: the true category of each clip, predicted for all its segments.
        truth_NT: the true classes.
        is_subset_N: True for clips whose event is shorter than they are.
        mask_NT: True where a segment exists; without it all do.
    """
    everywhere_NT = np.broadcast_to(category_N[:, None], truth_NT.shape)
    return localization_report(everywhere_NT, everywhere_NT, truth_NT, is_subset_N, mask_NT)
