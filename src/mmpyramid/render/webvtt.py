"""Events as captions, for browsers and media players."""

from __future__ import annotations

import html

from mmpyramid.render.lanes import MODALITY_PHRASES, title_of
from mmpyramid.types import Event, Timeline


def to_vtt(timeline: Timeline) -> str:
    """Write WebVTT captions: one cue per event, such as `[audible] Dog`.

    Source: W3C, WebVTT: The Web Video Text Tracks Format, section 4 (syntax).

    Example:
        >>> print(to_vtt(Timeline()), end="")
        WEBVTT
    """
    cues = [_cue(number, event) for number, event in enumerate(timeline, start=1)]
    return "\n".join(["WEBVTT\n", *cues])


def _cue(number: int, event: Event) -> str:
    start = round(event.start * 1000)
    end = max(round(event.end * 1000), start + 1)  # a cue must not be empty
    text = html.escape(f"[{MODALITY_PHRASES[event.modality]}] {title_of(event.label)}", quote=False)
    return f"{number}\n{_timestamp(start)} --> {_timestamp(end)}\n{text}\n"


def _timestamp(milliseconds: int) -> str:
    minutes, rest = divmod(milliseconds, 60_000)
    hours, minutes = divmod(minutes, 60)
    return f"{hours:02d}:{minutes:02d}:{rest // 1000:02d}.{rest % 1000:03d}"
