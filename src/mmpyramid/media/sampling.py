"""Two ways of cutting a file into segments."""

from __future__ import annotations

from enum import StrEnum

from mmpyramid.media.published import PublishedReader
from mmpyramid.media.segments import SegmentReader


class Sampling(StrEnum):
    """How a file becomes segments; in clips of ten seconds pictures differ by up to 0.25 s."""

    SECONDS = "seconds"
    """As many segments as there are seconds."""
    PUBLISHED = "published"
    """Always ten, as in the released scripts: pictures stretch, sound does not."""

    @property
    def reader(self) -> type[SegmentReader]:
        """What reads files so."""
        return {Sampling.SECONDS: SegmentReader, Sampling.PUBLISHED: PublishedReader}[self]
