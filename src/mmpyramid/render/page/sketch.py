"""A timeline as a drawing the size of a thumbnail: a line for each modality, the truth below."""

from __future__ import annotations

from collections.abc import Sequence

from mmpyramid.core import Event, Timeline
from mmpyramid.core.wording import MODALITY_WORDS
from mmpyramid.render.lanes import span

WIDTH = 200
LINE, BAR, TRUTH = 14, 8, 3
"""Heights: of a line, of its bars, and of those of the truth."""


def sketch(timeline: Timeline, truth: Timeline) -> str:
    """Draw all events, whatever their labels, as SVG that can stand in a page.

    Example:
        >>> sketch(Timeline(), Timeline()).startswith("<svg")
        True
    """
    scale = WIDTH / max(span(timeline), span(truth))
    lines = []
    for index, modality in enumerate(MODALITY_WORDS):
        top = LINE * index
        found, true = list(timeline.of(modality)), list(truth.of(modality))
        lines.append(_bars(found, scale, top, BAR, str(modality)))
        lines.append(_bars(true, scale, top + BAR + 1, TRUTH, "truth"))
    height = LINE * len(MODALITY_WORDS)
    return (
        f'<svg viewBox="0 0 {WIDTH} {height}" preserveAspectRatio="none" aria-hidden="true">'
        f"{''.join(lines)}</svg>"
    )


def _bars(events: Sequence[Event], scale: float, top: int, height: int, name: str) -> str:
    steps = "".join(
        f"M{event.start * scale:.0f} {top}h{max(1, (event.end - event.start) * scale):.0f}"
        f"v{height}H{event.start * scale:.0f}z"
        for event in events
    )
    return f'<path class="{name}" d="{steps}"/>' if steps else ""
