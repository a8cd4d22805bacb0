"""Formats of annotation tools, written and read back: what a person corrected is a timeline again.

What a format has no place for (the duration, the labels that did not occur, the model) is taken
from the original timeline, if there is one.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from functools import partial
from pathlib import Path

from mmpyramid.core import Modality, Timeline
from mmpyramid.core.errors import UserError
from mmpyramid.formats.audacity import from_audacity, to_audacity
from mmpyramid.formats.delimited import from_csv, from_tsv, to_csv, to_tsv
from mmpyramid.formats.elan import from_elan, to_elan
from mmpyramid.formats.rows import listed

__all__ = [
    "READERS",
    "from_audacity",
    "from_csv",
    "from_elan",
    "from_tsv",
    "read_timeline",
    "reader_of",
    "to_audacity",
    "to_csv",
    "to_elan",
    "to_tsv",
]

READERS: dict[str, Callable[..., Timeline]] = {
    "csv": from_csv,
    "eaf": from_elan,
    "json": Timeline.from_json,
    "labels.txt": from_audacity,
    "tsv": from_tsv,
    "txt": from_audacity,
}
"""Formats that can be read, by suffix; Audacity calls its label tracks what it is told to."""


WITHOUT_MODALITY = ("labels.txt", "tsv", "txt")
"""Formats of sound annotation, whose events may leave it open how they are perceived."""


def read_timeline(
    path: str | Path,
    *,
    original: Timeline | None = None,
    unstated: Modality = Modality.AUDIO,
) -> Timeline:
    """Read a timeline from a file, in the format that the suffix of its name says.

    Args:
        path: a timeline JSON, or a file of an annotation tool: .csv, .tsv, .eaf, .txt (Audacity).
        original: the timeline that was corrected. Everything but the events is taken from it, and
            a label that it does not list is a mistake.
        unstated: how events are perceived that leave it open, in formats of sound annotation.

    Raises:
        UserError: if the file cannot be read; mistakes are told with their line.

    Example:
        >>> corrected = read_timeline("clip.eaf")  # doctest: +SKIP
    """
    path = Path(path)
    suffix = reader_of(path)
    read = READERS[suffix]
    if suffix in WITHOUT_MODALITY:
        read = partial(read, unstated=unstated)
    try:
        timeline = read(path.read_bytes().decode("utf-8-sig"))
        return timeline if original is None else _corrected(original, timeline)
    except OSError as error:
        raise UserError(f"cannot read the timeline {path}: {error.strerror}") from error
    except UnicodeDecodeError as error:
        raise UserError(f"cannot read {path}: expected text in UTF-8; save it as such") from error
    except UserError as error:
        raise UserError(f"cannot read {path}: {error}") from error


def reader_of(path: Path) -> str:
    """The key of `READERS` that a file's name ends in, the longest if there are several.

    Raises:
        UserError: if there is none.

    Example:
        >>> reader_of(Path("clip.labels.txt"))
        'labels.txt'
    """
    name = path.name.lower()
    fitting = [suffix for suffix in READERS if name.endswith(f".{suffix}")]
    if not fitting:
        suffixes = ", ".join(f".{suffix}" for suffix in READERS)
        raise UserError(f"expected a timeline in a file whose name ends in {suffixes}; got {path}")
    return max(fitting, key=len)


def _corrected(original: Timeline, corrected: Timeline) -> Timeline:
    for event in corrected:
        listed(event.label, original.labels, "the original timeline")
    return replace(original, events=corrected.events)
