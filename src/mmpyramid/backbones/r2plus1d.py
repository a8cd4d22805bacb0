"""R(2+1)D-18: what moves in one second, as the 512 numbers of LLP's published features."""

from __future__ import annotations

from pathlib import Path

import torch
from torch import Tensor, nn
from torchvision.models.video import (  # type: ignore[import-untyped]
    R2Plus1D_18_Weights,
    r2plus1d_18,
)

from mmpyramid.backbones.published import (
    PictureBackbone,
    PublishedExtractor,
    hub_url,
    load_state,
    read_state,
    without,
)
from mmpyramid.core import Modality
from mmpyramid.media.resizing import Resizing

WEIGHTS = R2Plus1D_18_Weights.KINETICS400_V1


class R2Plus1D18(PictureBackbone):
    """torchvision's network without its classifier.

    Source: Tran et al., "A closer look at spatiotemporal convolutions" (2018).
    """

    memory_format = torch.channels_last_3d

    def __init__(self) -> None:
        network = r2plus1d_18(weights=None)
        network.fc = nn.Identity()
        preset = WEIGHTS.transforms()
        super().__init__(network, preset.mean, preset.std)

    def embed(self, segments: Tensor) -> Tensor:
        """(N, F, 112, 112, 3) uint8 RGB, a clip of F pictures each, to (N, 512)."""
        x_NCFHW = self.standardize(segments).permute(0, 4, 1, 2, 3)
        embedding_ND: Tensor = self.network(x_NCFHW).float()
        return embedding_ND


class R2Plus1D18Extractor(PublishedExtractor):
    """The stream `r2plus1d_18` of LLP: one 512-d vector per clip of 8 pictures in one second.

    The weights are downloaded at the first use, 120 MB.

    Example:
        >>> import numpy as np
        >>> extractor = R2Plus1D18Extractor()  # doctest: +SKIP
        >>> clips = np.zeros((10, 8, 112, 112, 3), np.uint8)
        >>> extractor.embed(clips).shape  # doctest: +SKIP
        (10, 512)
    """

    name = "r2plus1d_18"
    modality = Modality.VISUAL
    shape = (512,)
    frames_per_segment = 8
    frame_size = (112, 112)
    resizing = Resizing.AVERAGE
    hub = hub_url(WEIGHTS)

    def make(self) -> R2Plus1D18:
        """The network, with random weights."""
        return R2Plus1D18()

    def load(self, network: R2Plus1D18, path: Path) -> None:
        """Fill it from torchvision's checkpoint."""
        load_state(network.network, without(read_state(path), "fc."), path)
