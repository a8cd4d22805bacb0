"""Chapters of a video: for YouTube, and as FFmpeg's metadata for MP4 and Matroska files.

Chapters are points in time: each ends where the next one begins. Events overlap, so the video is
cut wherever one begins or ends, and a chapter is called by all that happens in it.
"""

from __future__ import annotations

import itertools
import re
from collections import Counter, deque
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from mmpyramid.core import Event, Modality, Timeline
from mmpyramid.core.errors import UserError
from mmpyramid.core.wording import MODALITY_PHRASES, clock, title_of
from mmpyramid.formats.registry import Format, register
from mmpyramid.formats.rows import MILLISECONDS, to_ticks

NOTHING = "\N{EN DASH}"
"""The name of a chapter in which nothing was found."""
SPECIAL = re.compile(r"([=;#\\])")

SHORTEST, FEWEST = 10, 3
"""Seconds of a chapter, and number of chapters, from which YouTube shows any."""
LONGEST_TITLE = 70
"""Characters; what is longer, YouTube cuts off."""


@dataclass(frozen=True, slots=True)
class Chapter:
    """A part of a video, in which what is perceived does not change.

    Attributes:
        start: in ticks of the partition.
        end: in ticks, later than the start.
        events: what happens all the time.
    """

    start: int
    end: int
    events: tuple[Event, ...]


def partition(timeline: Timeline, per_second: int) -> list[Chapter]:
    """Cut a video at every start and end of an event, without gaps and overlaps.

    Args:
        timeline: its events may overlap.
        per_second: ticks.

    Example:
        >>> event = Event(1.0, 4.0, "Dog", Modality.AUDIO)
        >>> timeline = Timeline(events=(event,), duration=5.0, labels=("Dog",))
        >>> [(chapter.start, chapter.end) for chapter in partition(timeline, 1)]
        [(0, 1), (1, 4), (4, 5)]
    """
    spans = [(*to_ticks(event, per_second), event) for event in timeline]
    ends = (0, round(timeline.duration * per_second))
    cuts = sorted({*ends, *(cut for start, end, _ in spans for cut in (start, end))})
    coming = deque(spans)  # By start, as the events of a timeline are.
    chapters = []
    current: list[tuple[int, int, Event]] = []
    for start, end in itertools.pairwise(cuts):
        current = [span for span in current if span[1] > start]
        while coming and coming[0][0] == start:
            current.append(coming.popleft())
        chapters.append(Chapter(start, end, tuple(event for _, _, event in current)))
    return chapters


def to_ffmetadata(timeline: Timeline) -> str:
    """Write chapters as FFmpeg reads them, in milliseconds.

    Put them into a copy of the video, whose picture and sound stay as they are:
    `ffmpeg -i clip.mp4 -i clip.ffmetadata -map_metadata 1 -map_chapters 1 -c copy new.mp4`.

    Source: FFmpeg Formats Documentation, Metadata.

    Example:
        >>> event = Event(0.0, 4.0, "Dog", Modality.AUDIO)
        >>> print(to_ffmetadata(Timeline(events=(event,), duration=4.0, labels=("Dog",))), end="")
        ;FFMETADATA1
        [CHAPTER]
        TIMEBASE=1/1000
        START=0
        END=4000
        title=Dog (audible)
    """
    named = ((_title(chapter.events), chapter) for chapter in partition(timeline, MILLISECONDS))
    blocks = []
    for title, same in itertools.groupby(named, key=lambda pair: pair[0]):
        chapters = [chapter for _, chapter in same]
        escaped = SPECIAL.sub(r"\\\1", title)
        blocks.append(
            f"[CHAPTER]\nTIMEBASE=1/{MILLISECONDS}\nSTART={chapters[0].start}\n"
            f"END={chapters[-1].end}\ntitle={escaped}\n"
        )
    return ";FFMETADATA1\n" + "".join(blocks)


def to_youtube(timeline: Timeline) -> str:
    """Write lines for the description of a video on YouTube, which shows them as chapters.

    Chapters last ten seconds at least: shorter parts are joined with those that follow, and named
    by what lasts longest in them.

    Source: YouTube Help, Video Chapters: at least three, the first at 0:00, each of 10 s or more.

    Raises:
        UserError: if fewer than three are left, which YouTube would ignore.

    Example:
        >>> dog = Event(0.0, 20.0, "Dog", Modality.AUDIO)
        >>> cat = Event(40.0, 60.0, "Cat", Modality.AUDIO)
        >>> print(to_youtube(Timeline(events=(dog, cat), labels=("Dog", "Cat"))), end="")
        0:00 Dog
        0:20 –
        0:40 Cat
    """
    chapters = _long_enough(partition(timeline, 1))
    named = [(_names(parts), parts) for parts in chapters]
    different = [next(same) for _, same in itertools.groupby(named, key=lambda pair: pair[0])]
    if len(different) < FEWEST:
        raise UserError(
            f"YouTube shows chapters from {FEWEST} on, of {SHORTEST} s each at least; the events "
            f"of this video ({timeline.duration:.6g} s) give {len(different)}; for short videos "
            "take another format, such as vtt or ffmetadata"
        )
    return "".join(f"{clock(parts[0].start)} {title}\n" for title, parts in different)


def _long_enough(chapters: Iterable[Chapter]) -> list[list[Chapter]]:
    """Join neighbours until each group lasts long enough; the last one goes to the one before."""
    groups: list[list[Chapter]] = [[]]
    for chapter in chapters:
        if groups[-1] and groups[-1][-1].end - groups[-1][0].start >= SHORTEST:
            groups.append([])
        groups[-1].append(chapter)
    last = groups[-1]
    if len(groups) > 1 and last[-1].end - last[0].start < SHORTEST:
        groups.pop()
        groups[-1] += last
    return [group for group in groups if group]


def _title(events: Iterable[Event]) -> str:
    """All labels, each with how it is perceived."""
    ways: dict[str, set[Modality]] = {}
    for event in events:
        ways.setdefault(title_of(event.label), set()).add(event.modality)
    named = (f"{label} ({_phrase(ways[label])})" for label in sorted(ways))
    return ", ".join(named) or NOTHING


def _phrase(ways: set[Modality]) -> str:
    return MODALITY_PHRASES[ways.pop() if len(ways) == 1 else Modality.AUDIO_VISUAL]


def _names(parts: Sequence[Chapter]) -> str:
    """The labels that last longest in a chapter, as many as the title has room for."""
    seconds: Counter[str] = Counter()
    for part in parts:
        for label in {title_of(event.label).strip() for event in part.events}:
            seconds[label] += part.end - part.start
    title = ""
    for label in sorted(seconds, key=lambda label: (-seconds[label], label)):
        longer = f"{title}, {label}" if title else label
        if len(longer) > LONGEST_TITLE:
            break
        title = longer
    return title or (max(seconds, key=len)[:LONGEST_TITLE] if seconds else NOTHING)


register(
    Format(
        name="ffmetadata",
        description="chapters for a video file",
        programs="FFmpeg, which puts them into MP4 and Matroska files for VLC, mpv",
        write=to_ffmetadata,
        markers_for=("vlc", "mpv"),
    )
)
register(
    Format(
        name="youtube.txt",
        description="chapters for the description of a video",
        programs="YouTube",
        write=to_youtube,
        least_seconds=FEWEST * SHORTEST,
        markers_for=("youtube",),
    )
)
