"""A library on disk: a store of features, and tables of what was found in them.

    library.json          which scorer, and where its events are
    store/                features, see `mmpyramid.store`
    paths/part-*.parquet  where each video lies; the last that names it counts
    events-0001/          videos-*.parquet and events-*.parquet, a pair for each batch of videos

The name of a table ends with its checksum, which is compared before a process first reads it.
Tables are only ever added, each as a whole, so that an interrupted run loses the current batch of
videos at most, which the next run scores again. Another vocabulary or network writes a folder of
its own from the stored features, which then takes the place of the old one: no video is read again.
"""

from __future__ import annotations

import glob
import os
import re
import shutil
import zlib
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cached_property, lru_cache, partial
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING, Any

import msgspec

from mmpyramid.backbones.registry import FEATURE_SETS, create_extractors
from mmpyramid.core import Progress
from mmpyramid.core.errors import UserError
from mmpyramid.core.files import (
    check_model,
    check_output_folder,
    only_writer,
    write_durably,
    write_json,
)
from mmpyramid.core.runs import heard_and_seen
from mmpyramid.core.text import read_json, shorten
from mmpyramid.core.wording import printable
from mmpyramid.extract.corpus import ExtractionProgress, ExtractionSummary, extract_corpus
from mmpyramid.extract.engines import Engine
from mmpyramid.extract.search import Videos, search_videos
from mmpyramid.pipeline import Pipeline, check_text, vocabulary_of
from mmpyramid.problems import decode
from mmpyramid.store.store import FeatureStore

if TYPE_CHECKING:
    import duckdb

FORMAT = "mmpyramid-library-1"
BATCH = 500
"""Videos of one table."""
WORDS = FEATURE_SETS["text"]
"""The streams that can be compared with words."""
WITH_SUM = re.compile(r".+-([0-9a-f]{8})\.parquet")
"""Names of tables with their CRC-32."""
NO_TEXT = re.compile(r"\\u(dc[89a-f][0-9a-f])")
"""A byte of a name that is no text, as `to_text` writes it."""
NUMBERS = frozenset(("start", "end", "score", "duration"))
"""Columns that are no text."""


class Description(msgspec.Struct, frozen=True, kw_only=True):
    """What `library.json` says.

    Attributes:
        format: `FORMAT`.
        model: what scores: `teachers`, or a checkpoint folder or hub id.
        vocabulary: what the teachers look for.
        text: words that are looked and listened for instead.
        weights: by stream, other checkpoints than the usual ones that compare with words.
        words: whether features that can be compared with words are kept, whatever scores.
        generation: counts the scorers that the library has had.
    """

    format: str = FORMAT
    model: str = "teachers"
    vocabulary: str | None = None
    text: tuple[str, ...] = ()
    weights: dict[str, str] = {}
    words: bool = False
    generation: int = 1

    def check(self) -> None:
        """Check what can be known before anything is loaded.

        Raises:
            UserError: if the model is none, or there are both words and a vocabulary or network.
        """
        if self.text:
            check_text(self.model, self.vocabulary)
        elif vocabulary_of(self.model, self.vocabulary) is None:
            check_model(self.model)

    def pipeline(self, device: str) -> Pipeline:
        """What scores."""
        return Pipeline(
            self.model,
            vocabulary=self.vocabulary,
            text=self.text,
            weights=self.weights,
            device=device,
        )

    def scorer(self) -> str:
        """What scores, in words."""
        if self.text:
            return f"words ({', '.join(self.text)})"
        return f"{self.model} (vocabulary {self.vocabulary})" if self.vocabulary else self.model


