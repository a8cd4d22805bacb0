"""The page of an evaluation: the numbers with their intervals, curves, bars, and what is confused.

One or two systems on the same videos stand side by side. The page is one file without a script.

Charts are SVG: lines, and bars with whiskers. Colors come from classes of the style sheet, since a
page of ours has no styles in attributes. The first system is drawn filled or solid, the second one
outlined or dashed.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from mmpyramid.core.errors import UserError
from mmpyramid.core.wording import elided, title_of
from mmpyramid.problems.counts import f_scores
from mmpyramid.problems.event_measures import EXTENSION, TOO_SHORT
from mmpyramid.problems.parsing.breakdown import MODALITIES, STATES, group_name, length_scores
from mmpyramid.problems.parsing.metrics import LEVELS
from mmpyramid.problems.parsing.study import COLUMN_NAMES, DETECTION_ROWS, Study
from mmpyramid.problems.resampling import FEWEST_VIDEOS, RESAMPLES, PairedTest
from mmpyramid.render.page.document import build, escape, facts_list

FULL = 100.0
"""Per cent; every value axis ends there."""
TICKS = (0, 25, 50, 75, 100)
SYSTEMS = ("first", "second")
"""Classes of the systems."""


@dataclass(frozen=True, kw_only=True)
class Line:
    """One curve of a chart.

    Attributes:
        name: for those who hear the page.
        hue: class that colors it, such as `audio`.
        system: 0 or 1.
        points: x and y within 0..100; those with NaN are left out.
    """

    name: str
    hue: str
    system: int
    points: Sequence[tuple[float, float]]


@dataclass(frozen=True, kw_only=True)
class Bar:
    """One bar.

    Attributes:
        value: per cent; NaN draws none.
        low: lower end of its interval, or NaN.
        high: upper end.
        note: shown when it is pointed at.
    """

    value: float
    low: float = math.nan
    high: float = math.nan
    note: str = ""


WIDTH, HEIGHT, LEFT, BOTTOM, TOP, RIGHT = 420, 270, 46, 40, 8, 10


def line_chart(lines: Sequence[Line], *, title: str, across: str, up: str) -> str:
    """Curves over two axes from 0 to 100.

    Args:
        lines: what is drawn.
        title: what the chart shows, for those who hear the page.
        across: what the horizontal axis is.
        up: what the vertical axis is.

    Example:
        >>> line = Line(name="ours", hue="audio", system=0, points=[(0, 0), (100, 50)])
        >>> 'd="M46.0 230.0L410.0 119.0"' in line_chart([line], title="", across="", up="")
        True
    """

    def across_at(x: float) -> float:
        return LEFT + x / FULL * (WIDTH - LEFT - RIGHT)

    def up_at(y: float) -> float:
        return HEIGHT - BOTTOM - y / FULL * (HEIGHT - BOTTOM - TOP)

    def place(x: float, y: float) -> str:
        return f"{across_at(x):.1f} {up_at(y):.1f}"

    grid = "".join(
        f'<path class="grid" d="M{place(0, tick)}L{place(FULL, tick)}"/>'
        f"{_text(LEFT - 6, up_at(tick) + 4, str(tick), 'end')}"
        f"{_text(across_at(tick), HEIGHT - BOTTOM + 16, str(tick), 'middle')}"
        for tick in TICKS
    )
    drawn = "".join(
        f'<path class="curve {line.hue} {SYSTEMS[line.system]}" '
        f'd="M{"L".join(place(x, y) for x, y in line.points if not math.isnan(x + y))}">'
        f"<title>{escape(line.name)}</title></path>"
        for line in lines
        if any(not math.isnan(x + y) for x, y in line.points)
    )
    middle = (LEFT + WIDTH - RIGHT) / 2
    height = (HEIGHT - BOTTOM + TOP) / 2
    return (
        f'<svg class="chart" viewBox="0 0 {WIDTH} {HEIGHT}" role="img" '
        f'aria-label="{escape(title)}">{grid}{drawn}'
        f"{_text(middle, HEIGHT - 6, across, 'middle')}"
        f'<g transform="translate(12 {height:.1f}) rotate(-90)">{_text(0, 0, up, "middle")}</g>'
        "</svg>"
    )


ROW, NAMES_WIDTH, BARS = 22, 150, 250


def bar_chart(rows: Sequence[tuple[str, Sequence[Bar]]], *, title: str, hue: str) -> str:
    """Horizontal bars from 0 to 100 per cent, one row for each name and one bar for each system.

    Args:
        rows: name and bars, as many as there are systems.
        title: what the chart shows, for those who hear the page.
        hue: class that colors the bars.

    Example:
        >>> bar_chart([("Dog", [Bar(value=50)])], title="F", hue="audio").count("<rect")
        1
    """
    height = ROW * len(rows) + 24
    grid = "".join(
        f'<path class="grid" d="M{_across(tick):.1f} 0V{height - 20}"/>'
        f"{_text(_across(tick), height - 6, str(tick), 'middle')}"
        for tick in TICKS
    )
    drawn = ""
    for place, (name, bars) in enumerate(rows):
        shown, middle = elided(name, LONGEST_NAME), ROW * place + ROW / 2
        drawn += _text(NAMES_WIDTH - 8, middle + 4, shown, "end", name)
        drawn += _row_of_bars(bars, ROW * place, hue)
    return (
        f'<svg class="chart" viewBox="0 0 {NAMES_WIDTH + BARS + 16} {height}" role="img" '
        f'aria-label="{escape(title)}">{grid}{drawn}</svg>'
    )


def _row_of_bars(bars: Sequence[Bar], top: float, hue: str) -> str:
    thick = (ROW - 6) / len(bars)
    drawn = []
    for system, bar in enumerate(bars):
        if math.isnan(bar.value):
            continue
        y = top + 3 + thick * system
        drawn.append(
            f'<rect class="bar {hue} {SYSTEMS[system]}" x="{NAMES_WIDTH}" y="{y:.1f}" '
            f'width="{_across(bar.value) - NAMES_WIDTH:.1f}" height="{thick - 1:.1f}">'
            f"<title>{escape(bar.note)}</title></rect>"
        )
        if not math.isnan(bar.low + bar.high):
            middle = y + (thick - 1) / 2
            drawn.append(
                f'<path class="whisker" d="M{_across(bar.low):.1f} {middle:.1f}'
                f'H{_across(bar.high):.1f}"/>'
            )
    return "".join(drawn)


def _across(value: float) -> float:
    return NAMES_WIDTH + value / FULL * BARS


LONGEST_NAME = 22


def _text(x: float, y: float, text: str, anchor: str, whole: str = "") -> str:
    """Text at a place; the whole of it, if it was shortened, when it is pointed at."""
    hint = f"<title>{escape(whole)}</title>" if whole and whole != text else ""
    return f'<text x="{x:.1f}" y="{y:.1f}" text-anchor="{anchor}">{escape(text)}{hint}</text>'


STYLES = ("base", "report")
MOST_SYSTEMS = 2
MOST_RESAMPLES = 1_000
"""Of the intervals of classes and lengths; those of the official numbers are as many as asked."""
NAMES = COLUMN_NAMES[: len(MODALITIES)]


def report_html(
    studies: Mapping[str, Study], *, title: str, resamples: int = RESAMPLES, seed: int = 0
) -> str:
    """Write the page.

    Args:
        studies: one or two systems on the same videos, by name.
        title: what was evaluated on what.
        resamples: draws for intervals and the test; 0 leaves them out.
        seed: of the draws.

    Raises:
        UserError: if there are none or more than two systems, or their videos differ.
    """
    if not 1 <= len(studies) <= MOST_SYSTEMS:
        raise UserError(f"expected one or two systems on a page, got {len(studies)}")
    systems = list(studies.values())
    if len(systems[0].truth[0]) < FEWEST_VIDEOS:
        resamples = 0
    test = systems[0].against(systems[1], resamples, seed) if resamples and systems[1:] else None
    parts = (
        ("Official numbers", _official(studies, resamples, seed), _difference(test)),
        ("Thresholds", _curves(systems)),
        ("By length of event", _lengths(systems, resamples, seed)),
        ("By class", _classes(systems, resamples, seed)),
        ("Modalities", _confusions(studies), _exclusive(studies)),
        ("As detections", _detections(studies)),
    )
    videos = len(systems[0].truth[0])
    return build(
        "report",
        styles=STYLES,
        script="",
        data=None,
        site=None,
        title=escape(title[:1].upper() + title[1:]),
        facts=facts_list({"Videos": str(videos), "Classes": str(len(systems[0].labels))}),
        legend=_legend(list(studies)),
        sections="".join(
            f"<section><h2>{heading}</h2>{''.join(content)}</section>"
            for heading, *content in parts
        ),
    )


def _legend(names: Sequence[str]) -> str:
    """Which bars and lines are of which system, and the colors of the modalities."""
    systems = (
        f'<li><svg viewBox="0 0 28 14"><rect class="bar {system} plainly" x="1" y="2" width="26" '
        f'height="10"/></svg>{escape(name)}</li>'
        for system, name in zip(SYSTEMS, names, strict=False)
    )
    modalities = (
        f'<li><i class="swatch {modality}"></i>{name}</li>'
        for modality, name in zip(MODALITIES, ("heard", "seen", "heard and seen"), strict=True)
    )
    return "".join((*(systems if len(names) > 1 else ()), *modalities))


def _table(caption: str, head: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """A table; the first cell of each row names it. Cells are HTML, heads and names are text."""
    heads = "".join(f'<th scope="col">{escape(cell)}</th>' for cell in head)
    body = "".join(
        f'<tr><th scope="row">{escape(name)}</th><td>{"</td><td>".join(cells)}</td></tr>'
        for name, *cells in rows
    )
    return (
        f'<div class="scroll"><table><caption>{escape(caption)}</caption><thead><tr>{heads}</tr>'
        f"</thead><tbody>{body}</tbody></table></div>"
    )


def _official(studies: Mapping[str, Study], resamples: int, seed: int) -> str:
    rows = []
    for name, study in studies.items():
        ends = study.intervals(resamples, seed) if resamples else None
        for place, (level, scores) in enumerate(study.report.to_dict().items()):
            cells = [f"{value:.2f}" for value in scores.values()]
            if ends is not None:
                cells = [
                    f"{cell}<small>{low:.1f}–{high:.1f}</small>"
                    for cell, low, high in zip(cells, *ends[:, place].tolist(), strict=True)
                ]
            rows.append((f"{name}, {level}" if len(studies) > 1 else level, *cells))
    drawn = f", with 95 % intervals over videos ({resamples:,} draws)" if resamples else ""
    return _table(f"F-scores in per cent{drawn}", ("", *COLUMN_NAMES), rows)


def _difference(test: PairedTest | None) -> str:
    if test is None:
        return ""
    columns = zip(test.difference, test.low, test.high, test.p_holm, strict=True)
    cells = [
        f"{value:+.2f}<small>{low:+.1f} to {high:+.1f}, p {p:.3f}</small>"
        for value, low, high, p in columns
    ]
    width = len(COLUMN_NAMES)
    rows = [
        (level, *cells[width * place : width * (place + 1)]) for place, level in enumerate(LEVELS)
    ]
    caption = (
        "First minus second, paired by video, with 95 % intervals; p by exchanging the two in each "
        "video, raised for ten numbers at once (Holm)"
    )
    return _table(caption, ("", *COLUMN_NAMES), rows)


def _curves(systems: Sequence[Study]) -> str:
    lines, curves = [], []
    for system, study in enumerate(systems):
        found = study.curves
        across = [100 * threshold for threshold in found.thresholds]
        for place, (level, hue) in enumerate(zip(LEVELS, ("segment", "event"), strict=True)):
            points = list(zip(across, found.type_av[:, place].tolist(), strict=True))
            lines.append(Line(name=f"{level} Type@AV", hue=hue, system=system, points=points))
        for stream, (name, hue) in enumerate(zip(NAMES, MODALITIES, strict=True)):
            points = list(
                zip(
                    found.recall[:, stream].tolist(),
                    found.precision[:, stream].tolist(),
                    strict=True,
                )
            )
            curves.append(Line(name=name, hue=hue, system=system, points=points))
    first = line_chart(
        lines, title="Type@AV over thresholds", across="threshold of segments, %", up="Type@AV, %"
    )
    second = line_chart(
        curves, title="Precision over recall", across="recall of segments, %", up="precision, %"
    )
    return (
        '<div class="charts">'
        f'<figure>{first}<figcaption>Type@AV at other thresholds of segments: <i class="line '
        'segment"></i> segment level, <i class="line event"></i> event level</figcaption></figure>'
        f"<figure>{second}<figcaption>Precision and recall of segments at these thresholds, pooled "
        "over the corpus</figcaption></figure></div>"
    )


def _lengths(systems: Sequence[Study], resamples: int, seed: int) -> str:
    draws = min(resamples, MOST_RESAMPLES)
    counts = [study.length_counts.sum(axis=0) for study in systems]
    scores = [length_scores(count)[..., 2] for count in counts]
    ends = [study.length_intervals(draws, seed)[..., 2] if draws else None for study in systems]
    figures = []
    for stream, (name, hue) in enumerate(zip(NAMES, MODALITIES, strict=True)):
        rows = []
        for g, group in enumerate(systems[0].groups):
            label = f"{group_name(group)}  (n {counts[0][stream, g, 0]:,})"
            bars = [
                _bar(score[stream, g], None if end is None else end[:, stream, g])
                for score, end in zip(scores, ends, strict=True)
            ]
            rows.append((label, bars))
        figures.append(_figure(bar_chart(rows, title=f"F by length, {name}", hue=hue), name))
    return (
        '<p class="quiet">Event F in per cent: recall of true events of a length and precision of '
        "predicted ones of that length, pooled over the corpus; n true events.</p>"
        f'<div class="charts">{"".join(figures)}</div>'
    )


def _classes(systems: Sequence[Study], resamples: int, seed: int) -> str:
    draws = min(resamples, MOST_RESAMPLES)
    scores = [f_scores(study.class_counts.sum(axis=0)) for study in systems]
    ends = [study.class_intervals(draws, seed) if draws else None for study in systems]
    shown = list(dict.fromkeys(c for study in systems for c in study.classes))
    figures = []
    for stream, (name, hue) in enumerate(zip(NAMES, MODALITIES, strict=True)):
        rows = [
            (
                title_of(systems[0].labels[c]),
                [
                    _bar(score[0, stream, c], None if end is None else end[:, 0, stream, c])
                    for score, end in zip(scores, ends, strict=True)
                ],
            )
            for c in shown
        ]
        figures.append(_figure(bar_chart(rows, title=f"F by class, {name}", hue=hue), name))
    return (
        '<p class="quiet">Segment F in per cent, pooled over the corpus, the most frequent class '
        f'first.</p><div class="charts">{"".join(figures)}</div>'
    )


def _bar(value: float, ends_2: NDArray[np.float64] | None) -> Bar:
    low, high = (math.nan, math.nan) if ends_2 is None else ends_2.tolist()
    note = f"{value:.1f} %" + ("" if math.isnan(low) else f", {low:.1f} to {high:.1f}")
    return Bar(value=float(value), low=low, high=high, note=note)


def _figure(chart: str, caption: str) -> str:
    return f"<figure><figcaption>{escape(caption)}</figcaption>{chart}</figure>"


def _confusions(studies: Mapping[str, Study]) -> str:
    tables = []
    for name, study in studies.items():
        totals = study.confusion.sum(axis=1)
        rows = []
        for place, (state, row) in enumerate(zip(STATES, study.confusion.tolist(), strict=True)):
            cells = [
                "" if place == column == 0 else _share(count, totals[place])
                for column, count in enumerate(row)
            ]
            rows.append((f"{state}", *cells))
        caption = "Segments of a class by their true state (rows) and the predicted one (columns)"
        tables.append(_table(f"{name}: {caption}", ("", *STATES), rows))
    return f'<div class="charts">{"".join(tables)}</div>'


def _share(count: int, total: int) -> str:
    return f"{count:,}<small>{100 * count / total:.0f} %</small>" if total else "0"


def _exclusive(studies: Mapping[str, Study]) -> str:
    rows = []
    for name, study in studies.items():
        found = study.exclusive
        for place, level in enumerate(LEVELS):
            every, nothing = found.all.to_dict()[level], found.nothing.to_dict()[level]
            where = [
                "–" if each is None else f"{each[place]:.2f}"
                for each in (found.audible, found.visible)
            ]
            rows.append(
                (
                    f"{name}, {level}",
                    f"{every['audio']:.2f}<small>nothing: {nothing['audio']:.2f}</small>",
                    f"{every['visual']:.2f}<small>nothing: {nothing['visual']:.2f}</small>",
                    *where,
                )
            )
    found = next(iter(studies.values())).exclusive
    head = (
        "",
        "audible only",
        "visible only",
        f"in {found.num_audible:,} videos with such",
        f"in {found.num_visible:,} videos with such",
    )
    return _table(
        "Heard and not seen, seen and not heard: F, and what an empty prediction gets", head, rows
    )


def _detections(studies: Mapping[str, Study]) -> str:
    tables = []
    for name, study in studies.items():
        found = study.detection
        rows = [
            (f"mAP at tIoU {tiou}", *(_decimal(found[m]["mAP"][tiou]) for m in MODALITIES))
            for tiou in found[MODALITIES[0]]["mAP"]
        ]
        rows += [
            (text.strip(), *(_decimal(found[m][key]) for m in MODALITIES))
            for key, text in DETECTION_ROWS.items()
        ]
        tables.append(_table(f"{name}: pooled over the corpus", ("", *NAMES), rows))
    has_psds = next(iter(studies.values())).detection[MODALITIES[0]]["PSDS1"] is not None
    note = EXTENSION if has_psds else TOO_SHORT
    return f'<div class="charts">{"".join(tables)}</div><p class="quiet">{escape(note)}</p>'


def _decimal(value: float | None) -> str:
    return "–" if value is None else f"{value:.2f}"
