"""The sides of a comparison, each in a process of its own, as its users run it.

In one process they would share an allocator and its settings.
"""

from __future__ import annotations

import multiprocessing
import sys
from collections.abc import Callable, Mapping
from functools import partial
from multiprocessing.connection import Connection
from pathlib import Path
from typing import TypeAlias

from timing import Times, interleave, peak_memory

from mmpyramid import UserError

RELEASED = "released"

Maker: TypeAlias = Callable[[], Callable[[], object]]
"""Prepares one side and gives what is timed; it has to survive pickling."""


def check_official(official: Path | None) -> None:
    """Look at the checkout of the released code before anything slow is done.

    Raises:
        UserError: if it is none.
    """
    if official is not None and not (official / "nets").is_dir():
        raise UserError(
            f"expected --official to name a checkout of the authors' MM_Pyramid, got {official}, "
            "which has no folder `nets`"
        )


def beside(
    official: Path | None, theirs: Callable[[Path], Callable[[], object]], ours: Mapping[str, Maker]
) -> dict[str, Maker]:
    """Our sides, after the released one if there is a checkout of it."""
    check_official(official)
    return {**({} if official is None else {RELEASED: partial(theirs, official)}), **ours}


def take_turns(
    makers: Mapping[str, Maker], rounds: int, clock: str, warm_up: int = 1, calls: int = 1
) -> tuple[dict[str, Times], dict[str, float]]:
    """Let every side compute in turn, round by round, so that all meet the same disturbances.

    Args:
        makers: the sides, by name.
        rounds: how often each.
        clock: a key of `timing.CLOCKS`.
        warm_up: rounds that are not timed.
        calls: calls of a round, of which the mean counts.

    Returns:
        Seconds, and the peak memory of the process in MiB, by side.
    """
    sides = {name: _Side(name, make, clock) for name, make in makers.items()}
    seconds: dict[str, list[float]] = {name: [] for name in makers}
    for turn in range(warm_up + rounds):
        for name, side in sides.items():
            taken = side.ask(calls)
            if turn >= warm_up:
                seconds[name].append(taken)
    memory = {name: side.close() for name, side in sides.items()}
    return {name: Times(tuple(values)) for name, values in seconds.items()}, memory


class _Side:
    """The process of one side."""

    def __init__(self, name: str, make: Maker, clock: str) -> None:
        self._name = name
        new = multiprocessing.get_context("spawn")
        self._pipe, end = new.Pipe()
        self._process = new.Process(target=_serve, args=(end, name, make, clock), daemon=True)
        self._process.start()
        end.close()
        self._answer()  # when it is prepared

    def ask(self, calls: int) -> float:
        """Mean seconds of some calls."""
        self._pipe.send(calls)
        return self._answer()

    def close(self) -> float:
        """Let it end, and tell its peak memory."""
        self._pipe.send(0)
        memory = self._answer()
        self._process.join()
        return memory

    def _answer(self) -> float:
        try:
            number: float = self._pipe.recv()
        except EOFError:
            sys.exit(f"the process of `{self._name}` has failed")
        return number


def _serve(pipe: Connection, name: str, make: Maker, clock: str) -> None:
    """Be the process of one side: make as many calls as are asked for, until these are 0."""
    action = make()
    pipe.send(0.0)
    while calls := pipe.recv():
        times = interleave({name: action}, 1, clock, warm_up=0, calls=calls)
        pipe.send(times[name].median)
    pipe.send(peak_memory())
