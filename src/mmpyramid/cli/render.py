"""`mmpyramid render`: timelines in another format, and pictures of them."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path, PurePath
from typing import TYPE_CHECKING, Annotated, Any, Literal, TypeAlias

import tyro

from mmpyramid.cli._options import (
    OPTIONAL,
    OptionalNames,
    OptionalPath,
    check_embed,
    check_raw,
    print_written,
    raw_option,
    write_file,
)
from mmpyramid.core import Timeline
from mmpyramid.core.errors import UserError
from mmpyramid.core.files import check_output_file
from mmpyramid.core.frames import to_frame_rate
from mmpyramid.core.progress import report
from mmpyramid.render import (
    FORMATS,
    PICTURES,
    comparison_figure,
    comparison_html,
    encode,
    read_timeline,
    reader_of,
    unit_weights_figure,
    unit_weights_to_csv,
)
from mmpyramid.render.page import from_page, is_url

KEEP_RATE = {"boris", "json"}
"""Formats that count no frames, but note how many a second has."""

if TYPE_CHECKING:
    FormatName: TypeAlias = str
else:  # What is registered when a command is run: code of the user may have added some.
    FormatName = Annotated[
        Literal[tuple(FORMATS)],
        tyro.conf.arg(
            help="The format. "
            + "; ".join(f"{name}: {each.description}" for name, each in FORMATS.items())
        ),
    ]


def render(  # noqa: PLR0913 - one for each flag
    timelines: Annotated[
        tuple[Path, ...],
        tyro.conf.Positional,
        tyro.conf.arg(metavar="TIMELINE [TIMELINE ...]", help_behavior_hint="(required)"),
    ],
    /,
    *,
    to: FormatName,
    out: OptionalPath = None,
    names: OptionalNames = None,
    original: OptionalPath = None,
    unit_weights: bool = False,
    video: Annotated[
        str | None, tyro.conf.arg(metavar="PATH|URL", help_behavior_hint=OPTIONAL)
    ] = None,
    embed: bool = False,
    raw: bool = False,
    fps: Annotated[
        str | None, tyro.conf.arg(metavar="RATE", help_behavior_hint="(default: of the video)")
    ] = None,
) -> int:
    """Write a timeline in another format: json or annotations in, any of --to out.

    Reads timelines, and files that a person corrected in a spreadsheet (csv, tsv), in ELAN (eaf),
    Audacity (labels.txt, or any other txt), Praat (TextGrid), BORIS (boris), an editor (otio) or
    another program listed in docs/files.md.

    Several timelines of one video, such as the truth, a baseline and your network, are compared in
    one page (html) or picture (png, svg); the page marks where the others differ from the first.

    Example: mmpyramid render truth.json han.json ours.json --to png --names truth,HAN,ours

    Args:
        timelines: Files in json, as `mmpyramid parse` and `mmpyramid predict` write them, or in
            any other format that is read back.
        to: The name of the format.
        out: The file to write; left out, beside the first timeline, where annotations are not
            overwritten.
        names: What the legend of a comparison calls the timelines, comma-separated.
        original: The timeline that was corrected. It supplies what a table or a label track cannot
            hold (duration, labels, model); labels that it does not list are reported as mistakes.
        unit_weights: Show which pyramid units selective fusion chose: as a picture above the events
            (png, svg), or as a table with the columns modality, unit, second and weight (csv).
        video: The video that the page plays, other formats link to, and frames are counted of; or
            its URL. Left out, the timeline's own source.
        embed: Put the video into the page instead of linking to it.
        raw: Do not escape cells of tables that a spreadsheet would run as formulas; for other
            programs.
        fps: Frames per second of the video, such as 25, 29.97 or 30000/1001, for formats that count
            frames.
    """
    if not timelines:
        raise UserError("expected a timeline, as `mmpyramid parse` writes it, got none")
    check_embed([to], embed=embed)
    is_alone = not timelines[1:] and not unit_weights
    if is_alone:
        check_raw([to], raw=raw)
    elif raw:
        raise UserError(
            "--raw applies to the tables of one timeline's events; leave it out for a comparison "
            "and for --unit-weights"
        )
    if names is not None and not timelines[1:]:
        raise UserError("--names applies to comparisons of several timelines; leave it out for one")
    _check_rate(to, fps, video, is_alone=is_alone)
    _check_video(to, video)
    kind = ".comparison" if timelines[1:] else ".unit-weights" if unit_weights else ""
    path = out or _beside(timelines[0], kind, to)
    check_output_file(path)
    _check_no_input(path, timelines)
    source = None if original is None else read_timeline(original)
    loaded = [read_timeline(path, original=source) for path in timelines]
    named = dict(zip(_names(timelines, names), loaded, strict=True))
    first, *others = named.values()
    if others:
        _warn_of_different_videos(loaded)
        options = _player(loaded, video, embed, path) if to == "html" else {}
        content = _comparison(named, to, unit_weights, options)
    elif unit_weights:
        content = _unit_weights(first, to)
    else:
        first = _with_frame_rate(first, to, fps, video)
        if video and is_url(video) and FORMATS[to].links_media:
            first = replace(first, source=video)
        content = encode(first, to, **_options(first, to, video, embed, raw, path))
    write_file(path, content)
    print_written(path)
    return 0


def _warn_of_different_videos(timelines: Sequence[Timeline]) -> None:
    names = dict.fromkeys(PurePath(t.source).stem for t in timelines if t.source)
    if len(names) > 1:
        report(
            f"mmpyramid render: the timelines name different videos ({', '.join(names)}); they are "
            "compared second by second all the same"
        )


def _check_rate(to: str, fps: str | None, video: str | None, *, is_alone: bool) -> None:
    """Check that --fps applies to what is written, and that no video would say it as well.

    Args:
        to: the format.
        fps: frames per second.
        video: path or URL.
        is_alone: whether the events of one timeline are written.

    Raises:
        UserError: if it does not.
    """
    if fps is None:
        return
    form = FORMATS[to]
    if not is_alone or not (form.counts_frames or to in KEEP_RATE):
        known = [name for name, each in FORMATS.items() if each.counts_frames or name in KEEP_RATE]
        raise UserError(
            f"--fps applies to one timeline in {', '.join(known)}; leave it out for --to {to}"
            f"{'' if is_alone else ', a comparison or --unit-weights'}"
        )
    if video is not None and not form.links_media:
        raise UserError(
            f"expected --fps or --video, got both: {to} takes nothing from the video but its "
            "frames per second; leave one of them out"
        )


def _with_frame_rate(timeline: Timeline, to: str, fps: str | None, video: str | None) -> Timeline:
    """The timeline with the frame rate that is given, that of a given video, or its own one.

    Raises:
        UserError: if what is given is no rate.
    """
    if fps is not None:
        return replace(timeline, frame_rate=to_frame_rate(fps))
    media = _media(timeline, video)
    is_known = timeline.frame_rate and video is None
    if is_known or media is None or not FORMATS[to].counts_frames:
        return timeline
    from mmpyramid.media import probe

    return replace(timeline, frame_rate=probe(media).nominal_rate)


def _check_video(to: str, video: str | None) -> None:
    """Check that --video applies to a format, and names a file that is there or a URL.

    Raises:
        UserError: if it does not.
    """
    if video is None:
        return
    if to != "html" and not (FORMATS[to].links_media or FORMATS[to].counts_frames):
        raise UserError(
            f"--video is for the page (html) and for formats that link to the video or count its "
            f"frames; leave it out for {to}"
        )
    if is_url(video) and to != "html" and not FORMATS[to].links_media:
        raise UserError(
            f"expected --video of a file, whose frames per second {to} counts in, got {video}; "
            "give the rate by --fps"
        )
    if not is_url(video) and not _is_file(Path(video)):
        raise UserError(f"there is no video {video}; give its path by --video")


def _media(timeline: Timeline, video: str | None) -> Path | None:
    """The video if it is a file that is there."""
    path = Path(video or timeline.source)
    return path.resolve() if _is_file(path) else None


def _is_file(path: Path) -> bool:
    """Whether a path is a file; False for names that are invalid or out of reach."""
    try:
        return path.is_file()
    except OSError:
        return False


def _options(
    timeline: Timeline, to: str, video: str | None, embed: bool, raw: bool, path: Path
) -> dict[str, Any]:
    """What the writer of a format takes besides the timeline."""
    if to == "html":
        return _player([timeline], video, embed, path)
    linked = {"media": _media(timeline, video)} if FORMATS[to].links_media else {}
    return raw_option(to, raw=raw) or linked


def _beside(path: Path, kind: str, to: str) -> Path:
    """The file beside a timeline that differs in its suffix.

    Raises:
        UserError: if annotations are there, which a person may have corrected.
    """
    beside = path.with_name(f"{_stem(path)}{kind}.{to}")
    may_be_corrected = FORMATS[to].read is not None or (to == "txt" and not _is_view(beside))
    if not kind and may_be_corrected and beside.exists():
        raise UserError(
            f"{beside} is there already, and may have been corrected by hand; name the file to "
            "write by --out"
        )
    return beside


def _is_view(path: Path) -> bool:
    """Whether a txt is a terminal view, which has no tabs, while a label track has little else."""
    return not path.exists() or b"\t" not in path.read_bytes()


def _check_no_input(path: Path, timelines: Sequence[Path]) -> None:
    """Refuse to overwrite what was read.

    Raises:
        UserError: if the file is one of the timelines.
    """
    if path.exists() and any(path.samefile(timeline) for timeline in timelines):
        raise UserError(
            f"expected another file to write than those that are read, got {path} for both; name "
            "another by --out"
        )


def _stem(path: Path) -> str:
    return path.name[: -len(reader_of(path)) - 1]


def _names(paths: Sequence[Path], given: str | None) -> list[str]:
    """What a legend calls the timelines, no two the same.

    Raises:
        UserError: if the given names are not as many, or two timelines would share one.
    """
    names = short_names(paths) if given is None else [name.strip() for name in given.split(",")]
    if len(names) != len(paths) or not all(names):
        raise UserError(
            f"expected --names to give a name to each of {len(paths)} timelines, separated by "
            f"commas; got {len(names)}: {', '.join(names)}"
        )
    twice = [name for name, count in Counter(names).items() if count > 1]
    if twice:
        raise UserError(
            f"expected timelines with different names, got several called {', '.join(twice)}; "
            f"name each by --names"
        )
    return names


def short_names(paths: Sequence[Path]) -> list[str]:
    """Name files by what they do not share: the rest of their stems, or else their folders.

    Example:
        >>> short_names([Path("a/clip.truth.json"), Path("han/clip.json"), Path("ours/clip.json")])
        ['truth', 'han', 'ours']
    """
    stems = [_stem(path) for path in paths]
    shared = [stem for stem in stems if any(other.startswith(f"{stem}.") for other in stems)]
    names = []
    for path, stem in zip(paths, stems, strict=True):
        if stem in shared or stems.count(stem) > 1:
            names.append(path.resolve().parent.name)
        else:
            prefix = next((f"{other}." for other in shared if stem.startswith(f"{other}.")), "")
            names.append(stem.removeprefix(prefix))
    return names


def _comparison(
    timelines: Mapping[str, Timeline],
    to: str,
    unit_weights: bool,
    player: Mapping[str, Any],
) -> bytes:
    if unit_weights:
        raise UserError(
            f"--unit-weights shows those of one timeline, got {len(timelines)} timelines; render "
            "them one by one"
        )
    if to == "html":
        return comparison_html(timelines, **player).encode("utf-8")
    if to not in PICTURES:
        raise UserError(
            f"several timelines make one page or picture, --to html, {' or '.join(PICTURES)}; "
            f"--to {to} takes one timeline, got {len(timelines)}"
        )
    return PICTURES[to](comparison_figure(timelines))


def _unit_weights(timeline: Timeline, to: str) -> bytes:
    if to == "csv":
        return unit_weights_to_csv(timeline).encode("utf-8")
    if to not in PICTURES:
        raise UserError(
            f"--unit-weights goes with --to {', '.join(PICTURES)} or csv, got --to {to}; the JSON "
            "of a timeline has them anyway, as `unit_weights`"
        )
    return PICTURES[to](unit_weights_figure(timeline))


def _check_media(source: Path) -> None:
    """Check that a timeline's source is a video: a page that embeds it may be sent to others.

    Raises:
        UserError: if it is another file.
    """
    from mmpyramid.extract.search import Inspector

    try:
        with Inspector() as inspector:
            # The name of a link may promise a format without a header, which any bytes would be.
            inspector.probe(source.resolve())
    except UserError as error:
        raise UserError(
            f"the timeline names {source} as its video, which is not a video or sound file, so "
            "that it is not put into the page; give the video by --video"
        ) from error


def _player(
    timelines: Iterable[Timeline], video: str | None, embed: bool, page: Path
) -> dict[str, Any]:
    """The video that the page plays; None if the timelines' sources are gone."""
    if video and is_url(video):
        return {"video": video, "embed": embed}
    sources = [video] if video else [timeline.source for timeline in timelines if timeline.source]
    for source in map(Path, sources):
        if _is_file(source):
            if embed and not video:
                _check_media(source)
            return {"video": source if embed else from_page(page, source), "embed": embed}
    tried = ", ".join(dict.fromkeys(sources))
    lack = f"there is no video {tried}" if tried else "the timeline names no video"
    if embed:
        raise UserError(f"{lack}; give its path by --video")
    report(f"mmpyramid render: the page has no player: {lack}; give it by --video")
    return {}
