"""Files that end with the SHA-256 of what stands before, so that rot is found when they are read.

Formats that are read from their beginning or by offsets, such as HDF5 and zip, do not mind 48 bytes
more at the end, and a file and its checksum can never be of different writes.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from pathlib import Path
from typing import BinaryIO, Protocol

from mmpyramid.core.errors import UserError

MARK = b"mmpyramid sha256"
LENGTH = len(MARK) + hashlib.sha256().digest_size
CHUNK = 2**20

# Threads may compare a file at once, which costs time and no more.
_compared: set[tuple[str, int, int, int]] = set()


class DamagedFileError(UserError):
    """A file that is another than was written."""


class Digest(Protocol):
    """A checksum that grows, as those of `hashlib`."""

    def update(self, data: memoryview, /) -> None:
        """Take more bytes."""
        ...

    def digest(self) -> bytes:
        """The checksum of what was taken so far."""
        ...


def seal(content: bytes) -> bytes:
    """Content with its checksum after it."""
    return content + MARK + hashlib.sha256(content).digest()


def unseal(content: bytes) -> bytes:
    """What `seal` was given.

    Raises:
        DamagedFileError: if the content or its checksum is another, or there is none.

    Example:
        >>> unseal(seal(b"weights"))
        b'weights'
    """
    inner, end = content[:-LENGTH], content[-LENGTH:]
    if end != MARK + hashlib.sha256(inner).digest():
        raise DamagedFileError("its checksum is another than when it was written")
    return inner


def verify(path: Path) -> bool:
    """Compare a file with its checksum, at the first call of a process.

    Returns:
        Whether it has one; files of earlier versions have none.

    Raises:
        DamagedFileError: if the file is another than was written.
        OSError: if it cannot be read.
    """
    with path.open("rb") as file:
        file.seek(max(file.seek(0, 2) - LENGTH, 0))
        end = file.read(LENGTH)
    if not end.startswith(MARK):
        return False

    def compare(file: BinaryIO, size: int) -> None:
        if end != MARK + digest_of(file, size - LENGTH, hashlib.sha256()):
            raise damaged(path)

    compare_once(path, compare)
    return True


def compare_once(path: Path, compare: Callable[[BinaryIO, int], None]) -> None:
    """Compare a file at the first call of a process; later calls cost nothing.

    A file that was changed since is compared again.

    Args:
        path: the file.
        compare: is given the open file and its size, and raises if the file is damaged.

    Raises:
        OSError: if it cannot be read; and what `compare` raises.
    """
    found = path.stat()
    key = (str(path), found.st_ino, found.st_size, found.st_mtime_ns)
    if key in _compared:
        return
    with path.open("rb") as file:
        compare(file, found.st_size)
    _compared.add(key)


def digest_of(file: BinaryIO, num_bytes: int, digest: Digest) -> bytes:
    """The checksum of the beginning of a file."""
    buffer = memoryview(bytearray(min(CHUNK, num_bytes)))
    file.seek(0)
    while num_bytes:
        num_read = file.readinto(buffer[: min(num_bytes, CHUNK)])  # type: ignore[attr-defined]
        if not num_read:
            break
        digest.update(buffer[:num_read])
        num_bytes -= num_read
    return digest.digest()


def damaged(path: Path) -> DamagedFileError:
    """The error of a file whose checksum is another."""
    return DamagedFileError(f"{path} is damaged: its checksum is another than when it was written")
