"""ELAN annotation documents (.eaf), written and read with pympi (the extra `elan`).

A tier is a modality: `audio`, `visual`, `audio_visual`. ELAN's annotations of one tier may not
overlap, so events that do are spread over `audio`, `audio 2` and so on. The labels are a
controlled vocabulary, which ELAN offers as a menu; the score of an event is annotated under it.
"""

from __future__ import annotations

import json
import mimetypes
from collections.abc import Iterable, Iterator
from dataclasses import replace
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Any
from xml.etree import ElementTree as ET

from mmpyramid.core import Event, Modality, Timeline
from mmpyramid.core.errors import UserError
from mmpyramid.core.text import shorten
from mmpyramid.core.wording import clock, printable
from mmpyramid.formats.registry import Format, register
from mmpyramid.formats.rows import MILLISECONDS, Row, check_listed, to_ticks, to_timeline
from mmpyramid.version import __version__

if TYPE_CHECKING:
    from pympi.Elan import Eaf

DECLARATION = '<?xml version="1.0" encoding="UTF-8"?>\n'
DATE = "1970-01-01T00:00:00+00:00"
"""The format wants a date of writing; a fixed one makes equal timelines equal files."""

HEAD = "mmpyramid"
"""Property that keeps what ELAN has no place for, as the JSON of a timeline without events."""

VOCABULARY, LANGUAGE = "labels", "und"
EVENT, SCORE = "event", "score"


def to_elan(timeline: Timeline) -> str:
    """Write an annotation document, which keeps everything but the weights of pyramid units.

    Source: ELAN Annotation Format 2.8 (Max Planck Institute for Psycholinguistics).

    Example:
        >>> to_elan(Timeline.load("clip.json"))  # doctest: +SKIP
    """
    from pympi.Elan import Eaf, to_string

    timeline = _printable(timeline)
    eaf = Eaf(author=f"mmpyramid {__version__}")
    eaf.adocument["DATE"] = DATE
    eaf.remove_tier("default")
    _add_head(eaf, timeline)
    _add_vocabulary(eaf, timeline.labels)
    for modality in Modality:
        for number, events in enumerate(_tiers(timeline.of(modality)), start=1):
            _add_tier(eaf, f"{modality} {number}" if number > 1 else f"{modality}", events)
    return f"{DECLARATION}{to_string(eaf)}\n"


def from_elan(text: str) -> Timeline:
    """Read an annotation document that `to_elan` wrote and a person changed, or one like it.

    Tiers are named by modality, `audio`, `audio 2`, `visual` and so on; an annotation is a label.
    Dependent tiers other than the scores are left alone, and so are empty ones.

    Raises:
        UserError: if it is no such document, or a tier or a label is unknown.

    Example:
        >>> from_elan(Path("clip.eaf").read_text())  # doctest: +SKIP
    """
    try:
        eaf = _parse(text)
        rows = [row for tier in eaf.get_tier_names() for row in _rows(eaf, tier)]
        labels = _vocabulary(eaf)
    except UserError:
        raise
    except (KeyError, IndexError, TypeError, ValueError) as error:
        raise UserError(
            "expected a whole ELAN document, got one in which something is missing or is no "
            f"number ({shorten(str(error), 300)}); if ELAN opens it, save it there"
        ) from error
    events = [row.to_event() for row in rows]
    for event in events if labels else ():
        place = f"the controlled vocabulary of the document (event at {clock(event.start)})"
        check_listed(event.label, labels, place)
    head = dict(eaf.get_properties()).get(HEAD)
    if head is None:
        found = to_timeline(events)
        return replace(found, labels=labels or found.labels)
    return replace(Timeline.from_json(head), events=tuple(events), labels=labels)


def _printable(timeline: Timeline) -> Timeline:
    """The same timeline with labels that XML can hold."""
    events = (replace(event, label=printable(event.label)) for event in timeline)
    labels = tuple(dict.fromkeys(map(printable, timeline.labels)))
    return replace(timeline, events=tuple(events), labels=labels)


def _add_head(eaf: Eaf, timeline: Timeline) -> None:
    head = replace(timeline, events=(), unit_weights=(), labels=())
    eaf.add_property(HEAD, json.dumps(json.loads(head.to_json())))
    kind, _ = mimetypes.guess_type(timeline.source)
    if kind is not None:
        path = Path(printable(timeline.source))
        url = path.as_uri() if path.is_absolute() else f"./{path}"
        eaf.add_linked_file(url, url, kind)


