"""A timeline as one self-contained web page: player, lanes, thresholds, list of events."""

from __future__ import annotations

import hashlib
import json
import mimetypes
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path, PurePath
from types import MappingProxyType
from typing import Any

import numpy as np

from mmpyramid.core import AnyScores, Timeline, UnitWeights
from mmpyramid.core.wording import MODALITY_WORDS, clock
from mmpyramid.formats import Format, find_format, register
from mmpyramid.problems import GATES, Decoder, problem_named
from mmpyramid.render.lanes import TICK_STEPS, remarks, span
from mmpyramid.render.page.data import (
    MODALITIES,
    decoder_data,
    labels_of,
    modalities_data,
    pack_bytes,
    scores_data,
    system_data,
)
from mmpyramid.render.page.document import (
    Site,
    build,
    escape,
    facts_list,
    modality_buttons,
    player,
    remarks_list,
    shared_assets,
    source_of,
    template,
    title_of_video,
)
from mmpyramid.version import __version__

SCRIPT = "timeline"
STYLES = ("base", "lanes", "list", "editor")
NOTHING = "Nothing found: no label is sure enough. A higher sensitivity shows weaker ones."
TRUTH_LEGEND = (
    '<ul class="legend" aria-label="Legend"><li><i class="swatch truth"></i>truth</li></ul>'
)
WRITTEN_HERE = ("json", "eaf", "csv")
"""Formats that the script of the page writes, `scripts/files.js`."""
NOTHING_MORE: Mapping[str, str] = MappingProxyType({})
GATE_WORDS = {
    "global": "probability in the whole video",
    "per_modality": "probability in the sound, or in the pictures, of the whole video",
    "none": "none",
}


def to_html(  # noqa: PLR0913 - what a page may have
    timeline: Timeline,
    *,
    video: Path | str | None = None,
    embed: bool = True,
    scores: AnyScores | None = None,
    truth: Timeline | None = None,
    decoder: Decoder | None = None,
    facts: Mapping[str, str] = NOTHING_MORE,
    site: Site | None = None,
    files: Mapping[str, str] = NOTHING_MORE,
) -> str:
    """Write the page: one file that needs no network and runs no foreign code.

    Args:
        timeline: what to show.
        video: the file, or its URL, to play above the lanes. Without it the lanes have a silent
            clock, and so they do in a browser that cannot play the file.
        embed: put the file into the page; otherwise the page links to `video`, a relative path
            being relative to the page.
        scores: what the timeline was decoded from: adds a strip of probabilities under each lane,
            and thresholds that update the events in the page, exactly as `decode` does.
        truth: what is annotated: adds a thin row to each lane.
        decoder: what the timeline was decoded by, where the thresholds of the page begin; None is
            the official rule.
        facts: more to say about the video, by name.
        site: of a page among others, the files that they share; the page alone is incomplete then.
        files: of a page that a server shows, the addresses of the timeline in formats, by name; the
            page adds its thresholds to their queries.

    Raises:
        UserError: if the video cannot be read or embedded, or the scores are not those of the
            timeline.

    Example:
        >>> to_html(Timeline(source="a.mp4", duration=10.0)).startswith("<!doctype html>")
        True
    """
    decoder = decoder or Decoder()
    packed, is_decided = (None, True) if scores is None else scores_data(scores, timeline, decoder)
    return build(
        "lanes",
        styles=STYLES,
        script=SCRIPT,
        site=site,
        data=_data(timeline, truth, packed, decoder),
        title=escape(title_of_video(timeline)),
        facts=facts_list({**_facts(timeline), **facts}),
        remarks=remarks_list(remarks(timeline)),
        player=player(timeline, video, embed),
        modalities=modality_buttons(),
        legend="" if truth is None else TRUTH_LEGEND,
        edit=template("edit-buttons", files=_file_links(files)),
        editor=template("editor", modalities=_modality_choices()),
        thresholds="" if packed is None else _thresholds(packed, is_decided),
        nothing=NOTHING,
        list="Events",
    )


def page_assets() -> dict[str, str]:
    """The files that the pages of a `site` share, by name.

    Example:
        >>> sorted(page_assets())
        ['timeline.css', 'timeline.js']
    """
    return shared_assets(SCRIPT, STYLES)


