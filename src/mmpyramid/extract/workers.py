"""Worker processes that outlive bad input: a crash costs one item, not the run.

The standard pools do not tell which item killed a process, and leave orphans waiting forever when
the parent is killed. Here each worker has a pipe of its own: the parent knows what each is at, and
a worker ends when its parent's end of the pipe is gone.
"""

from __future__ import annotations

import os
import signal
from collections import deque
from collections.abc import Callable, Generator, Iterable
from contextlib import suppress
from dataclasses import dataclass
from multiprocessing import get_context
from multiprocessing.connection import Connection, wait
from typing import Generic, Protocol, TypeVar

from mmpyramid.core.errors import UserError

PATIENCE = 5.0
"""Seconds for a process to end whose pipe is closed."""

Item = TypeVar("Item")
Result = TypeVar("Result")
Result_co = TypeVar("Result_co", covariant=True)


@dataclass(frozen=True)
class Failure:
    """Why there is no result for one item."""

    reason: str


class Task(Protocol[Item, Result_co]):
    """What a worker does; it may look some items ahead, and answers in any order."""

    def expect(self, item: Item) -> None:
        """Note one more item."""
        ...

    def next(self) -> tuple[Item, Result_co | Failure]:
        """Wait for one of the expected items to be over."""
        ...


def num_cores() -> int:
    """The cores that this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def explain(error: Exception) -> str:
    """Say what went wrong with one item: in our words, or in those of a mistake of ours."""
    return str(error) if isinstance(error, UserError) else f"{type(error).__name__}: {error}"


def work(
    make_task: Callable[[], Task[Item, Result]],
    items: Iterable[Item],
    num_workers: int,
    num_ahead: int = 1,
) -> Generator[tuple[Item, Result | Failure]]:
    """Work through items in freshly spawned processes and yield results as they come.

    A process that dies while it has several items in hand leaves open which one killed it: they are
    then given out one at a time.

    Close the generator to stop early; the workers are then killed. As with every spawned process, a
    script that calls this guards its main part by `if __name__ == "__main__"`.

    Args:
        make_task: picklable; called once in every worker.
        items: picklable and hashable.
        num_workers: how many processes.
        num_ahead: how many items a worker may have in hand.

    Raises:
        RuntimeError: if a worker ends before it takes an item, because `make_task` fails.
    """
    pool = _Pool(make_task, deque(items), num_ahead)
    try:
        for _ in range(min(num_workers, len(pool.queue))):
            pool.start()
        while pool.workers:
            for connection in wait(pool.workers):
                assert isinstance(connection, Connection), "only connections are waited for"
                answer = pool.serve(connection)
                if answer is not None:
                    yield answer
    finally:
        for worker in pool.workers.values():
            worker.stop()


class _Pool(Generic[Item, Result]):
    """The workers, what is left for them, and what may have killed one of them."""

    def __init__(
        self, make_task: Callable[[], Task[Item, Result]], queue: deque[Item], num_ahead: int
    ) -> None:
        self.workers: dict[Connection, _Worker[Item, Result]] = {}
        self.queue = queue
        self._suspects: deque[Item] = deque()
        self._make_task = make_task
        self._num_ahead = num_ahead

    def start(self) -> None:
        worker = _Worker(self._make_task)
        self.workers[worker.connection] = worker

    def serve(self, connection: Connection) -> tuple[Item, Result | Failure] | None:
        """Hear a worker, and give it what to do next."""
        worker = self.workers[connection]
        try:
            answer = worker.take()
        except (EOFError, OSError):
            return self._bury(connection)
        self._employ(worker)
        if not worker.in_hand:
            self.workers.pop(connection).stop()
        return answer

    def _employ(self, worker: _Worker[Item, Result]) -> None:
        if self._suspects:
            if not worker.in_hand:
                worker.give(self._suspects.popleft())
            return
        # Towards the end nobody hoards what others could do.
        most = min(self._num_ahead, 1 + len(self.queue) // len(self.workers))
        while self.queue and len(worker.in_hand) < most:
            worker.give(self.queue.popleft())

    def _bury(self, connection: Connection) -> tuple[Item, Result | Failure] | None:
        worker = self.workers.pop(connection)
        exit_code = worker.bury()
        if not worker.started:
            raise RuntimeError(f"a worker could not start (exit code {exit_code})")
        suspects = list(worker.in_hand)
        if len(suspects) > 1:
            self._suspects += suspects
        if self._suspects or self.queue:
            self.start()
        if len(suspects) != 1:
            return None
        reason = (
            f"the process that worked on it died (exit code {exit_code}): it crashed, or the "
            f"system killed it for want of memory"
        )
        return suspects[0], Failure(reason)


class _Worker(Generic[Item, Result]):
    """One process, its pipe, and the items that it has in hand."""

    def __init__(self, make_task: Callable[[], Task[Item, Result]]) -> None:
        context = get_context("spawn")
        self.connection, theirs = context.Pipe()
        self.in_hand: dict[Item, None] = {}
        self.started = False
        self._process = context.Process(target=_serve, args=(theirs, make_task), daemon=True)
        self._process.start()
        theirs.close()

    def give(self, item: Item) -> None:
        """Hand over one more item."""
        self.in_hand[item] = None
        with suppress(BrokenPipeError):  # It has died this moment; `take` is told next.
            self.connection.send(item)

    def take(self) -> tuple[Item, Result | Failure] | None:
        """Receive what it says: a result, or nothing but that it is ready.

        Raises:
            EOFError, OSError: if it is dead.
        """
        answer: tuple[Item, Result | Failure] | None = self.connection.recv()
        self.started = True
        if answer is not None:
            del self.in_hand[answer[0]]
        return answer

    def bury(self) -> int | None:
        """The exit code of one that is about to end."""
        self._process.join(PATIENCE)
        self.stop()
        return self._process.exitcode

    def stop(self) -> None:
        """End the process, whatever it is doing."""
        self.connection.close()
        self._process.kill()
        self._process.join()


def _serve(connection: Connection, make_task: Callable[[], Task[Item, Result]]) -> None:
    """What a worker does. Interrupts are its parent's to handle; it ends with its parent."""
    for interrupt in (signal.SIGINT, signal.SIGTERM):
        signal.signal(interrupt, signal.SIG_IGN)
    task = make_task()
    num_in_hand = 0
    with suppress(EOFError, ConnectionError):
        connection.send(None)
        while True:
            while not num_in_hand or connection.poll():
                task.expect(connection.recv())
                num_in_hand += 1
            connection.send(task.next())
            num_in_hand -= 1
