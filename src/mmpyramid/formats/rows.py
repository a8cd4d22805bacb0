"""One event as somebody typed it: strings to an `Event`, and mistakes told with their place."""

from __future__ import annotations

import difflib
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from mmpyramid.core import Event, Modality, Timeline
from mmpyramid.core.errors import UserError


@dataclass(frozen=True, kw_only=True, slots=True)
class Row:
    """What one row says of an event.

    Attributes:
        where: the place for messages, such as `line 3`.
        label: what happens.
        start: seconds, as text.
        end: seconds, as text.
        modality: `audio` where a format of sound annotation has no place for it.
        score: 1 where a person made the event.
    """

    where: str
    label: str
    start: str
    end: str
    modality: str = Modality.AUDIO.value
    score: str = "1"

    def to_event(self) -> Event:
        """Read the row.

        Raises:
            UserError: if it is not an event; tells where.

        Example:
            >>> Row(where="line 3", label="Dog", start="2,5", end="4").to_event()
            Traceback (most recent call last):
            ...
            mmpyramid.core.errors.UserError: ... expected a number as start, such as 2.5; got ...
        """
        try:
            if not self.label.strip():
                raise UserError("expected the label of an event, got none")
            start, end = _number(self.start, "start"), _number(self.end, "end")
            score = _number(self.score, "score")
            return Event(start, end, self.label, _modality(self.modality), score)
        except UserError as error:
            raise UserError(f"{self.where}: {error}") from error


def to_timeline(events: Sequence[Event], source: str = "") -> Timeline:
    """A timeline of events alone: it lasts as long as they do and knows the labels they have."""
    return Timeline(
        events=tuple(events),
        duration=max((event.end for event in events), default=0.0),
        labels=tuple(dict.fromkeys(event.label for event in events)),
        source=source,
    )


def listed(label: str, labels: Iterable[str], where: str) -> None:
    """Refuse a label that is not listed.

    Raises:
        UserError: which names the label that may be meant.
    """
    known = tuple(labels)
    if label not in known:
        close = difflib.get_close_matches(label, known, n=1)
        hint = f"did you mean {close[0]!r}?" if close else f"it has {', '.join(known) or 'none'}"
        raise UserError(f"expected a label that {where} lists, got {label!r}; {hint}")


def _number(text: str, name: str) -> float:
    try:
        return float(text)
    except ValueError as error:
        raise UserError(f"expected a number as {name}, such as 2.5; got {text!r}") from error


def _modality(text: str) -> Modality:
    try:
        return Modality(text.strip().lower())
    except ValueError as error:
        known = ", ".join(Modality)
        raise UserError(f"expected a modality out of {known}; got {text!r}") from error
