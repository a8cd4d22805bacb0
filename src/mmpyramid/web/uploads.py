"""Files of visitors on disk: each in a folder of its own, gone when it is let go."""

from __future__ import annotations

import os
import shutil
import stat
import time
from contextlib import suppress
from pathlib import Path
from tempfile import mkdtemp
from threading import Lock
from types import TracebackType
from typing import BinaryIO

from mmpyramid.core.errors import UserError
from mmpyramid.web.folder import RECEIVED

LONGEST_SUFFIX = 8
"""Letters of a suffix that is kept, because some formats are told by their suffix only."""


class Uploads:
    """Where uploads are held, below one folder that the server removes when it ends.

    Gradio receives into `received` and names files by their content, so that equal uploads of two
    visitors are one file. A hold is a hard link: the file stays until the last one lets go of it.

    Args:
        root: an empty folder.

    Example:
        >>> uploads = Uploads(root)  # doctest: +SKIP
        >>> with uploads.hold(uploads.received / "clip.mp4") as held:  # doctest: +SKIP
        ...     parse(held.path)
    """

    def __init__(self, root: Path) -> None:
        self.received, self._held = root / RECEIVED, root / "held"
        for folder in (self.received, self._held):
            folder.mkdir()
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

    def hold(self, received: Path) -> Held:
        """Keep a received file until it is let go.

        Raises:
            UserError: if it has gone, or was never received.
        """
        if not self.is_received(str(received)):
            raise UserError(f"{received.name} is no upload; choose the file again")
        return self._link(received, self._place(received, received.name))

    def hold_again(self, other: Held) -> Held:
        """Keep a file that is held already, whatever becomes of the other hold.

        Raises:
            UserError: if the other was let go.
        """
        return self._link(other.path, self._place(other.origin, other.name))

    def write(self, content: BinaryIO, name: str) -> Held:
        """Keep what a stream gives, piece by piece."""
        held = self._place(None, name)
        with held.path.open("wb") as file:
            shutil.copyfileobj(content, file)
        return held

    def sweep(self, seconds: float) -> None:
        """Delete what was received but is held by nobody: uploads broken off or left alone.

        Args:
            seconds: since when nothing more was received.
        """
        for path in self.received.rglob("*"):
            with suppress(FileNotFoundError), self._lock:
                told = path.stat()
                if path.is_file() and told.st_nlink == 1 and time.time() - told.st_mtime > seconds:
                    path.unlink()

    def _link(self, path: Path, held: Held) -> Held:
        try:
            with self._lock:
                held.path.hardlink_to(path)
        except FileNotFoundError as error:
            held.path.parent.rmdir()
            raise UserError(
                f"the upload {held.name} is no longer here: uploads are deleted after use; "
                "choose the file again"
            ) from error
        return held

    def _place(self, origin: Path | None, name: str) -> Held:
        name = name.replace("\\", "/").rpartition("/")[2] or "upload"
        suffix = Path(name).suffix
        if not (suffix[1:].isalnum() and suffix.isascii() and len(suffix) <= LONGEST_SUFFIX):
            suffix = ""
        folder = Path(mkdtemp(dir=self._held))
        return Held(folder / f"video{suffix}", origin, name, self._lock)


class Held:
    """A file that stays until `release`, or the end of a `with` block.

    Attributes:
        path: the file.
        name: what its visitor calls it.
        origin: the file that was received, which goes with its last hold.
    """

    def __init__(self, path: Path, origin: Path | None, name: str, lock: Lock) -> None:
        self.path, self.name, self.origin = path, name, origin
        self._lock = lock

    def __enter__(self) -> Held:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.release()

    def release(self) -> None:
        """Delete the file; what was received too, unless others hold it. Twice is once."""
        with self._lock:
            if not self.path.exists():
                return
            if self.origin is not None and self._is_last():
                self.origin.unlink()
            shutil.rmtree(self.path.parent)

    def _is_last(self) -> bool:
        """Whether the origin is still this file, and nobody else holds it."""
        assert self.origin is not None
        same = self.origin.exists() and self.origin.samefile(self.path)
        return same and self.path.stat().st_nlink == 2
