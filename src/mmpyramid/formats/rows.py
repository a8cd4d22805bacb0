"""What formats share: an event as somebody typed it, and times on the grid of a file format."""

from __future__ import annotations

import difflib
import json
import os
import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from fractions import Fraction
from pathlib import Path, PurePath
from typing import Any
from urllib.parse import quote

from mmpyramid.core import Event, Modality, Timeline
from mmpyramid.core.errors import UserError
from mmpyramid.core.text import real_number, shorten
from mmpyramid.core.wording import INFERRED, printable

MILLISECONDS, MICROSECONDS = 1_000, 1_000_000
"""Ticks per second."""
INFERENCES = {"": False, "false": False, "true": True, INFERRED: True}
"""How files say whether an event is inferred."""
TAG = re.compile(
    rf"(?P<label>.*) \[(?P<modality>{'|'.join(Modality)})(?P<inferred>, {INFERRED})?\]", re.DOTALL
)
URL = re.compile(r"[a-z][a-z0-9+.-]+://", re.IGNORECASE)
LISTED = 1000
"""Characters of a list of labels in a message."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Row:
    """What one row says of an event.

    Attributes:
        where: the place for messages, such as `line 3`.
        label: what happens.
        start: seconds, as text.
        end: seconds, as text.
        modality: `audio` where a format of sound annotation has no place for it.
        score: empty or 1 where a person made the event.
        inferred: one of `INFERENCES`.

    Example:
        >>> Row(where="line 3", label="Dog", start="1.5", end="4").to_event().end
        4.0
    """

    where: str
    label: str
    start: str
    end: str
    modality: str = Modality.AUDIO.value
    score: str = "1"
    inferred: str = ""

    def to_event(self) -> Event:
        """Read the row.

        Raises:
            UserError: if it is not an event; says where.

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
            score = _number(self.score.strip() or "1", "score")
            is_inferred = _inferred(self.inferred)
            return Event(start, end, self.label, _modality(self.modality), score, is_inferred)
        except UserError as error:
            raise UserError(f"{self.where}: {error}") from error


def to_timeline(events: Sequence[Event], source: str = "") -> Timeline:
    """A timeline of events alone: it lasts as long as they do and knows the labels they have.

    Example:
        >>> dog = Event(start=1.0, end=4.0, label="Dog", modality=Modality.AUDIO)
        >>> timeline = to_timeline([dog])
        >>> timeline.duration, timeline.labels
        (4.0, ('Dog',))
    """
    return Timeline(
        events=tuple(events),
        duration=max((event.end for event in events), default=0.0),
        labels=tuple(dict.fromkeys(event.label for event in events)),
        source=source,
    )


def with_events(timeline: Timeline, events: Sequence[Event]) -> Timeline:
    """The same timeline with other events, whose labels it knows then, and which end within it."""
    labels = dict.fromkeys((*timeline.labels, *(event.label for event in events)))
    last = max((event.end for event in events), default=0.0)
    duration = max(timeline.duration, last)
    return replace(timeline, events=tuple(events), labels=tuple(labels), duration=duration)


def head_of(timeline: Timeline) -> dict[str, Any]:
    """What a timeline knows besides its events, as JSON for the metadata of a file."""
    head = replace(timeline, events=(), unit_weights=(), source=printable(timeline.source))
    plain: dict[str, Any] = json.loads(head.to_json())
    return plain


def from_head(head: object, events: Sequence[Event]) -> Timeline:
    """A timeline of events and of what `head_of` gave; of the events alone if that is None.

    Raises:
        UserError: if it is something else.
    """
    if head is None:
        return to_timeline(events)
    return with_events(Timeline.from_json(json.dumps(head)), events)


def tagged(event: Event) -> str:
    """The name of an event where a format has no place for its modality.

    Example:
        >>> tagged(Event(1.0, 4.0, "Dog", Modality.AUDIO))
        'Dog [audio]'
    """
    return f"{printable(event.label)} [{event.modality}{f', {INFERRED}' * event.inferred}]"


def untagged(name: str) -> tuple[str, Modality | None, str]:
    """What `tagged` wrote or a person did, who may leave out all but the label.

    Returns:
        The label, the modality, and one of `INFERENCES`.

    Example:
        >>> untagged("Dog [audio]"), untagged("Dog")
        (('Dog', <Modality.AUDIO: 'audio'>, 'false'), ('Dog', None, 'false'))
    """
    found = TAG.fullmatch(name)
    if found is None:
        return name, None, "false"
    return found["label"], Modality(found["modality"]), str(found["inferred"] is not None).lower()


