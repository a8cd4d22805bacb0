"""Advanced SubStation Alpha (.ass): captions in a corner and a colour per modality, for players."""

from __future__ import annotations

import re

from mmpyramid.core import Event, Modality, Timeline
from mmpyramid.core.palette import PALETTE
from mmpyramid.core.wording import INFERRED, title_of
from mmpyramid.formats.registry import Format, register
from mmpyramid.formats.rows import to_ticks

CENTISECONDS = 100
HEIGHT = 720
"""Lines of the script's own screen, which players scale to the picture."""
PLACES = {Modality.AUDIO: 1, Modality.VISUAL: 9, Modality.AUDIO_VISUAL: 7}
"""As on a keypad: bottom left, top right, top left."""
HEAD = f"""[Script Info]
ScriptType: v4.00+
PlayResX: {HEIGHT * 16 // 9}
PlayResY: {HEIGHT}

[V4+ Styles]
Format: Name, Fontname, Fontsize, PrimaryColour, SecondaryColour, OutlineColour, BackColour, \
Bold, Italic, Underline, StrikeOut, ScaleX, ScaleY, Spacing, Angle, BorderStyle, Outline, Shadow, \
Alignment, MarginL, MarginR, MarginV, Encoding
"""
EVENTS = """
[Events]
Format: Layer, Start, End, Style, Name, MarginL, MarginR, MarginV, Effect, Text
"""
MARKUP = re.compile(r"[{}\\]")
STANDS_FOR = {"{": "(", "}": ")", "\\": "/"}


def to_ass(timeline: Timeline) -> str:
    """Write a caption per event, in hundredths of a second.

    What would be markup in a label is replaced by what looks like it; the format cannot escape it.

    Source: the Sub Station Alpha v4.00+ script format, as libass reads it.

    Example:
        >>> event = Event(2.0, 9.0, "Dog", Modality.AUDIO)
        >>> print(to_ass(Timeline(events=(event,), labels=("Dog",))).splitlines()[-1])
        Dialogue: 0,0:00:02.00,0:00:09.00,audio,,0,0,0,,Dog
    """
    return HEAD + "".join(map(_style, PLACES)) + EVENTS + "".join(map(_dialogue, timeline))


def _style(modality: Modality) -> str:
    red, green, blue = re.findall("..", PALETTE[modality].dark[1:].upper())
    colour = f"&H00{blue}{green}{red}"
    return (
        f"Style: {modality},sans-serif,36,{colour},{colour},&H00000000,&H00000000,"
        f"0,0,0,0,100,100,0,0,1,2,0,{PLACES[modality]},24,24,24,1\n"
    )


def _dialogue(event: Event) -> str:
    start, end = map(_clock, to_ticks(event, CENTISECONDS))
    text = MARKUP.sub(lambda found: STANDS_FOR[found[0]], title_of(event.label))
    text += f" ({INFERRED})" if event.inferred else ""
    return f"Dialogue: 0,{start},{end},{event.modality},,0,0,0,,{text}\n"


def _clock(ticks: int) -> str:
    minutes, rest = divmod(ticks, 60 * CENTISECONDS)
    hours, minute = divmod(minutes, 60)
    return f"{hours}:{minute:02}:{rest // CENTISECONDS:02}.{rest % CENTISECONDS:02}"


register(
    Format(
        name="ass",
        description="captions in a corner per modality",
        programs="mpv, VLC, Aegisub; FFmpeg burns them in",
        write=to_ass,
        media_type="text/x-ssa",
    )
)
