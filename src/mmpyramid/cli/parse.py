"""`mmpyramid parse`: from videos to timelines."""

from __future__ import annotations

import os
import sys
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import tyro
from rich.console import Console
from rich.text import Text

from mmpyramid.cli._folders import Folders
from mmpyramid.cli._options import (
    FormatList,
    OptionalName,
    OptionalNumber,
    OptionalPrograms,
    TrackFlags,
    check_raw,
    console,
    raw_option,
    resolve_device,
    to_formats,
    to_marker_formats,
)
from mmpyramid.core import Timeline
from mmpyramid.core.errors import UserError, describe_os_error
from mmpyramid.core.files import check_output_file, write_durably
from mmpyramid.core.wording import clock, printable, title_of
from mmpyramid.extract.decoding import Limits
from mmpyramid.media.pipes import STANDARD_INPUT, regular_file
from mmpyramid.media.source import MediaFile
from mmpyramid.media.streams import Tracks
from mmpyramid.problems import Decoder
from mmpyramid.render import FORMATS, TerminalView, encode
from mmpyramid.render.page import from_page

if TYPE_CHECKING:
    from mmpyramid.pipeline import Parsed, Pipeline


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
    sensitivity: OptionalNumber = None,
    infer_seen: bool = False,
    out: Path = Path("timelines"),
    formats: FormatList = "json,html",
    markers_for: OptionalPrograms = None,
    embed: bool = False,
    raw: bool = False,
    allow_references: bool = False,
    tracks: Annotated[TrackFlags, tyro.conf.arg(name="")] = TrackFlags(),  # noqa: B008 - frozen
    device: str = "auto",
    decoder: Annotated[Decoder, tyro.conf.arg(name="")] = Decoder(),  # noqa: B008 - frozen
) -> int:
    """Turn videos (or sound files) into timelines of what is heard, seen, and both.

    Prints each timeline and writes it as files. Without `--model`, pretrained classifiers of sounds
    and pictures find everyday things (animals, music, vehicles, home, people, ...); nothing has to
    be trained.

    A folder is searched through for whatever holds sound or moving pictures; what was parsed before
    with the same settings is passed over, and a page lists all videos.

    Example: mmpyramid parse holiday.mp4 --out timelines --formats json,html,vtt --sensitivity 0.6

    Args:
        videos: Files and folders. What is written of `clip.mp4` is called `clip.json` and so on;
            where two videos differ in their suffix only, `clip.mp4.json` and `clip.wav.json`. `-`
            is standard input, whose files are called `stdin`.
        model: `teachers`, which need no training, a checkpoint folder, or a hub id.
        vocabulary: What the teachers look and listen for: `everyday` if left out, `llp`, `ave` (the
            labels of those benchmarks), or a TOML file of your own.
        sensitivity: From 0 (certain labels only) over 0.5, the usual one, to 1: moves both
            thresholds together.
        infer_seen: Tell also to be seen what is heard and nearly always in the picture then (a
            blender, a helicopter, babies); such events are marked as inferred.
        out: Folder for the files.
        formats: Names of formats, separated by commas.
        markers_for: Programs to write markers or annotations for, each in the format that it reads
            best, besides --formats.
        embed: Put the video into the page instead of linking to it.
        raw: Leave cells of tables as they are that a spreadsheet would run as formulas, for other
            programs.
        allow_references: Read playlists and other lists of your own, with the local files that they
            name. Without it a file that refers to others is refused.
        tracks: Which of several tracks.
        device: Where to compute, as PyTorch names it; `auto` is a GPU where there is one.
        decoder: Thresholds and lengths.
    """
    from mmpyramid.pipeline import Pipeline  # Loads torch, which help has no use for.

    chosen = list(dict.fromkeys(to_formats(formats) + to_marker_formats(markers_for)))
    check_raw(chosen, raw=raw)
    if not videos:
        raise UserError(
            "expected one or more video files, got none; try `mmpyramid parse clip.mp4`"
        )
    many, read_tracks = Folders.search(videos), tracks.to_tracks()
    names = output_names(many.videos, many.inside)
    settings = (model, _content(vocabulary), infer_seen, sensitivity, read_tracks, decoder)
    many.open(out, settings)
    files = {
        video: {suffix: out / f"{name}.{suffix}" for suffix in chosen}
        for video, name in names.items()
    }
    todo = {v: paths for v, paths in files.items() if not many.is_done(v, paths.values())}
    num_done = len(files) - len(todo)
    writable = {v: paths for v, paths in todo.items() if _can_write(paths.values())}
    failed = len(todo) - len(writable)
    if failed == len(files):
        return 2
    screen, computing = console(), resolve_device(device)
    out.mkdir(parents=True, exist_ok=True)
    if writable:
        with screen.status("loading") as status:
            pipeline = Pipeline(
                model,
                vocabulary=vocabulary,
                decoder=decoder,
                sensitivity=sensitivity,
                infer_seen=infer_seen,
                device=computing,
                limits=Limits(),
                hook=status.update,
            )
        screen.print(Text(f"looking for {pipeline.sought}"), style="dim")
    for number, (video, paths) in enumerate(writable.items()):
        if number and not many.any:
            screen.print()
        file = MediaFile(path=video, follow_references=allow_references)
        brief = names[video] if many.any else None
        if _parse_one(file, read_tracks, pipeline, paths, embed, raw, screen, brief):
            many.note(video)
        else:
            failed += 1
    if many.any:
        _summarize(many, out, files, names, num_done, failed, screen)
    elif failed and len(names) > 1:
        sys.stderr.write(f"mmpyramid parse: {failed} of {len(names)} files could not be parsed\n")
    return 0 if not failed else 2 if failed == len(names) else 1


