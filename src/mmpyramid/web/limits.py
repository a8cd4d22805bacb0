"""What visitors may ask of one server, their room on its disk, and errors when it is too much."""

from __future__ import annotations

import math
import shutil
from collections import Counter
from dataclasses import dataclass, fields
from pathlib import Path
from threading import Lock
from types import TracebackType

from mmpyramid.core.errors import UserError


@dataclass(frozen=True, kw_only=True)
class Limits:
    """Bounds on what visitors may ask for.

    Attributes:
        max_megabytes: Size of an upload in MB (millions of bytes).
        max_minutes: Length of a video.
        max_seconds: Time limit for one video; the work is then stopped.
        max_waiting: How many videos may wait; further ones are refused for now.
        max_each: How many videos of one visitor the server holds at once: arriving, waiting, being
            parsed, or kept. A visitor is an IPv4 address, or the first 64 bits of an IPv6 address.
        max_jobs: How many jobs of programs the server holds at once: waiting, running, or finished
            and kept.
        max_total_megabytes: Size of all uploads together.
        min_free_megabytes: Disk space to keep free; uploads that need it are refused.
        keep_minutes: How long an upload and its timeline are kept without any activity.

    Raises:
        UserError: if one of them is not positive, or infinite.

    Example:
        >>> Limits(max_minutes=2).max_megabytes
        200
    """

    max_megabytes: float = 200
    max_minutes: float = 10
    max_seconds: float = 600
    max_waiting: int = 20
    max_each: int = 10
    max_jobs: int = 100
    max_total_megabytes: float = 10_000
    min_free_megabytes: float = 500
    keep_minutes: float = 60

    def __post_init__(self) -> None:
        for field in fields(self):
            if not 0 < getattr(self, field.name) < math.inf:
                flag = f"--{field.name.replace('_', '-')}"
                raise UserError(
                    f"expected {flag} above 0 and finite, got {getattr(self, field.name)}"
                )

    @property
    def max_bytes(self) -> int:
        """The largest upload in bytes."""
        return int(self.max_megabytes * 10**6)

    def check_size(self, num_bytes: int) -> None:
        """Check the size of an upload.

        Raises:
            TooLargeError: if it is too large.
        """
        if num_bytes > self.max_bytes:
            raise TooLargeError(
                f"expected a file of at most {self.max_megabytes:g} MB, got {num_bytes / 1e6:.1f} "
                "MB or more; cut a piece out of it or compress it"
            )


class TooLargeError(UserError):
    """More bytes than the server takes."""


class TooManyError(UserError):
    """One visitor asks for more than a share; nothing is wrong with the file."""


class BusyError(UserError):
    """Too many are waiting already; nothing is wrong with the file."""


class NoSpaceError(UserError):
    """The server has no room for more uploads; nothing is wrong with the file."""


class GivenUpError(UserError):
    """The work on a file took too long, or its process died."""


class Budget:
    """The room for uploads. Every upload has a lease, which is given back when it is gone.

    Args:
        root: where uploads are.
        limits: how much there is.

    Example:
        >>> budget = Budget(Path("."), Limits())
        >>> with budget.lease("127.0.0.1") as lease:
        ...     lease.grow(1_000_000)
        ...     budget.num_bytes
        1000000
        >>> budget.num_bytes
        0
    """

    def __init__(self, root: Path, limits: Limits) -> None:
        self.num_bytes = 0
        self._root, self._limits = root, limits
        self._num_files: Counter[str] = Counter()
        self._num_coming = 0
        self._lock = Lock()

    def lease(self, visitor: str) -> Lease:
        """Room for one file, of no bytes yet.

        Raises:
            TooManyError: if the visitor has as many files as one may have.
        """
        with self._lock:
            if self._num_files[visitor] >= self._limits.max_each:
                raise TooManyError(
                    f"{self._limits.max_each} videos of yours are on this server already, which is "
                    "as many as one visitor may have at once; wait until one is done"
                )
            self._num_files[visitor] += 1
        return Lease(self, visitor)

    def _grow(self, num_bytes: int) -> None:
        limits = self._limits
        with self._lock:
            total = self.num_bytes + num_bytes
            # What is on its way may be on the disk already, so this errs towards free space.
            free = shutil.disk_usage(self._root).free - self._num_coming - num_bytes
            if total > limits.max_total_megabytes * 10**6 or free < limits.min_free_megabytes * 1e6:
                raise NoSpaceError(
                    "the server has no room left for uploads; try again when others are done"
                )
            self.num_bytes = total
            self._num_coming += num_bytes

    def _settle(self, coming: int, arrived: int) -> None:
        with self._lock:
            self._num_coming -= coming
            self.num_bytes += arrived - coming

    def _free(self, visitor: str, coming: int, arrived: int) -> None:
        with self._lock:
            self._num_coming -= coming
            self.num_bytes -= coming + arrived
            self._num_files[visitor] -= 1
            if not self._num_files[visitor]:
                del self._num_files[visitor]


class Lease:
    """Room for one file, until `release` or the end of a `with` block.

    Args:
        budget: of what.
        visitor: whose file it is.
    """

    def __init__(self, budget: Budget, visitor: str) -> None:
        self._budget, self._visitor = budget, visitor
        self._coming = self._arrived = 0
        self._released = self._kept = False

    def __enter__(self) -> Lease:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        if not self._kept:
            self.release()

    def grow(self, num_bytes: int) -> None:
        """Reserve room for more bytes before they come.

        Raises:
            NoSpaceError: if there is none.
        """
        self._budget._grow(num_bytes)
        self._coming += num_bytes

    def settle(self, num_bytes: int) -> None:
        """Reduce the room to the size of a file that is complete."""
        self._budget._settle(self._coming, num_bytes)
        self._coming, self._arrived = 0, num_bytes

    def keep(self) -> None:
        """Keep the room after the end of the block; the caller has to release it."""
        self._kept = True

    def release(self) -> None:
        """Give the room back, once the file is gone; a second call does nothing."""
        if not self._released:
            self._released = True
            self._budget._free(self._visitor, self._coming, self._arrived)
