"""Progress of long work: whoever works reports it here, and one display shows it.

Where no display is active, as in programs that use this package, reports go nowhere. The command
line shows them as bars on a terminal, as a line now and then elsewhere, or as lines of JSON
(`docs/progress.schema.json`).
"""

from __future__ import annotations

import logging
import sys
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from time import monotonic
from typing import TYPE_CHECKING, Any, Literal, TypeAlias

import msgspec

from mmpyramid.core.wording import clock

if TYPE_CHECKING:
    from rich.progress import Progress as Bars
    from rich.progress import ProgressColumn

logger = logging.getLogger(__name__)

ADDRESS = "https://github.com/mmpyramid/mmpyramid/blob/main/docs/progress.schema.json"
LINES_FORMAT = "mmpyramid-progress-1"

INTERRUPTED = 130
"""The exit code after Ctrl-C, as of shells."""

FIRST_LINE, OTHER_LINES, JSON_LINES = 3.0, 10.0, 0.5
"""Seconds until the first line of text about a step, between later ones, and between JSON lines."""

Kind: TypeAlias = Literal["bars", "lines", "json", "quiet"]
"""How progress is shown."""

Level: TypeAlias = Literal["debug", "info", "warning", "error"]
Update: TypeAlias = Callable[..., None]
"""Called with (completed, total), and `detail` as a word more; a total of None is not known."""


class ProgressLine(msgspec.Struct, tag_field="event", tag="progress", omit_defaults=True):
    """How far a step is.

    Attributes:
        step: what is done, for instance `extract`.
        completed: how much of it is done.
        unit: what is counted, for instance `videos` or `bytes`.
        seconds: since the step began.
        total: how much there is; absent where that is not known.
        rate: units per second; absent at the beginning.
        seconds_left: until the end at this rate; absent where it cannot be known.
        detail: what is worked on.
    """

    step: str
    completed: int
    unit: str
    seconds: float
    total: int | None = None
    rate: float | None = None
    seconds_left: float | None = None
    detail: str = ""


class FailedLine(msgspec.Struct, tag_field="event", tag="failed"):
    """Something that was left out, while the work went on.

    Attributes:
        item: what it was, such as the path of a video.
        reason: why.
    """

    item: str
    reason: str


class WrittenLine(msgspec.Struct, tag_field="event", tag="written"):
    """A file that is complete.

    Attributes:
        path: of the file.
    """

    path: str


class MessageLine(msgspec.Struct, tag_field="event", tag="message", omit_defaults=True):
    """Something to know.

    Attributes:
        level: how serious it is.
        text: for people.
        values: the numbers in it, by name.
    """

    level: Level
    text: str
    values: Mapping[str, float] = {}


class EndLine(msgspec.Struct, tag_field="event", tag="end", omit_defaults=True):
    """The last line.

    Attributes:
        exit_code: 0 done, 1 partly done, 2 a mistake in the input, 130 interrupted.
        error: what went wrong.
    """

    exit_code: int
    error: str = ""


Line: TypeAlias = ProgressLine | FailedLine | WrittenLine | MessageLine | EndLine


def progress_schema() -> dict[str, Any]:
    """What a line of `--json` looks like, for programs that read them.

    Example:
        >>> progress_schema()["title"]
        'mmpyramid-progress-1'
    """
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "$id": ADDRESS,
        "title": LINES_FORMAT,
        **msgspec.json.schema(Line),
    }


def kind_of_display(*, as_json: bool = False, quiet: bool = False) -> Kind:
    """What suits the standard error: bars on a terminal, else lines."""
    if as_json:
        return "json"
    return "quiet" if quiet else "bars" if sys.stderr.isatty() else "lines"


