"""A worker process that can be killed at any moment, and whose answers are data, never code.

It serves extraction, decoding and the web app. Pools of other packages fall short of one demand or
another: with `pebble` 5.2, as with `concurrent.futures`, a busy worker outlives a parent that was
killed. Here a thread of the worker ends it as soon as the parent's end of the line is gone.

A worker trusts its parent: requests are pickles. A parent does not trust its worker, because a
damaged or hostile video may take over the process that decodes it: answers are JSON and raw arrays,
and what does not parse as such ends the worker.

Frames on the line: 4 bytes with the length of what follows (big-endian), then a pickle (requests)
or a JSON header (answers). The bytes of the arrays that a header announces follow it. With a
request may come a descriptor of an open file, for a worker that may open none itself.
"""

from __future__ import annotations

import json
import os
import pickle
import runpy
import signal
import socket
import struct
import subprocess
import sys
import traceback
import types
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from math import prod
from pathlib import Path
from queue import Queue
from threading import Event, Thread
from time import monotonic
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray

from mmpyramid.core.errors import UserError
from mmpyramid.core.sandbox import confine, limit_memory

LONGEST_WAIT = 2e6
"""Seconds, 23 days: little more fits into the milliseconds that the system takes."""

ANSWERS_AHEAD = 2
"""Answers that wait in the worker until the parent has room for them."""

SECONDS_TO_EXIT = 2.0
"""For a process whose end of the line is closed."""

LONGEST_HEADER = 2**24
MOST_BYTES = 2**36
DTYPES = frozenset(
    {"bool", *(f"{kind}{bits}" for kind in ("int", "uint", "float") for bits in (16, 32, 64))}
    | {"int8", "uint8"}
)


_limits_reported = Event()
"""Set once a limited worker was started, which reports what this system cannot limit."""


class WorkerError(Exception):
    """A worker gave no answer, and was stopped."""


class WorkerDiedError(WorkerError):
    """The process has ended; the message is its signal or its exit code."""


class WorkerTimeoutError(WorkerError):
    """No answer came in time."""


class BrokenAnswerError(WorkerError):
    """What came is no answer: the process is damaged or hostile."""


@dataclass(frozen=True, eq=False)
class Answer:
    """What a worker sends.

    Attributes:
        content: anything that JSON can hold.
        arrays: by name; of booleans or numbers.
    """

    content: Mapping[str, Any]
    arrays: Mapping[str, NDArray[Any]] = field(default_factory=dict)


