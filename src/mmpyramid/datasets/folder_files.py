"""The annotations and splits of a folder of one's own videos, in any format that is read.

See `mmpyramid.datasets.folder` for the files.
"""

from __future__ import annotations

import difflib
import hashlib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from mmpyramid.core import Event, Modality
from mmpyramid.core.errors import Problems, UserError
from mmpyramid.core.files import is_file_name
from mmpyramid.core.text import SEPARATORS, read_list, read_table, shorten
from mmpyramid.datasets.base import (
    LABELS_FILE,
    SPLITS,
    Split,
    folder_of_files,
    has_files,
    read_labels,
)
from mmpyramid.formats import READERS, read_timeline, reader_of
from mmpyramid.formats.rows import Row
from mmpyramid.formats.tables import unescaped

FOLDER, TABLES = "annotations", ("annotations.csv", "annotations.tsv")
SPLIT_TABLES = ("splits.csv", "splits.tsv")
NAMES = {
    "video": ("video", "filename", "file", "name", "id"),
    "label": ("label", "event_label", "event_labels", "class"),
    "modality": ("modality",),
    "start": ("onset", "start"),
    "end": ("offset", "end"),
    "split": ("split",),
}
"""What columns may be called."""

SHARE = 10
"""One of so many videos is in `val`, another one in `test`, where nothing says otherwise."""

BOTH = Modality.AUDIO_VISUAL


@dataclass(kw_only=True)
class Video:
    """What is annotated in one video.

    Attributes:
        where: the place that names it first, for messages.
        split: the split that its rows name, if they do.
        events: with times.
        weak: without times: labels with their modality, and the place of each.
    """

    where: str
    split: str = ""
    events: list[tuple[Event, str]] = field(default_factory=list)
    weak: list[tuple[str, Modality, str]] = field(default_factory=list)

    @property
    def occurring(self) -> Iterator[tuple[str, Modality, str]]:
        """Every label with its modality and its place."""
        yield from ((event.label, event.modality, where) for event, where in self.events)
        yield from self.weak


def read_folder(data: Path) -> tuple[dict[str, Video], tuple[str, ...]]:
    """Read what is annotated in all videos of a folder, and the class names.

    Raises:
        UserError: if there are no annotations or both a folder and a table of them; one report of
            all rows that are not events, unknown labels, names that cannot be those of files, and
            videos with several files.
    """
    data, problems = folder_of_files(data, (FOLDER, *TABLES)), Problems()
    places = [place for place in (FOLDER, *TABLES) if (data / place).exists()]
    if len(places) != 1:
        raise UserError(
            f"expected annotations in {data}: either the folder {FOLDER}/ with a file for each "
            f"video or one of the tables {', '.join(TABLES)}, got {' and '.join(places) or 'none'}"
        )
    place = data / places[0]
    videos = _read_files(place, problems) if places[0] == FOLDER else _read_table(place, problems)
    occurring = {label for video in videos.values() for label, _, _ in video.occurring}
    labels = read_labels(data, tuple(sorted(occurring)))
    for video in videos.values():
        for label, _, where in video.occurring:
            if label not in labels:
                close = difflib.get_close_matches(label, labels, n=1)
                hint = f", did you mean {close[0]!r}?" if close else ""
                problems.add(f"labels that are not in {LABELS_FILE}", f"{label!r} at {where}{hint}")
    problems.raise_if_any(
        f"expected annotations of videos in {place}",
        "Correct the files; every label has to be a line of labels.txt, if there is one.",
    )
    return videos, labels


