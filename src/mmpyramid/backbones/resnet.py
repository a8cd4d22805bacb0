"""ResNet-152: what is seen in one second, as the 2048 numbers of LLP's published features."""

from __future__ import annotations

from pathlib import Path

from torch import Tensor, nn
from torchvision.models import ResNet152_Weights, resnet152  # type: ignore[import-untyped]

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

WEIGHTS = ResNet152_Weights.IMAGENET1K_V1


class ResNet152(PictureBackbone):
    """torchvision's network without its classifier.

    Source: He et al., "Deep residual learning for image recognition" (2016).
    """

    def __init__(self) -> None:
        # Where nothing is learned, residual branches begin at zero: else values explode.
        network = resnet152(weights=None, zero_init_residual=True)
        network.fc = nn.Identity()
        preset = WEIGHTS.transforms()
        super().__init__(network, preset.mean, preset.std)

    def embed(self, segments: Tensor) -> Tensor:
        """(N, F, 224, 224, 3) uint8 RGB to (N, 2048), the mean over the F pictures."""
        x_PCHW = self.standardize(segments.flatten(0, 1)).permute(0, 3, 1, 2)
        picture_PD = self.network(x_PCHW).float()
        embedding_ND: Tensor = picture_PD.reshape(*segments.shape[:2], -1).mean(dim=1)
        return embedding_ND


class ResNet152Extractor(PublishedExtractor):
    """The stream `resnet152` of LLP: one 2048-d vector per second, the mean of 8 pictures.

    LLP publishes the pictures one by one, 8 a second. Networks project them with an affine map
    before they take the mean, which commutes with it: nothing changes but the size.

    The weights, those that LLP's scripts used, are downloaded at the first use, 230 MB.

    Example:
        >>> import numpy as np
        >>> extractor = ResNet152Extractor()  # doctest: +SKIP
        >>> pictures = np.zeros((10, 8, 224, 224, 3), np.uint8)
        >>> extractor.embed(pictures).shape  # doctest: +SKIP
        (10, 2048)
    """

    name = "resnet152"
    modality = Modality.VISUAL
    shape = (2048,)
    frames_per_segment = 8
    frame_size = (224, 224)
    resizing = Resizing.CROP
    hub = hub_url(WEIGHTS)

    def make(self) -> ResNet152:
        """The network, with random weights."""
        return ResNet152()

    def load(self, network: ResNet152, path: Path) -> None:
        """Fill it from torchvision's checkpoint."""
        load_state(network.network, without(read_state(path), "fc."), path)
