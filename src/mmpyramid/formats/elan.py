"""ELAN annotation documents (.eaf), written and read with pympi (the extra `elan`).

A tier is a modality: `audio`, `visual`, `audio_visual`. ELAN's annotations of one tier may not
overlap, so events that do are spread over `audio`, `audio 2` and so on. The labels are a
controlled vocabulary, which ELAN offers as a menu; the score of an event is annotated under it.
"""

from __future__ import annotations

import json
import mimetypes
import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import replace
from pathlib import Path, PurePath
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Any
from urllib.parse import unquote
from xml.etree import ElementTree as ET

from mmpyramid.core import Event, Modality, Timeline
from mmpyramid.core.errors import UserError
from mmpyramid.core.text import shorten
from mmpyramid.core.wording import INFERRED, clock, printable
from mmpyramid.formats.registry import Format, register
from mmpyramid.formats.rows import (
    MILLISECONDS,
    Row,
    check_listed,
    modality_of_tier,
    named_tiers,
    to_ticks,
    to_timeline,
)
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
WHOLE = re.compile(r"-?[0-9]{1,15}")
ENCODING = re.compile(r"^\s*<\?xml[^>]*\?>")
"""What would name the encoding of the file, and not that of the text."""


def to_elan(timeline: Timeline) -> str:
    """Write an annotation document, which keeps everything but the weights of pyramid units.

    The media file is linked relative to the document. Of an absolute path only the name is written,
    so that a document that is passed on reveals no folders of this machine.

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
    for name, events in named_tiers(timeline, MILLISECONDS).items():
        _add_tier(eaf, name, events)
    return f"{DECLARATION}{to_string(eaf)}\n"


def from_elan(text: str, name: str = "") -> Timeline:
    """Read an annotation document that `to_elan` wrote and a person changed, or one like it.

    Tiers are named by modality, `audio`, `audio 2`, `visual` and so on; an annotation is a label.
    Dependent tiers other than the scores are left alone, and so are empty ones. Times are those of
    the media: an annotation lies TIME_ORIGIN of its media descriptor later than in the document. Of
    several media the one counts that is called as the timeline's source or as the document, else
    the first; a note says so.

    Args:
        text: the content of the file.
        name: its name, without the suffix.

    Raises:
        UserError: if it is no such document, or a tier or a label is unknown.

    Example:
        >>> from_elan(Path("clip.eaf").read_text())  # doctest: +SKIP
    """
    try:
        eaf = _parse(text)
        head = dict(eaf.get_properties()).get(HEAD)
        kept = None if head is None else Timeline.from_json(head)
        origin, notes = _media(eaf, name, "" if kept is None else kept.source)
        rows = [row for tier in eaf.get_tier_names() for row in _rows(eaf, tier, origin)]
        labels = _vocabulary(eaf)
    except UserError:
        raise
    # pympi takes for granted that a document is one of ELAN's.
    except Exception as error:
        raise UserError(
            "expected a whole ELAN document, got one in which something is missing or is no "
            f"number ({shorten(str(error), 200)}); if ELAN opens it, save it there"
        ) from error
    events = [row.to_event() for row in rows]
    for event in events if labels else ():
        place = f"the controlled vocabulary of the document (event at {clock(event.start)})"
        check_listed(event.label, labels, place)
    if kept is None:
        found = to_timeline(events)
        return replace(found, labels=labels or found.labels, notes=notes)
    new = (note for note in notes if note not in kept.notes)
    return replace(kept, events=tuple(events), labels=labels, notes=(*kept.notes, *new))


def _media(eaf: Eaf, name: str, source: str) -> tuple[int, tuple[str, ...]]:
    """The TIME_ORIGIN of the media that the annotations are of, in milliseconds, and notes."""
    media = {
        _file_name(descriptor): descriptor.get("TIME_ORIGIN") or "0"
        for descriptor in reversed(eaf.media_descriptors)  # Of two of a name the first counts.
    }
    if not media:
        return 0, ()
    called = [file for file in media if file == PurePath(source).name]
    called += [file for file in media if PurePath(file).stem == name]
    first = _file_name(eaf.media_descriptors[0])
    chosen = called[0] if called else first
    origin, notes = media[chosen], []
    if WHOLE.fullmatch(origin) is None:
        raise UserError(f"expected TIME_ORIGIN in milliseconds, got {shorten(origin)!r}")
    if len(media) > 1:
        why = "which is called as it" if called else "the first"
        notes.append(f"times are those of {chosen}, {why} of {len(media)} media of the document")
    if int(origin):
        notes.append(
            f"events are {int(origin) / MILLISECONDS:g} s later than in the ELAN document, by the "
            "TIME_ORIGIN of its media"
        )
    return int(origin), tuple(notes)


def _file_name(descriptor: Mapping[str, str]) -> str:
    url = descriptor.get("MEDIA_URL") or descriptor.get("RELATIVE_MEDIA_URL") or ""
    return PurePath(unquote(url)).name


def _printable(timeline: Timeline) -> Timeline:
    """The same timeline with labels that XML can hold."""
    events = (replace(event, label=printable(event.label)) for event in timeline)
    labels = tuple(dict.fromkeys(map(printable, timeline.labels)))
    return replace(timeline, events=tuple(events), labels=labels)


def _add_head(eaf: Eaf, timeline: Timeline) -> None:
    path = PurePath(timeline.source)
    source = path.name if path.is_absolute() else timeline.source
    head = replace(timeline, events=(), unit_weights=(), labels=(), source=source)
    eaf.add_property(HEAD, json.dumps(json.loads(head.to_json())))
    kind, _ = mimetypes.guess_type(source)
    if kind is not None:
        # ELAN looks for the name in the folder of the document if the path leads nowhere.
        url = f"./{printable(source)}"
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


def _add_tier(eaf: Eaf, name: str, events: Iterable[Event]) -> None:
    scores = f"{name} {SCORE}"
    eaf.add_tier(name, EVENT)
    eaf.add_tier(scores, SCORE, parent=name)
    for event in events:
        start, end = to_ticks(event, MILLISECONDS)
        eaf.add_annotation(name, start, end, event.label)
        score = f"{round(event.score, 6)}{f' {INFERRED}' * event.inferred}"
        eaf.add_ref_annotation(scores, name, (start + end) / 2, score)


def _parse(text: str) -> Eaf:
    """Read the document.

    Raises:
        UserError: if it is not XML, or XML of another kind.
    """
    from defusedxml import DefusedXmlException
    from defusedxml.ElementTree import fromstring
    from pympi.Elan import Eaf

    try:
        root = fromstring(text, forbid_dtd=True)
    except ET.ParseError as error:
        raise UserError(f"expected an ELAN document, got text that is not XML: {error}") from error
    except DefusedXmlException as error:
        raise UserError(
            "expected an ELAN document, got XML that declares a document type or entities, which "
            "ELAN does not write"
        ) from error
    if root.tag != "ANNOTATION_DOCUMENT":
        raise UserError(f"expected an ELAN document, got XML whose root is <{shorten(root.tag)}>")
    text = ENCODING.sub("", text)
    with TemporaryDirectory() as folder:  # pympi reads from paths only
        path = Path(folder) / "document.eaf"
        path.write_text(text, encoding="utf-8")
        return Eaf(path, suppress_version_warning=True)


def _rows(eaf: Eaf, tier: str, origin: int) -> Iterator[Row]:
    """The annotations of one tier, moved by the origin; none of a dependent tier."""
    annotations = eaf.get_annotation_data_for_tier(tier)
    if eaf.get_parameters_for_tier(tier).get("PARENT_REF") or not annotations:
        return
    if (modality := modality_of_tier(tier)) is None:
        raise UserError(
            f"expected tiers named by modality ({', '.join(Modality)}, or `audio 2` and so on), "
            f"got annotations in the tier {tier!r}; rename or delete it in ELAN"
        )
    scores = _scores(eaf, f"{tier} {SCORE}")
    for start, end, label, *_ in annotations:
        score, _, inferred = scores.get((start, end), "1").partition(" ")
        yield Row(
            where=f"tier {tier!r} at {clock(start / MILLISECONDS)}",
            label=label,
            start=str((start + origin) / MILLISECONDS),
            end=str((end + origin) / MILLISECONDS),
            modality=modality,
            score=score,
            inferred=inferred,
        )


def _scores(eaf: Eaf, tier: str) -> dict[tuple[int, int], Any]:
    """Scores by the times of the events, which differ within a tier."""
    if tier not in eaf.get_tier_names():
        return {}
    scores = {}
    # pympi's own function never ends where annotations refer to each other.
    for reference, score, *_ in eaf.tiers[tier][1].values():
        start, end, *_ = eaf.tiers[eaf.annotations[reference]][0][reference]
        scores[eaf.timeslots[start], eaf.timeslots[end]] = score
    return scores


register(
    Format(
        name="eaf",
        description="tiers by modality, labels as a menu",
        programs="ELAN",
        write=to_elan,
        read=from_elan,
        kept="everything but the weights of pyramid units",
        package="pympi",
        markers_for=("elan",),
        reads_name=True,
        media_type="text/xml",
    )
)
