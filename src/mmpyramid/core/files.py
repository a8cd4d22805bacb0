"""Writes files so that no crash leaves half of one."""

from __future__ import annotations

import errno
import os
import unicodedata
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from mmpyramid.core.errors import UserError

DISK_FULL = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)


def write_durably(path: Path, content: bytes, *, outlast_power_cuts: bool = True) -> None:
    """Write a file so that after any crash it is there as a whole or not at all.

    Args:
        path: the file; one that exists is replaced.
        content: all of it.
        outlast_power_cuts: whether to wait for the disk, which takes some hundredths of a second.
            Otherwise only the end of this process cannot harm the file.

    Raises:
        UserError: if the disk is full; nothing is left behind.

    Example:
        >>> write_durably(Path("features/store.json"), b"{}")  # doctest: +SKIP
    """
    aside = path.with_name(f"{path.name}.{os.getpid()}.tmp")
    try:
        with disk_full_as_user_error(path):
            with aside.open("wb") as file:
                file.write(content)
                file.flush()
                if outlast_power_cuts:
                    os.fsync(file.fileno())
            aside.replace(path)
    finally:
        aside.unlink(missing_ok=True)


def is_file_name(name: str) -> bool:
    r"""Whether a text can be the name of a file in any folder: it leads nowhere else.

    Example:
        >>> [is_file_name(name) for name in ("my holiday 3", "été", "..", "a/b", "a\nb", "")]
        [True, True, False, False, False, False]
    """
    harmless = all(c not in "/\\" and unicodedata.category(c) != "Cc" for c in name)
    return harmless and name not in {"", ".", ".."} and len(name.encode(errors="replace")) <= 240


def flush_names(folder: Path) -> None:
    """Make new names in a folder outlast a power cut."""
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


@contextmanager
def disk_full_as_user_error(path: Path) -> Iterator[None]:
    """Turn the errors of a full disk while writing `path` into one that says what to do.

    Raises:
        UserError: if the disk is full.
    """
    try:
        yield
    except OSError as error:
        if error.errno not in DISK_FULL:
            raise
        raise UserError(
            f"the disk is full ({error.strerror} while writing {path}). All that was finished so "
            f"far is kept; free some space and run the same command again."
        ) from error
