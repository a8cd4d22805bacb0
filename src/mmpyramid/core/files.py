"""Writes files so that no crash leaves half of one, and reports early what cannot be written.

Everything that the package writes goes through this module: to a temporary file, which is then
renamed. Files that may be pipes or devices are opened here for reading.

A sealed file ends with the SHA-256 of what comes before it, so that damage is found on reading.
Formats that are read from their beginning or by offsets, such as HDF5 and zip, do not mind 48 bytes
more at the end, and a file and its checksum can never be of different writes.
"""

from __future__ import annotations

import errno
import hashlib
import json
import os
import secrets
import stat
import tempfile
import unicodedata
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from io import BufferedReader
from pathlib import Path
from typing import Protocol

from mmpyramid.core.errors import UserError

DISK_FULL = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)
MODEL_DESCRIPTION = "config.json"
"""A folder with this file is a model; known here, for reading it takes PyTorch."""

LONGEST_NAME, LONGEST_PATH = 255, 4000
"""Bytes; the file system says how long a name may be, where it can. A path leaves room for names
that are written aside."""

MOST_LINKS = 40
"""One behind the other, as Linux follows them."""


def write_durably(path: Path, content: bytes, *, outlast_power_cuts: bool = True) -> None:
    """Write a file so that after any crash it is there as a whole or not at all.

    A symbolic link is followed. What is no regular file is written to, and so is one that the
    process has open already, such as `/dev/stdout`, whose content stays.

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
    descriptor = _descriptor(path)
    if descriptor is not None or _kind(path) not in {None, stat.S_IFREG, stat.S_IFDIR}:
        with (
            disk_full_as_user_error(path),
            open(path if descriptor is None else descriptor, "wb", closefd=descriptor is None) as f,
        ):
            f.write(content)
        return
    if path.is_symlink():
        path = Path(os.path.realpath(path))
    # Short, for the name of the file itself may be as long as the file system takes.
    aside = path.with_name(f"{os.getpid()}-{secrets.token_hex(4)}.tmp")
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


def write_json(path: Path, values: object) -> None:
    """Write plain values as a JSON file, as `write_durably` does.

    Raises:
        UserError: if the disk is full.
    """
    write_durably(path, (json.dumps(values, indent=2) + "\n").encode())


def open_regular(path: Path) -> BufferedReader:
    """Open a file for reading, unless it is a pipe or a device, whose reading may never end.

    Raises:
        OSError: if it is absent, out of reach, or no regular file.
    """
    if _kind(path) not in {None, stat.S_IFREG}:
        reason = "expected a file, got a folder, a pipe or a device"
        raise OSError(errno.EINVAL, reason, str(path))
    return path.open("rb")


def check_model(model: str) -> None:
    """Check that a network is named by a folder, or as the Hugging Face hub names one.

    This needs no PyTorch, and no network.

    Raises:
        UserError: if it is not.

    Example:
        >>> check_model("organization/name")
    """
    if not Path(model).is_dir() and model.count("/") != 1:
        raise UserError(
            f"there is no checkpoint folder `{model}`, and it is not an id of the Hugging Face "
            "hub either, such as `organization/name`; give the path of a folder written by "
            "`mmpyramid train`, `mmpyramid teach` or `mmpyramid convert`"
        )


def check_output_file(path: Path) -> None:
    """Check before any work that a file can be written; missing folders are created later.

    Raises:
        UserError: if its name is too long, it is a folder, or its folder cannot be written to.

    Example:
        >>> check_output_file(Path("/proc/clip.json"))
        Traceback (most recent call last):
        ...
        mmpyramid.core.errors.UserError: cannot write /proc/clip.json: ...
    """
    kind = _kind(path)
    if kind == stat.S_IFDIR:
        raise UserError(f"cannot write {path}: it is a folder; give the name of a file")
    if kind in {None, stat.S_IFREG} and _descriptor(path) is None:  # Else it is written to.
        _check(path.parent, (path.name,), path)


def check_output_folder(folder: Path) -> None:
    """Check before any work that files can be written into a folder, which is created later.

    Raises:
        UserError: if a name is too long, it is a file, or it cannot be written to.
    """
    _check(folder, (), folder)


def _kind(path: Path) -> int | None:
    """Whether a path is that of a file, a folder or something else; None if nothing is there."""
    try:
        return stat.S_IFMT(path.stat().st_mode)
    except (OSError, ValueError):  # Also where a name is too long or holds NUL.
        return None


def _descriptor(path: Path) -> int | None:
    """The number of the open file that a path stands for, as `/dev/stdout` does; else None."""
    if "\0" in str(path):
        return None
    open_files = {os.path.realpath("/dev/fd"), "/dev/fd"}
    for _ in range(MOST_LINKS):
        if path.name.isdecimal() and os.path.realpath(path.parent) in open_files:
            return int(path.name)
        if not os.path.islink(path):  # noqa: PTH114 - refuses no name
            return None
        path = path.parent / path.readlink()
    return None


def _check(folder: Path, names: tuple[str, ...], path: Path) -> None:
    if "\0" in str(path):
        raise UserError(f"cannot write {str(path)!r}: a name cannot hold NUL")
    if (length := len(os.fsencode(path.absolute()))) > LONGEST_PATH:
        raise UserError(
            f"cannot write {path}: a path takes at most {LONGEST_PATH} bytes, and this one has "
            f"{length}; choose a shorter one"
        )
    try:
        while not os.path.lexists(folder):
            folder, names = folder.parent, (folder.name, *names)
        for name in names:
            longest = os.pathconf(folder, "PC_NAME_MAX") if folder.is_dir() else LONGEST_NAME
            if (length := len(os.fsencode(name))) > longest:
                raise UserError(
                    f"cannot write {path}: a name takes at most {longest} bytes here, and one of "
                    f"these has {length}; choose a shorter one"
                )
        if not folder.is_dir():
            raise UserError(f"cannot write {path}: {folder} is not a folder; choose another place")
        with tempfile.TemporaryFile(dir=folder):
            pass
    except OSError as error:
        raise UserError(
            f"cannot write {path}: {error.strerror or error} ({folder}); choose another place"
        ) from error


@contextmanager
def only_writer(folder: Path, lock: str = "run.lock") -> Iterator[None]:
    """Let one process at a time write into a folder, which is created if it does not exist.

    The lock is released with the process, however that ends.

    Args:
        folder: the folder.
        lock: name of the file that is locked; it stays.

    Raises:
        UserError: if another process writes there already, or the folder cannot be written to.
    """
    from filelock import FileLock, Timeout

    check_output_folder(folder)
    folder.mkdir(parents=True, exist_ok=True)
    file_lock = FileLock(folder / lock, timeout=0)
    try:
        file_lock.acquire()
    except Timeout as error:
        raise UserError(
            f"another process writes to {folder} already; wait for it, stop it, or choose another "
            "folder"
        ) from error
    except OSError as error:
        raise UserError(f"cannot write {folder / lock}: {error.strerror or error}") from error
    try:
        yield
    finally:
        file_lock.release()


def cache_folder() -> Path:
    """The folder of downloaded weights, and of features that were packed to be read faster.

    It is `$MMPYRAMID_CACHE`, else `$XDG_CACHE_HOME/mmpyramid`, else `~/.cache/mmpyramid`.

    Raises:
        UserError: if that is in the home folder of a user who has none.
    """
    try:
        if chosen := os.environ.get("MMPYRAMID_CACHE"):
            return Path(chosen).expanduser()
        return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "mmpyramid"
    except RuntimeError as error:
        raise UserError(
            "expected a folder for pretrained weights and features, but this user has no home "
            f"folder ({error}); set MMPYRAMID_CACHE to a folder"
        ) from error


def is_file_name(name: str) -> bool:
    r"""Whether a text is the plain name of a file, which leads to no other folder.

    Example:
        >>> [is_file_name(name) for name in ("my holiday 3", "été", "..", "a/b", "a\nb", "")]
        [True, True, False, False, False, False]
    """
    harmless = all(c not in "/\\" and unicodedata.category(c) != "Cc" for c in name)
    return harmless and name not in {"", ".", ".."} and len(name.encode(errors="replace")) <= 240


def end_last_line(path: Path) -> None:
    """End a last line that was cut off, so that appended text begins a new one."""
    if path.is_file() and path.stat().st_size:
        with path.open("rb+") as file:
            file.seek(-1, os.SEEK_END)
            if file.read(1) != b"\n":
                file.write(b"\n")


def flush_names(folder: Path) -> None:
    """Flush the names in a folder to the disk, where the system can open folders."""
    if not hasattr(os, "O_DIRECTORY"):
        return
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


SEAL_MARK = b"mmpyramid sha256"
SEAL_LENGTH = len(SEAL_MARK) + hashlib.sha256().digest_size
CHUNK = 2**20

# Threads may compare a file at once, which costs time and no more.
_compared: set[tuple[str, int, int, int]] = set()


class DamagedFileError(UserError):
    """A file whose content is not what was written."""


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
    return content + SEAL_MARK + hashlib.sha256(content).digest()


def verify(path: Path) -> bool:
    """Compare a file with its checksum, at the first call of a process.

    Returns:
        Whether it has a checksum; files of earlier versions have none.

    Raises:
        DamagedFileError: if the content is not what was written.
        OSError: if it cannot be read.
    """
    with open_regular(path) as file:
        file.seek(max(file.seek(0, 2) - SEAL_LENGTH, 0))
        end = file.read(SEAL_LENGTH)
    if not end.startswith(SEAL_MARK):
        return False

    def compare(file: BufferedReader, size: int) -> None:
        if end != SEAL_MARK + digest_of(file, size - SEAL_LENGTH, hashlib.sha256()):
            raise damaged(path)

    compare_once(path, compare)
    return True


def compare_once(path: Path, compare: Callable[[BufferedReader, int], None]) -> None:
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
    with open_regular(path) as file:
        compare(file, found.st_size)
    _compared.add(key)


def digest_of(file: BufferedReader, num_bytes: int, digest: Digest) -> bytes:
    """The checksum of the beginning of a file.

    Args:
        file: open for reading; its position is after what was read then.
        num_bytes: how much of it.
        digest: a checksum that has taken nothing yet.
    """
    buffer = memoryview(bytearray(min(CHUNK, num_bytes)))
    file.seek(0)
    while num_bytes:
        num_read = file.readinto(buffer[: min(num_bytes, CHUNK)])
        if not num_read:
            break
        digest.update(buffer[:num_read])
        num_bytes -= num_read
    return digest.digest()


def damaged(path: Path) -> DamagedFileError:
    """The error of a file that does not match its checksum."""
    return DamagedFileError(f"{path} is damaged: its checksum differs from the recorded one")