@dataclass(kw_only=True)
class Display:
    """Shows what is reported, on the standard error.

    Attributes:
        kind: how.
        name: of the program, in front of lines of text.
        silent: whether results for people are left out as well, see `is_quiet`.
    """

    kind: Kind
    name: str = "mmpyramid"
    silent: bool = False
    _bars: Bars | None = field(default=None, init=False)

    @contextmanager
    def step(self, name: str, unit: str) -> Iterator[Update]:
        """Show a step, by the function that this yields."""
        if self.kind == "bars":
            with self._bar(name, unit) as update:
                yield update
            return
        lines = _StepLines(self, name, unit)
        yield lines
        lines.end()

    @contextmanager
    def _bar(self, name: str, unit: str) -> Iterator[Update]:
        bars, is_first = self._bars or _bars(), self._bars is None
        with ExitStack() as stack:
            if is_first:
                self._bars = stack.enter_context(bars)
                stack.callback(setattr, self, "_bars", None)
            task = bars.add_task(name, total=None, unit=unit, detail="")
            stack.callback(bars.remove_task, task)

            def update(completed: int, total: int | None = None, *, detail: str = "") -> None:
                bars.update(task, completed=completed, total=total, detail=detail)

            yield update

    def write(self, line: Line, text: str = "") -> None:
        """Write a line as JSON or, where text is shown, its text."""
        if self.kind == "json":
            sys.stderr.write(msgspec.json.encode(line).decode() + "\n")
        elif text:
            sys.stderr.write(text + "\n")

    def end(self, exit_code: int, problem: str = "") -> None:
        """Write the outcome; a mistake in the input is one paragraph."""
        text = f"{self.name}: {problem}" if problem else ""
        self.write(EndLine(exit_code, problem), f"\n{text}" if exit_code == INTERRUPTED else text)


class _StepLines:
    """A step that writes a line from time to time."""

    def __init__(self, display: Display, name: str, unit: str) -> None:
        self._display, self._name, self._unit = display, name, unit
        self._began = monotonic()
        self._next = self._began + (0.0 if display.kind == "json" else FIRST_LINE)
        self._last: ProgressLine | None = None
        self._first: int | None = None
        self._written: ProgressLine | None = None

    def __call__(self, completed: int, total: int | None = None, *, detail: str = "") -> None:
        if self._display.kind == "quiet":
            return
        now = monotonic()
        seconds = now - self._began
        if self._first is None:
            self._first = completed  # What an earlier run did is no measure of the rate.
        done = completed - self._first
        rate = done / seconds if done > 0 and seconds > 0 else None
        left = (total - completed) / rate if rate and total is not None else None
        self._last = ProgressLine(
            step=self._name,
            completed=completed,
            unit=self._unit,
            seconds=round(seconds, 3),
            total=total,
            rate=None if rate is None else round(rate, 3),
            seconds_left=None if left is None else round(left, 1),
            detail=detail,
        )
        if now >= self._next:
            self._write()
            self._next = now + (JSON_LINES if self._display.kind == "json" else OTHER_LINES)

    def end(self) -> None:
        """Write how far it came, in JSON."""
        if self._display.kind == "json" and self._last is not self._written:
            self._write()

    def _write(self) -> None:
        assert self._last is not None, "there is something to write about"
        self._written = self._last
        words = in_words(self._last)
        if self._display.name.endswith(f" {self._name}"):
            words = words.removeprefix(f"{self._name}: ")
        self._display.write(self._last, f"{self._display.name}: {words}")


def in_words(line: ProgressLine) -> str:
    """A line about progress, for people.

    Example:
        >>> in_words(ProgressLine("extract", 5, "videos", 2.0, total=20, rate=2.5, seconds_left=6))
        'extract: 5 of 20 videos, 2.5 videos/s, 0:06 left'
    """
    size = 1e-6 if line.unit == "bytes" else 1
    unit = "MB" if line.unit == "bytes" else line.unit
    digits = ".1f" if line.unit == "bytes" else ".0f"
    total = "" if line.total is None else f" of {line.total * size:{digits}}"
    parts = [f"{line.step}: {line.completed * size:{digits}}{total} {unit}".rstrip()]
    if line.rate is not None:
        parts.append(f"{line.rate * size:.3g} {unit}/s")
    if line.seconds_left is not None:
        parts.append(f"{clock(round(line.seconds_left))} left")
    return ", ".join(parts) + (f" ({line.detail})" if line.detail else "")


