"""Files of visitors on disk: each in a folder of its own, deleted when nobody uses it any more.

All that a server writes is in one working folder; those that dead servers left are deleted.
"""

from __future__ import annotations

import fcntl
import json
import os
import re
import secrets
import shutil
import signal
import stat
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from threading import Lock
from types import TracebackType
from urllib.parse import quote

from mmpyramid.core.errors import UserError
from mmpyramid.core.files import DISK_FULL
from mmpyramid.core.wording import printable
from mmpyramid.web.limits import Lease, NoSpaceError

RECEIVED = "received"
"""The folder of uploads, the only one that Gradio knows."""

PREFIX = "mmpyramid-serve-"
LOCK = "lock"


@contextmanager
def working_folder() -> Iterator[Path]:
    """A folder for all that a server writes, which is deleted at the end, however the process ends.

    Temporary files of the server and of its worker processes go there, too. Gradio reads its
    environment when it is imported, so that belongs into the block: it sees `received`, and does
    not call home. `SIGKILL` is the one end that leaves the folder, for the next server to delete.

    Example:
        >>> with working_folder() as folder:
        ...     folder.is_dir()
        True
    """
    delete_left_behind()
    # It gets its name once it is locked, so that nobody takes it for that of a dead server.
    aside = Path(tempfile.mkdtemp(prefix=f".{PREFIX}"))
    with (aside / LOCK).open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        folder = aside.rename(aside.with_name(aside.name[1:]))
        (folder / "temporary").mkdir()
        os.environ["GRADIO_TEMP_DIR"] = str(folder / RECEIVED)
        os.environ["GRADIO_ANALYTICS_ENABLED"] = "False"
        before = signal.signal(signal.SIGTERM, signal.default_int_handler)
        try:
            with _temporary_files_in(folder / "temporary"):
                yield folder
        finally:
            signal.signal(signal.SIGTERM, before)
            shutil.rmtree(folder)


def delete_left_behind() -> None:
    """Delete the folders of this user's servers that were killed, which nobody has locked."""
    for folder in Path(tempfile.gettempdir()).glob(f"{PREFIX}*"):
        with suppress(OSError):  # Another server, or another user, deletes it as well.
            if folder.is_symlink() or folder.stat().st_uid != os.getuid():
                continue
            with (folder / LOCK).open("r+") as lock:
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
                shutil.rmtree(folder)


@contextmanager
def _temporary_files_in(folder: Path) -> Iterator[None]:
    before = os.environ.get("TMPDIR"), tempfile.tempdir
    os.environ["TMPDIR"] = tempfile.tempdir = str(folder)
    try:
        yield
    finally:
        tempfile.tempdir = before[1]
        if before[0] is None:
            del os.environ["TMPDIR"]
        else:
            os.environ["TMPDIR"] = before[0]


LONGEST_SUFFIX = 8
"""Letters of a suffix that is passed on: some formats are recognized by their suffix only."""

LONGEST_NAME = 200
ADDRESS = re.compile(rf"/{RECEIVED}/[0-9a-f]{{32}}/video(\.[0-9A-Za-z]{{1,{LONGEST_SUFFIX}}})?")
"""How visitors name uploads; it leads nowhere on the server."""


@dataclass(eq=False)
class Stored:
    """A file on the disk.

    Attributes:
        path: the file.
        name: what its visitor calls it.
        owner: who may name it; None is everybody.
        lease: its room; None is for files of the server, which stay.
        num_uses: how many use it now; with the last one it goes.
        since: when it was whole, in seconds of a clock that never runs backwards.
    """

    path: Path
    name: str
    owner: str | None
    lease: Lease | None
    num_uses: int = 0
    since: float = 0.0


