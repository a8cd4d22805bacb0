"""A library on disk: a store of features, and tables of what was found in them.

    library.json          which scorer, and where its events are
    store/                features, see `mmpyramid.store`
    paths/part-*.parquet  where each video lies
    events-0001/          videos-*.parquet and events-*.parquet, a pair for each batch of videos

Tables are only ever added, each as a whole, so that an interrupted run loses the current batch of
videos at most, which the next run scores again. Another vocabulary or network writes a folder of
its own from the stored features, which then takes the place of the old one: no video is read again.
"""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING, Any

import msgspec

from mmpyramid.core import Event, Features, Modality, Timeline
from mmpyramid.core.errors import UserError
from mmpyramid.core.files import check_output_folder, only_writer, write_durably
from mmpyramid.core.typed import read_json
from mmpyramid.core.wording import printable
from mmpyramid.extract.corpus import ExtractionProgress, ExtractionSummary, extract_files
from mmpyramid.extract.engines import Engine
from mmpyramid.extract.search import Videos, search_videos
from mmpyramid.pipeline import Pipeline
from mmpyramid.problems import decode
from mmpyramid.store.store import FeatureStore

if TYPE_CHECKING:
    import duckdb

FORMAT = "mmpyramid-library-1"
BATCH = 500
"""Videos of one table."""
NUMBERS = frozenset(("start", "end", "score", "duration"))
"""Columns that are no text."""
Progress = Callable[[int, int], None]


