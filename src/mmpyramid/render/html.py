"""A timeline as one self-contained web page: player, lanes, cursor, list of events."""

from __future__ import annotations

import base64
import html
import json
from importlib.resources import files
from pathlib import Path, PurePath
from string import Template
from typing import Any
from urllib.parse import quote, urlsplit

import numpy as np

from mmpyramid.errors import UserError
from mmpyramid.render.lanes import (
    MODALITY_PHRASES,
    MODALITY_WORDS,
    TICK_STEPS,
    Lane,
    Remark,
    clock,
    printable,
    remarks,
    span,
    title_of,
    to_lanes,
)
from mmpyramid.types import AnyScores, Array, Modality, Timeline
from mmpyramid.version import __version__

LARGEST_EMBEDDED = 200 * 2**20
"""Bytes; browsers refuse or choke on data URIs that are much larger."""

MOST_CELLS = 500
"""Cells of a probability strip; the segments of longer videos share cells, the strongest wins."""

# Browsers look at the type before the content. They play MP4 and its relatives (MOV, M4V) only
# under this name, and refuse `video/quicktime` and `application/octet-stream` in data URIs.
DEFAULT_TYPE = "video/mp4"
TYPES = {
    ".aac": "audio/aac",
    ".flac": "audio/flac",
    ".m4a": "audio/mp4",
    ".mkv": "video/x-matroska",
    ".mp3": "audio/mpeg",
    ".oga": "audio/ogg",
    ".ogg": "audio/ogg",
    ".ogv": "video/ogg",
    ".opus": "audio/ogg",
    ".wav": "audio/wav",
    ".webm": "video/webm",
}


def to_html(
    timeline: Timeline,
    *,
    video: Path | str | None = None,
    embed: bool = True,
    scores: AnyScores | None = None,
) -> str:
    """Write the page: one file that needs no network and runs no foreign code.

    Args:
        timeline: what to show.
        video: the file, or its URL, to play above the lanes. Without it the lanes have a silent
            clock, and so they do in a browser that cannot play the file.
        embed: put the file into the page; otherwise the page links to `video`, a relative path
            being relative to the page.
        scores: what the timeline was decoded from: adds a strip of probabilities under each lane.

    Raises:
        UserError: if the video cannot be read or embedded, or the scores are of other labels.

    Example:
        >>> to_html(Timeline(source="a.mp4", duration=10.0)).startswith("<!doctype html>")
        True
    """
    name = PurePath(timeline.source).name or "Timeline"
    return Template(_part("page.html")).substitute(
        title=_escape(name),
        facts=_facts(timeline),
        remarks="".join(_remark(remark) for remark in remarks(timeline)),
        legend=_legend(),
        player="" if video is None else _player(timeline, _url(video, embed)),
        style=_part("page.css"),
        data=json.dumps(_data(timeline, scores), separators=(",", ":")).replace("<", "\\u003c"),
        script=_part("page.js"),
        version=__version__,
    )


def _part(name: str) -> str:
    return files("mmpyramid.render").joinpath(name).read_text(encoding="utf-8")


def _escape(text: str) -> str:
    return html.escape(printable(text))


def _facts(timeline: Timeline) -> str:
    found = {event.label for event in timeline}
    facts = {
        "Duration": clock(timeline.duration),
        "Events": str(len(timeline)),
        "Labels found": f"{len(found)} of {len(timeline.labels)}",
        "Model": timeline.model,
        "Source": timeline.source,
    }
    return "".join(
        f"<div><dt>{name}</dt><dd>{_escape(fact)}</dd></div>"
        for name, fact in facts.items()
        if fact
    )


def _remark(remark: Remark) -> str:
    gist = _escape(remark.gist)
    if not remark.details:
        return f"<li>{gist}</li>"
    details = "".join(f"<p>{_escape(line)}</p>" for line in remark.details)
    return f'<li class="aside"><details><summary>{gist}</summary>{details}</details></li>'


def _legend() -> str:
    return "".join(
        f'<li><i class="swatch {modality}"></i>{MODALITY_PHRASES[modality]}</li>'
        for modality in MODALITY_WORDS
    )


def _player(timeline: Timeline, url: str) -> str:
    tag = "audio" if Modality.VISUAL in timeline.missing else "video"
    return (
        f'<{tag} id="media" controls playsinline preload="auto" src="{html.escape(url)}" '
        f'aria-label="{_escape(timeline.source)}"></{tag}>'
    )


def _url(video: Path | str, embed: bool) -> str:
    is_url = isinstance(video, str) and urlsplit(video).scheme in {"http", "https", "file", "data"}
    if not embed:
        return str(video) if is_url else _link(Path(video))
    if is_url:
        raise UserError(
            f"expected the path of a file to embed, got the URL {video}; link to it (`embed=False`)"
        )
    return _embedded(Path(video))


def _link(path: Path) -> str:
    return path.as_uri() if path.is_absolute() else quote(path.as_posix())


def _embedded(path: Path) -> str:
    try:
        if (size := path.stat().st_size) > LARGEST_EMBEDDED:
            raise UserError(
                f"expected at most {LARGEST_EMBEDDED / 2**20:.0f} MiB to embed in a page, but "
                f"{path} has {size / 2**20:.0f} MiB; link to it instead (`embed=False`)"
            )
        content = base64.b64encode(path.read_bytes()).decode("ascii")
    except OSError as error:
        raise UserError(f"cannot read the video {path} to embed it: {error.strerror}") from error
    return f"data:{TYPES.get(path.suffix.lower(), DEFAULT_TYPE)};base64,{content}"


def _data(timeline: Timeline, scores: AnyScores | None) -> dict[str, Any]:
    """What the page's script reads, in the order in which it is drawn."""
    seconds_per_cell = 1 if scores is None else max(1, -(-scores.num_segments // MOST_CELLS))
    return {
        "duration": span(timeline),
        "tickSteps": TICK_STEPS,
        "secondsPerCell": seconds_per_cell,
        "lanes": [_lane(lane, seconds_per_cell) for lane in to_lanes(timeline, scores)],
    }


def _lane(lane: Lane, seconds_per_cell: int) -> dict[str, Any]:
    return {
        "label": title_of(lane.label),
        "modality": lane.modality,
        "word": MODALITY_WORDS[lane.modality],
        "phrase": MODALITY_PHRASES[lane.modality],
        "events": [
            [float(event.start), float(event.end), round(float(event.score), 2)]
            for event in lane.events
        ],
        "strip": None if lane.strip is None else _pack(lane.strip, seconds_per_cell),
    }


def _pack(prob_T: Array, seconds_per_cell: int) -> str:
    """One byte per cell, 0..255 for 0..1, in base64."""
    padding = -len(prob_T) % seconds_per_cell
    cells = np.pad(prob_T, (0, padding)).reshape(-1, seconds_per_cell).max(axis=1)
    return base64.b64encode(np.round(cells * 255).astype(np.uint8).tobytes()).decode("ascii")
