"""Files that end with the SHA-256 of what stands before, so that rot is found when they are read.

Formats that are read from their beginning or by offsets, such as HDF5 and zip, do not mind 48 bytes
more at the end, and a file and its checksum can never be of different writes.
"""

from __future__ import annotations

import hashlib
from pathlib import Path
from threading import Lock

from mmpyramid.core.errors import UserError

MARK = b"mmpyramid sha256"
LENGTH = len(MARK) + hashlib.sha256().digest_size
CHUNK = 2**20

_verified: set[tuple[str, int, int, int]] = set()
_lock = Lock()


class DamagedFileError(UserError):
    """A file that is another than was written."""


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


def verify(path: Path, *, sealed: bool) -> bool:
    """Compare a file with its checksum, at the first call of a process; later ones cost nothing.

    A file that was changed since is compared again.

    Args:
        path: the file.
        sealed: whether something in the file says that it has a checksum; one is looked for anyway,
            so that damage to either is found.

    Returns:
        Whether it has one; files of earlier versions have none.

    Raises:
        DamagedFileError: if the file is another than was written.
        OSError: if it cannot be read.
    """
    with path.open("rb") as file:
        size = file.seek(0, 2)
        inner = max(size - LENGTH, 0)
        file.seek(inner)
        end = file.read(LENGTH)
        if not (sealed or end.startswith(MARK)):
            return False
        found = path.stat()
        key = (str(path), found.st_ino, size, found.st_mtime_ns)
        with _lock:
            if key in _verified:
                return True
        file.seek(0)
        digest = hashlib.sha256()
        while inner:
            chunk = file.read(min(CHUNK, inner))
            if not chunk:
                break
            digest.update(chunk)
            inner -= len(chunk)
    if end != MARK + digest.digest():
        raise DamagedFileError(
            f"{path} is damaged: its checksum is another than when it was written"
        )
    with _lock:
        _verified.add(key)
    return True
