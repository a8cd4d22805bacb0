"""A small corpus of real MP4 files with planted events, for the demo and end-to-end tests."""

from mmpyramid.datasets.synthetic.rendered.corpus import RENDERED_LABELS, render_corpus
from mmpyramid.datasets.synthetic.rendered.scene import ClipFormat

__all__ = ["RENDERED_LABELS", "ClipFormat", "render_corpus"]