@dataclass(frozen=True)
class Library:
    """A folder with many parsed videos.

    Example:
        >>> library = Library(Path("lib"))  # doctest: +SKIP
        >>> library.add("videos/").done  # doctest: +SKIP
        120
    """

    folder: Path

    @property
    def _file(self) -> Path:
        return self.folder / "library.json"

    @property
    def exists(self) -> bool:
        """Whether the folder is a library."""
        return self._file.is_file()

    def create(self, requested: Description | None = None) -> None:
        """Begin a library, unless it is there with the same scorer.

        Args:
            requested: what scores, and what is kept.

        Raises:
            UserError: if the folder holds something else, or a library with another scorer.
        """
        requested = requested or Description()
        requested.check()
        with_words = ", with features for words"
        check_output_folder(self.folder)
        if self._file.exists():
            found = self.description
            if msgspec.structs.replace(found, generation=1) != requested:
                raise UserError(
                    f"the library {self.folder} was scored by {found.scorer()}"
                    f"{with_words if found.words else ''}, not by "
                    f"{requested.scorer()}{with_words if requested.words else ''}; add "
                    "without flags that say what scores, or score it anew by `mmpyramid library "
                    "score`"
                )
            return
        if self.folder.exists() and any(self.folder.iterdir()):
            raise UserError(
                f"expected a library or an empty folder, but {self.folder} has other files and no "
                f"{self._file.name}; choose another --out"
            )
        self.folder.mkdir(parents=True, exist_ok=True)
        self._describe(requested)

    @property
    def description(self) -> Description:
        """The description of the library.

        Raises:
            UserError: if the folder is no library.
        """
        if not self._file.is_file():
            raise UserError(
                f"expected a library in {self.folder}, but found no {self._file.name} in it; "
                "make one by `mmpyramid library add VIDEOS --out LIBRARY`"
            )
        found = read_json(self._file, Description, "the description of a library")
        if found.format != FORMAT:
            raise UserError(
                f"{self.folder} is a library of another version ({shorten(found.format)!r}, not "
                f"{FORMAT!r}); add its videos to a new library"
            )
        return found

    def add(
        self,
        videos: Videos,
        *,
        engine: Engine | None = None,
        device: str = "cpu",
        retry_failed: bool = False,
        on_extract: Callable[[ExtractionProgress], None] | None = None,
        on_score: Progress | None = None,
    ) -> ExtractionSummary:
        """Extract what is new, and score what is not scored yet.

        Args:
            videos: files, folders or glob patterns; a video's id is its name without the suffix.
            engine: who extracts, by default one process per core.
            device: where the networks run.
            retry_failed: try again what failed before.
            on_extract: called after each video that is read.
            on_score: called with (scored, in all) after each that is scored.

        Raises:
            UserError: as `extract_corpus`, and if another video has the same id.
        """
        with self._writing():
            known = self.description
            scorer = known.pipeline(device)
            found = search_videos(videos)
            self._remember({name: os.path.realpath(path) for name, path in found.paths.items()})
            summary = extract_corpus(
                found,
                self.folder / "store",
                tuple({**scorer.scorer.streams, **(dict.fromkeys(WORDS) if known.words else {})}),
                factory=partial(create_extractors, options=scorer.options),
                engine=engine,
                retry_failed=retry_failed,
                on_progress=on_extract,
            )
            self._score(scorer, known.generation, on_score)
        return summary

    def score(
        self,
        requested: Description,
        *,
        device: str = "cpu",
        on_score: Progress | None = None,
    ) -> None:
        """Score all videos anew from their stored features.

        Args:
            requested: what scores.
            device: where the network runs.
            on_score: called with (scored, in all).

        Raises:
            UserError: if it reads features that the library does not have, or has of another
                checkpoint.
        """
        with self._writing():
            old = self.description
            new = msgspec.structs.replace(
                requested,
                words=old.words,
                weights=requested.weights or old.weights,
                generation=old.generation + 1,
            )
            unfinished = self._events(new.generation)
            if unfinished.exists():
                shutil.rmtree(unfinished)
            scorer = new.pipeline(device)
            lacking = scorer.scorer.streams.keys() - self.store.streams.keys()
            if lacking:
                raise UserError(
                    f"{new.scorer()} read {', '.join(sorted(lacking))}, but the library has "
                    f"{', '.join(self.store.streams)}; make a library of its own"
                )
            if new.text:
                self.store.provenance.check_weights(scorer.extractors)
            self._score(scorer, new.generation, on_score)
            self._describe(new)
            shutil.rmtree(self._events(old.generation), ignore_errors=True)

    def connect(self) -> duckdb.DuckDBPyConnection:
        """A database in memory with the views `videos` and `events`, which opens no other file.

        `videos` has `video`, `path`, `duration` (seconds); `events` has `video`, `label`,
        `modality` (`audio`, `visual`, `audio_visual`), `start`, `end` (seconds), `score`.

        Raises:
            UserError: if the folder is no library, nothing was added to it, or a table is damaged.
        """
        import duckdb

        folder = self._events(self.description.generation)
        if not any(folder.glob("videos-*.parquet")):
            raise self._is_empty()
        patterns = {
            "paths": ("paths", "part-*.parquet"),
            "found": (folder.name, "videos-*.parquet"),
            "events": (folder.name, "events-*.parquet"),
        }
        for place, names in patterns.values():
            for path in sorted((self.folder / place).glob(names)):
                _check_sum(path)
        connection = duckdb.connect()
        # The name of the library is no pattern, whatever characters it has.
        plain, pattern = str(self.folder), glob.escape(str(self.folder))
        try:
            allowed = ", ".join(_quoted(each) for each in (plain, pattern))
            connection.execute(f"SET allowed_directories = [{allowed}]")
            connection.execute("SET enable_external_access = false")
            for name, parts in patterns.items():
                files = _quoted(str(Path(pattern, *parts)))
                more = ", filename = true" if name == "paths" else ""  # The last one counts.
                connection.execute(f"CREATE VIEW {name} AS FROM read_parquet({files}{more})")
            connection.execute(
                "CREATE VIEW videos AS SELECT video, path, duration FROM found LEFT JOIN "
                "(SELECT video, arg_max(path, filename) AS path FROM paths GROUP BY video) "
                "USING (video)"
            )
        except duckdb.Error as error:
            raise unreadable(self.folder, error) from error
        return connection

    @cached_property
    def store(self) -> FeatureStore:
        """The features of its videos.

        Raises:
            UserError: if nothing was added yet.
        """
        if not (self.folder / "store").exists():
            raise self._is_empty()
        return FeatureStore(self.folder / "store")

    def _is_empty(self) -> UserError:
        return UserError(f"the library {self.folder} has no videos yet; add some first")

    @property
    def paths(self) -> dict[str, str]:
        """Where each video lies, by id."""
        rows = _rows(self.folder / "paths", "part", ("video", "path"))
        return {video: from_text(path) for video, path in rows}

    def _events(self, generation: int) -> Path:
        return self.folder / f"events-{generation:04d}"

    def _describe(self, description: Description) -> None:
        write_json(self._file, msgspec.to_builtins(description))

    @contextmanager
    def _writing(self) -> Iterator[None]:
        """Keep other writers away, unless this is no library, where nothing is left behind."""
        _ = self.description
        with only_writer(self.folder):
            yield

    def _remember(self, paths: Mapping[str, str]) -> None:
        """Record the paths of new videos, and of those that have been moved."""
        known = self.paths
        new = []
        for name, path in {printable(name): path for name, path in paths.items()}.items():
            before = known.get(name)
            if before in {path, printable(path)}:  # As versions before wrote it.
                continue
            if before is not None and os.path.lexists(before):
                raise UserError(
                    f"expected each video once, but {path} and {before} have the same name; rename "
                    "one, or put it into another library"
                )
            new.append((name, path))
        if new:
            write_tables(self.folder / "paths", {"part": (("video", "path"), new)})

    def _score(self, pipeline: Pipeline, generation: int, on_score: Progress | None) -> None:
        store = FeatureStore(self.folder / "store")
        folder = self._events(generation)
        done = {video for (video,) in _rows(folder, "videos", ("video",))}
        waiting = iter([video for video in store.ids if printable(video) not in done])
        count = len(done)
        while batch := list(islice(waiting, BATCH)):
            videos: list[Sequence[Any]] = []
            events: list[Sequence[Any]] = []
            for video in batch:
                features = store.load(video, tuple(pipeline.scorer.streams))
                timeline = decode(pipeline.scorer.predict(features), pipeline.decoder)
                videos.append((video, timeline.duration))
                events += [
                    (video, e.label, e.modality.value, e.start, e.end, e.score)
                    for e in heard_and_seen(timeline.events)
                ]
                count += 1
                if on_score:
                    on_score(count, len(store.ids))
            columns = ("video", "label", "modality", "start", "end", "score")
            write_tables(
                folder, {"events": (columns, events), "videos": (("video", "duration"), videos)}
            )


