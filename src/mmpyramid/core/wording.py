"""Words for people: modalities, labels, clock times, tables, text that is safe to print."""

from __future__ import annotations

import math
import unicodedata
from collections.abc import Iterable, Sequence

from mmpyramid.core.timeline import Event, Modality

MODALITY_WORDS = {
    Modality.AUDIO: "audible",
    Modality.VISUAL: "visible",
    Modality.AUDIO_VISUAL: "both",
}
"""How a modality is called at the head of a lane, in the order of the lanes."""

MODALITY_PHRASES = {**MODALITY_WORDS, Modality.AUDIO_VISUAL: "audible and visible"}
"""The same after a label in running text."""

INFERRED = "inferred"

ORACLE = "(oracle)"
"""How the name of a reference ends that uses the true labels of the videos it is scored on."""

TITLES = {
    "Baby_cry_infant_cry": "Baby cry, infant cry",
    "Chicken_rooster": "Chicken, rooster",
    "Violin_fiddle": "Violin, fiddle",
}
"""Labels of LLP that lost the comma of their AudioSet names."""


def clock(seconds: float) -> str:
    """Write seconds as people do, with tenths only where there are any.

    Example:
        >>> clock(3), clock(75.5), clock(3723)
        ('0:03', '1:15.5', '1:02:03')
    """
    tenths = round(seconds * 10)
    minutes, rest = divmod(tenths, 600)
    hours, minutes = divmod(minutes, 60)
    text = f"{rest // 10:02d}" + (f".{rest % 10}" if rest % 10 else "")
    return f"{hours}:{minutes:02d}:{text}" if hours else f"{minutes}:{text}"


def elided(text: str, length: int) -> str:
    """A text of at most so many characters, of which the last stands for what was cut off.

    Example:
        >>> elided("Chicken, rooster", 8)
        'Chicken…'
    """
    return text if len(text) <= length else f"{text[: length - 1]}…"


def perceived(event: Event) -> str:
    """How an event is perceived, in running text.

    Example:
        >>> perceived(Event(0.0, 1.0, "Blender", Modality.VISUAL, 0.9, inferred=True))
        'visible, inferred'
    """
    phrase = MODALITY_PHRASES[event.modality]
    return f"{phrase}, {INFERRED}" if event.inferred else phrase


JOINERS = "\u200c\u200d"
"""They spell words of Persian and Hindi, and emoji of several parts; no glyph stands for them."""


def printable(text: str) -> str:
    r"""Replace what could steer a terminal or break an encoding, such as escapes in file names.

    Spaces of any width stay: macOS writes a narrow one into the names of its screen recordings.

    Example:
        >>> printable("clip\x1b[31m.mp4")
        'clip�[31m.mp4'
    """
    if text.isprintable():
        return text
    return "".join(character if _is_harmless(character) else "\ufffd" for character in text)


def _is_harmless(character: str) -> bool:
    is_space = unicodedata.category(character) == "Zs"
    return is_space or character in JOINERS or character.isprintable()


def title_of(label: str) -> str:
    """The label as people write it.

    Example:
        >>> title_of("Frying_(food)")
        'Frying (food)'
    """
    return printable(TITLES.get(label, label).replace("_", " "))


def text_table(title: str, rows: Sequence[tuple[str, str]]) -> str:
    """Names in a column before their cells, under a title if there is one.

    A row whose name ends in `(oracle)` is explained in a line below the table.

    Example:
        >>> print(text_table("per cent", [("", "      F"), ("segment", "  62.00")]))
        per cent
                     F
        segment  62.00
    """
    width = max(len(name) for name, _ in rows)
    lines = [f"{name:<{width}}{cells}".rstrip() for name, cells in rows]
    if any(name.endswith(ORACLE) for name, _ in rows):
        lines += ["", f"{ORACLE}: uses the true labels of these videos, which no network can"]
    return "\n".join([title, *lines] if title else lines)


def text_cells(values: Iterable[str | float | None], width: int) -> str:
    """The cells of a row of a `text_table`, aligned to the right.

    Args:
        values: texts, or numbers, which get two decimals; None and NaN are `-`.
        width: characters of each cell.

    Example:
        >>> text_cells(["F", 62, None], 6)
        '     F 62.00     -'
    """
    texts = (
        value
        if isinstance(value, str)
        else "-"
        if value is None or math.isnan(value)
        else f"{value:.2f}"
        for value in values
    )
    return "".join(f"{text:>{width}}" for text in texts)
