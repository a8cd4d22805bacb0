"""Words for people: modalities, labels, clock times, text that is safe to print."""

from __future__ import annotations

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


def printable(text: str) -> str:
    r"""Replace what could steer a terminal or break an encoding, such as escapes in file names.

    Example:
        >>> printable("clip\x1b[31m.mp4")
        'clip�[31m.mp4'
    """
    return "".join(character if character.isprintable() else "\ufffd" for character in text)


def title_of(label: str) -> str:
    """The label as people write it.

    Example:
        >>> title_of("Frying_(food)")
        'Frying (food)'
    """
    return printable(TITLES.get(label, label).replace("_", " "))