def tiers(events: Iterable[Event], per_second: int) -> list[list[Event]]:
    """Spread events over as few tiers as first fit needs, so that none overlap in one.

    Args:
        events: in the order of a timeline.
        per_second: ticks of the format; events do not overlap once rounded, either.
    """
    spread: list[list[Event]] = []
    for event in events:
        start, _ = to_ticks(event, per_second)
        free = (tier for tier in spread if to_ticks(tier[-1], per_second)[1] <= start)
        tier = next(free, None)
        if tier is None:
            spread.append([event])
        else:
            tier.append(event)
    return spread


def named_tiers(timeline: Timeline, per_second: int) -> dict[str, list[Event]]:
    """The events of a timeline in tiers named by modality: `audio`, `audio 2` and so on.

    Every modality has a tier. See `tiers` for the arguments.

    Example:
        >>> list(named_tiers(Timeline(), MILLISECONDS))
        ['audio', 'visual', 'audio_visual']
    """
    return {
        f"{modality} {number}" if number > 1 else f"{modality}": tier
        for modality in Modality
        for number, tier in enumerate(tiers(timeline.of(modality), per_second) or [[]], start=1)
    }


def modality_of_tier(name: str) -> Modality | None:
    """The modality that a tier is named by, whatever its number; None if by none.

    Example:
        >>> modality_of_tier("Audio 2"), modality_of_tier("speaker")
        (<Modality.AUDIO: 'audio'>, None)
    """
    stem = name.rstrip(" 0123456789").lower()
    return Modality(stem) if stem in set(Modality) else None


def frame_rate_of(timeline: Timeline) -> Fraction:
    """The frame rate of a timeline, for formats that count frames.

    Raises:
        UserError: if it is unknown.
    """
    if not timeline.frame_rate:
        raise UserError(
            "this format counts frames, and the frame rate of the video is unknown (the timeline "
            "is of sound, or came from a file without one); give it, such as `mmpyramid render "
            "clip.json --to otio --fps 29.97`, or `replace(timeline, frame_rate='25')`"
        )
    return Fraction(timeline.frame_rate)


def media_url(source: str, media: Path | None = None) -> str:
    """The URL of a video for a link, empty if none is named.

    Args:
        source: the path or URL that the timeline names.
        media: the file that is linked instead.

    Example:
        >>> media_url("https://example.org/dog.mp4"), media_url("", Path("/clips/dog.mp4"))
        ('https://example.org/dog.mp4', 'file:///clips/dog.mp4')
    """
    if media is None and (not source or URL.match(source)):
        return source
    return file_url(PurePath(source) if media is None else media)


def file_url(path: PurePath) -> str:
    """The URL of a file; that of a relative path is relative to where the link stands.

    Example:
        >>> file_url(PurePath("my clips/dog.mp4")), file_url(PurePath("/clips/dog.mp4"))
        ('my%20clips/dog.mp4', 'file:///clips/dog.mp4')
    """
    return path.as_uri() if path.is_absolute() else quote(os.fsencode(path.as_posix()))


def check_listed(label: str, labels: Iterable[str], where: str) -> None:
    """Check that a label is listed.

    Raises:
        UserError: if it is not; names the label that may be meant.
    """
    known = tuple(labels)
    if label not in known:
        close = difflib.get_close_matches(label, known, n=1)
        listed = shorten(", ".join(known), LISTED) or "none"
        hint = f"did you mean {close[0]!r}?" if close else f"it has {listed}"
        raise UserError(f"expected a label that {where} lists, got {shorten(label)!r}; {hint}")


def to_ticks(event: Event, per_second: int) -> tuple[int, int]:
    """Round start and end to whole ticks; an event lasts one tick at least.

    Example:
        >>> from mmpyramid.core import Modality
        >>> to_ticks(Event(1.0, 1.00001, "Dog", Modality.AUDIO), MILLISECONDS)
        (1000, 1001)
    """
    start = round(event.start * per_second)
    return start, max(round(event.end * per_second), start + 1)


def to_seconds(event: Event) -> tuple[float, float]:
    """Round start and end to microseconds, which print with six decimals at most.

    Example:
        >>> from mmpyramid.core import Modality
        >>> to_seconds(Event(1 / 3, 1.0, "Dog", Modality.AUDIO))
        (0.333333, 1.0)
    """
    start, end = to_ticks(event, MICROSECONDS)
    return start / MICROSECONDS, end / MICROSECONDS


def _number(text: str, name: str) -> float:
    if (number := real_number(text)) is None:
        raise UserError(f"expected a number as {name}, such as 2.5; got {shorten(text)!r}")
    return number


def _modality(text: str) -> Modality:
    try:
        return Modality(text.strip().lower())
    except ValueError as error:
        known = ", ".join(Modality)
        raise UserError(f"expected a modality out of {known}; got {shorten(text)!r}") from error


def _inferred(text: str) -> bool:
    try:
        return INFERENCES[text.strip().lower()]
    except KeyError as error:
        raise UserError(
            f"expected `true` or `false` under `{INFERRED}`, got {shorten(text)!r}"
        ) from error
