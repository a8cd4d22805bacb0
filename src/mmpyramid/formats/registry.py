"""Formats of files: name, what they are for, how a timeline is written and read back.

The name of a format is the suffix of its files. A format of your own joins these by `register`;
commands, the web app and the documentation follow. What a format has no place for (the duration,
labels that did not occur, the model) is taken from the original timeline when it is read, if there
is one.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from mmpyramid.core import Modality, Timeline
from mmpyramid.core.errors import UserError
from mmpyramid.core.text import read_text
from mmpyramid.formats.rows import check_listed


@dataclass(frozen=True, kw_only=True)
class Format:
    r"""One format of files.

    Attributes:
        name: the suffix of its files, such as `csv`.
        description: what is in a file, in a few words.
        programs: what opens it.
        write: gives the content of a file, text or bytes, from a timeline and options.
        read: gives a timeline from the text of a file, and raises a `UserError` that names the
            line if it cannot; None if files cannot be read back.
        kept: what is read back, in a few words.
        suffixes: other suffixes that files of this format may have when they are read.
        states_modality: whether its files always say how events are perceived; if not, `read` has
            an argument `unstated`.
        reads_name: whether `read` has an argument `name`, the name of the file without its suffix.
        package: the module that it needs and not everybody has installed.
        counts_frames: whether times are whole frames, so that the timeline needs a frame rate.
        least_seconds: how long a video is at least that has such a file.
        links_media: whether `write` has an argument `media`, the path of the video that the file
            links to instead of the timeline's source.
        markers_for: programs that take their markers from it, as `parse --markers-for` names them.
        media_type: as HTTP names it.
        for_spreadsheets: whether cells are escaped that a spreadsheet would run as formulas, unless
            `write` is called with `raw=True`.

    Example:
        >>> labels = Format(
        ...     name="labels",
        ...     description="the labels",
        ...     programs="any editor",
        ...     write=lambda timeline: "\n".join(timeline.labels),
        ... )
        >>> labels.write(Timeline(labels=("Dog", "Rain"))).split()
        ['Dog', 'Rain']
    """

    name: str
    description: str
    programs: str
    write: Callable[..., str | bytes]
    read: Callable[..., Timeline] | None = None
    kept: str = ""
    suffixes: tuple[str, ...] = ()
    states_modality: bool = True
    reads_name: bool = False
    counts_frames: bool = False
    least_seconds: float = 0.0
    links_media: bool = False
    markers_for: tuple[str, ...] = ()
    package: str | None = None
    media_type: str = "text/plain"
    for_spreadsheets: bool = False

    def suits(self, timeline: Timeline) -> bool:
        """Whether a timeline of such a video can be written here, whatever its events are.

        Example:
            >>> FORMATS["edl"].suits(Timeline(duration=9.0))  # Of a sound, which has no frames.
            False
        """
        has_rate = bool(timeline.frame_rate) or not self.counts_frames
        is_installed = self.package is None or find_spec(self.package) is not None
        return has_rate and timeline.duration >= self.least_seconds and is_installed


FORMATS: dict[str, Format] = {}
"""Every format, by name, in alphabetical order."""

READERS: dict[str, Format] = {}
"""The formats that can be read, by each suffix of their files in lower case."""


def register(format: Format) -> Format:  # noqa: A002
    """Make a format known.

    Raises:
        UserError: if its name is taken.

    Example:
        >>> register(Format(name="json", description="", programs="", write=str))
        Traceback (most recent call last):
        ...
        mmpyramid.core.errors.UserError: there already is a format `json`; give yours another name
    """
    if format.name in FORMATS:
        raise UserError(f"there already is a format `{format.name}`; give yours another name")
    FORMATS[format.name] = format
    for name in sorted(FORMATS, key=str.lower):
        FORMATS[name] = FORMATS.pop(name)
    if format.read is not None:
        suffixes = (format.name.lower(), *format.suffixes)
        READERS.update(dict.fromkeys(suffixes, format))
    return format


def marker_formats() -> dict[str, str]:
    """The format that gives each editing program its markers, by the name of the program.

    Example:
        >>> marker_formats()["audacity"]
        'labels.txt'
    """
    programs = {program: name for name, form in FORMATS.items() for program in form.markers_for}
    return dict(sorted(programs.items()))


def find_format(name: str) -> Format:
    """A format by name.

    Raises:
        UserError: if there is none; the known ones are listed.

    Example:
        >>> from mmpyramid.formats import find_format
        >>> find_format("csv").kept
        'the events'
    """
    if name not in FORMATS:
        raise UserError(f"expected a format out of {', '.join(FORMATS)}; got {name!r}")
    return FORMATS[name]


def encode(timeline: Timeline, format: str, **options: Any) -> bytes:  # noqa: A002
    r"""Write a timeline in one of `FORMATS`, as the bytes of its file.

    Args:
        timeline: what to write.
        format: the name of the format.
        **options: keyword arguments of its `write`, such as `video` of `to_html`.

    Raises:
        UserError: if the format is unknown.

    Example:
        >>> encode(Timeline(), "csv")
        b'label,modality,start,end,score\n'
    """
    content = find_format(format).write(timeline, **options)
    return content.encode("utf-8") if isinstance(content, str) else content


def render(timeline: Timeline, format: str, **options: Any) -> str:  # noqa: A002
    r"""Write a timeline in one of `FORMATS` that are text.

    Args:
        timeline: what to write.
        format: the name of the format.
        **options: keyword arguments of its `write`, such as `video` of `to_html`.

    Raises:
        UserError: if the format is unknown, or no text.

    Example:
        >>> render(Timeline(), "csv")
        'label,modality,start,end,score\n'
    """
    content = find_format(format).write(timeline, **options)
    if isinstance(content, bytes):
        raise UserError(f"expected a format of text, got {format!r}; `encode` writes it as bytes")
    return content


def read_timeline(
    path: str | Path,
    *,
    original: Timeline | None = None,
    unstated: Modality = Modality.AUDIO,
) -> Timeline:
    """Read a timeline from a file, in the format that the suffix of its name says.

    Args:
        path: a timeline JSON, or a file of another program, whose suffix `READERS` lists.
        original: the timeline that was corrected. Everything but the events is taken from it, and
            a label that it does not list is a mistake.
        unstated: how events are perceived that leave it open, in formats of sound annotation.

    Raises:
        UserError: if the file cannot be read; mistakes are reported with their line.

    Example:
        >>> corrected = read_timeline("clip.eaf")  # doctest: +SKIP
    """
    path = Path(path)
    suffix = reader_of(path)
    form = READERS[suffix]
    assert form.read is not None
    options: dict[str, Any] = {} if form.states_modality else {"unstated": unstated}
    if form.reads_name:
        options["name"] = path.name[: -len(suffix) - 1]
    text = read_text(path)
    try:
        timeline = form.read(text, **options)
        if original is None:
            return timeline
        for event in timeline:
            check_listed(event.label, original.labels, "the original timeline")
        notes = tuple(dict.fromkeys((*original.notes, *timeline.notes)))
        return replace(original, events=timeline.events, notes=notes)
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
    matching = [suffix for suffix in READERS if name.endswith(f".{suffix}")]
    if not matching:
        suffixes = ", ".join(f".{suffix}" for suffix in sorted(READERS))
        raise UserError(f"expected a timeline in a file whose name ends in {suffixes}; got {path}")
    return max(matching, key=len)