def read_annotations(place: Path) -> tuple[dict[str, Video], list[str]]:
    """Read what is annotated in videos, wherever it stands.

    Args:
        place: a folder for `read_folder`; else one with a file for each video, and tables of
            several, side by side; or one such file.

    Returns:
        What is annotated, by video, and the names of files that no format reads, such as the pages
        that `mmpyramid parse` writes beside its timelines.

    Raises:
        UserError: if there are no annotations; one report of all files and rows that cannot be
            read, and of videos that are in several files.

    Example:
        >>> videos, _ = read_annotations(Path("corrections"))  # doctest: +SKIP
        >>> [event.label for event, _ in videos["holiday"].events]  # doctest: +SKIP
        ['Dog', 'Fireworks']
    """
    if not place.exists():
        raise UserError(f"expected annotations, but there is no file or folder {place}")
    if place.is_dir() and has_files(place, (FOLDER, *TABLES)):
        return read_folder(place)[0], []
    problems = Problems()
    videos: dict[str, Video] = {}
    left_out = []
    for path in _visible(place) if place.is_dir() else [place]:
        if place.is_dir() and not _is_known(path):
            left_out.append(path.name)
        elif _has_several(path):
            for name, video in _read_table(path, problems).items():
                _add(videos, name, video, problems)
        else:
            _add_file(videos, path, problems)
    if not videos:
        _report_none(place, problems)
    problems.raise_if_any(
        f"expected annotations of videos in {place}",
        "Correct the files; of several for one video keep the one that was corrected.",
    )
    return videos, left_out


def _visible(folder: Path) -> list[Path]:
    return sorted(path for path in folder.iterdir() if not path.name.startswith("."))


def _is_known(path: Path) -> bool:
    return path.is_file() and any(path.name.lower().endswith(f".{suffix}") for suffix in READERS)


def _has_several(path: Path) -> bool:
    """Whether a file is a table whose rows name the videos that they are about."""
    if not _is_known(path) or (suffix := reader_of(path)) not in {"csv", "tsv"}:
        return False
    columns, rows = read_table(path, "\t" if suffix == "tsv" else ",")
    names = {column.strip() for column in columns}.intersection(("video", "filename", "file"))
    # The empty event list of one file names none.
    return bool(names) and (suffix == "csv" or next(rows, None) is not None)


def _read_files(folder: Path, problems: Problems) -> dict[str, Video]:
    """A file for each video, in any format that is read."""
    videos: dict[str, Video] = {}
    for path in _visible(folder):
        _add_file(videos, path, problems)
    if not videos:
        _report_none(folder, problems)
    return videos


def _add_file(videos: dict[str, Video], path: Path, problems: Problems) -> None:
    """Read the annotations of one video, whose name is that of the file."""
    try:
        timeline = read_timeline(path, unstated=BOTH)
    except UserError as error:
        problems.add("files that cannot be read", str(error))
        return
    name, where = video_id(path.name[: -len(reader_of(path)) - 1]), path.name
    if not is_file_name(name):
        problems.add("files without a name", path.name)
    else:
        events = [(event, where) for event in timeline]
        _add(videos, name, Video(where=where, events=events), problems)


def _add(videos: dict[str, Video], name: str, video: Video, problems: Problems) -> None:
    if name in videos:
        problems.add("videos with several files", f"{video.where} and {videos[name].where}")
    videos.setdefault(name, video)


def _report_none(place: Path, problems: Problems) -> None:
    if not problems:
        known = ", ".join(f".{suffix}" for suffix in sorted(READERS))
        problems.add("folders without files", f"{place} has none in {known}")


def _read_table(path: Path, problems: Problems) -> dict[str, Video]:
    """One table with a row for every event or weak label."""
    videos: dict[str, Video] = {}
    for where, cells in _table(path, ("video", "label")):
        name = video_id(cells["video"])
        if not is_file_name(name):
            problems.add("names that cannot be those of files", f"{cells['video']!r} at {where}")
            continue
        video = videos.setdefault(name, Video(where=where))
        split = cells.get("split", "").strip()
        if split and video.split and split != video.split:
            problems.add("videos in two splits", f"{name} at {where} and {video.where}")
        video.split = video.split or split
        label, times = cells["label"].strip(), (cells.get("start", ""), cells.get("end", ""))
        modality = cells.get("modality", "").strip() or BOTH.value
        if not label and not any(times):
            continue  # A video in which nothing happens.
        # Times are read with the label; a weak one gets some that are surely right.
        given = times if any(time.strip() for time in times) else ("0", "1")
        try:
            row = Row(where=where, label=label, start=given[0], end=given[1], modality=modality)
            event = row.to_event()
        except UserError as error:
            problems.add("rows that are not events", str(error))
            continue
        if given is times:
            video.events.append((event, where))
        else:
            video.weak.append((label, event.modality, where))
    return videos


