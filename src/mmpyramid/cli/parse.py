"""`mmpyramid parse`: from videos to timelines."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import tyro
from rich.console import Console
from rich.text import Text

from mmpyramid.cli._folders import INDEX, Folders
from mmpyramid.cli._options import (
    FormatList,
    OptionalInt,
    OptionalName,
    OptionalNumber,
    OptionalPrograms,
    TextFlags,
    TrackFlags,
    check_embed,
    check_raw,
    console,
    content_of,
    files_of,
    raw_option,
    shows_progress,
    to_formats,
    to_marker_formats,
    write_file,
)
from mmpyramid.cli.main import is_unread
from mmpyramid.core import Timeline
from mmpyramid.core.device import resolve_device
from mmpyramid.core.errors import UserError, describe_os_error
from mmpyramid.core.files import check_output_file
from mmpyramid.core.process import num_cores
from mmpyramid.core.progress import progress, report, report_failed, report_written
from mmpyramid.core.wording import clock, printable, title_of
from mmpyramid.extract.decoding import Limits
from mmpyramid.extract.engines import LocalEngine
from mmpyramid.extract.pieces import Failure
from mmpyramid.media.source import (
    STANDARD_INPUT,
    MediaFile,
    check_file,
    is_pipe,
    regular_file,
)
from mmpyramid.media.streams import Tracks
from mmpyramid.problems import Decoder
from mmpyramid.render import FORMATS, TerminalView, encode
from mmpyramid.render.page import from_page

if TYPE_CHECKING:
    from mmpyramid.extract.embedding import SegmentProgress
    from mmpyramid.pipeline import Parsed, Pipeline

DEFAULT_FORMATS = "json,html"

MOST_WORKERS = 4
"""Unless more are asked for: each takes about 0.6 GB of memory."""


@shows_progress
def parse(  # noqa: PLR0913 - one for each flag
    videos: Annotated[
        tuple[Path, ...],
        tyro.conf.Positional,
        tyro.conf.arg(metavar="VIDEO [VIDEO ...]", help_behavior_hint="(required)"),
    ],
    /,
    *,
    model: str = "teachers",
    vocabulary: OptionalName = None,
    words: Annotated[TextFlags, tyro.conf.arg(name="")] = TextFlags(),  # noqa: B008 - frozen
    sensitivity: OptionalNumber = None,
    infer_seen: bool = False,
    out: Path = Path("timelines"),
    formats: FormatList = DEFAULT_FORMATS,
    markers_for: OptionalPrograms = None,
    embed: bool = False,
    raw: bool = False,
    allow_references: bool = False,
    tracks: Annotated[TrackFlags, tyro.conf.arg(name="")] = TrackFlags(),  # noqa: B008 - frozen
    device: str = "auto",
    workers: OptionalInt = None,
    decoder: Annotated[Decoder, tyro.conf.arg(name="")] = Decoder(),  # noqa: B008 - frozen
) -> int:
    """Turn videos (or sound files) into timelines of what is heard, seen, and both.

    Prints each timeline and writes it as files. Without `--model`, pretrained classifiers of sounds
    and pictures find everyday things (animals, music, vehicles, home, people, ...); nothing has to
    be trained.

    In a folder, all files with sound or moving pictures are parsed; videos that were already parsed
    with the same settings are skipped, and a page lists all of them.

    Example: mmpyramid parse holiday.mp4 --out timelines --formats json,html,vtt --sensitivity 0.6

    Args:
        videos: Files and folders. The outputs for `clip.mp4` are called `clip.json` and so on; if
            two videos differ only in their suffix, `clip.mp4.json` and `clip.wav.json`. `-` is
            standard input, with outputs called `stdin`.
        model: `teachers`, which need no training, a checkpoint folder, or a hub id.
        vocabulary: What the teachers look and listen for: `everyday` if left out, `llp`, `ave` (the
            labels of those benchmarks), or a TOML file of your own.
        words: Words instead of a vocabulary.
        sensitivity: From 0 (only certain labels) to 1 (weak labels too); sets both thresholds. The
            default is 0.5.
        infer_seen: Also report as seen what is heard and is then nearly always in the picture (a
            blender, a helicopter, babies); such events are marked as inferred.
        out: Folder for the files.
        formats: Names of formats, separated by commas.
        markers_for: Programs to write markers or annotations for, each in the format that it reads
            best, besides --formats.
        embed: Put the video into the page instead of linking to it.
        raw: Do not escape cells of tables that a spreadsheet would run as formulas; for other
            programs.
        allow_references: Read playlists and other lists of your own, with the local files that they
            name. Without it a file that refers to others is refused.
        tracks: Which of several tracks.
        device: Where to compute, as PyTorch names it; `auto` is a GPU where there is one.
        workers: How many videos are parsed at once; what is written is the same for any number.
            Left out, one for every two cores, at most 4, for folders, and one for files. With a
            GPU, how many processes decode for it.
        decoder: Thresholds and lengths.
    """
    from mmpyramid.pipeline import Pipeline  # Takes a second, which help has no use for.

    chosen = list(dict.fromkeys(to_formats(formats) + to_marker_formats(markers_for)))
    check_raw(chosen, raw=raw)
    check_embed(chosen, embed=embed)
    if not videos:
        raise UserError(
            "expected one or more video files, got none; try `mmpyramid parse clip.mp4`"
        )
    _check_workers(workers, allow_references=allow_references)
    folders, read_tracks = Folders.search(videos), tracks.to_tracks()
    names = output_names(folders.videos, folders.inside)
    settings = (
        *(model, content_of(vocabulary), infer_seen, sensitivity, read_tracks, decoder),
        # The settings of others are those of before.
        *((words,) if words.text else ()),
        *files_of(model),
        *(name for name, is_set in (("embed", embed), ("raw", raw)) if is_set),
        *(sorted(chosen) if {*chosen} != {*DEFAULT_FORMATS.split(",")} else ()),
    )
    checkpoints = words.weights()
    folders.open(out, settings)
    files = {
        video: {suffix: out / f"{name}.{suffix}" for suffix in chosen}
        for video, name in names.items()
    }
    todo = {v: paths for v, paths in files.items() if not folders.is_done(v, paths.values())}
    num_done = len(files) - len(todo)
    possible = {
        v: paths for v, paths in todo.items() if _can_write(paths.values()) and _can_read(v)
    }
    failed = [video for video in todo if video not in possible]
    if len(failed) == len(files):
        return 2
    load = partial(
        Pipeline,
        model,
        vocabulary=vocabulary,
        text=words.text,
        weights=checkpoints,
        decoder=decoder,
        sensitivity=sensitivity,
        infer_seen=infer_seen,
        device=resolve_device(device),
    )
    brief = names if folders.any else None
    output = _Output(files=possible, embed=embed, raw=raw, screen=console(), names=brief)
    if workers is None and folders.any:  # A worker keeps two cores busy.
        workers = min(MOST_WORKERS, max(1, num_cores() // 2))
    out.mkdir(parents=True, exist_ok=True)
    for video, is_done in _outcomes(load, output, read_tracks, workers, allow_references):
        if is_done:
            folders.note(video)
        else:
            failed.append(video)
    if folders.any:
        _summarize(folders, len(names), num_done, len(failed), output.screen)
        without = dict.fromkeys(failed)
        if index := folders.write_index(out, files, names, new=possible, failed=without):
            output.screen.print(f"  {index}", style="dim")
    elif failed and len(names) > 1:
        text = f"{len(failed)} of {len(names)} files could not be parsed"
        report(f"mmpyramid parse: {text}", {"failed": len(failed), "files": len(names)})
    return 0 if not failed else 2 if len(failed) == len(names) else 1


def _check_workers(workers: int | None, *, allow_references: bool) -> None:
    """Check that so many videos can be parsed at once.

    Raises:
        UserError: if they cannot.
    """
    if workers is None:
        return
    if workers < 1:
        raise UserError(f"expected --workers of at least 1, got {workers}")
    if workers > 1 and allow_references:
        raise UserError("--allow-references parses one video after the other; leave --workers out")


def _summarize(folders: Folders, num: int, num_done: int, num_failed: int, screen: Console) -> None:
    already = f", {num_done} were parsed already" if num_done else ""
    screen.print(f"{num - num_done - num_failed} parsed{already}, {num_failed} failed")
    if folders.left_out:
        screen.print(Text(f"left out: {folders.left_out}"))


def output_names(
    videos: Sequence[Path], inside: Mapping[Path, Path] | None = None
) -> dict[Path, str]:
    """What the files of each video are called, without the suffix: no two the same.

    Args:
        videos: the videos.
        inside: the paths of those found in folders, within these.

    Raises:
        UserError: if two videos have the same name.
    """
    paths = {video: (inside or {}).get(video, Path(video.name)) for video in videos}
    stems = Counter(path.with_suffix("") for path in paths.values())
    if inside:
        stems[INDEX.with_suffix("")] += 1
    names = {
        video: str(path.with_suffix("") if stems[path.with_suffix("")] == 1 else path)
        for video, path in paths.items()
    }
    if STANDARD_INPUT in names:
        names[STANDARD_INPUT] = "stdin"
    twice = [name for name, count in Counter(names.values()).items() if count > 1]
    if twice:
        raise UserError(
            f"expected videos with different names, got several called {', '.join(twice)}, whose "
            "timelines would overwrite each other; parse them into different folders (--out)"
        )
    return names


def _can_read(video: Path) -> bool:
    """Whether a video can be read, before networks are loaded for it; reports why not."""
    try:
        if not is_pipe(video):
            check_file(video)
    except UserError as error:
        _report(video, error)
        return False
    return True


def _can_write(paths: Iterable[Path]) -> bool:
    """Whether the files of a video can be written; reports why not."""
    try:
        for path in paths:
            check_output_file(path)
    except UserError as error:
        _report(path, error)
        return False
    return True


@dataclass(frozen=True, kw_only=True)
class _Output:
    """Where timelines go: to the terminal, and into files.

    Attributes:
        files: of each video, by the suffix.
        names: of the videos among many, of which one line each is shown; None shows timelines.
    """

    files: Mapping[Path, Mapping[str, Path]]
    embed: bool
    raw: bool
    screen: Console
    names: Mapping[Path, str] | None

    def put(self, parsed: Parsed, video: Path, path: Path) -> bool:
        """Show and write what was found in a video, of which `path` may be a copy.

        Returns:
            Whether all of it could be written.
        """
        brief = None if self.names is None else self.names[video]
        self.screen.print(TerminalView(parsed.timeline) if brief is None else _line(brief, parsed))
        # What came through a pipe is gone afterwards, unless it is in the page.
        copy = path if self.embed else None
        page = {
            "video": path.resolve() if path == video else copy,
            "embed": self.embed,
            "scores": parsed.scores,
            "decoder": parsed.decoder,
        }
        paths, quiet = self.files[video], brief is not None
        return _write(parsed.timeline, paths, page, self.raw, self.screen, quiet=quiet)


def _outcomes(
    load: Callable[..., Pipeline],
    output: _Output,
    tracks: Tracks,
    num_workers: int | None,
    follow_references: bool,
) -> Iterator[tuple[Path, bool]]:
    """Parse and write videos, and yield whether each succeeded; a failure stops no other.

    Args:
        load: makes the pipeline.
        output: where the timelines of which videos go.
        tracks: which tracks of each video to read.
        num_workers: how many videos are parsed at once; None is one after the other.
        follow_references: whether files may refer to others; such are parsed one after the other,
            as is what comes through a pipe.
    """
    if not output.files:
        return
    at_once = num_workers is not None and not follow_references
    together = [video for video in output.files if at_once and not is_pipe(video)]
    alone = [video for video in output.files if video not in set(together)]
    with progress("load", unit="") as update:
        update(0, detail="the networks")
        pipeline = load(limits=Limits() if alone else None)
    with closing(pipeline):
        output.screen.print(Text(f"looking for {pipeline.sought}"), style="dim")
        for number, video in enumerate(alone):
            if number and output.names is None:
                output.screen.print()
            file = MediaFile(path=video, follow_references=follow_references)
            yield video, _parse_one(file, tracks, pipeline, output)
        if together:
            assert num_workers is not None
            yield from _parse_together(together, tracks, num_workers, pipeline, output)


def _parse_together(
    videos: Sequence[Path], tracks: Tracks, num_workers: int, pipeline: Pipeline, output: _Output
) -> Iterator[tuple[Path, bool]]:
    """Parse and write videos, several at once, and yield whether each succeeded."""
    gpus = int(pipeline.options.device.startswith("cuda"))
    engine = LocalEngine(workers=num_workers, limits=Limits(), gpus=gpus)
    with progress("parse") as update:
        update(0, len(videos))
        results = pipeline.run_each(videos, engine, tracks=tracks)
        for number, (video, result) in enumerate(results, 1):
            update(number, len(videos))
            if isinstance(result, Failure):
                is_named = str(video) in result.reason
                text = result.reason if is_named else f"{video}: {result.reason}"
                _report(video, UserError(text))
                yield video, False
            else:
                yield video, output.put(result, video, video)


def _parse_one(file: MediaFile, tracks: Tracks, pipeline: Pipeline, output: _Output) -> bool:
    """Parse and write one file; an error is reported, not raised."""
    video = file.path
    try:
        with regular_file(video) as path:
            with progress("parse", unit="s") as update:
                note = partial(update, detail=printable(video.name))
                note(0)
                parsed = _run(replace(file, path=path), video, tracks, pipeline, note)
            return output.put(parsed, video, path)
    except (UserError, OSError) as error:
        _report(video, error)
        return False


def _run(
    file: MediaFile, video: Path, tracks: Tracks, pipeline: Pipeline, note: SegmentProgress
) -> Parsed:
    """Parse one file under the name of the video, of which it may be a copy."""
    copied = str(file.path)
    if file.path == video:
        return pipeline.run(file, tracks=tracks, on_progress=note)
    name = "standard input" if video == STANDARD_INPUT else str(video)
    try:
        parsed = pipeline.run(file, tracks=tracks, on_progress=note)
    except UserError as error:
        raise UserError(str(error).replace(copied, name)) from error
    return replace(parsed, timeline=replace(parsed.timeline, source=name))


def _line(name: str, parsed: Parsed) -> Text:
    """A video among many: its name, its length, and what is in it."""
    labels = dict.fromkeys(title_of(event.label) for event in parsed.timeline)
    return Text(
        f"{printable(name)}  {clock(parsed.timeline.duration)}  "
        f"{', '.join(labels) or 'nothing found'}"
    )


def _write(
    timeline: Timeline,
    paths: Mapping[str, Path],
    page: Mapping[str, object],
    raw: bool,
    screen: Console,
    *,
    quiet: bool = False,
) -> bool:
    """Write a timeline in several formats; an error in one stops no other."""
    num_written = 0
    for name, path in paths.items():
        try:
            content = encode(timeline, name, **_options(name, path, page, raw=raw))
            write_file(path, content)
        except (UserError, OSError) as error:
            _report(path, error)
        else:
            report_written(str(path))
            if not quiet:
                screen.print(f"  {path}", style="dim")
            num_written += 1
    return num_written == len(paths)


def _options(
    name: str, path: Path, page: Mapping[str, object], *, raw: bool
) -> Mapping[str, object]:
    """What the writer of a format takes besides the timeline."""
    video = page["video"]
    if name != "html":
        linked = {"media": video} if FORMATS[name].links_media else {}
        return raw_option(name, raw=raw) or linked
    if not isinstance(video, Path) or page["embed"]:
        return page
    return {**page, "video": from_page(path, video)}


def _report(item: Path, error: UserError | OSError) -> None:
    """Report what went wrong with a file, unless it is the reader of the output that has gone."""
    if isinstance(error, BrokenPipeError) and is_unread():
        raise error
    problem = describe_os_error(error) if isinstance(error, OSError) else str(error)
    report_failed(str(item), problem, f"mmpyramid parse: {problem}")