def _bars() -> Bars:
    from rich.console import Console
    from rich.progress import BarColumn, Progress, TextColumn

    return Progress(
        TextColumn("{task.description}"),
        BarColumn(),
        _words_column(),
        console=Console(stderr=True),
        transient=True,
        # Else what goes to a file would come out on the terminal.
        redirect_stdout=sys.stdout.isatty(),
    )


def _words_column() -> ProgressColumn:
    from rich.progress import ProgressColumn, Task
    from rich.text import Text

    class Words(ProgressColumn):
        """How much is done, how fast, and the time left."""

        def render(self, task: Task) -> Text:
            if not task.completed and task.total is None:
                return Text(task.fields["detail"])
            line = ProgressLine(
                step="",
                completed=int(task.completed),
                unit=task.fields["unit"],
                seconds=task.elapsed or 0.0,
                total=None if task.total is None else int(task.total),
                rate=task.finished_speed or task.speed,
                seconds_left=task.time_remaining,
                detail=task.fields["detail"],
            )
            return Text(in_words(line).removeprefix(": "))

    return Words()


_active: Display | None = None


@contextmanager
def shown(display: Display, level: Level = "warning") -> Iterator[Display]:
    """Show reports, and what this package logs from a level up, on a display."""
    global _active
    before, _active = _active, display
    log = logging.getLogger("mmpyramid")
    handler, level_before = _Messages(display), log.level
    log.addHandler(handler)
    log.setLevel(level.upper())
    try:
        yield display
    finally:
        _active = before
        log.removeHandler(handler)
        log.setLevel(level_before)


def change_display(*, as_json: bool, quiet: bool, level: Level) -> None:
    """Change how the active display shows later reports."""
    if _active is not None:
        _active.kind, _active.silent = kind_of_display(as_json=as_json, quiet=quiet), quiet
        logging.getLogger("mmpyramid").setLevel(level.upper())


class _Messages(logging.Handler):
    """Writes what is logged."""

    def __init__(self, display: Display) -> None:
        super().__init__()
        self._display = display

    def emit(self, record: logging.LogRecord) -> None:
        """Write one message."""
        text = record.getMessage()
        level: Level = msgspec.convert(record.levelname.lower(), Level)
        self._display.write(MessageLine(level, text), f"{self._display.name}: {level}: {text}")


def is_quiet() -> bool:
    """Whether results for people are left out of the standard output."""
    return _active is not None and _active.silent


@contextmanager
def shown_anyway() -> Iterator[None]:
    """Show reports even where no display is active, as in a notebook."""
    if _active is not None:
        yield
        return
    with shown(Display(kind=kind_of_display())):
        yield


@contextmanager
def progress(step: str, unit: str = "videos") -> Iterator[Update]:
    """Report how far a step is, by calling what this yields with (completed, total).

    Example:
        >>> with progress("extract") as update:
        ...     update(1, 3, detail="clip.mp4")
    """
    if _active is None:
        yield _silent
        return
    began, done = monotonic(), 0
    with _active.step(step, unit) as update:

        def counted(completed: int, total: int | None = None, *, detail: str = "") -> None:
            nonlocal done
            done = completed
            update(completed, total, detail=detail)

        yield counted
    what = f"{done} {unit} " if unit else ""
    logger.info("%s: %sin %.1f s", step, what, monotonic() - began)


def _silent(completed: int, total: int | None = None, *, detail: str = "") -> None:
    """Report nothing."""


def report_failed(item: str, reason: str, text: str) -> None:
    """Report that something was left out while the work continues.

    Args:
        item: what.
        reason: why.
        text: both, for people.
    """
    (_active or Display(kind="lines")).write(FailedLine(item, reason), text)


def report_written(path: str) -> None:
    """Name a file that is complete, to programs."""
    if _active is not None:
        _active.write(WrittenLine(path))


def report(text: str, values: Mapping[str, float] | None = None) -> None:
    """Report a message.

    Args:
        text: for people.
        values: the numbers in it, by name.
    """
    if _active is not None and _active.kind != "quiet":
        _active.write(MessageLine("info", text, values or {}), text)