def video_id(name: str) -> str:
    """The id of a video by its name, which may have the suffix of a media file.

    Example:
        >>> [video_id(name) for name in ("my holiday 3.mp4", "clip-12_0_10", "v1.2")]
        ['my holiday 3', 'clip-12_0_10', 'v1.2']
    """
    from mmpyramid.extract.search import MEDIA_SUFFIXES

    path = Path(name.strip())
    is_media = path.suffix.lower() in MEDIA_SUFFIXES
    return name.strip()[: -len(path.suffix)] if is_media else name.strip()


def split_of(data: Path, videos: Mapping[str, Video]) -> dict[Split, list[str]]:
    """The ids of every split, in the order of the annotations or of the lists.

    Raises:
        UserError: one report of videos that are in two splits, are listed twice, or have no
            annotations, and of unknown splits.
    """
    data, problems = folder_of_files(data, (FOLDER, *TABLES)), Problems()
    found: dict[Split, list[str]] = {split: [] for split in SPLITS}
    listed: dict[str, str] = {}
    stated = list(_stated_splits(data, videos))
    for name, split, where in stated:
        if split not in found:
            problems.add(f"splits that are not {', '.join(SPLITS)}", f"{split!r} at {where}")
        elif name in listed:
            problems.add("videos that are listed twice", f"{name} at {where} and {listed[name]}")
        elif name not in videos:
            close = difflib.get_close_matches(name, videos, n=1)
            hint = f", did you mean {close[0]}?" if close else ""
            problems.add("videos without annotations", f"{name} at {where}{hint}")
        else:
            listed[name] = where
            found[split].append(name)
    for name, video in videos.items() if stated else ():
        if name not in listed:
            problems.add("videos without a split", f"{name} at {video.where}")
    problems.raise_if_any(
        f"expected every video of {data} in one split",
        "Name each video once; one in which nothing happens has an empty file, or a row without a "
        "label.",
    )
    if not stated:
        ranked = sorted(videos, key=lambda name: hashlib.sha256(name.encode()).digest())
        share = max(1, round(len(ranked) / SHARE))
        chosen = dict.fromkeys(ranked[:share], "val")
        chosen |= dict.fromkeys(ranked[share : 2 * share], "test")
        for name in videos:
            found[chosen.get(name, "train")].append(name)  # type: ignore[index]
    return found


def _stated_splits(data: Path, videos: Mapping[str, Video]) -> Iterator[tuple[str, Split, str]]:
    """Video, split and place of everything that names a split."""
    tables = [data / name for name in SPLIT_TABLES if (data / name).is_file()]
    lists = {split: data / f"{split}.txt" for split in SPLITS if (data / f"{split}.txt").is_file()}
    has_column = any(video.split for video in videos.values())
    sources = [path.name for path in (*tables, *lists.values())]
    if len(tables) + bool(lists) + has_column > 1:
        raise UserError(
            f"expected one statement of the splits in {data}, got several: {', '.join(sources)}"
            f"{' and a column `split`' if has_column else ''}; keep one"
        )
    for table in tables:
        for where, cells in _table(table, ("video", "split")):
            yield video_id(cells["video"]), cells["split"].strip(), where  # type: ignore[misc]
    for split, path in lists.items():
        for number, line in read_list(path):
            yield video_id(line), split, f"{path.name} line {number}"
    for name, video in videos.items() if has_column else ():
        if video.split:
            yield name, video.split, video.where  # type: ignore[misc]


def _table(path: Path, required: Sequence[str]) -> Iterator[tuple[str, dict[str, str]]]:
    """The place of every row, and its cells by what they are about."""
    delimiter = "\t" if path.suffix == ".tsv" else ","
    columns, rows = read_table(path, delimiter)
    stripped = {column.strip(): column for column in columns}
    about = {
        meaning: next((stripped[name] for name in names if name in stripped), None)
        for meaning, names in NAMES.items()
    }
    absent = [" or ".join(f"`{n}`" for n in NAMES[name]) for name in required if not about[name]]
    if absent:
        raise UserError(
            f"expected the columns {' and '.join(absent)} in {path}, separated by "
            f"{SEPARATORS[delimiter]}, got {shorten(', '.join(columns))}"
        )
    for line in rows:
        known = {
            meaning: unescaped(line.cells[column]) for meaning, column in about.items() if column
        }
        yield f"{path.name} line {line.number}", known
