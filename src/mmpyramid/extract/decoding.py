"""From a file to the inputs of networks, in a process that a bad file may take down.

Files from strangers can crash a decoder, keep it busy forever, or make it ask for more memory than
there is. Here that costs one file: the process is limited, and ended or restarted when it must be.
What it answers is checked, for a file may even take the decoder over.

Shape letters: N segments of one second.
"""

from __future__ import annotations

import os
import signal
from collections import deque
from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from functools import partial
from multiprocessing.connection import wait
from pathlib import Path
from time import monotonic

import msgspec

from mmpyramid.core import Modality
from mmpyramid.core.errors import UserError, describe_os_error
from mmpyramid.core.process import (
    LONGEST_WAIT,
    Answer,
    BrokenAnswerError,
    Channel,
    Worker,
    WorkerDiedError,
    WorkerTimeoutError,
    num_cores,
)
from mmpyramid.core.sandbox import limit_cpu
from mmpyramid.core.scores import VideoInfo
from mmpyramid.extract.pieces import (
    Failure,
    Input,
    Message,
    Piece,
    RequiredInputs,
    read_pieces,
)
from mmpyramid.media import Sound
from mmpyramid.media.source import (
    MediaFile,
    load_decoders,
    open_file,
)

GIB = 2**30
BYTES_PER_SECOND = 2**20
BYTES_PER_SEGMENT = 100
"""Less than any codec stores of a second of sound; telephone speech takes 600."""

REFERRED = 24
"""How many times as much a list of files may take as one file."""


@dataclass(frozen=True, kw_only=True)
class Limits:
    """What decoding one file may take.

    Attributes:
        timeout: seconds of decoding, and one more for every MiB of the file; time in which the
            decoder waits for the networks does not count. Each core may compute so long, too.
        memory: bytes of address space of the process that decodes; not limited on macOS.
        length: seconds of video or sound, and one more for every 100 bytes of the file, so that the
            time that networks take is bounded as well.
        max_seconds: refuse longer files; None takes any length.
    """

    timeout: float = 300.0
    memory: int = 4 * GIB
    length: int = 3600
    max_seconds: float | None = None

    def check(self, path: Path, piece: Piece) -> None:
        """Check that a file is no longer than its size allows.

        Raises:
            UserError: if it has more segments than so few bytes can honestly hold.
        """
        size = path.stat().st_size
        if piece.stop > self.length + size / BYTES_PER_SEGMENT:
            raise UserError(
                f"expected a file whose length fits its size, but {path} of {size} bytes goes on "
                f"after {piece.stop} s; its timestamps are damaged, fetch or record it again"
            )

    def seconds(self, path: Path) -> float:
        """How long decoding one file may take."""
        return self.seconds_for(path.stat().st_size if path.exists() else 0)

    def seconds_for(self, num_bytes: int) -> float:
        """How long decoding a file of this size may take."""
        return self.timeout + num_bytes / BYTES_PER_SECOND


@dataclass(frozen=True, kw_only=True)
class _Request:
    """One file to decode; its bytes come as a descriptor, for a decoder cannot open it."""

    file: MediaFile
    required: RequiredInputs
    size: int
    max_seconds: float | None


