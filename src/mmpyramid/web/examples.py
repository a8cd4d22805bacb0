"""Clips to try, drawn and synthesized when the server starts; nothing is fetched."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from mmpyramid.core import Event, Modality
from mmpyramid.datasets.synthetic.planting import ClipPlan
from mmpyramid.datasets.synthetic.rendered import ClipFormat
from mmpyramid.datasets.synthetic.rendered.corpus import render_clip

CLIP = ClipFormat(width=320, height=240)


@dataclass(frozen=True, kw_only=True)
class Example:
    """A clip in which something is heard from second 1 to 7, and seen from 4 to 9.

    Attributes:
        label: which of the rendered classes.
        seed: same seed, same clip.
        model: which of the teachers has a label for it.
        threshold: where they recognize drawings and synthesized sounds.
    """

    label: str
    model: str
    seed: int
    threshold: float


EXAMPLES = (
    Example(label="Bell", model="teachers-ave", seed=3, threshold=0.1),
    Example(label="Clock", model="teachers-ave", seed=2, threshold=0.1),
    Example(label="Engine", model="teachers", seed=1, threshold=0.15),
)


def render_example(example: Example, folder: Path) -> Path:
    """Render the MP4 file of an example, unless it is there.

    Example:
        >>> render_example(EXAMPLES[0], Path("examples")).name  # doctest: +SKIP
        'Clock.mp4'
    """
    events = (
        Event(1.0, 7.0, example.label, Modality.AUDIO, 1.0),
        Event(4.0, 9.0, example.label, Modality.VISUAL, 1.0),
    )
    plan = ClipPlan(example.label, events)
    return render_clip(plan, folder=folder, clip=CLIP, seed=example.seed)
