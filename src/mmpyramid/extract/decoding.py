"""Decoding in a process of its own: ahead of the networks, and without harm to them.

Files from strangers can crash a decoder, keep it busy forever, or make it ask for more memory than
there is. Here that costs one file: the process is limited, and ended or replaced when it must be.
"""

from __future__ import annotations

import os
import pickle
import resource
import subprocess
import sys
from collections import deque
from contextlib import suppress
from dataclasses import dataclass
from multiprocessing.connection import Connection, Pipe
from pathlib import Path
from queue import Queue
from threading import Thread
from time import monotonic
from typing import TypeAlias

from mmpyramid.core.errors import UserError
from mmpyramid.extract.pieces import Piece, Reading, read_pieces
from mmpyramid.extract.workers import Failure, explain
from mmpyramid.store.shard import VideoInfo

GIB = 2**30
BYTES_PER_SECOND = 2**20
BYTES_PER_SEGMENT = 10
LONGEST_WAIT = 2e6
"""Seconds, 23 days: little more fits into the milliseconds that `poll` takes."""
PIECES_AHEAD = 2

Message: TypeAlias = Piece | VideoInfo | Failure


@dataclass(frozen=True, kw_only=True)
class Limits:
    """What decoding one file may take.

    Attributes:
        timeout: seconds of decoding, and one more for every MiB of the file; time in which the
            decoder waits for the networks does not count.
        memory: bytes of address space of the process that decodes.
        length: seconds of video or sound, and one more for every 10 bytes of the file.
    """

    timeout: float = 300.0
    memory: int = 4 * GIB
    length: int = 3600

    def check(self, path: Path, piece: Piece | VideoInfo) -> None:
        """See that a file does not go on and on.

        Raises:
            UserError: if it has more segments than so few bytes can honestly hold.
        """
        size = path.stat().st_size
        if isinstance(piece, Piece) and piece.stop > self.length + size / BYTES_PER_SEGMENT:
            raise UserError(
                f"expected a file whose length fits its size, but {path} of {size} bytes goes on "
                f"after {piece.stop} s; its timestamps are damaged, fetch or record it again"
            )

    def seconds(self, path: Path) -> float:
        """How long decoding one file may take."""
        size = path.stat().st_size if path.exists() else 0
        return min(self.timeout + size / BYTES_PER_SECOND, LONGEST_WAIT)


class Decoding:
    """Decodes files in another process, one after the other, some pieces ahead of their use.

    Args:
        reading: what to read of each file.
        size: number of segments in a piece.
        limits: what one file may take.

    Example:
        >>> decoding = Decoding(reading, 32, Limits(timeout=60))  # doctest: +SKIP
        >>> decoding.expect(Path("clip.mp4"))  # doctest: +SKIP
        >>> while decoding.expected:  # doctest: +SKIP
        ...     path, message = decoding.receive()
    """

    def __init__(self, reading: Reading, size: int, limits: Limits) -> None:
        self.expected: deque[Path] = deque()
        self._reading, self._size, self._limits = reading, size, limits
        self._process: _Process | None = None
        self._waited = 0.0

    def expect(self, path: Path) -> None:
        """Have a file decoded after those that are expected already."""
        self.expected.append(path)
        if self._process is not None:
            self._process.send(path)

    def receive(self) -> tuple[Path, Message]:
        """The next message about the first expected file; `VideoInfo` or `Failure` is its last."""
        path = self.expected[0]
        message = self._receive(path)
        if not isinstance(message, Piece):
            self.expected.popleft()
            self._waited = 0.0
        return path, message

    def close(self) -> None:
        """End the process."""
        if self._process is not None:
            self._process.end()
            self._process = None

    def _receive(self, path: Path) -> Message:
        if self._process is None:
            self._process = _Process((self._reading, self._size, self._limits))
            for expected in self.expected:
                self._process.send(expected)
        allowed, since = self._limits.seconds(path), monotonic()
        try:
            if self._process.connection.poll(max(0.0, allowed - self._waited)):
                self._waited += monotonic() - since
                message: Message = self._process.connection.recv()
                return message
            failure = Failure(
                f"decoding took longer than {allowed:.1f} s and was stopped; if the file is sound, "
                f"raise --timeout and use --retry-failed"
            )
        except (EOFError, OSError):  # The latter: it died in the middle of a message.
            failure = Failure(f"decoding it crashed the decoder ({self._process.end()})")
        self.close()
        return failure


class _Process:
    """The other process, and this side's end of the line to it."""

    def __init__(self, settings: tuple[Reading, int, Limits]) -> None:
        self.connection, theirs = Pipe()
        paths = os.pathsep.join(filter(None, sys.path))
        self._popen = subprocess.Popen(
            [sys.executable, "-m", __name__, str(theirs.fileno())],
            pass_fds=[theirs.fileno()],
            env={**os.environ, "PYTHONPATH": paths},
            process_group=0,  # Interrupts are for those who gave the orders.
        )
        theirs.close()
        self.send(settings)

    def send(self, message: object) -> None:
        with suppress(ConnectionError):  # It has died this moment; `receive` is told next.
            self.connection.send(message)

    def end(self) -> str:
        """Kill it if need be, and say how it ended."""
        self.connection.close()
        with suppress(subprocess.TimeoutExpired):
            self._popen.wait(0.1)
        self._popen.kill()
        code = self._popen.wait()
        return f"signal {-code}" if code < 0 else f"exit code {code}"


def main(descriptor: int) -> None:
    """Decode in this process what the other end of a connection names, until that end is gone."""
    connection = Connection(descriptor)
    reading, size, limits = connection.recv()
    resource.setrlimit(resource.RLIMIT_AS, (limits.memory, limits.memory))
    paths: Queue[Path] = Queue()
    messages: Queue[bytes] = Queue(PIECES_AHEAD)
    Thread(target=_listen, args=(connection, paths), daemon=True).start()
    Thread(target=_speak, args=(connection, messages), daemon=True).start()
    while True:
        path = paths.get()
        try:
            for piece in read_pieces(path, reading, size):
                limits.check(path, piece)
                messages.put(pickle.dumps(piece, pickle.HIGHEST_PROTOCOL))
        except MemoryError:
            reason = (
                f"decoding it needs more than the {limits.memory / GIB:.1f} GiB that it may take"
            )
            messages.put(pickle.dumps(Failure(reason)))
        except Exception as error:  # noqa: BLE001 - told to the other end, which goes on
            messages.put(pickle.dumps(Failure(explain(error))))


def _listen(connection: Connection, paths: Queue[Path]) -> None:
    """Take orders; without anybody to give them this process ends at once, even if it is stuck."""
    with suppress(EOFError, ConnectionError):
        while True:
            paths.put(connection.recv())
    os._exit(0)


def _speak(connection: Connection, messages: Queue[bytes]) -> None:
    with suppress(ConnectionError):
        while True:
            connection.send_bytes(messages.get())
    os._exit(0)


if __name__ == "__main__":
    main(int(sys.argv[1]))
