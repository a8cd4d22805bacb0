"""The folder that everything a server writes is in, and the end of those that dead ones left."""

from __future__ import annotations

import fcntl
import os
import shutil
import signal
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

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