class Description(msgspec.Struct, frozen=True, kw_only=True):
    """What `library.json` says.

    Attributes:
        format: `FORMAT`.
        model: what scores: `teachers`, or a checkpoint folder or hub id.
        vocabulary: what the teachers look for.
        generation: counts the scorers that the library has had.
    """

    format: str = FORMAT
    model: str = "teachers"
    vocabulary: str | None = None
    generation: int = 1


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

    def create(self, model: str = "teachers", vocabulary: str | None = None) -> None:
        """Begin a library, unless it is there with the same scorer.

        Raises:
            UserError: if the folder holds something else, or a library with another scorer.
        """
        check_output_folder(self.folder)
        if self._file.exists():
            found = self.description
            if (found.model, found.vocabulary) != (model, vocabulary):
                raise UserError(
                    f"the library {self.folder} was scored by "
                    f"{_words(found.model, found.vocabulary)}, not by {_words(model, vocabulary)}; "
                    "add without --model and --vocabulary, or score it anew by `mmpyramid library "
                    "score`"
                )
            return
        if self.folder.exists() and any(self.folder.iterdir()):
            raise UserError(
                f"expected a library or an empty folder, but {self.folder} has other files and no "
                f"{self._file.name}; choose another --out"
            )
        self.folder.mkdir(parents=True, exist_ok=True)
        self._describe(Description(model=model, vocabulary=vocabulary))

    @property
    def description(self) -> Description:
        """What the library says of itself.

        Raises:
            UserError: if the folder is no library.
        """
        if not self._file.is_file():
            raise UserError(
                f"expected a library in {self.folder}, got a folder without {self._file.name}; "
                "make one by `mmpyramid library add VIDEOS --out LIBRARY`"
            )
        found = read_json(self._file, Description, "the description of a library")
        if found.format != FORMAT:
            raise UserError(
                f"{self.folder} is a library of another version ({found.format!r}, not {FORMAT!r})"
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
            UserError: as `search_videos` and `extract_files`, and if another video has the same id.
        """
        with only_writer(self.folder):
            scorer = self._scorer(device)
            found = search_videos(videos)
            self._remember({name: path.resolve() for name, path in found.paths.items()})
            summary = extract_files(
                found.paths,
                self.folder / "store",
                tuple(scorer.scorer.streams),
                engine=engine,
                retry_failed=retry_failed,
                on_progress=on_extract,
            )
            self._score(scorer, self.description.generation, on_score)
        return replace(summary, left_out=found.describe_left_out())

    def score(
        self,
        model: str,
        vocabulary: str | None = None,
        *,
        device: str = "cpu",
        on_score: Progress | None = None,
    ) -> None:
        """Score all videos anew from their stored features.

        Args:
            model: what scores.
            vocabulary: what the teachers look for.
            device: where the network runs.
            on_score: called with (scored, in all).

        Raises:
            UserError: if the model reads features that the library does not have.
        """
        with only_writer(self.folder):
            old = self.description
            new = Description(model=model, vocabulary=vocabulary, generation=old.generation + 1)
            unfinished = self._events(new.generation)
            if unfinished.exists():
                shutil.rmtree(unfinished)
            scorer = Pipeline(model, vocabulary=vocabulary, device=device)
            lacking = scorer.scorer.streams.keys() - self._store.streams.keys()
            if lacking:
                raise UserError(
                    f"{_words(model, vocabulary)} read {', '.join(sorted(lacking))}, but the "
                    f"library has {', '.join(self._store.streams)}; make a library of its own"
                )
            self._score(scorer, new.generation, on_score)
            self._describe(new)
            shutil.rmtree(self._events(old.generation), ignore_errors=True)

    def connect(self) -> duckdb.DuckDBPyConnection:
        """A database in memory with the views `videos` and `events`.

        `videos` has `video`, `path`, `duration` (seconds); `events` has `video`, `label`,
        `modality` (`audio`, `visual`, `audio_visual`), `start`, `end` (seconds), `score`.

        Raises:
            UserError: if the folder is no library, or nothing was added to it.
        """
        import duckdb

        folder = self._events(self.description.generation)
        if not any(folder.glob("videos-*.parquet")):
            raise UserError(f"the library {self.folder} has no videos yet; add some first")
        connection = duckdb.connect()
        for name, pattern in {
            "paths": self.folder / "paths" / "part-*.parquet",
            "found": folder / "videos-*.parquet",
            "events": folder / "events-*.parquet",
        }.items():
            quoted = str(pattern).replace("'", "''")
            connection.execute(f"CREATE VIEW {name} AS SELECT * FROM read_parquet('{quoted}')")
        connection.execute(
            "CREATE VIEW videos AS SELECT video, path, duration FROM found "
            "LEFT JOIN paths USING (video)"
        )
        return connection

    @cached_property
    def _store(self) -> FeatureStore:
        return FeatureStore(self.folder / "store")

    def _events(self, generation: int) -> Path:
        return self.folder / f"events-{generation:04d}"

    def _describe(self, description: Description) -> None:
        text = json.dumps(msgspec.to_builtins(description), indent=2) + "\n"
        write_durably(self._file, text.encode())

    def _scorer(self, device: str) -> Pipeline:
        known = self.description
        return Pipeline(known.model, vocabulary=known.vocabulary, device=device)

    def _remember(self, paths: Mapping[str, Path]) -> None:
        """Note where new videos lie."""
        folder = self.folder / "paths"
        known = dict(_rows(folder, "part", ("video", "path")))
        paths = {printable(name): Path(printable(str(path))) for name, path in paths.items()}
        for name, path in paths.items():
            if known.get(name, str(path)) != str(path):
                raise UserError(
                    f"expected each video once, but {path} and {known[name]} have the same name; "
                    "rename one, or put it into another library"
                )
        new = [(name, str(path)) for name, path in paths.items() if name not in known]
        if new:
            write_tables(folder, {"part": (("video", "path"), new)})

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
                timeline = _timeline(pipeline, store.load(video, tuple(pipeline.scorer.streams)))
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


def heard_and_seen(events: Iterable[Event]) -> Iterator[Event]:
    """Events, of which those that are heard and seen at once are heard, and are seen.

    The events of a parsing network are so already; those of a localization network are not.

    Example:
        >>> both = Event(0.0, 2.0, "Dog", Modality.AUDIO_VISUAL)
        >>> [event.modality.value for event in heard_and_seen([both])]
        ['audio', 'visual', 'audio_visual']
    """
    events = list(events)
    sides = (Modality.AUDIO, Modality.VISUAL)
    if not any(event.modality in sides for event in events):
        for event in events:
            for side in sides:
                yield replace(event, modality=side)
    yield from events


def _timeline(pipeline: Pipeline, features: Features) -> Timeline:
    return decode(pipeline.scorer.predict(features), pipeline.decoder)


def _words(model: str, vocabulary: str | None) -> str:
    return f"{model} (vocabulary {vocabulary})" if vocabulary else model


def _rows(folder: Path, name: str, columns: tuple[str, ...]) -> Iterator[tuple[Any, ...]]:
    from pyarrow import parquet

    for path in sorted(folder.glob(f"{name}-*.parquet")):
        table = parquet.read_table(path, columns=list(columns))
        yield from zip(*(table[column].to_pylist() for column in columns), strict=True)


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
            pa.array([x if c in NUMBERS else printable(x) for x in column], kind)
            for c, column, kind in zip(columns, values, types, strict=True)
        ]
        content = BytesIO()
        parquet.write_table(pa.table(dict(zip(columns, arrays, strict=True))), content)
        write_durably(folder / f"{name}-{number:06d}.parquet", content.getvalue())
