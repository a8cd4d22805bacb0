"""What formats keep of a timeline, for tests that go through all of them."""

from mmpyramid.core import Modality, Timeline
from mmpyramid.formats import FORMATS

ANNOTATIONS = [name for name, form in FORMATS.items() if form.read]
"""Formats that are read back."""

HEARD = {"selections.txt"}
"""Formats that hold what is heard, and nothing else."""


def kept(name: str, timeline: Timeline) -> Timeline:
    """The timeline with the events that come back from a format."""
    return timeline.of(Modality.AUDIO) if name in HEARD else timeline


def is_refused(name: str, timeline: Timeline) -> bool:
    """Whether a format has no place for the timeline, and says so."""
    return not FORMATS[name].suits(timeline)