def _facts(timeline: Timeline) -> dict[str, str]:
    found = {event.label for event in timeline}
    source = source_of(timeline)
    return {
        "Duration": clock(timeline.duration),
        "Labels found": f"{len(found)} of {len(timeline.labels)}",
        "Model": timeline.model,
        "Source": "" if source == title_of_video(timeline) else source,
    }


def _file_links(files: Mapping[str, str]) -> str:
    """What a server writes, besides what the page itself does, by the programs that open it."""
    named = {name: find_format(name).programs for name in files if name not in WRITTEN_HERE}
    return "".join(
        f'<li><a href="{escape(files[name])}" download>{escape(programs[:1].upper())}'
        f"{escape(programs[1:])} <small>{escape(name)}</small></a></li>"
        for name, programs in sorted(named.items(), key=lambda item: item[1].casefold())
    )


def _modality_choices() -> str:
    return "".join(
        f'<label><input id="bar-modality-{index}" type="radio" name="bar-modality" value="{index}">'
        f'<i class="swatch {modality}"></i>{MODALITY_WORDS[modality]}</label>'
        for index, modality in enumerate(MODALITIES)
    )


def _thresholds(packed: Mapping[str, Any], is_decided: bool) -> str:
    floor = f"{packed['floor']:g}"
    gates = [
        gate
        for gate in GATES
        if gate != "per_modality" or "video_audio" in packed["exact"]["sizes"]
    ]
    options = "".join(f'<option value="{gate}">{GATE_WORDS[gate]}</option>' for gate in gates)
    settings = problem_named(packed["kind"]).settings
    has_gate, has_streams = "video_threshold" in settings, "visual_threshold" in settings
    return template(
        "thresholds",
        floor=floor,
        ceiling=f"{1 - packed['floor']:g}",
        video=template("thresholds-video", floor=floor) if has_gate else "",
        streams=template("thresholds-streams", floor=floor, gates=options) if has_streams else "",
        decided="hidden" if is_decided else "",
        precision=_precision(packed),
    )


def _precision(packed: Mapping[str, Any]) -> str:
    """What was done to keep the page of a long video small."""
    if not packed["rounded"]["sizes"]:
        return ""
    left_out = f" Those under {packed['floor']:g} count as 0." if packed["floor"] else ""
    return (
        '<p class="quiet">To keep this page small, probabilities are rounded by up to 0.005. '
        f"Events begin and end as they do without; their scores may differ a little.{left_out}</p>"
    )


def _data(
    timeline: Timeline, truth: Timeline | None, packed: dict[str, Any] | None, decoder: Decoder
) -> dict[str, Any]:
    """What the page's script reads, see `scripts/model.js`."""
    timelines = [timeline] if truth is None else [timeline, truth]
    labels = labels_of(timelines)
    systems = [system_data("", timeline, labels)]
    if truth is not None:
        systems.append(system_data("truth", truth, labels, is_thin=True))
    if packed is not None:
        packed |= {
            name: [labels.index(timeline.labels[column]) for column in packed[name]]
            for name in ("columns", "inferred")
        }
    return {
        "duration": max(map(span, timelines)),
        "tickSteps": TICK_STEPS,
        **modalities_data(labels),
        "names": labels,
        "saved": _saved(timeline),
        "missing": [MODALITIES.index(modality) for modality in timeline.missing],
        "systems": systems,
        "scores": packed,
        "decoder": decoder_data(decoder),
        "units": _units(timeline.unit_weights),
    }


def _saved(timeline: Timeline) -> dict[str, Any]:
    """What a file needs that the page saves, besides the events."""
    timeline = replace(timeline, source=source_of(timeline), unit_weights=())
    head = json.loads(replace(timeline, events=()).to_json())
    return {
        "head": head,
        "stem": PurePath(timeline.source).stem or "timeline",
        "version": __version__,
        "mediaType": mimetypes.guess_type(timeline.source)[0] or "",
        "key": hashlib.sha256(timeline.to_json().encode()).hexdigest()[:16],
    }


def _units(weights: UnitWeights) -> dict[str, Any] | None:
    """Weights in hundredths, as the page shows them."""
    if not weights or not weights[0]:
        return None
    hundredths_MLT = np.round(100 * np.array(weights)).astype(np.uint8)
    return {"count": len(weights[0]), "bytes": pack_bytes(hundredths_MLT.tobytes())}


register(
    Format(
        name="html",
        description="the page with player and lanes",
        programs="browsers",
        write=to_html,
        media_type="text/html",
    )
)
