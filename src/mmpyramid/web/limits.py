"""What visitors may ask of one server, and the errors when it is too much."""

from __future__ import annotations

from dataclasses import dataclass, fields

from mmpyramid.core.errors import UserError


@dataclass(frozen=True, kw_only=True)
class Limits:
    """Bounds on what visitors may ask for.

    Attributes:
        max_megabytes: Size of an upload in MB (millions of bytes).
        max_minutes: Length of a video.
        max_seconds: How long the work on one video may take; it is then stopped.
        max_waiting: How many may wait for their turn; more are asked to come back.
        max_each: How many videos of one visitor may be here at once: on their way, kept, waiting
            or worked on. A visitor is an address; of IPv6, the first half of one.
        max_total_megabytes: Size of all uploads together.
        min_free_megabytes: How much of the disk stays free; uploads that need it are refused.
        keep_minutes: How long an upload and its timeline are kept for somebody who does nothing.

    Raises:
        UserError: if one of them is not positive.

    Example:
        >>> Limits(max_minutes=2).max_megabytes
        200
    """

    max_megabytes: float = 200
    max_minutes: float = 10
    max_seconds: float = 600
    max_waiting: int = 20
    max_each: int = 10
    max_total_megabytes: float = 10_000
    min_free_megabytes: float = 500
    keep_minutes: float = 60

    def __post_init__(self) -> None:
        for field in fields(self):
            if not getattr(self, field.name) > 0:
                flag = f"--{field.name.replace('_', '-')}"
                raise UserError(f"expected {flag} above 0, got {getattr(self, field.name)}")

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
