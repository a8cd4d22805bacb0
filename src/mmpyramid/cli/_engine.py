"""The flags that say who extracts."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Annotated, Literal

import tyro

from mmpyramid.core.errors import UserError
from mmpyramid.extract.decoding import Limits
from mmpyramid.extract.engines import Engine, LocalEngine


@dataclass(frozen=True, kw_only=True)
class EngineFlags:
    """How many processes on which machines, and what a file may cost."""

    engine: Literal["local", "ray"] = "local"
    """`local` works on this machine, `ray` on a Ray cluster or on a Ray that it starts here; the
    store is the same, bit for bit."""
    address: Annotated[
        str | None, tyro.conf.arg(metavar="STR", help_behavior_hint="(default: this machine)")
    ] = None
    """Of the Ray cluster: `auto` or host:6379."""
    workers: Annotated[
        int | None, tyro.conf.arg(metavar="INT", help_behavior_hint="(default: one per core)")
    ] = None
    """How many processes with networks; on a Ray cluster, each has a GPU for itself if it needs
    one."""
    timeout: float = Limits.timeout
    """Seconds that decoding one file may take, and one more for every MiB of it."""

    def start(self, device: str) -> Engine:
        """The engine that is meant.

        Args:
            device: where its networks run.

        Raises:
            UserError: if flags are out of range or contradict each other.
        """
        if self.workers is not None and self.workers < 1:
            raise UserError(f"expected --workers of at least 1, got {self.workers}")
        if not 0 < self.timeout < math.inf:
            raise UserError(
                "expected --timeout of more than 0 seconds, and a finite number of them, got "
                f"{self.timeout}"
            )
        limits = Limits(timeout=self.timeout)
        if self.engine == "ray":
            from mmpyramid.extract.ray_engine import RayEngine

            return RayEngine(
                workers=self.workers,
                limits=limits,
                address=self.address,
                gpus=float(device == "cuda"),
            )
        if self.address is not None:
            raise UserError(
                f"--address {self.address} is that of a Ray cluster; add --engine ray to use it"
            )
        return LocalEngine(workers=self.workers, limits=limits)
