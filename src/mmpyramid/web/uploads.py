"""Files of visitors on disk: each in a folder of its own, deleted when nobody uses it any more."""

from __future__ import annotations

import os
import shutil
import signal
import stat
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory, mkdtemp
from threading import Lock
from types import TracebackType
from typing import BinaryIO

from mmpyramid.core.errors import UserError
from mmpyramid.core.files import DISK_FULL
from mmpyramid.web.limits import NoSpaceError

RECEIVED = "received"
"""The folder into which Gradio receives uploads."""

LONGEST_SUFFIX = 8
"""Letters of a suffix that is passed on: some formats are recognized by their suffix only."""


@contextmanager
def working_folder() -> Iterator[Path]:
    """A folder for uploads and examples, which is deleted at the end, however the process ends.

    Gradio reads its environment when it is imported, so that belongs into the block: it receives
    into `received`, and does not call home. `SIGKILL` is the one end that leaves the folder.

    Example:
        >>> with working_folder() as folder:
        ...     folder.is_dir()
        True
    """
    with TemporaryDirectory(prefix="mmpyramid-serve-") as name:
        os.environ["GRADIO_TEMP_DIR"] = str(Path(name) / RECEIVED)
        os.environ["GRADIO_ANALYTICS_ENABLED"] = "False"
        before = signal.signal(signal.SIGTERM, signal.default_int_handler)
        try:
            yield Path(name)
        finally:
            signal.signal(signal.SIGTERM, before)


class Uploads:
    """All uploads, below one folder that the server removes when it ends.

    Gradio receives into `received` and names files by their content, so that equal uploads of two
    visitors are one file. Each use of it is a hard link in `in-use`: the file stays until the last
    one is released.

    Args:
        root: an empty folder.

    Example:
        >>> uploads = Uploads(root)  # doctest: +SKIP
        >>> with uploads.acquire(uploads.received / "clip.mp4") as upload:  # doctest: +SKIP
        ...     parse(upload.path)
    """

    def __init__(self, root: Path) -> None:
        self.received, self._in_use = root / RECEIVED, root / "in-use"
        for folder in (self.received, self._in_use):
            folder.mkdir()
        self._folders: set[Path] = set()
        self._lock = Lock()

    def is_received(self, path: str, *, missing_ok: bool = True) -> bool:
        """Whether a path names a plain file that was received, by no detour.

        Args:
            path: what a visitor says.
            missing_ok: count one that has gone, too; its place could be nobody else's.
        """
        folder = str(self.received)
        try:
            inside = Path(path).relative_to(folder)
            # Of a path without detours, nothing below the folder changes when it is resolved.
            if os.path.realpath(path) != str(Path(os.path.realpath(folder)) / inside):
                return False
            return os.path.normpath(path) == path and stat.S_ISREG(os.lstat(path).st_mode)
        except FileNotFoundError:
            return missing_ok
        except (OSError, ValueError):
            return False

    def acquire(self, received: Path) -> Upload:
        """Use a received file until it is released.

        Raises:
            UserError: if it has gone, or was never received.
        """
        if not self.is_received(str(received)):
            raise UserError(f"{received.name} is no upload; choose the file again")
        return self._link(received, received, received.name)

    def acquire_again(self, upload: Upload) -> Upload:
        """Use a file that is in use already, whatever becomes of the other use.

        Raises:
            UserError: if the other was released.
        """
        return self._link(upload.path, upload.origin, upload.name)

    def write(self, content: BinaryIO, name: str) -> Upload:
        """Write what a stream gives, piece by piece.

        Raises:
            NoSpaceError: if the disk is full; what was written of the file is deleted.
        """
        with self._new(None, name) as upload, upload.path.open("wb") as file:
            shutil.copyfileobj(content, file)
        return upload

    def sweep(self, seconds: float) -> None:
        """Delete what nobody uses: uploads broken off or left alone, and leftovers of failures.

        Args:
            seconds: since when nothing more was written to a file.
        """
        now = time.time()
        for path in self.received.rglob("*"):
            with suppress(FileNotFoundError), self._lock:
                status = path.stat()
                if path.is_file() and status.st_nlink == 1 and now - status.st_mtime > seconds:
                    path.unlink()
        for folder in self._in_use.iterdir():
            with suppress(FileNotFoundError), self._lock:
                if folder not in self._folders and now - folder.stat().st_mtime > seconds:
                    shutil.rmtree(folder)

    def release(self, upload: Upload) -> None:
        """Delete a file; what was received too, unless others use it. Twice is once."""
        with self._lock:
            folder, origin = upload.path.parent, upload.origin
            if folder not in self._folders:
                return
            self._folders.remove(folder)
            # Another upload may have been received under the name of the origin.
            same = origin and origin.exists() and origin.samefile(upload.path)
            if origin and same and origin.stat().st_nlink == 2:
                origin.unlink()
            shutil.rmtree(folder)

    def _link(self, source: Path, origin: Path | None, name: str) -> Upload:
        try:
            with self._new(origin, name) as upload, self._lock:
                upload.path.hardlink_to(source)
        except FileNotFoundError as error:
            raise UserError(
                f"the upload {name} is no longer here: uploads are deleted after use; choose the "
                "file again"
            ) from error
        return upload

    @contextmanager
    def _new(self, origin: Path | None, name: str) -> Iterator[Upload]:
        """A folder for an upload; if it cannot be filled, nothing of it is left.

        Raises:
            NoSpaceError: if the disk is full.
        """
        name = name.replace("\\", "/").rpartition("/")[2] or "upload"
        suffix = Path(name).suffix
        if not (suffix[1:].isalnum() and suffix.isascii() and len(suffix) <= LONGEST_SUFFIX):
            suffix = ""
        folder: Path | None = None
        try:
            with self._lock:
                folder = Path(mkdtemp(dir=self._in_use))
                self._folders.add(folder)
            yield Upload(folder / f"video{suffix}", name, origin, self)
        except BaseException as error:
            if folder is not None:
                with self._lock:
                    self._folders.remove(folder)
                shutil.rmtree(folder, ignore_errors=True)  # `sweep` tries again.
            if isinstance(error, OSError) and error.errno in DISK_FULL:
                raise NoSpaceError(
                    f"the server has no room left on its disk for {name}; try again later"
                ) from error
            raise


@dataclass(frozen=True, eq=False)
class Upload:
    """A file that stays until `release`, or the end of a `with` block.

    Attributes:
        path: the file.
        name: what its visitor calls it.
        origin: the file that was received, which is deleted with its last use.
        uploads: where it belongs.
    """

    path: Path
    name: str
    origin: Path | None
    uploads: Uploads

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
        """Stop using the file, which deletes it. Twice is once."""
        self.uploads.release(self)
