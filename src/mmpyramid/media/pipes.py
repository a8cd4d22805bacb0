"""Sound and picture that come through a pipe, which FFmpeg has to read more than once."""

from __future__ import annotations

import stat
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO

from mmpyramid.core.errors import UserError

STANDARD_INPUT = Path("-")

MAX_BYTES = 2**33
"""Of what a pipe may bring; all of it is kept in a temporary file while it is read."""

CHUNK = 2**20


def is_pipe(path: Path) -> bool:
    """Whether a file can be read once only: standard input (`-`), a pipe, `<(command)`."""
    if path == STANDARD_INPUT:
        return True
    try:
        mode = path.stat().st_mode
    except OSError:  # Whoever opens it will say so.
        return False
    return stat.S_ISFIFO(mode)


@contextmanager
def regular_file(path: Path) -> Iterator[Path]:
    """A file that can be read again and again: the given one, or one for as long as it is needed.

    Raises:
        UserError: if nothing comes through a pipe, or more than `MAX_BYTES`.

    Example:
        >>> with regular_file(Path("-")) as path:  # doctest: +SKIP
        ...     probe(path)
    """
    if not is_pipe(path):
        yield path
        return
    with tempfile.NamedTemporaryFile(prefix="mmpyramid-", suffix=path.suffix) as spooled:
        if path == STANDARD_INPUT:
            _copy(sys.stdin.buffer, spooled.file, "standard input")
        else:
            with path.open("rb") as pipe:
                _copy(pipe, spooled.file, str(path))
        spooled.flush()
        yield Path(spooled.name)


def _copy(source: IO[bytes], target: IO[bytes], name: str) -> None:
    num_bytes = 0
    while chunk := source.read(CHUNK):
        num_bytes += len(chunk)
        if num_bytes > MAX_BYTES:
            raise UserError(
                f"expected at most {MAX_BYTES / 2**30:g} GiB of video or sound through a pipe, but "
                f"more comes from {name}; save it as a file and name that"
            )
        target.write(chunk)
    if not num_bytes:
        raise UserError(
            f"expected a video or sound file, but nothing came from {name}; see what its command "
            "says"
        )
