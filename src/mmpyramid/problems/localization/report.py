"""The result of evaluating event localization: accuracies kept as JSON or read as a table."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass

from mmpyramid.core.errors import UserError


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
