"""Audio-visual event localization (AVE) scored as its papers do: accuracy over segments.

Background is a class like any other: an answer that never predicts an event scores its share of the
segments. `mmpyramid.problems.localization.decisions` turns scores into classes, and counts are
gathered batch by batch, on any number of devices.

Axes: B batch, T segments of one second.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any

import torch
from torch import Tensor
from torchmetrics import Metric

from mmpyramid.core.errors import UserError
from mmpyramid.core.wording import text_cells, text_table
from mmpyramid.problems.localization.clips import ClipScores


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
        clips: by rule, then by group of clips (`total`, `closed`, `open`), the three numbers of
            OV-AVEBench; None for data sets without groups.

    Example:
        >>> report = LocalizationReport(all=AccuracyPair(argmax=77.5, two_head=77.8), subset=None)
        >>> print(report)
                     argmax  two-head
        all clips     77.50     77.80
    """

    all: AccuracyPair
    subset: AccuracyPair | None
    clips: Mapping[str, Mapping[str, ClipScores]] | None = None

    def to_dict(self) -> dict[str, Any]:
        """The metrics JSON: clips, then rule, in per cent and unrounded."""
        numbers = asdict(self)
        if self.clips is None:
            del numbers["clips"]
        return numbers

    def table(self, title: str = "") -> str:
        """A text table with one line per set of clips, rounded to two decimals."""
        rows = [("all clips", _cells(self.all)), ("subset", _cells(self.subset))]
        return text_table(title, [("", _HEADINGS), *(rows if self.subset else rows[:1])])

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
    table = text_table(title, [("", over), ("", 2 * _HEADINGS), *rows])
    grouped = {name: report.clips for name, report in reports.items() if report.clips}
    return f"{table}\n\n{_clip_table(grouped)}" if grouped else table


def _clip_table(reports: Mapping[str, Mapping[str, Mapping[str, ClipScores]]]) -> str:
    """Segments with background as a class: accuracy, segment F, event F and their mean."""
    headings = ("accuracy", "segment F", "event F", "mean", "clips")
    rows = [("", text_cells(headings, _WIDTH))]
    for name, by_rule in reports.items():
        for rule, groups in by_rule.items():
            for group, found in groups.items():
                values = (found.accuracy, found.segment_f, found.event_f, found.average)
                cells = text_cells((*values, str(found.num_clips)), _WIDTH)
                rows.append((f"{name}, {rule}, {group}", cells))
    return text_table("with background as a class, mean over clips, per cent", rows)


_WIDTH = 10
_HEADINGS = text_cells(("argmax", "two-head"), _WIDTH)


def _cells(pair: AccuracyPair | None) -> str:
    return text_cells((None, None) if pair is None else (pair.argmax, pair.two_head), _WIDTH)


RULES = ("argmax", "two_head")
SETS = ("", "subset_")
"""Prefixes: all clips, and those whose event is shorter than they are."""


class LocalizationMetrics(Metric):
    """The accuracies of audio-visual event localization (AVE) as a torchmetrics `Metric`.

    Its state is counts of segments, so the numbers are exact for any sizes of batches. (Averaging
    the accuracies of batches, as some released code does, is not.)

    Args:
        **kwargs: of `torchmetrics.Metric`.

    Example:
        >>> metrics = LocalizationMetrics()
        >>> predicted_BT, truth_BT = torch.tensor([[0, 2]]), torch.tensor([[0, 1]])
        >>> metrics.update(predicted_BT, truth_BT, truth_BT, torch.tensor([True]))
        >>> metrics.compute()["accuracy_argmax"], metrics.compute()["subset_accuracy_two_head"]
        (50.0, 100.0)
    """

    is_differentiable = False
    higher_is_better = True
    full_state_update = False
    num_right: Tensor
    num_segments: Tensor

    def __init__(self, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        right = torch.zeros(len(SETS), len(RULES), dtype=torch.int64)
        self.add_state("num_right", right, dist_reduce_fx="sum")
        total = torch.zeros(len(SETS), dtype=torch.int64)
        self.add_state("num_segments", total, dist_reduce_fx="sum")

    def update(
        self,
        argmax_BT: Tensor,
        two_head_BT: Tensor,
        truth_BT: Tensor,
        is_subset_B: Tensor,
        mask_BT: Tensor | None = None,
    ) -> None:
        """Add a batch.

        Args:
            argmax_BT: predicted class of each segment by `argmax_rule`.
            two_head_BT: predicted class of each segment by `two_head_rule`.
            truth_BT: the true class.
            is_subset_B: True for clips whose event is shorter than they are.
            mask_BT: True where a segment exists; without it all do.

        Raises:
            UserError: if shapes disagree.
        """
        mask_BT = torch.ones_like(truth_BT, dtype=torch.bool) if mask_BT is None else mask_BT
        shapes = [tuple(value.shape) for value in (argmax_BT, two_head_BT, truth_BT, mask_BT)]
        if len(set(shapes)) > 1 or is_subset_B.shape != truth_BT.shape[:1]:
            raise UserError(
                f"expected predicted and true classes, and their mask, of one shape (B, T), and "
                f"the subset (B,), got {shapes} and {tuple(is_subset_B.shape)}"
            )
        right_RBT = torch.stack([argmax_BT, two_head_BT]) == truth_BT
        every_B = torch.ones_like(is_subset_B, dtype=torch.bool)
        for row, clips_B in enumerate((every_B, is_subset_B.bool())):
            counted_BT = mask_BT.bool() & clips_B[:, None]
            self.num_right[row] += (right_RBT & counted_BT).sum(dim=(1, 2))
            self.num_segments[row] += counted_BT.sum()

    def compute(self) -> dict[str, float]:
        """Accuracies in per cent: `accuracy_argmax`, `accuracy_two_head`, and `subset_` of both.

        Those of the subset are left out while no clip of it was added.

        Raises:
            UserError: if no segment was added.
        """
        if self.num_segments[0] == 0:
            raise UserError("expected at least one segment before `compute`, call `update` first")
        totals = self.num_segments.tolist()
        return {
            f"{prefix}accuracy_{rule}": 100 * right / total
            for prefix, total, counts in zip(SETS, totals, self.num_right.tolist(), strict=True)
            for rule, right in zip(RULES, counts, strict=True)
            if total
        }

    def report(self) -> LocalizationReport:
        """The same numbers as a report, reduced over devices like `compute`."""
        flat = self.compute()
        every, subset = (
            AccuracyPair(**{rule: flat[f"{prefix}accuracy_{rule}"] for rule in RULES})
            if f"{prefix}accuracy_{RULES[0]}" in flat
            else None
            for prefix in SETS
        )
        assert every is not None
        return LocalizationReport(all=every, subset=subset)
