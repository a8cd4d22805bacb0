"""Folders of videos for `parse`: what is in them, what is done already, and the page of all."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Collection, Container, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from urllib.parse import quote

import msgspec

from mmpyramid.cli._options import write_file
from mmpyramid.core import Timeline
from mmpyramid.core.errors import Problems, UserError
from mmpyramid.core.files import end_last_line
from mmpyramid.extract.search import Inspector, search_videos
from mmpyramid.media.source import STANDARD_INPUT
from mmpyramid.render.page import Entry, corpus_html

INDEX = Path("index.html")
"""In the output folder: the page that lists all videos."""

JOURNAL = "parsed.jsonl"
"""In the output folder: a line for each video that was parsed."""


class Line(msgspec.Struct, frozen=True):
    """A video that was parsed: the file as it was then, and a digest of the settings."""

    video: str
    size: int
    modified: int
    settings: str


@dataclass
class Folders:
    """The videos that were asked for, some of them by the folders that they are in.

    Attributes:
        videos: all of them, in order.
        inside: those found in folders, by their paths within.
        left_out: what was passed over in the folders, in words.
    """

    videos: tuple[Path, ...]
    inside: dict[Path, Path] = field(default_factory=dict)
    left_out: str = ""
    _done: dict[str, Line] = field(default_factory=dict)
    _journal: Path | None = None
    _settings: str = ""

    @classmethod
    def search(cls, places: Sequence[Path]) -> Folders:
        """Find the videos in those places that are folders; files stay as they are.

        Raises:
            UserError: if a folder has none.
        """
        folders = [place for place in places if place != STANDARD_INPUT and os.path.isdir(place)]  # noqa: PTH112 - refuses no name
        if not folders:
            return cls(tuple(places))
        inside: dict[Path, Path] = {}
        videos: list[Path] = []
        left_out = []
        for place in places:
            if place not in folders:
                videos.append(place)
                continue
            found = search_videos(place, unique=False)
            inside |= {path: path.relative_to(place) for path in found.files}
            videos += found.files
            left_out.append(found.describe_left_out())
        return cls(tuple(videos), inside, "; ".join(filter(None, left_out)))

    @property
    def any(self) -> bool:
        """Whether there are folders."""
        return bool(self.inside)

    def open(self, out: Path, settings: tuple[object, ...]) -> None:
        """Read what was parsed into a folder before.

        Args:
            out: the folder.
            settings: all that decides what comes out.
        """
        if not self.any:
            return
        self._journal = out / JOURNAL
        self._settings = hashlib.sha256(repr(settings).encode()).hexdigest()[:16]
        if self._journal.is_file():
            end_last_line(self._journal)
            for text in self._journal.read_bytes().splitlines():
                try:
                    line = msgspec.json.decode(text, type=Line)
                except msgspec.DecodeError:
                    continue  # The last line of a run that was cut off.
                self._done[line.video] = line

    def is_done(self, video: Path, files: Iterable[Path]) -> bool:
        """Whether a file was parsed with these settings, and all that was written is there."""
        if video not in self.inside:
            return False
        line = self._line(video)
        is_known = line is not None and self._done.get(line.video) == line
        return is_known and all(path.exists() for path in files)

    def note(self, video: Path) -> None:
        """Remember that a video was parsed."""
        line = self._line(video) if video in self.inside else None
        if line is not None and self._journal is not None:
            with self._journal.open("ab") as journal:
                journal.write(msgspec.json.encode(line) + b"\n")

    def _line(self, video: Path) -> Line | None:
        """What tells that a video is the same; None if it is gone, as whoever opens it reports."""
        try:
            found = video.stat()
        except OSError:
            return None
        # A name may have bytes that are no text.
        name = str(self.inside[video]).encode("utf-8", "backslashreplace").decode()
        return Line(name, found.st_size, found.st_mtime_ns, self._settings)

    def write_index(
        self,
        out: Path,
        files: Mapping[Path, Mapping[str, Path]],
        names: Mapping[Path, str],
        *,
        new: Container[Path],
        failed: Collection[Path],
    ) -> Path | None:
        """Write the page that lists all videos, if they have pages and timelines in JSON.

        Args:
            out: the folder.
            files: what was written of each video, by format.
            names: of the videos.
            new: the videos that were parsed this time.
            failed: those that were not; the page only counts them.

        Returns:
            The page, if there is one.
        """
        entries = []
        without = Problems()
        for video in failed:
            without.add("not parsed", str(self.inside.get(video, video)))
        with Inspector() as inspector:
            for video, paths in files.items():
                if video in failed:
                    continue
                page, timeline = paths.get("html"), paths.get("json")
                # A name may be too long to ask for.
                if not page or not timeline or not all(map(os.path.exists, (page, timeline))):
                    continue
                name = names[video]
                picture = out / "thumbnails" / f"{name}.jpg"
                is_current = picture.exists() and video not in new
                if not is_current and (content := _look(inspector, video)):
                    write_file(picture, content)
                entries.append(
                    Entry(
                        name=name,
                        page=_link(page, out),
                        timeline=Timeline.load(timeline),
                        thumbnail=_link(picture, out) if picture.exists() else "",
                    )
                )
        if not entries:
            return None
        facts = {"Left out": "; ".join(filter(None, (without.summary(), self.left_out)))}
        write_file(out / INDEX, corpus_html(entries, title="Videos", facts=facts).encode())
        return out / INDEX


def _look(inspector: Inspector, video: Path) -> bytes | None:
    try:
        return inspector.thumbnail(video)
    except UserError:
        return None  # It could be parsed: its page says what is wrong with its pictures.


def _link(path: Path, out: Path) -> str:
    return quote(os.fsencode(os.path.relpath(path, out)))
