"""The sides of a comparison, each in a process of its own, as its users run it.

In one process they would share an allocator and its settings, and ours asks for huge pages.
"""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Callable, Mapping
from typing import TypeAlias

from timing import Times, interleave, peak_memory

from mmpyramid.huge_pages import use_huge_pages

Makers: TypeAlias = Mapping[str, Callable[[], Callable[[], object]]]
"""What prepares each side and gives what is timed, by name; all but `released` are ours."""


def take_turns(
    makers: Makers, rounds: int, *words: str, warm_up: int = 1, calls: int = 1
) -> tuple[dict[str, Times], dict[str, float]]:
    """Let every side compute in turn, round by round, so that all meet the same disturbances.

    Args:
        makers: the sides; the processes run this benchmark with `--only` and call `serve`.
        rounds: how often each.
        words: further words of the command line of the processes.
        warm_up: rounds that are not timed.
        calls: calls of a round, of which the mean counts.

    Returns:
        Seconds, and the peak memory of the process in MiB, by side.
    """
    sides = [_Side(name, words) for name in makers]
    seconds: dict[str, list[float]] = {name: [] for name in makers}
    for turn in range(warm_up + rounds):
        for side in sides:
            taken = side.ask(calls)["seconds"]
            if turn >= warm_up:
                seconds[side.name].append(taken)
    memory = {side.name: side.ask(0)["peak"] for side in sides}
    for side in sides:
        side.close()
    return {name: Times(tuple(values)) for name, values in seconds.items()}, memory


def serve(makers: Makers, name: str, clock: str) -> None:
    """Be the process of one side: make so many calls as each line of the input says."""
    if name != "released":
        use_huge_pages()
    action = makers[name]()
    for line in sys.stdin:
        calls, seconds = int(line), 0.0
        if calls:
            seconds = interleave({name: action}, 1, clock, warm_up=0, calls=calls)[name].median
        print(json.dumps({"seconds": seconds, "peak": peak_memory()}), flush=True)


class _Side:
    """The process of one side."""

    def __init__(self, name: str, words: tuple[str, ...]) -> None:
        self.name = name
        command = [sys.executable, *sys.argv, *words, "--only", name]
        self._process = subprocess.Popen(
            command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
        )
        self.ask(0)  # waits until it is prepared

    def ask(self, calls: int) -> dict[str, float]:
        """Mean seconds of some calls, and the peak memory so far."""
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._process.stdin.write(f"{calls}\n")
        self._process.stdin.flush()
        answer = self._process.stdout.readline()
        if not answer:
            sys.exit(f"the process of `{self.name}` ended with {self._process.wait()}")
        times: dict[str, float] = json.loads(answer)
        return times

    def close(self) -> None:
        """Let it end."""
        self._process.communicate()
