"""The result of an evaluation: ten numbers that can be kept as JSON or read as a table."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import asdict, astuple, dataclass


@dataclass(frozen=True, kw_only=True, slots=True)
class LevelScores:
    """F-scores in per cent, unrounded, of one level: segments or events.

    Attributes:
        audio: F of what can be heard.
        visual: F of what can be seen.
        audio_visual: F of what is heard and seen in the same segment.
        type_av: Type@AV, the mean of the three above.
        event_av: Event@AV, F with the counts of the audio and the visual stream pooled by class.
    """

    audio: float
    visual: float
    audio_visual: float
    type_av: float
    event_av: float


@dataclass(frozen=True, kw_only=True, slots=True)
class ParsingReport:
    """The ten numbers of audio-visual video parsing (LLP).

    Attributes:
        segment: scores where every segment of one second counts.
        event: scores where every event, a maximal run of segments, counts.

    Example:
        >>> perfect = LevelScores(
        ...     audio=100.0, visual=100.0, audio_visual=100.0, type_av=100.0, event_av=100.0
        ... )
        >>> print(ParsingReport(segment=perfect, event=perfect))
                    Audio    Visual        AV   Type@AV  Event@AV
        segment    100.00    100.00    100.00    100.00    100.00
        event      100.00    100.00    100.00    100.00    100.00
    """

    segment: LevelScores
    event: LevelScores

    def to_dict(self) -> dict[str, dict[str, float]]:
        """The metrics JSON: level, then column, in per cent and unrounded."""
        return asdict(self)

    @classmethod
    def from_dict(cls, scores: Mapping[str, Mapping[str, float]]) -> ParsingReport:
        """The report that `to_dict` was called on."""
        return cls(segment=LevelScores(**scores["segment"]), event=LevelScores(**scores["event"]))

    def table(self, title: str = "") -> str:
        """A text table with one line per level, rounded to two decimals."""
        rows = [("segment", _numbers(self.segment)), ("event", _numbers(self.event))]
        return _lines(title, [("", _HEADINGS), *rows])

    def __str__(self) -> str:
        return self.table()


def comparison_table(reports: Mapping[str, ParsingReport], title: str = "") -> str:
    """Several reports side by side: the segment level of all, then the event level of all.

    Args:
        reports: the reports by the name of what was evaluated.
        title: a line above the table.

    Returns:
        Aligned text, rounded to two decimals; names of up to 30 letters fit 80 columns.
    """
    segment = [(name, _numbers(report.segment)) for name, report in reports.items()]
    event = [(name, _numbers(report.event)) for name, report in reports.items()]
    blank = ("", "")
    headed = [("segment level", _HEADINGS), *segment, blank, ("event level", _HEADINGS), *event]
    return _lines(title, headed)


def _cells(texts: Iterable[str]) -> str:
    return "".join(f"{text:>{_WIDTH}}" for text in texts)


def _numbers(scores: LevelScores) -> str:
    return _cells(f"{value:.2f}" for value in astuple(scores))


def _lines(title: str, rows: list[tuple[str, str]]) -> str:
    """Put the names of rows in a column before their cells."""
    width = max(len(name) for name, _ in rows)
    lines = [f"{name:<{width}}{cells}".rstrip() for name, cells in rows]
    return "\n".join([title, *lines] if title else lines)


_WIDTH = 10
_HEADINGS = _cells(("Audio", "Visual", "AV", "Type@AV", "Event@AV"))