class Decoding:
    """Decodes files in another process, one after the other, some pieces ahead of their use.

    The process is limited, and confined to the file that it is given: it opens no other, no
    connection and no program, see `core.sandbox`. Use it in a `with` statement, or call `close`.

    Args:
        limits: what one file may take.
        alone: whether each file has a process of its own, so that one that takes it over cannot
            touch the next; the next process is started ahead.
        follow_references: whether files are lists of the user's own, with the local files that they
            name: the process may read any file then, and still write none, connect to nothing and
            start no program. Time and length are those of a day of video.

    Example:
        >>> with Decoding(Limits(timeout=60)) as decoding:  # doctest: +SKIP
        ...     decoding.expect(Path("clip.mp4"), required, 32)
        ...     while decoding.expected:
        ...         path, message = decoding.receive()
    """

    def __init__(
        self, limits: Limits, *, alone: bool = False, follow_references: bool = False
    ) -> None:
        if follow_references:  # How large what they name is will be known too late.
            limits = replace(
                limits, timeout=REFERRED * limits.timeout, length=REFERRED * limits.length
            )
        self.expected: deque[Path] = deque()
        self._limits, self._alone = limits, alone
        self._follow_references = follow_references
        self._requests: deque[_Request] = deque()
        self._worker = Worker(
            partial(decode_requests, limits),
            "decode",
            memory=limits.memory,
            prepare=load_decoders,
            may_read=follow_references,
        )
        self._num_sent = 0
        self._waited, self._stop = 0.0, 0

    def __enter__(self) -> Decoding:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def start(self) -> None:
        """Start the process, without waiting until it is ready."""
        if not self._worker.is_started:
            self._worker.start()
            self._num_sent = 0

    def fileno(self) -> int:
        """The descriptor of the connection to the process; see `first_ready`."""
        return self._worker.fileno()

    def expect(
        self,
        path: Path,
        required: RequiredInputs,
        size: int,
        max_seconds: float | None = None,
    ) -> None:
        """Add a file to those that are decoded in turn.

        Args:
            path: the file.
            required: what to read of it.
            size: number of segments in a piece.
            max_seconds: refuse longer files, instead of what the limits say.
        """
        self.expected.append(path)
        longest = self._limits.max_seconds if max_seconds is None else max_seconds
        file = MediaFile(path=path, follow_references=self._follow_references)
        request = _Request(file=file, required=required, size=size, max_seconds=longest)
        self._requests.append(request)
        self.start()
        self._send()

    def receive(self) -> tuple[Path, Message]:
        """The next message about the first expected file; `VideoInfo` or `Failure` is its last."""
        request = self._requests[0]
        message = self._receive(request)
        if not isinstance(message, Piece):
            self.expected.popleft()
            self._requests.popleft()
            self._num_sent -= 1
            self._waited, self._stop = 0.0, 0
            if self._alone:
                self._worker.stop()
                self.start()
        return request.file.path, message

    def close(self) -> None:
        """End the process."""
        self._worker.stop()

    def _send(self) -> UserError | None:
        """Send requests, as many as may be under way.

        Returns:
            Why the file of the first request cannot be opened, if that is so; others can wait.
        """
        most = 1 if self._alone else len(self._requests)
        while self._num_sent < most:
            request = self._requests[self._num_sent]
            try:
                descriptor = open_file(request.file.path)
            except UserError as error:
                return error if self._num_sent == 0 else None
            try:
                self._worker.send(request, descriptor)
            finally:
                os.close(descriptor)
            self._num_sent += 1
        return None

    def is_ready(self) -> bool:
        """Whether `receive` can answer at once, because the first file cannot be opened.

        Otherwise the process has the file in hand afterwards.
        """
        self.start()
        return self._send() is not None

    def seconds_left(self) -> float:
        """How long the first expected file may still keep others waiting."""
        return max(0.0, self._limits.seconds(self.expected[0]) - self._waited)

    def has_waited(self, seconds: float) -> None:
        """Count seconds in which somebody waited for the first expected file."""
        self._waited += seconds

    def _receive(self, request: _Request) -> Message:
        self.start()
        if (error := self._send()) is not None:
            self._num_sent += 1  # As if it had been sent: `receive` takes it away.
            return Failure(str(error))
        path = request.file.path
        allowed, since = self._limits.seconds(path), monotonic()
        try:
            answer = self._worker.receive(max(0.0, allowed - self._waited))
            self._waited += monotonic() - since
            message = parse_answer(answer, request.required, request.size, self._stop)
            if isinstance(message, Piece):
                self._stop = message.stop
                self._limits.check(path, message)
            return message
        except WorkerTimeoutError:
            return Failure(_too_slow(allowed))
        except WorkerDiedError as error:
            if str(error) == f"signal {signal.SIGXCPU}":
                return Failure(_too_slow(allowed))
            return Failure(f"decoding it crashed the decoder ({error})")
        except UserError as error:
            self._worker.stop()
            return Failure(str(error))
        except OSError as error:  # The file has gone meanwhile.
            self._worker.stop()
            return Failure(describe_os_error(error))
        except BrokenAnswerError as error:
            self._worker.stop()
            return Failure(
                f"decoding it gave an invalid answer, and the decoder was ended ({error})"
            )


