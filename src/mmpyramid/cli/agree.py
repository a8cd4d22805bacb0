"""`mmpyramid agree`: how far people or programs agree on what is heard and seen."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Annotated, Any, Literal

import tyro

from mmpyramid.cli._options import OptionalNames, OptionalNumber, OptionalPath, console, write_json
from mmpyramid.cli.render import short_names
from mmpyramid.core import Modality, Timeline
from mmpyramid.core.errors import UserError
from mmpyramid.core.files import check_output_file
from mmpyramid.core.wording import text_cells, text_table
from mmpyramid.datasets.folder_files import video_id
from mmpyramid.formats import READERS, read_timeline, reader_of
from mmpyramid.problems.annotators import Agreement, Row, compare_annotations
from mmpyramid.problems.resampling import RESAMPLES

HEADINGS = ("kappa", "alpha", "segment F", "event F", "marked")
WIDTH = 11


def agree(
    raters: Annotated[
        tuple[Path, ...],
        tyro.conf.Positional,
        tyro.conf.arg(metavar="A B [C ...]", help_behavior_hint="(required)"),
    ],
    /,
    *,
    names: OptionalNames = None,
    seconds: OptionalNumber = None,
    unstated: Literal["audio", "visual", "audio_visual"] = "audio",
    json: OptionalPath = None,
    resamples: int = RESAMPLES,
    seed: int = 0,
) -> int:
    """Compare what two or more people or programs marked in the same videos, second by second.

    For each label, heard and seen: Cohen's kappa (with three or more, the mean over pairs),
    Krippendorff's alpha, F of segments, F of events that overlap by half, and the share of segments
    that are marked. Kappa and alpha rise with the share of unmarked time; F does not. Values
    pooled over labels have a 95 % interval over videos.

    Example: mmpyramid agree coder-1 coder-2 coder-3 --json agreement.json

    Args:
        raters: Timelines of one video, or folders of timelines whose files are named after the
            videos, in any format that can be read (json, csv, tsv, eaf, txt of Audacity). A video
            that is missing in a folder counts as not judged there.
        names: Names for the raters, comma-separated.
        seconds: How long every video lasts, where the files do not say (csv, tsv, txt): without it
            a video ends with the last event that somebody marked.
        unstated: How events are perceived where a format does not say.
        json: Write the numbers here.
        resamples: Number of resamples for the intervals; 0 omits them.
        seed: Seed of the resampling.
    """
    if resamples < 0 or seed < 0:
        raise UserError(f"expected --resamples and --seed of 0 or more, got {resamples} and {seed}")
    if seconds is not None and not 0 < seconds < math.inf:
        raise UserError(f"expected --seconds above 0, got {seconds}")
    if json:
        check_output_file(json)
    called = _names(raters, names)
    timelines = {
        name: _timelines(path, Modality(unstated))
        for name, path in zip(called, raters, strict=True)
    }
    found = compare_annotations(timelines, duration=seconds)
    rows = found.rows(resamples, seed)
    counts = Counter(video for each in timelines.values() for video in each)
    alone = sum(video not in found.videos for video in counts)
    console().print(_text(found, rows, alone))
    if json:
        write_json(json, _to_dict(found, rows))
    return 0


def _names(paths: Sequence[Path], given: str | None) -> list[str]:
    """What raters are called, no two the same.

    Raises:
        UserError: if there are fewer than two, they are not all files or all folders, or names are
            not as many or occur twice.
    """
    absent = [str(path) for path in paths if not path.exists()]
    if absent:
        raise UserError(f"there is no file or folder {', '.join(absent)}")
    if len({path.is_dir() for path in paths}) > 1 or len(paths) < 2:
        raise UserError(
            "expected two or more timelines of one video, or two or more folders of timelines, got "
            f"{', '.join(map(str, paths)) or 'none'}"
        )
    if given is not None:
        names = [name.strip() for name in given.split(",")]
    elif paths[0].is_dir():
        names = [path.resolve().name for path in paths]
        names = names if len(set(names)) == len(names) else [str(path) for path in paths]
    else:
        names = short_names(paths)
    if len(names) != len(paths) or len(set(names)) != len(names) or not all(names):
        raise UserError(
            f"expected different names for {len(paths)} raters, got {', '.join(names)}; name each "
            "by --names"
        )
    return names


def _timelines(path: Path, unstated: Modality) -> dict[str, Timeline]:
    """The timelines of a rater by video; a single file is of the video that all files are of.

    Raises:
        UserError: if there are none, two are of one video, or one cannot be read.
    """
    if path.is_file():
        return {"": read_timeline(path, unstated=unstated)}
    found: dict[str, Timeline] = {}
    suffixes = tuple(f".{suffix}" for suffix in READERS)
    for file in sorted(path.iterdir()):
        if file.name.startswith(".") or not file.name.lower().endswith(suffixes):
            continue
        video = video_id(file.name[: -len(reader_of(file)) - 1])
        if video in found:
            raise UserError(
                f"expected one timeline of each video in {path}, got several of {video}; keep one"
            )
        found[video] = read_timeline(file, unstated=unstated)
    if not found:
        raise UserError(f"expected timelines in {path} ({', '.join(suffixes)}), got none")
    return found


def _text(found: Agreement, rows: Sequence[Row], alone: int) -> str:
    title = (
        f"{' and '.join(found.raters)}: {len(found.videos)} video"
        f"{'s' * (len(found.videos) != 1)}, segments of one second; F and marked in per cent"
    )
    width = max(len(row.label) for row in rows) + 1
    cells = [("", text_cells(HEADINGS, WIDTH))]
    for row in rows:
        numbers = (row.kappa, row.alpha, row.segment_f, row.event_f, row.marked)
        decimals = (3, 3, 1, 1, 1)
        name = f"{row.label:<{width}}{row.modality}"
        texts = [_number(*each) for each in zip(numbers, decimals, strict=True)]
        cells.append((name, text_cells(texts, WIDTH)))
        ends = (row.kappa_ends, row.alpha_ends)
        if not math.isnan(row.kappa_ends[0] + row.alpha_ends[0]):
            for place, text in enumerate(("  from", "  to")):
                cells.append((text, text_cells([f"{each[place]:.3f}" for each in ends], WIDTH)))
    parts = [text_table(title, cells)]
    if len(found.raters) > 2:
        kappas = zip(found.pairs, found.pair_kappas().tolist(), strict=True)
        lines = [
            (f"{a} and {b}", text_cells([_number(kappa, 3)], WIDTH)) for (a, b), kappa in kappas
        ]
        parts.append(text_table("Cohen's kappa of each pair, all labels", lines))
    if alone:
        parts.append(f"left out: {alone} video{'s' * (alone != 1)} that only one has")
    return "\n\n".join(parts)


def _number(value: float, decimals: int) -> str:
    return "-" if math.isnan(value) else f"{value:.{decimals}f}"


def _to_dict(found: Agreement, rows: Sequence[Row]) -> dict[str, Any]:
    kappas = zip(found.pairs, found.pair_kappas().tolist(), strict=True)
    return {
        "raters": found.raters,
        "videos": found.videos,
        "rows": [{name: _known(value) for name, value in asdict(row).items()} for row in rows],
        "pairs": [{"raters": pair, "kappa": _known(kappa)} for pair, kappa in kappas],
    }


def _known(value: Any) -> Any:
    """NaN, which JSON lacks, as None."""
    if isinstance(value, tuple):
        return [_known(each) for each in value]
    return None if isinstance(value, float) and math.isnan(value) else value