def _summarize(
    many: Folders,
    out: Path,
    files: Mapping[Path, Mapping[str, Path]],
    names: Mapping[Path, str],
    num_done: int,
    failed: int,
    screen: Console,
) -> None:
    """Say what became of the videos of folders, and write the page that lists them."""
    parsed = len(names) - num_done - failed
    already = f", {num_done} were parsed already" if num_done else ""
    screen.print(f"{parsed} parsed{already}, {failed} failed")
    if many.left_out:
        screen.print(Text(f"left out: {many.left_out}"))
    if index := many.write_index(out, files, names):
        screen.print(f"  {index}", style="dim")


def _content(vocabulary: str | None) -> str | bytes | None:
    """What decides between two vocabularies: the content of a file, else the name."""
    is_file = vocabulary is not None and os.path.isfile(vocabulary)  # noqa: PTH113 - refuses no name
    return Path(vocabulary).read_bytes() if vocabulary and is_file else vocabulary


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


def _can_write(paths: Iterable[Path]) -> bool:
    """Whether the files of a video can be written; if not, it is said why."""
    try:
        for path in paths:
            check_output_file(path)
    except UserError as error:
        _report(error)
        return False
    return True


def _parse_one(
    file: MediaFile,
    tracks: Tracks,
    pipeline: Pipeline,
    paths: Mapping[str, Path],
    embed: bool,
    raw: bool,
    screen: Console,
    brief: str | None = None,
) -> bool:
    """Parse and write one file; what goes wrong is reported and stops nothing else.

    With a name for it, one line is shown.
    """
    video = file.path
    try:
        with regular_file(video) as path:
            with screen.status(Text(video.name)) as status:
                pipeline.hook = lambda step: status.update(Text(f"{video.name}: {step}"))
                parsed = _run(replace(file, path=path), video, tracks, pipeline)
            screen.print(TerminalView(parsed.timeline) if brief is None else _line(brief, parsed))
            page = {
                # What came through a pipe is gone afterwards, unless it is in the page.
                "video": path.resolve() if embed or path == video else None,
                "embed": embed,
                "scores": parsed.scores,
                "decoder": pipeline.decoder,
            }
            return _write(parsed.timeline, paths, page, raw, screen, quiet=brief is not None)
    except (UserError, OSError) as error:
        _report(error)
        return False


def _run(file: MediaFile, video: Path, tracks: Tracks, pipeline: Pipeline) -> Parsed:
    """Parse one file, which is called by the name of the video that it may be a copy of."""
    copied = str(file.path)
    if file.path == video:
        return pipeline.run(file, tracks=tracks)
    name = "standard input" if video == STANDARD_INPUT else str(video)
    try:
        parsed = pipeline.run(file, tracks=tracks)
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
    """Write a timeline in several formats; what goes wrong with one stops no other."""
    num_written = 0
    for name, path in paths.items():
        try:
            content = encode(timeline, name, **_options(name, path, page, raw=raw))
            path.parent.mkdir(parents=True, exist_ok=True)
            write_durably(path, content, outlast_power_cuts=False)
        except (UserError, OSError) as error:
            _report(error)
        else:
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


def _report(error: UserError | OSError) -> None:
    problem = describe_os_error(error) if isinstance(error, OSError) else error
    sys.stderr.write(f"mmpyramid parse: {problem}\n")