def first_ready(decodings: Sequence[Decoding]) -> Decoding:
    """Wait until one of several decoders has a message, or has taken too long.

    Args:
        decodings: each with a file that is expected.
    """
    for decoding in decodings:
        if decoding.is_ready():
            return decoding
    since = monotonic()
    most = min(min(decoding.seconds_left() for decoding in decodings), LONGEST_WAIT)
    ready = wait([decoding.fileno() for decoding in decodings], most)
    waiting = [decoding for decoding in decodings if decoding.fileno() not in ready]
    for decoding in waiting:
        decoding.has_waited(monotonic() - since)
    if not ready:
        return min(waiting, key=Decoding.seconds_left)
    return next(decoding for decoding in decodings if decoding not in waiting)


def _too_slow(seconds: float) -> str:
    return (
        f"decoding took longer than {seconds:.1f} s and was stopped; if the file is sound, "
        f"raise --timeout and use --retry-failed"
    )


def decode_requests(limits: Limits, channel: Channel) -> None:
    """Decode in this process the files that a channel gives; see `Decoding`."""
    while True:
        request: _Request = channel.requests.get()
        descriptor = channel.descriptors.get()
        file, required = replace(request.file, descriptor=descriptor), request.required
        limit_cpu(num_cores() * limits.seconds_for(os.fstat(descriptor).st_size))
        try:
            for piece in read_pieces(file, required, request.size, request.max_seconds):
                channel.send(make_answer(piece, required))
        except MemoryError:
            reason = (
                f"decoding it needs more than the {limits.memory / GIB:.1f} GiB that it may take"
            )
            channel.send(make_answer(Failure(reason), required))
        except Exception as error:  # noqa: BLE001 - reported; the next file comes
            channel.send(make_answer(Failure.of(error), required))
        finally:
            os.close(descriptor)


@dataclass(frozen=True)
class _PieceHeader:
    stop: int
    promised: float | None
    missing: tuple[Modality, ...]


_KINDS: dict[str, type[_PieceHeader | VideoInfo | Failure]] = {
    "piece": _PieceHeader,
    "end": VideoInfo,
    "failure": Failure,
}


def make_answer(message: Message, required: RequiredInputs) -> Answer:
    """A message as the decoder sends it."""
    if not isinstance(message, Piece):
        kind = "failure" if isinstance(message, Failure) else "end"
        return Answer({"kind": kind, **asdict(message)})
    header = _PieceHeader(message.stop, message.promised, message.missing)
    inputs = message.inputs
    arrays = {name: inputs[need] for name, need in required.names.items() if need in inputs}
    return Answer({"kind": "piece", **asdict(header)}, arrays)


def parse_answer(answer: Answer, required: RequiredInputs, size: int, start: int) -> Message:
    """Turn what a decoder sent, which may be anything, into a message.

    Args:
        answer: what it sent.
        required: what it was to read.
        size: number of segments in a piece.
        start: number of segments that came before.

    Raises:
        BrokenAnswerError: if it is no message, or not one about the required inputs.
    """
    content = dict(answer.content)
    try:
        header = msgspec.convert(content, _KINDS[content.pop("kind")])
    except (msgspec.ValidationError, KeyError, TypeError) as error:
        raise BrokenAnswerError(str(error)) from error
    if not isinstance(header, _PieceHeader):
        return header
    for name, array in answer.arrays.items():
        if name not in required.names:
            raise BrokenAnswerError(f"expected {', '.join(required.names)}, got {name}")
        shape, dtype = _expected_array(required.names[name])
        if array.shape[1:] != shape or array.dtype != dtype or not 0 < len(array) <= size:
            raise BrokenAnswerError(
                f"expected {dtype} (N, *{shape}) as {name}, got {array.dtype} {array.shape}"
            )
    if {len(array) for array in answer.arrays.values()} != {header.stop - start}:
        raise BrokenAnswerError(f"expected arrays of {header.stop - start} segments")
    inputs = {required.names[name]: array for name, array in answer.arrays.items()}
    return Piece(stop=header.stop, promised=header.promised, missing=header.missing, inputs=inputs)


def _expected_array(need: Input) -> tuple[tuple[int, ...], str]:
    """Shape of one segment, and type."""
    if isinstance(need, Sound):
        return (need.rate,), "float32"
    assert need.size is not None, "extractors take pictures of one size"
    return (need.frames_per_segment, need.size[1], need.size[0], 3), "uint8"