def to_text(path: str) -> str:
    r"""A path as UTF-8 has it, in which names of files may have bytes that are no text.

    Example:
        >>> to_text("caf\udce9.mp4")
        'caf\\udce9.mp4'
    """
    return path.encode("utf-8", "backslashreplace").decode()


def from_text(text: str) -> str:
    """The path that `to_text` wrote."""
    return NO_TEXT.sub(lambda found: chr(int(found[1], 16)), text)


STORED = {"path": to_text}
"""How columns are written whose text has to be kept as it is."""


def unreadable(folder: Path, error: Exception) -> UserError:
    """The error for a damaged table of a library."""
    reason = shorten(str(error).strip().partition("\n")[0], 300)
    return UserError(
        f"cannot read the tables of the library {folder}: {reason}; score it anew by `mmpyramid "
        "library score`, or add its videos to another library"
    )


def _quoted(text: str) -> str:
    """A text as SQL has it."""
    doubled = text.replace("'", "''")
    return f"'{doubled}'"


def _check_sum(path: Path) -> None:
    """Compare a table with the checksum in its name, which those of earlier versions lack.

    Raises:
        UserError: if it is another.
    """
    found = WITH_SUM.fullmatch(path.name)
    try:
        status = path.stat()
        if found and _sum_of(path, status.st_size, status.st_mtime_ns) != int(found[1], 16):
            raise ValueError(f"{path.name} is damaged: its checksum differs from the recorded one")
    except (OSError, ValueError) as error:
        raise unreadable(path.parent.parent, error) from error


