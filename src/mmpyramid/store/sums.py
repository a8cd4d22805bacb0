r"""`SHA256SUMS`: the checksums of the files of a folder, for `sha256sum --check` and for us.

A line is 64 digits, two characters that do not matter here, and a name. A backslash before it says
that line breaks and backslashes in the name are written `\n` and `\\`.

Source: GNU coreutils, "md5sum invocation".
"""

from __future__ import annotations

import hashlib
import os
import re
from collections.abc import Mapping
from pathlib import Path, PurePosixPath
from typing import TypeAlias

from mmpyramid.core import Progress
from mmpyramid.core.errors import UserError
from mmpyramid.core.files import open_regular, write_durably
from mmpyramid.core.text import read_bytes
from mmpyramid.store.hdf5 import read_through

SUMS_FILE = "SHA256SUMS"
LINE = re.compile(rb"(\\?)([0-9a-f]{64}) [ *](.+)")
ESCAPED = re.compile(r"\\(.)", re.DOTALL)

Sums: TypeAlias = Mapping[str, str]
"""Digits by the path of a file below the folder, with `/`."""


def sum_of(path: Path) -> str:
    """The checksum of a file, as digits.

    Raises:
        OSError: if it is absent, out of reach, or no regular file.
    """
    with open_regular(path) as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def write_sums(folder: Path, sums: Sums) -> None:
    """Write the file."""
    lines = []
    for name, digits in sums.items():
        escaped = name.replace("\\", "\\\\").replace("\n", "\\n")
        mark = "\\" if escaped != name else ""
        lines.append(os.fsencode(f"{mark}{digits}  {escaped}\n"))
    write_durably(folder / SUMS_FILE, b"".join(lines))


def read_sums(folder: Path) -> dict[str, str]:
    """Read the file.

    Raises:
        UserError: if the file cannot be read, a line is none, or one names a file elsewhere.
    """
    path, sums = folder / SUMS_FILE, {}
    *lines, unfinished = read_bytes(path).split(b"\n")
    for number, line in enumerate([*lines, *filter(None, [unfinished])], start=1):
        found = LINE.fullmatch(line)
        if found is None:
            raise UserError(
                f"expected 64 digits and a name in line {number} of {path}, got another line; "
                "export the features again"
            )
        name = os.fsdecode(found[3])
        if found[1]:
            name = ESCAPED.sub(lambda part: "\n" if part[1] == "n" else part[1], name)
        if PurePosixPath(name).is_absolute() or ".." in PurePosixPath(name).parts or "\0" in name:
            raise UserError(
                f"expected names below the folder in {path}, got {name!r} in line {number}"
            )
        sums[name] = found[2].decode()
    return sums


def check_sums(folder: Path, progress: Progress | None = None) -> dict[str, str]:
    """Compare all files of a folder with its `SHA256SUMS`, and read HDF5 through.

    Args:
        folder: what `export_features` wrote, or anybody with `sha256sum`.
        progress: called after each file.

    Returns:
        What is wrong, by the name of the file; empty if nothing is.

    Raises:
        UserError: if `SHA256SUMS` is damaged.

    Example:
        >>> check_sums(Path("feats"))  # doctest: +SKIP
        {}
    """
    damaged = {}
    sums = read_sums(folder)
    for done, (name, digits) in enumerate(sums.items(), start=1):
        path = folder / name
        try:
            if sum_of(path) != digits:
                damaged[name] = "its checksum differs from the recorded one"
            elif path.suffix == ".h5":
                read_through(path)
        except OSError as error:
            damaged[name] = error.strerror or str(error)
        except UserError as error:
            damaged[name] = str(error)
        if progress:
            progress(done, len(sums))
    return damaged
