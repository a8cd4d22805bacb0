"""Events as captions, for browsers and media players."""

from __future__ import annotations

import html
from datetime import timedelta

import srt
from webvtt import Caption, WebVTT

from mmpyramid.core import Event, Timeline
from mmpyramid.core.wording import perceived, title_of
from mmpyramid.formats.registry import Format, register
from mmpyramid.formats.rows import MILLISECONDS, to_ticks


def to_vtt(timeline: Timeline) -> str:
    """Write WebVTT captions: one cue per event, such as `[audible] Dog`.

    Source: W3C, WebVTT: The Web Video Text Tracks Format, written by webvtt-py.

    Example:
        >>> print(to_vtt(Timeline()), end="")
        WEBVTT
    """
    cues = [_cue(number, event) for number, event in enumerate(timeline, start=1)]
    return f"{WebVTT(captions=cues).content.rstrip()}\n"


def to_srt(timeline: Timeline) -> str:
    """Write SubRip captions with the texts of `to_vtt`, for players and editors without WebVTT.

    Written by the library srt. The format escapes nothing: a label with `<` keeps it.

    Example:
        >>> from mmpyramid.core import Modality
        >>> event = Event(1.0, 4.0, "Dog", Modality.AUDIO)
        >>> print(to_srt(Timeline(events=(event,), labels=("Dog",))), end="")
        1
        00:00:01,000 --> 00:00:04,000
        [audible] Dog
        <BLANKLINE>
    """
    subtitles = (
        srt.Subtitle(number, *_times(event), _text(event))
        for number, event in enumerate(timeline, start=1)
    )
    return str(srt.compose(subtitles, reindex=False))


def _cue(number: int, event: Event) -> Caption:
    start, end = map(_timestamp, _times(event))
    return Caption(start, end, html.escape(_text(event), quote=False), str(number))


def _text(event: Event) -> str:
    return f"[{perceived(event)}] {title_of(event.label)}"


def _times(event: Event) -> tuple[timedelta, timedelta]:
    start, end = to_ticks(event, MILLISECONDS)
    return timedelta(milliseconds=start), timedelta(milliseconds=end)


def _timestamp(time: timedelta) -> str:
    return str(srt.timedelta_to_srt_timestamp(time)).replace(",", ".")


register(
    Format(
        name="vtt",
        description="captions such as `[audible] Dog`",
        programs="browsers, VLC",
        write=to_vtt,
        media_type="text/vtt",
    )
)
register(
    Format(
        name="srt",
        description="captions such as `[audible] Dog`",
        programs="VLC, subtitle editors",
        write=to_srt,
    )
)