def num_cores() -> int:
    """The cores that this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


class Channel:
    """The worker's end of the connection.

    Attributes:
        requests: what the parent has sent; `get` waits for the next one.
        descriptors: those that came with requests, in the same order.
    """

    def __init__(self, line: socket.socket) -> None:
        self.requests: Queue[Any] = Queue()
        self.descriptors: Queue[int] = Queue()
        self._answers: Queue[Answer | None] = Queue(ANSWERS_AHEAD)
        self._line = line
        Thread(target=self._receive, daemon=True).start()
        self._sender = Thread(target=self._send, daemon=True)
        self._sender.start()

    def send(self, answer: Answer) -> None:
        """Send an answer, as soon as there is room for it."""
        self._answers.put(answer)

    def flush(self) -> None:
        """Wait until all answers are sent; there can be no others."""
        self._answers.put(None)
        self._sender.join()

    def _receive(self) -> None:
        """Take requests; without a parent the process ends at once, whatever it is doing."""
        try:
            while True:
                frame, descriptors = _read_request(self._line)
                for descriptor in descriptors:
                    self.descriptors.put(descriptor)
                self.requests.put(pickle.loads(frame))
        except (EOFError, OSError):
            os._exit(0)
        except BaseException:  # noqa: BLE001 - a request that cannot be unpickled
            traceback.print_exc()
            os._exit(1)

    def _send(self) -> None:
        try:
            while (answer := self._answers.get()) is not None:
                _send_answer(self._line, answer)
        except OSError:
            os._exit(0)
        except BaseException:  # noqa: BLE001 - an answer that is neither JSON nor arrays
            traceback.print_exc()
            os._exit(1)


Serve: TypeAlias = Callable[[Channel], None]
"""What a worker does: takes requests from its channel and sends answers; picklable."""


class Worker:
    """A worker process as its parent sees it.

    The process is a fresh Python. It ignores interrupts, which are its parent's to handle, and ends
    with its parent, however that ends. The module that the program began with is imported there (as
    `multiprocessing` does) only if `serve` is defined in it.

    Args:
        serve: what the process does.
        name: shown where processes are listed.
        memory: bytes of address space that the process may take.
        prepare: if given, what the process does before it gives up opening files, connections and
            programs for good, such as imports; picklable. The first such worker says on the
            standard error what of this a system cannot do.
        may_read: whether it may nevertheless open files, for reading only.

    Example:
        >>> worker = Worker(serve_jobs, "web")  # doctest: +SKIP
        >>> worker.start()  # doctest: +SKIP
        >>> worker.send("clip.mp4")  # doctest: +SKIP
        >>> worker.receive(60.0).content  # doctest: +SKIP
        {'kind': 'done'}
    """

    def __init__(
        self,
        serve: Serve,
        name: str,
        memory: int | None = None,
        *,
        prepare: Callable[[], None] | None = None,
        may_read: bool = False,
    ) -> None:
        self._payload = pickle.dumps((serve, prepare, may_read), pickle.HIGHEST_PROTOCOL)
        self._name, self._memory = name, memory
        self._is_limited = prepare is not None or memory is not None
        self._line: socket.socket | None = None
        self._process: subprocess.Popen[bytes] | None = None

    @property
    def pid(self) -> int | None:
        """The process, if there is one."""
        return None if self._process is None else self._process.pid

    @property
    def is_started(self) -> bool:
        """Whether the process was started and not stopped since; it may have died."""
        return self._line is not None

    @property
    def is_running(self) -> bool:
        """Whether there is a process that has not ended."""
        return self._process is not None and self._process.poll() is None

    def fileno(self) -> int:
        """The descriptor of the connection, to wait for several workers at once."""
        assert self._line is not None, "start the worker first"
        return self._line.fileno()

    def start(self) -> None:
        """Start the process; it takes requests at once.

        Raises:
            UserError: if the system has no such processes.
            OSError: if it can start no more; the worker can be started again.
        """
        assert self._line is None, "the worker was started already"
        if not hasattr(socket, "send_fds"):
            raise UserError(
                "expected Linux or macOS: this system cannot hand open files to the limited "
                "processes that decode. On Windows, run mmpyramid in WSL, or use `Pipeline(...)` "
                "without `limits` in Python, which decodes in its own process: for videos of your "
                "own alone"
            )
        line, theirs = socket.socketpair()
        search = os.pathsep.join(folder or str(Path.cwd()) for folder in sys.path)
        code = f"from mmpyramid.core.process import run_worker; run_worker({theirs.fileno()})"
        try:
            self._process = subprocess.Popen(
                # -P: else Python would look for modules where the user happens to be.
                [sys.executable, "-P", "-c", code, f"mmpyramid-{self._name}"],
                pass_fds=[theirs.fileno()],
                env={**os.environ, "PYTHONPATH": search},
                process_group=0,  # The terminal sends interrupts to the parent's group.
            )
        except BaseException:  # There may be too many processes, or too little memory for one.
            line.close()
            raise
        finally:
            theirs.close()
        self._line = line
        is_first = self._is_limited and not _limits_reported.is_set()
        if self._is_limited:
            _limits_reported.set()
        self.send((_main_module(self._payload), self._memory, is_first))
        self._send_bytes(self._payload)

    def send(self, request: object, descriptor: int | None = None) -> None:
        """Send one more request; several may be under way.

        Args:
            request: anything that can be pickled.
            descriptor: of an open file, of which the worker gets one of its own.
        """
        self._send_bytes(pickle.dumps(request, pickle.HIGHEST_PROTOCOL), descriptor)

    def _send_bytes(self, request: bytes, descriptor: int | None = None) -> None:
        assert self._line is not None, "start the worker first"
        self._line.settimeout(None)
        length = struct.pack(">I", len(request))
        with suppress(ConnectionError):  # It has died this moment; `receive` will say so.
            if descriptor is None:
                self._line.sendall(length + request)
            else:
                num_sent = socket.send_fds(self._line, [length], [descriptor])
                self._line.sendall(length[num_sent:] + request)

    def receive(self, seconds: float | None = None) -> Answer:
        """Receive the next answer, all of it within a time limit.

        Raises:
            WorkerDiedError: if the process has ended.
            WorkerTimeoutError: if time is over; the process is stopped.
            BrokenAnswerError: if what came is no answer; the process is stopped.
        """
        assert self._line is not None, "start the worker first"
        deadline = None if seconds is None else monotonic() + min(seconds, LONGEST_WAIT)
        try:
            return _receive_answer(self._line, deadline, self._memory or MOST_BYTES)
        except TimeoutError as error:
            self.stop()
            raise WorkerTimeoutError(f"no answer in {seconds:.1f} s") from error
        except (EOFError, OSError) as error:
            raise WorkerDiedError(self.stop(SECONDS_TO_EXIT)) from error
        except (ValueError, TypeError, KeyError, RecursionError, MemoryError) as error:
            self.stop()
            raise BrokenAnswerError(f"{type(error).__name__}: {error}") from error

    def kill(self) -> None:
        """End the process, whatever it is doing; a `receive` in another thread notices."""
        process = self._process
        if process is not None:
            process.kill()
            process.wait()

    def stop(self, seconds: float = 0.0) -> str:
        """Kill the process unless it ends by itself in time; it can be started again then.

        Returns:
            How it ended: `signal 11` or `exit code 1`.
        """
        line, process = self._line, self._process
        if line is None or process is None:
            return "not started"
        line.close()
        with suppress(subprocess.TimeoutExpired):
            process.wait(seconds)
        process.kill()
        code = process.wait()
        self._line = self._process = None
        return f"signal {-code}" if code < 0 else f"exit code {code}"


def run_worker(descriptor: int) -> None:
    """What a worker process does.

    Args:
        descriptor: of the worker's end of the line.
    """
    for interrupt in (signal.SIGINT, signal.SIGTERM):
        signal.signal(interrupt, signal.SIG_IGN)
    line = socket.socket(fileno=descriptor)
    main, memory, is_first = pickle.loads(_read_frame(line))
    if main is not None:
        _import_main(*main)
    serve, prepare, may_read = pickle.loads(_read_frame(line))
    missing = []
    if memory is not None and not limit_memory(memory):
        missing.append(
            "this system does not limit the memory of a process: a damaged file may take all there "
            "is"
        )
    if prepare is not None:
        prepare()
        if (reason := confine(may_read=may_read)) is not None:
            missing.append(f"{reason}: a file that takes over its decoder may open others")
    if is_first:
        sys.stderr.writelines(f"mmpyramid: {text}\n" for text in missing)
    channel = Channel(line)
    serve(channel)
    channel.flush()


def _main_module(payload: bytes) -> tuple[str, bool] | None:
    """What this program began with, if a pickle needs it: a module, or a file (True)."""
    main = sys.modules["__main__"]
    if b"__main__" not in payload:
        return None
    if main.__spec__ is not None:
        return main.__spec__.name, False
    file = getattr(main, "__file__", None)  # There is none in a notebook.
    return None if file is None else (str(Path(file).absolute()), True)


def _import_main(name: str, is_file: bool) -> None:
    """Import what another program began with, under the name that `multiprocessing` gives it."""
    module = types.ModuleType("__mp_main__")
    run = runpy.run_path if is_file else runpy.run_module
    vars(module).update(run(name, run_name="__mp_main__"))
    sys.modules["__main__"] = sys.modules["__mp_main__"] = module


def _send_answer(line: socket.socket, answer: Answer) -> None:
    announced = [[name, str(a.dtype), list(a.shape)] for name, a in answer.arrays.items()]
    header = json.dumps({"content": answer.content, "arrays": announced}).encode()
    line.sendall(struct.pack(">I", len(header)) + header)
    for array in answer.arrays.values():
        if array.nbytes:
            line.sendall(np.ascontiguousarray(array).reshape(-1).view(np.uint8).data)


def _receive_answer(line: socket.socket, deadline: float | None, most_bytes: int) -> Answer:
    """Read an answer.

    Raises:
        ValueError, TypeError, KeyError: if it is none.
    """
    header = json.loads(_read_frame(line, deadline, LONGEST_HEADER))
    content, announced = header["content"], header["arrays"]
    if not isinstance(content, dict):
        raise TypeError(f"expected an object, got {type(content)}")
    arrays = {}
    for name, dtype, shape in announced:
        if not isinstance(name, str) or dtype not in DTYPES:
            raise ValueError(f"expected a name and a type of numbers, got {name!r} and {dtype!r}")
        if any(type(size) is not int or size < 0 for size in shape):
            raise ValueError(f"expected a shape, got {shape}")
        most_bytes -= prod(shape) * np.dtype(dtype).itemsize
        if most_bytes < 0:
            raise ValueError(f"expected fewer bytes than in {shape}")
        arrays[name] = array = np.empty(shape, dtype)
        if array.nbytes:
            _read_into(line, array.reshape(-1).view(np.uint8).data, deadline)
    return Answer(content, arrays)


def _read_request(line: socket.socket) -> tuple[bytearray, list[int]]:
    """Read a frame, and the descriptors, one at most, that came with its first byte."""
    first, descriptors, _, _ = socket.recv_fds(line, 1, 1)
    if not first:
        raise EOFError
    rest = bytearray(3)
    _read_into(line, memoryview(rest), None)
    (num_bytes,) = struct.unpack(">I", first + rest)
    frame = bytearray(num_bytes)
    _read_into(line, memoryview(frame), None)
    return frame, descriptors


def _read_frame(
    line: socket.socket, deadline: float | None = None, most_bytes: int = 2**32
) -> bytearray:
    length = bytearray(4)
    _read_into(line, memoryview(length), deadline)
    (num_bytes,) = struct.unpack(">I", length)
    if num_bytes > most_bytes:
        raise ValueError(f"expected at most {most_bytes} bytes, got {num_bytes}")
    frame = bytearray(num_bytes)
    _read_into(line, memoryview(frame), deadline)
    return frame


def _read_into(line: socket.socket, buffer: memoryview, deadline: float | None) -> None:
    """Fill a buffer.

    Raises:
        EOFError: if the other end is gone.
        TimeoutError: if the deadline passes.
    """
    while len(buffer):
        # A moment at least: what is there already is taken whatever the time.
        line.settimeout(None if deadline is None else max(1e-3, deadline - monotonic()))
        num_bytes = line.recv_into(buffer)
        if not num_bytes:
            raise EOFError
        buffer = buffer[num_bytes:]
