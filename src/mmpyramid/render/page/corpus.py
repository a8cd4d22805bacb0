"""Many videos as a table: sortable by name and by each score, a link to the page of each."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from statistics import fmean

from mmpyramid.core import Event, Timeline
from mmpyramid.core.wording import MODALITY_WORDS, title_of
from mmpyramid.render.lanes import span
from mmpyramid.render.page.document import build, escape, facts_list, modality_buttons

STYLES = ("base", "corpus")
LEVELS = {"segment": "Segment level", "event": "Event level"}
MEASURES = {
    "audio": "Audio",
    "visual": "Visual",
    "audio_visual": "AV",
    "type_av": "Type@AV",
    "event_av": "Event@AV",
    "accuracy": "Accuracy",
}

LEADING = ("type_av", "accuracy")
"""What the table is sorted by at first."""


@dataclass(frozen=True, kw_only=True)
class Entry:
    """A video in the table.

    Attributes:
        name: its id.
        page: URL of its page, from the table.
        timeline: what was found.
        truth: what is annotated; None if nothing is.
        scores: per cent by level (`LEVELS`) and measure (`MEASURES`); the same ones for all videos.
        thumbnail: URL of a picture of it, if there is one.
    """

    name: str
    page: str
    timeline: Timeline
    truth: Timeline | None = None
    scores: Mapping[str, Mapping[str, float]] = field(default_factory=dict)
    thumbnail: str = ""


def corpus_html(entries: Sequence[Entry], *, title: str, facts: Mapping[str, str]) -> str:
    """Write the page with the table of all videos; it needs no network.

    Args:
        entries: the videos; the table begins with those that score lowest.
        title: what stands above.
        facts: what there is to say about all of them, by name.

    Example:
        >>> entry = Entry(name="a", page="a.html", timeline=Timeline())
        >>> '<a href="a.html">a</a>' in corpus_html([entry], title="LLP, test", facts={})
        True
    """
    scored = entries[0].scores if entries else {}
    columns = [(level, m) for level in LEVELS for m in MEASURES if m in scored.get(level, {})]
    leading = next((column for column in columns if column[1] in LEADING), None)
    if leading:
        entries = sorted(entries, key=lambda entry: entry.scores[leading[0]][leading[1]])
    return build(
        "corpus",
        styles=STYLES,
        script="corpus",
        data=None,
        site=None,
        title=escape(title),
        facts=facts_list(facts),
        modalities=modality_buttons(),
        truth=TRUTH_LEGEND if any(entry.truth is not None for entry in entries) else "",
        caption=CAPTION if columns else "",
        by_name="" if leading else ' aria-sort="ascending"',
        hidden="" if columns else " hidden",
        levels=_levels(columns),
        measures="".join(_heading(*column, is_sorted=column == leading) for column in columns),
        rows="".join(_row(entry, columns) for entry in entries),
        means="".join(_cell(fmean(e.scores[level][m] for e in entries)) for level, m in columns),
    )


TRUTH_LEGEND = """<ul class="legend" aria-label="Legend">
        <li><i class="swatch truth"></i>truth</li>
        <li><span class="missed">missed label</span></li>
        <li><span class="extra">extra label</span></li>
      </ul>"""
CAPTION = (
    '<caption class="quiet">F-scores and accuracies in per cent; press a heading to sort.</caption>'
)


def _levels(columns: Sequence[tuple[str, str]]) -> str:
    counts = {level: sum(level == each for each, _ in columns) for level in LEVELS}
    return "".join(
        f'<th scope="colgroup" colspan="{count}">{LEVELS[level]}</th>'
        for level, count in counts.items()
        if count
    )


def _heading(level: str, measure: str, *, is_sorted: bool) -> str:
    name, order = MEASURES[measure], ' aria-sort="ascending"' if is_sorted else ""
    return (
        f'<th scope="col" class="number"{order}><button type="button" '
        f'aria-label="{name}, {LEVELS[level].lower()}">{name}</button></th>'
    )


def _row(entry: Entry, columns: Sequence[tuple[str, str]]) -> str:
    page = escape(entry.page)
    picture = ""
    if entry.thumbnail:
        picture = f'<img src="{escape(entry.thumbnail)}" alt="" loading="lazy">'
    return (
        f'<tr><td class="picture"><a href="{page}" tabindex="-1" aria-hidden="true">{picture}'
        f"{sketch(entry.timeline, entry.truth)}</a></td>"
        f'<th scope="row"><a href="{page}">{escape(entry.name)}</a></th>'
        f'<td class="labels">{_labels(entry)}</td>'
        f"{''.join(_cell(entry.scores[level][measure]) for level, measure in columns)}</tr>\n"
    )


def _labels(entry: Entry) -> str:
    """Those found and annotated, then those missed, then those that are too many."""
    found = [e.label for e in entry.timeline]
    true = found if entry.truth is None else [e.label for e in entry.truth]
    marks = {
        "": [label for label in true if label in found],
        "missed": [label for label in true if label not in found],
        "extra": [label for label in found if label not in true],
    }
    ways: dict[str, set[str]] = {}
    for event in (*entry.timeline, *(entry.truth or ())):
        ways.setdefault(event.label, set()).add(str(event.modality))
    return " ".join(
        f'<span class="{mark}" data-modalities="{" ".join(sorted(ways[label]))}">'
        f"{escape(title_of(label))}</span>"
        for mark, labels in marks.items()
        for label in dict.fromkeys(labels)
    )


def _cell(value: float) -> str:
    return f'<td class="number">{value:.1f}</td>'


WIDTH, FEWEST_LINES = 200, 3
LINE, BAR, TRUTH = 14, 8, 3
"""Heights: of a line, of its bars, and of those of the truth."""


def sketch(timeline: Timeline, truth: Timeline | None = None) -> str:
    """Draw all events, a line for each label, and the truth under them, as SVG for a page.

    Example:
        >>> sketch(Timeline()).startswith("<svg")
        True
    """
    truth = truth or Timeline()
    scale = WIDTH / max(span(timeline), span(truth))
    labels = dict.fromkeys(event.label for event in (*timeline, *truth))
    tops = {label: LINE * index for index, label in enumerate(labels)}
    bars = [_bars(timeline.of(m), scale, tops, BAR, str(m)) for m in MODALITY_WORDS]
    below = {label: top + BAR + 1 for label, top in tops.items()}
    height = LINE * max(len(labels), FEWEST_LINES)
    return (
        f'<svg viewBox="0 0 {WIDTH} {height}" preserveAspectRatio="none" aria-hidden="true">'
        f"{''.join(bars)}{_bars(truth, scale, below, TRUTH, 'truth')}</svg>"
    )


def _bars(
    events: Iterable[Event], scale: float, tops: Mapping[str, int], height: int, name: str
) -> str:
    steps = "".join(
        f"M{event.start * scale:.0f} {tops[event.label]}"
        f"h{max(1, (event.end - event.start) * scale):.0f}v{height}H{event.start * scale:.0f}z"
        for event in events
    )
    return f'<path class="{name}" d="{steps}"/>' if steps else ""
