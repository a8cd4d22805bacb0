"""Interleaved timing, and what the machine itself can do."""

from __future__ import annotations

import contextlib
import datetime as dt
import os
import platform
import statistics
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import NoReturn

import torch
import tyro

from mmpyramid.core.errors import UserError, describe_os_error


@dataclass(frozen=True)
class Times:
    """Seconds of repeated calls."""

    seconds: tuple[float, ...]

    @property
    def median(self) -> float:
        """The middle one."""
        return statistics.median(self.seconds)

    @property
    def best(self) -> float:
        """The lowest tenth: what a shared machine gives when it is left alone."""
        return sorted(self.seconds)[len(self.seconds) // 10]


CLOCKS = {
    "wall": time.perf_counter,
    "cpu": time.process_time,
    "children": lambda: sum(os.times()[2:4]),
}
"""Time that passes, time that this process computes, and time that processes computed which it
waited for. On a busy machine, and with one thread, computing time is what the machine would give
alone. Threads that wait for each other count as well."""


def interleave(
    actions: Mapping[str, Callable[[], object]],
    rounds: int,
    clock: str = "wall",
    warm_up: int = 2,
    calls: int = 1,
    rest: float = 0.0,
) -> dict[str, Times]:
    """Call every action in turn, round by round, so that all meet the same disturbances.

    Args:
        actions: what is timed, by name.
        rounds: how often each.
        clock: a key of `CLOCKS`.
        warm_up: rounds that are not timed.
        calls: calls of a round, of which the mean counts.
        rest: seconds of sleep before them, in which the threads of the other side fall asleep.
    """
    now = CLOCKS[clock]
    for _ in range(warm_up):
        for action in actions.values():
            action()
    seconds: dict[str, list[float]] = {name: [] for name in actions}
    for _ in range(rounds):
        for name, action in actions.items():
            time.sleep(rest)
            start = now()
            for _ in range(calls):
                action()
            seconds[name].append((now() - start) / calls)
    return {name: Times(tuple(values)) for name, values in seconds.items()}


def table(times: Mapping[str, Times], against: str, unit: str = "ms", scale: float = 1e3) -> str:
    """Rows of medians and bests, and how many times faster than one of them."""
    rows = [f"| | median ({unit}) | best tenth ({unit}) | ratio of medians | ratio of bests |"]
    rows.append("|---|---|---|---|---|")
    base = times.get(against)
    for name, each in times.items():
        ratios = ("", "")
        if base is not None:
            ratios = (f"{base.median / each.median:.2f}", f"{base.best / each.best:.2f}")
        rows.append(
            f"| {name} | {scale * each.median:.4g} | {scale * each.best:.4g} | {ratios[0]} | "
            f"{ratios[1]} |"
        )
    return "\n".join(rows)


def spread(values: Sequence[float], sign: str = "") -> str:
    """Mean and standard deviation of several runs.

    Args:
        values: what each run has.
        sign: "+" to show the sign of a mean that is positive, too.
    """
    deviation = statistics.stdev(values) if len(values) > 1 else 0.0
    return f"{statistics.mean(values):{sign}.1f} ± {deviation:.1f}"


def header() -> str:
    """The command, the day and the machine."""
    caps = torch.cpu.get_capabilities() if hasattr(torch.cpu, "get_capabilities") else {}
    formats = "bf16" if caps.get("avx512_bf16") or caps.get("amx_bf16") else "no bf16"
    return (
        f"$ python {' '.join(sys.argv)}\n{dt.date.today()}, {os.cpu_count()} cores "
        f"({_processor()}, {formats}), {torch.get_num_threads()} threads, torch "
        f"{torch.__version__}, Python {platform.python_version()}, load {os.getloadavg()[0]:.1f}"
    )


def _processor() -> str:
    with contextlib.suppress(OSError), Path("/proc/cpuinfo").open() as lines:
        return next(line.split(":")[1].strip() for line in lines if line.startswith("model name"))
    return platform.machine()


def matmul_rate(dtype: torch.dtype, clock: str, size: int = 1024, repeats: int = 20) -> float:
    """FLOP/s of `torch.matmul` on square matrices: the best tenth of some repeats."""
    a, b = torch.randn(size, size).to(dtype), torch.randn(size, size).to(dtype)
    return 2 * size**3 / interleave({"": lambda: a @ b}, repeats, clock)[""].best


def copy_rate(clock: str, num_floats: int = 40_000_000, repeats: int = 10) -> float:
    """Bytes read and written per second by a copy of float32."""
    source = torch.ones(num_floats)
    target = torch.empty_like(source)
    return 8 * num_floats / interleave({"": lambda: target.copy_(source)}, repeats, clock)[""].best


def peak_memory() -> float:
    """Largest resident memory of this process so far, in MiB."""
    status = Path("/proc/self/status").read_text(encoding="utf-8")
    return int(status.split("VmHWM:")[1].split()[0]) / 1024


def command(main: Callable[..., object], then: Callable[..., object] | None = None) -> NoReturn:
    """Run a script: its flags, one paragraph on what it needs where that is missing, its code.

    Args:
        main: a function, or the dataclass of its flags.
        then: what is called with these.
    """
    try:
        result = tyro.cli(main)
        code = then(result) if then else result
    except ModuleNotFoundError as error:
        problem = f"it needs the package `{error.name}`; `make setup` installs what scripts need"
    except (UserError, OSError) as error:
        problem = describe_os_error(error) if isinstance(error, OSError) else str(error)
    else:
        sys.exit(code if isinstance(code, int) else 0)
    sys.stderr.write(f"{Path(sys.argv[0]).name}: {problem}\n")
    sys.exit(2)
