"""Frame rates, frame numbers and timecode: how programs that show pictures count time.

A rate is a fraction, never a rounded number: 30000/1001 frames per second are not 29.97, and differ
from it by a frame in nine hours. Timecode numbers frames; at 29.97 and 59.94 frames per second it
leaves numbers out (never frames), so that it keeps up with the clock.

Source: SMPTE ST 12-1, time and control code.
"""

from __future__ import annotations

import re
from fractions import Fraction

from mmpyramid.core.errors import UserError
from mmpyramid.core.text import shorten

RATE = re.compile(r"[1-9][0-9]{0,6}(/[1-9][0-9]{0,6})?")
HIGHEST_RATE = 1000
"""Frames per second; what claims more is a clock and no rate."""
LOWEST_RATE = Fraction(1, 1000)

NTSC = Fraction(1000, 1001)
STANDARD_RATES = (
    *map(Fraction, (24, 25, 30, 48, 50, 60, 100, 120)),
    *(nominal * NTSC for nominal in (24, 30, 48, 60, 120)),
)
CLOSE = Fraction(4, 10_000)
"""Rates are taken for a standard one that differ less from it; 24 and 23.976 differ by 0.001."""

DROPPED = {30 * NTSC: 2, 60 * NTSC: 4}
"""How many numbers drop-frame timecode leaves out each minute, but for every tenth."""


def check_frame_rate(text: str) -> None:
    """Check the frame rate of a timeline; an empty one is unknown.

    Raises:
        UserError: if it is neither a whole number nor a fraction, or too high.
    """
    if not text or (RATE.fullmatch(text) and Fraction(text) <= HIGHEST_RATE):
        return
    raise UserError(
        "expected frames per second, up to 1000, as a whole number or a fraction such as 25 or "
        f"30000/1001; got {shorten(text)!r}"
    )


def to_frame_rate(text: str) -> str:
    """What a person writes, as the frame rate of a timeline.

    Raises:
        UserError: if it is no rate.

    Example:
        >>> to_frame_rate("29.97"), to_frame_rate("25"), to_frame_rate("30000/1001")
        ('30000/1001', '25', '30000/1001')
    """
    try:
        rate = Fraction(text) if len(text) < 20 else None
    except (ValueError, ZeroDivisionError):
        rate = None
    if rate is None or not LOWEST_RATE <= rate <= HIGHEST_RATE:
        raise UserError(
            "expected frames per second as a number up to 1000, such as 25, 29.97 or 30000/1001; "
            f"got {shorten(text)!r}"
        )
    return str(nearest_rate(rate))


def nearest_rate(rate: Fraction) -> Fraction:
    """The standard rate that a measured one stands for, or the rate itself.

    Example:
        >>> nearest_rate(Fraction(29971, 1000)), nearest_rate(Fraction(18))
        (Fraction(30000, 1001), Fraction(18, 1))
    """
    nearest = min(STANDARD_RATES, key=lambda standard: abs(standard - rate))
    is_close = abs(nearest - rate) < CLOSE * nearest
    return nearest if is_close else rate.limit_denominator(1001)


def to_frames(start: float, end: float, rate: Fraction) -> tuple[int, int]:
    """Round start and end to the nearest frames; what has a length lasts one frame at least.

    Example:
        >>> to_frames(2.0, 9.0, Fraction(30000, 1001))
        (60, 270)
    """
    first = round(Fraction(start) * rate)
    return first, max(round(Fraction(end) * rate), first + 1)


def is_drop_frame(rate: Fraction) -> bool:
    """Whether timecode leaves numbers out."""
    return rate in DROPPED


def timecode(frame: int, rate: Fraction, start_hour: int = 0) -> str:
    """The timecode of a frame, drop-frame (with a semicolon) at 29.97 and 59.94 frames per second.

    Args:
        frame: its number from 0.
        rate: frames per second.
        start_hour: the hour at which timecode begins; with the end of the day it starts at 0 again.

    Example:
        >>> timecode(1800, Fraction(30000, 1001)), timecode(50, Fraction(25), start_hour=1)
        ('00:01:00;02', '01:00:02:00')
    """
    nominal, dropped = max(1, round(rate)), DROPPED.get(rate, 0)
    first_minute, minute = nominal * 60, nominal * 60 - dropped
    ten_minutes = nominal * 600 - 9 * dropped
    tens, rest = divmod(frame + 6 * ten_minutes * start_hour, ten_minutes)
    minutes = 0 if rest < first_minute else 1 + (rest - first_minute) // minute
    number = tens * nominal * 600 + rest + minutes * dropped
    seconds, frames = divmod(number, nominal)
    separator = ";" if dropped else ":"
    clock = f"{seconds // 3600 % 24:02}:{seconds // 60 % 60:02}:{seconds % 60:02}"
    return f"{clock}{separator}{frames:02}"
