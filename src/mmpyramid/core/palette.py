"""The colors of the three modalities, the same in pages, pictures and burned-in captions.

They are based on those of Okabe and Ito, which color-blind people can distinguish.
`render/page/styles/base.css` has the same; a test compares them.
"""

from __future__ import annotations

from typing import NamedTuple

from mmpyramid.core.timeline import Modality


class Hue(NamedTuple):
    """One color, as HTML writes it.

    Attributes:
        light: on light ground.
        dark: on dark ground, and on video.
        edge: of outlines and text on light ground.
    """

    light: str
    dark: str
    edge: str


PALETTE = {
    Modality.AUDIO: Hue("#d98200", "#f0a830", "#9a5c00"),
    Modality.VISUAL: Hue("#0072b2", "#4ba8e0", "#004d7a"),
    Modality.AUDIO_VISUAL: Hue("#00835f", "#2fbf93", "#005c43"),
}