@lru_cache(maxsize=100_000)
def _sum_of(path: Path, size: int, changed: int) -> int:
    """The checksum of a file, computed again once its size or time has changed."""
    del size, changed
    crc = 0
    with path.open("rb") as file:
        while content := file.read(2**24):
            crc = zlib.crc32(content, crc)
    return crc


def _rows(folder: Path, name: str, columns: tuple[str, ...]) -> Iterator[tuple[Any, ...]]:
    from pyarrow import ArrowException, parquet

    for path in sorted(folder.glob(f"{name}-*.parquet")):
        _check_sum(path)
        try:
            table = parquet.read_table(path, columns=list(columns))
            read = [table[column].to_pylist() for column in columns]
        except (ArrowException, OSError, LookupError, ValueError) as error:
            raise unreadable(folder.parent, error) from error
        yield from zip(*read, strict=True)


def write_tables(
    folder: Path, tables: Mapping[str, tuple[Sequence[str], Sequence[Sequence[Any]]]]
) -> None:
    """Write Parquet tables under the next number; of several, the last says that all are there.

    Args:
        folder: where to.
        tables: by name, the columns and the rows.
    """
    from io import BytesIO

    import pyarrow as pa
    from pyarrow import parquet

    folder.mkdir(exist_ok=True)
    last = [*tables][-1]
    number = 1 + len([*folder.glob(f"{last}-*.parquet")])
    for name, (columns, rows) in tables.items():
        types = [pa.float64() if c in NUMBERS else pa.string() for c in columns]
        values = zip(*rows, strict=True) if rows else [()] * len(columns)
        arrays = [
            pa.array(column if c in NUMBERS else [*map(STORED.get(c, printable), column)], kind)
            for c, column, kind in zip(columns, values, types, strict=True)
        ]
        content = BytesIO()
        parquet.write_table(pa.table(dict(zip(columns, arrays, strict=True))), content)
        for unfinished in folder.glob(f"{name}-{number:06d}*.parquet"):
            unfinished.unlink()
        written = f"{name}-{number:06d}-{zlib.crc32(content.getbuffer()):08x}.parquet"
        write_durably(folder / written, content.getvalue())
