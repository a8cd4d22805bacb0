"""What the sections of `gpu.py` share: where to measure, how long, and what was found."""

from __future__ import annotations

import contextlib
import shutil
import statistics
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TypeVar

import torch
from official import Official, load_official
from train_step import batch_of
from train_step import videos as random_videos

from mmpyramid.accelerate import ResidentDataset
from mmpyramid.training.config import TrainConfig
from mmpyramid.training.recipes import RECIPES

sys.path.append(str(Path(__file__).parents[1] / "tests"))
from random_batch import random_batch as random_batch

Item = TypeVar("Item")
ASK = (
    "nvidia-smi",
    "--query-gpu=utilization.gpu",
    "--format=csv,noheader,nounits",
    "--loop-ms=200",
)
"""Prints five times a second in how much of the last moments, in per cent, the GPU had work."""


@dataclass
class Bench:
    """What the sections share: where to measure, how large, how long, and what was found."""

    device: torch.device
    official: Path | None
    smoke: bool
    folder: Path
    deadline: float
    rows: list[tuple[str, str, float, str]] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)

    def size(self, full: int, small: int) -> int:
        """A size, or a small one where the script itself is tested."""
        return small if self.smoke else full

    def add(self, what: str, side: str, value: float, unit: str) -> None:
        """Print and keep a number."""
        self.rows.append((what, side, value, unit))
        print(f"{what} | {side} | {value:.4g} {unit}", flush=True)

    def note(self, text: str) -> None:
        """Keep a remark for the end of the report, once."""
        if text not in self.notes:
            self.notes.append(text)

    def in_time(self, items: Sequence[Item]) -> Iterator[Item]:
        """The items as long as there is time; those that are left are named."""
        for number, item in enumerate(items):
            if time.monotonic() > self.deadline:
                self.note(f"not measured for lack of time: {', '.join(map(str, items[number:]))}")
                return
            yield item

    def wait(self) -> None:
        """Return when the GPU has done everything."""
        if self.device.type == "cuda":
            torch.cuda.synchronize(self.device)

    def seconds(self, call: Callable[[], object], calls: int = 20, rounds: int = 5) -> float:
        """Seconds of a call: the median of some rounds after some calls that are not timed."""
        if self.smoke:
            calls, rounds = 1, 1
        for _ in range(self.size(3, 0)):
            call()
        taken = []
        for _ in range(rounds):
            self.wait()
            start = time.perf_counter()
            for _ in range(calls):
                call()
            self.wait()
            taken.append((time.perf_counter() - start) / calls)
        return statistics.median(taken)

    def config(self, recipe: str = "llp", **changes: object) -> TrainConfig:
        """A recipe at this size."""
        config = RECIPES[recipe]()
        if self.smoke:
            config.model.width = 16
        return replace(config, device=str(self.device), **changes)

    def load_official(self) -> Official | None:
        """The released code, if it can run here."""
        if self.official is None:
            return None
        return load_official(self.official, "cuda" if self.device.type == "cuda" else "cpu")


def resident(bench: Bench, num_rows: int) -> ResidentDataset:
    """Random videos on the device, with weak labels."""
    return ResidentDataset(batch_of(random_videos(num_rows)).to(bench.device))


@contextlib.contextmanager
def busy(bench: Bench, what: str, side: str) -> Iterator[None]:
    """Measure how busy the GPU is meanwhile, as `nvidia-smi` tells."""
    program = shutil.which(ASK[0])
    if program is None:
        bench.note("not measured, for want of nvidia-smi: how busy the GPU is")
        yield
        return
    command = [program, *ASK[1:], f"--id={bench.device.index or 0}"]
    asking = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
    try:
        yield
    finally:
        asking.terminate()
        printed, _ = asking.communicate()
    if (mean := utilization(printed)) is not None:
        bench.add(what, f"{side}, GPU busy", mean, "%")


def utilization(printed: str) -> float | None:
    """The mean of what `nvidia-smi` printed, a number a line; None if there is none.

    Example:
        >>> utilization("50\\n[N/A]\\n100\\n")
        75.0
    """
    numbers = [float(line) for line in printed.split("\n") if line.strip().isdigit()]
    return statistics.mean(numbers) if numbers else None


def machine(device: torch.device) -> str:
    """The GPU and what drives it."""
    if device.type != "cuda":
        return f"no GPU: {device}"
    properties = torch.cuda.get_device_properties(device)
    return (
        f"{properties.name}, {properties.total_memory / 2**30:.0f} GiB, CUDA {torch.version.cuda}, "
        f"cuDNN {torch.backends.cudnn.version()}"
    )