class Uploads:
    """All uploads, below one folder that the server removes when it ends.

    Args:
        root: what `working_folder` gives.

    Example:
        >>> uploads = Uploads(root)  # doctest: +SKIP
        >>> with uploads.receive("clip.mp4", "visitor", lease) as stored:  # doctest: +SKIP
        ...     stored.path.write_bytes(content)
        >>> with uploads.use(stored.path) as upload:  # doctest: +SKIP
        ...     parse(upload.path)
    """

    def __init__(self, root: Path) -> None:
        self.received = root / RECEIVED
        self.received.mkdir()
        plain = str(self.received)
        self._spelled = {f.encode() for f in (plain, json.dumps(plain)[1:-1], quote(plain))}
        self._stored: dict[Path, Stored] = {}
        self._lock = Lock()

    @contextmanager
    def receive(self, name: str, owner: str | None, lease: Lease | None) -> Iterator[Stored]:
        """A file to be filled in the block; if that fails, nothing of it is left.

        Args:
            name: what its visitor calls it.
            owner: who may name it; None is everybody.
            lease: is released with the file; a file without one stays.

        Raises:
            NoSpaceError: if the disk is full.
        """
        name = printable(name.replace("\\", "/").rpartition("/")[2])[-LONGEST_NAME:] or "upload"
        suffix = Path(name).suffix
        if not (suffix[1:].isalnum() and suffix.isascii() and len(suffix) <= LONGEST_SUFFIX):
            suffix = ""
        folder = self.received / secrets.token_hex(16)
        stored = Stored(folder / f"video{suffix}", name, owner, lease)
        try:
            folder.mkdir()
            yield stored
            if lease is not None:
                lease.settle(stored.path.stat().st_size)
        except BaseException as error:
            shutil.rmtree(folder, ignore_errors=True)  # `sweep` tries again.
            if lease is not None:
                lease.release()
            if isinstance(error, OSError) and error.errno in DISK_FULL:
                raise NoSpaceError(
                    f"the server has no room left on its disk for {name}; try again later"
                ) from error
            raise
        stored.since = time.monotonic()
        with self._lock:
            self._stored[stored.path] = stored

    def address(self, stored: Stored) -> str:
        """The address by which visitors name a file, which reveals no path of the server."""
        return f"/{RECEIVED}/{stored.path.relative_to(self.received).as_posix()}"

    def find(self, address: str, owner: str) -> Path | None:
        """The path of an upload that a visitor names; it may have gone.

        Returns:
            None if it is no upload, or somebody else's.
        """
        if not ADDRESS.fullmatch(address):
            return None
        path = self.received / address.removeprefix(f"/{RECEIVED}/")
        stored = self._stored.get(path)
        if stored is None:
            return None if path.exists() else path
        return path if stored.owner in {None, owner} else None

    def hide_paths(self, text: bytes) -> bytes:
        """Write addresses for the paths of uploads in an answer, however they are spelled."""
        for spelled in self._spelled:
            text = text.replace(spelled, f"/{RECEIVED}".encode())
        return text

    def stored(self, address: str, owner: str) -> Stored | None:
        """An upload that a visitor names; None if it has gone, is none, or somebody else's."""
        path = self.find(address, owner)
        return None if path is None else self._stored.get(path)

    def use(self, path: Path) -> Upload:
        """Use a file until it is released.

        Raises:
            UserError: if it has gone.
        """
        with self._lock:
            stored = self._stored.get(path)
            if stored is None or not _is_plain_file(path):
                raise UserError(
                    "the upload is no longer here: uploads are deleted after use; choose the file "
                    "again"
                )
            stored.num_uses += 1
        return Upload(stored, self)

    def forget(self, owner: str) -> None:
        """Delete the unused uploads of a visitor who has left."""
        with self._lock:
            for stored in list(self._stored.values()):
                if stored.owner == owner and stored.num_uses == 0:
                    self._delete(stored)

    def sweep(self, seconds: float) -> None:
        """Delete what nobody used, and leftovers of failures.

        Args:
            seconds: since when nobody did.
        """
        with self._lock:
            for stored in list(self._stored.values()):
                idle = time.monotonic() - stored.since
                if stored.num_uses == 0 and stored.lease is not None and idle > seconds:
                    self._delete(stored)
            kept = {path.parent for path in self._stored}
        now = time.time()
        for folder in self.received.glob("[0-9a-f]" * 32):
            with suppress(FileNotFoundError):
                last = max(path.stat().st_mtime for path in (folder, *folder.iterdir()))
                if folder not in kept and now - last > seconds:
                    shutil.rmtree(folder)

    def release(self, stored: Stored) -> None:
        """End one use of a file; with the last one it is deleted."""
        with self._lock:
            stored.num_uses -= 1
            stored.since = time.monotonic()
            if stored.num_uses == 0 and stored.lease is not None and stored.path in self._stored:
                self._delete(stored)

    def _delete(self, stored: Stored) -> None:
        del self._stored[stored.path]
        shutil.rmtree(stored.path.parent, ignore_errors=True)  # `sweep` tries again.
        if stored.lease is not None:
            stored.lease.release()


def _is_plain_file(path: Path) -> bool:
    """Whether a path is a regular file, and no link."""
    return path.exists() and stat.S_ISREG(path.lstat().st_mode)


class Upload:
    """A file that stays until `release`, or the end of a `with` block.

    Attributes:
        path: the file.
        name: what its visitor calls it.
    """

    def __init__(self, stored: Stored, uploads: Uploads) -> None:
        self.path, self.name = stored.path, stored.name
        self._stored, self._uploads = stored, uploads
        self._lock, self._released = Lock(), False

    def __enter__(self) -> Upload:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.release()

    def release(self) -> None:
        """Stop using the file; a second call does nothing."""
        with self._lock:
            if self._released:
                return
            self._released = True
        self._uploads.release(self._stored)
