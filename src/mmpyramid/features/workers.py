"""Worker processes that outlive bad input: a crash costs one item, not the run.

The standard pools do not tell which item killed a process, and leave orphans waiting forever when
the parent is killed. Here each worker has a pipe of its own: the parent knows what each is at, and
a worker ends when its parent's end of the pipe is gone.
"""

from __future__ import annotations

import os
import signal
from collections import deque
from collections.abc import Callable, Generator, Sequence
from contextlib import suppress
from dataclasses import dataclass
from multiprocessing import get_context
from multiprocessing.connection import Connection, wait
from typing import Generic, TypeVar

from mmpyramid.errors import UserError

Item = TypeVar("Item")
Result = TypeVar("Result")


@dataclass(frozen=True)
class Failure:
    """Why there is no result for one item."""

    reason: str


def num_cores() -> int:
    """The cores that this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def attempt(function: Callable[[Item], Result], item: Item) -> Result | Failure:
    """Call a function on one item; whatever goes wrong becomes a `Failure` with the reason."""
    try:
        return function(item)
    except UserError as error:
        return Failure(str(error))
    except Exception as error:  # noqa: BLE001 - told to the caller, who reports it and goes on
        return Failure(f"{type(error).__name__}: {error}")


def work(
    make_function: Callable[[], Callable[[Item], Result]],
    items: Sequence[Item],
    num_workers: int,
) -> Generator[tuple[Item, Result | Failure]]:
    """Work through items in freshly spawned processes and yield results as they come.

    Close the generator to stop early; the workers are then killed. As with every spawned process, a
    script that calls this guards its main part by `if __name__ == "__main__"`.

    Args:
        make_function: picklable; called once in every worker to make what is called on the items.
        items: picklable.
        num_workers: how many processes, at most one per item.

    Raises:
        RuntimeError: if a worker ends before it takes an item, because `make_function` fails.
    """
    queue = deque(items)
    workers: dict[object, _Worker[Item, Result]] = {}

    def start() -> None:
        worker = _Worker(make_function)
        workers[worker.connection] = worker

    try:
        for _ in range(min(num_workers, len(items))):
            start()
        while workers:
            for connection in wait([worker.connection for worker in workers.values()]):
                worker = workers[connection]
                answer = worker.take()
                if queue and worker.alive:
                    worker.give(queue.popleft())
                else:
                    workers.pop(connection).stop()
                    if queue:
                        start()
                if answer is not None:
                    yield answer
    finally:
        for worker in workers.values():
            worker.stop()


class _Worker(Generic[Item, Result]):
    """One process, its pipe, and the item that it is at (None until it reports for duty)."""

    def __init__(self, make_function: Callable[[], Callable[[Item], Result]]) -> None:
        context = get_context("spawn")
        self.connection, theirs = context.Pipe()
        self.alive = True
        self._item: Item | None = None
        self._process = context.Process(target=_serve, args=(theirs, make_function), daemon=True)
        self._process.start()
        theirs.close()

    def give(self, item: Item) -> None:
        """Hand over the next item."""
        self._item = item
        with suppress(BrokenPipeError):  # It has died this moment; `take` is told next.
            self.connection.send(item)

    def take(self) -> tuple[Item, Result | Failure] | None:
        """Receive what it says: a result, or nothing but that it is ready."""
        item, self._item = self._item, None
        try:
            result = self.connection.recv()
        except (EOFError, OSError) as error:
            self._process.join()
            self.alive = False
            exit_code = self._process.exitcode
            if item is None:
                raise RuntimeError(f"a worker could not start (exit code {exit_code})") from error
            result = Failure(
                f"the process that worked on it died (exit code {exit_code}): it crashed, or the "
                f"system killed it for want of memory"
            )
        return None if item is None else (item, result)

    def stop(self) -> None:
        """End the process, whatever it is doing."""
        self.connection.close()
        self._process.kill()
        self._process.join()


def _serve(connection: Connection, make_function: Callable[[], Callable[[Item], Result]]) -> None:
    """What a worker does. Interrupts are its parent's to handle; it ends with its parent."""
    for interrupt in (signal.SIGINT, signal.SIGTERM):
        signal.signal(interrupt, signal.SIG_IGN)
    function = make_function()
    with suppress(EOFError, ConnectionError):
        connection.send(None)
        while True:
            connection.send(attempt(function, connection.recv()))
