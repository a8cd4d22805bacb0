"""`mmpyramid listen`: events of a microphone, a camera, a pipe or a stream, as they end."""

from __future__ import annotations

import json
import signal
import sys
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from datetime import UTC, datetime, timedelta
from types import FrameType
from typing import IO, Annotated

import tyro
from rich.status import Status
from rich.text import Text

from mmpyramid.cli._options import (
    OptionalInt,
    OptionalName,
    OptionalNumber,
    OptionalPath,
    TextFlags,
    console,
)
from mmpyramid.core import Event
from mmpyramid.core.device import one_thread, resolve_device
from mmpyramid.core.errors import UserError
from mmpyramid.core.files import check_output_file, end_last_line
from mmpyramid.core.wording import clock, perceived, title_of
from mmpyramid.problems import Decoder


def listen(  # noqa: PLR0913 - one for each flag
    source: Annotated[str, tyro.conf.Positional, tyro.conf.arg(metavar="SOURCE")],
    /,
    *,
    model: str = "teachers",
    vocabulary: OptionalName = None,
    words: Annotated[TextFlags, tyro.conf.arg(name="")] = TextFlags(),  # noqa: B008 - frozen
    sensitivity: OptionalNumber = None,
    infer_seen: bool = False,
    json_lines: Annotated[bool, tyro.conf.arg(name="json")] = False,
    out: OptionalPath = None,
    seconds: OptionalInt = None,
    every: int = 1,
    allow_references: bool = False,
    device: str = "auto",
    decoder: Annotated[Decoder, tyro.conf.arg(name="")] = Decoder(),  # noqa: B008 - frozen
) -> int:
    """Print the events of a live source, each soon after it ends.

    Listens until the source ends, or until Ctrl-C (or SIGTERM): the events that last then are
    printed as well, and the exit code is 0.

    Example: mmpyramid listen rtsp://camera.local/stream --out events.jsonl

    Args:
        source: `microphone`, `camera`, a device as FFmpeg names it (alsa:hw:1, v4l2:/dev/video1),
            an address (rtsp://, udp://, tcp://, http://), a named pipe, or `-`, which is standard
            input.
        model: `teachers`, which need no training, a checkpoint folder, or a hub id.
        vocabulary: What the teachers look and listen for: a name, or a TOML file of your own.
        words: Words instead of a vocabulary.
        sensitivity: From 0 (only certain labels) to 1 (weak labels too); sets both thresholds. The
            default is 0.5.
        infer_seen: Also report as seen what is heard and is then nearly always in the picture (a
            blender, a helicopter, babies); such events are marked as inferred.
        json_lines: Print one JSON object per line, for programs: start and end (seconds since the
            beginning), began (time of day), label, modality, score, inferred.
        out: A file to which lines of JSON are appended as well.
        seconds: Stop after this many seconds of sound and picture.
        every: Look for events once in this many seconds; a larger number takes less computing time
            and reports later.
        allow_references: Follow a playlist (HLS, DASH) at an http:// or https:// address to the
            parts that it names, on whatever server they are.
        device: Where to compute, as PyTorch names it; `auto` is a GPU where there is one.
        decoder: Thresholds and lengths.
    """
    from mmpyramid.extract.live import LiveDecoding
    from mmpyramid.media.live import LiveSource
    from mmpyramid.pipeline import Pipeline

    for name, value in (("--seconds", seconds), ("--every", every)):
        if value is not None and value < 1:
            raise UserError(f"expected {name} of at least 1, got {value}")
    if out is not None:
        check_output_file(out)
    live = LiveDecoding(LiveSource.playlist(source) if allow_references else source)
    pipeline = Pipeline(
        model,
        vocabulary=vocabulary,
        text=words.text,
        weights=words.weights(),
        decoder=decoder,
        sensitivity=sensitivity,
        infer_seen=infer_seen,
        device=resolve_device(device),
    )
    screen = console()
    with ExitStack() as stack:
        # One thread keeps up many times over, and is not in the way of other programs.
        stack.enter_context(one_thread())
        stack.enter_context(live)
        stack.enter_context(_stopped_by_signals(live.stop))
        files: list[IO[str]] = [sys.stdout] if json_lines else []
        if out is not None:
            out.parent.mkdir(parents=True, exist_ok=True)
            end_last_line(out)
            files.append(stack.enter_context(out.open("a", encoding="utf-8")))
        status = screen.status("waiting for the source")
        if not json_lines:
            screen.print(Text(f"listening for {pipeline.sought}; Ctrl-C ends"), style="dim")
            stack.enter_context(status)
        time = _Time(status, seconds, live.stop)
        for event in pipeline.listen(live, every=every, on_second=time.advance):
            line = json.dumps(_object(event, time.begun))
            for file in files:
                file.write(f"{line}\n")
                file.flush()
            if not json_lines:
                screen.print(_words(event))
    return 0


class _Time:
    """Seconds that have come.

    Args:
        status: where they are shown.
        most: how many are wanted; None if there is no end.
        stop: called once these have come.

    Attributes:
        begun: the time of day at which the first second began.
    """

    def __init__(self, status: Status, most: int | None, stop: Callable[[], None]) -> None:
        self.begun = datetime.now(UTC)
        self._status, self._most, self._stop = status, most, stop

    def advance(self, number: int) -> None:
        """Count one more."""
        # The first seconds come late and at once: FFmpeg looks through them to know the format.
        begun = datetime.now(UTC) - timedelta(seconds=number)
        self.begun = begun if number == 1 else min(self.begun, begun)
        self._status.update(clock(number))
        if self._most is not None and number >= self._most:
            self._stop()


def _object(event: Event, begun: datetime) -> dict[str, object]:
    return {
        "start": event.start,
        "end": event.end,
        "began": (begun + timedelta(seconds=event.start)).isoformat(timespec="seconds"),
        "label": event.label,
        "modality": event.modality.value,
        "score": event.score,
        "inferred": event.inferred,
    }


def _words(event: Event) -> Text:
    return Text(
        f"{clock(event.start)}–{clock(event.end)}  {title_of(event.label)}  {perceived(event)}  "
        f"{event.score:.2f}"
    )


@contextmanager
def _stopped_by_signals(stop: Callable[[], None]) -> Iterator[None]:
    """Let the first interrupt, or request to terminate, call a function; the next interrupts."""

    def handle(number: int, frame: FrameType | None) -> None:
        del number, frame
        signal.signal(signal.SIGINT, signal.default_int_handler)
        stop()

    before = {number: signal.signal(number, handle) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