def _add_vocabulary(eaf: Eaf, labels: Iterable[str]) -> None:
    eaf.add_language(LANGUAGE, "http://cdb.iso.org/lg/CDB-00130975-001", "undetermined (und)")
    eaf.add_controlled_vocabulary(VOCABULARY)
    for number, label in enumerate(labels):
        eaf.add_cv_entry(VOCABULARY, f"cveid{number}", [(label, LANGUAGE, None)])
    eaf.add_linguistic_type(EVENT)
    eaf.linguistic_types[EVENT]["CONTROLLED_VOCABULARY_REF"] = VOCABULARY
    eaf.add_linguistic_type(SCORE, "Symbolic_Association", timealignable=False)


def _vocabulary(eaf: Eaf) -> tuple[str, ...]:
    """The labels, with those that were added in ELAN."""
    if VOCABULARY not in eaf.get_controlled_vocabulary_names():
        return ()
    entries = eaf.get_cv_entries(VOCABULARY).values()
    return tuple(values[0][0] or "" for values, _ in entries)


def _tiers(events: Iterable[Event]) -> list[list[Event]]:
    """Spread events over as few tiers as first fit needs, so that none overlap in one."""
    tiers: list[list[Event]] = []
    for event in events:
        start, _ = to_ticks(event, MILLISECONDS)
        free = (tier for tier in tiers if to_ticks(tier[-1], MILLISECONDS)[1] <= start)
        tier = next(free, None)
        if tier is None:
            tiers.append([event])
        else:
            tier.append(event)
    return tiers or [[]]


def _add_tier(eaf: Eaf, name: str, events: Iterable[Event]) -> None:
    scores = f"{name} {SCORE}"
    eaf.add_tier(name, EVENT)
    eaf.add_tier(scores, SCORE, parent=name)
    for event in events:
        start, end = to_ticks(event, MILLISECONDS)
        eaf.add_annotation(name, start, end, event.label)
        eaf.add_ref_annotation(scores, name, (start + end) / 2, str(round(event.score, 6)))


def _parse(text: str) -> Eaf:
    """Read the document.

    Raises:
        UserError: if it is not XML, or XML of another kind.
    """
    from pympi.Elan import Eaf

    try:
        root = ET.fromstring(text)
    except ET.ParseError as error:
        raise UserError(f"expected an ELAN document, got text that is not XML: {error}") from error
    if root.tag != "ANNOTATION_DOCUMENT":
        raise UserError(f"expected an ELAN document, got XML whose root is <{root.tag}>")
    with TemporaryDirectory() as folder:  # pympi reads from paths only
        path = Path(folder) / "document.eaf"
        path.write_text(text, encoding="utf-8")
        return Eaf(path, suppress_version_warning=True)


def _rows(eaf: Eaf, tier: str) -> Iterator[Row]:
    """The annotations of one tier; none of a dependent tier."""
    annotations = eaf.get_annotation_data_for_tier(tier)
    if eaf.get_parameters_for_tier(tier).get("PARENT_REF") or not annotations:
        return
    modality = tier.rstrip(" 0123456789").lower()
    if modality not in set(Modality):
        raise UserError(
            f"expected tiers named by modality ({', '.join(Modality)}, or `audio 2` and so on), "
            f"got annotations in the tier {tier!r}; rename or delete it in ELAN"
        )
    scores = _scores(eaf, f"{tier} {SCORE}")
    for start, end, label, *_ in annotations:
        yield Row(
            where=f"tier {tier!r} at {clock(start / MILLISECONDS)}",
            label=label,
            start=str(start / MILLISECONDS),
            end=str(end / MILLISECONDS),
            modality=modality,
            score=scores.get((start, end), "1"),
        )


def _scores(eaf: Eaf, tier: str) -> dict[tuple[int, int], Any]:
    """Scores by the times of the events, which differ within a tier."""
    if tier not in eaf.get_tier_names():
        return {}
    found = eaf.get_ref_annotation_data_for_tier(tier)
    return {(start, end): score for start, end, score, _ in found}


register(
    Format(
        name="eaf",
        description="tiers by modality, labels as a menu",
        programs="ELAN",
        write=to_elan,
        read=from_elan,
        kept="everything but the weights of pyramid units",
        package="pympi",
        media_type="text/xml",
    )
)
