"""CLIP: what is seen in one second, as a vector that can be compared with those of texts."""

from __future__ import annotations

from typing import Any

from numpy.typing import NDArray
from torch import Tensor

from mmpyramid.backbones.backbone import Backbone, embed_in_chunks
from mmpyramid.backbones.base import check_segments
from mmpyramid.backbones.hub import TextExtractor, unit
from mmpyramid.backbones.published import PictureBackbone
from mmpyramid.core import Array, Modality
from mmpyramid.media.resizing import Resizing

MEAN, STD = (0.48145466, 0.4578275, 0.40821073), (0.26862954, 0.26130258, 0.27577711)
"""Of red, green and blue in the pictures that CLIP was trained on."""


class CLIPNetwork(PictureBackbone):
    """The picture side of CLIP.

    Args:
        model: a `CLIPModel` of `transformers`.
    """

    def __init__(self, model: Any) -> None:
        super().__init__(model, MEAN, STD)

    def embed(self, segments: Tensor) -> Tensor:
        """(N, 1, height, width, 3) uint8 RGB to (N, D) unit vectors."""
        model: Any = self.network
        picture_NCHW = self.standardize(segments[:, 0]).permute(0, 3, 1, 2)
        return unit(model.visual_projection(model.vision_model(picture_NCHW).pooler_output))


class CLIPExtractor(TextExtractor):
    """The stream `clip`: one unit vector per second, of the picture in its middle.

    The picture is squashed to the network's size, as VALOR did, and not cropped. VALOR took ten
    pictures evenly from the first to the last; in clips of ten seconds these are up to half a
    second from the middles. The width is 768 for ViT-L/14, which is taken if nothing is said (MIT
    licence, 1.7 GB), and 512 for ViT-B/16 and ViT-B/32.

    Args:
        device: where to run, as PyTorch names it.
        precision: the number format to compute in.
        weights: a folder in the hub's format, or another hub id.

    Raises:
        UserError: if the checkpoint cannot be loaded, or is not one of CLIP.

    Source:
        Radford et al., "Learning transferable visual models from natural language supervision"
        (2021).

    Example:
        >>> clip = CLIPExtractor()  # doctest: +SKIP
        >>> seen_TD = clip.embed(np.zeros((10, 1, 224, 224, 3), np.uint8))  # doctest: +SKIP
        >>> logit_TC = clip.scale * seen_TD @ clip.encode(["A photo of a dog."]).T  # doctest: +SKIP
    """

    name = "clip"
    modality = Modality.VISUAL
    dim = 768
    hub = "openai/clip-vit-large-patch14"
    architecture = "CLIPModel"
    frames_per_segment = 1
    resizing = Resizing.AVERAGE

    @property
    def frame_size(self) -> tuple[int, int]:  # type: ignore[override]
        """(width, height) of the pictures."""
        size: int = self.model.config.vision_config.image_size
        return size, size

    def read_scale(self) -> float:
        """The scale of the checkpoint."""
        return float(self.model.logit_scale.detach().exp())

    def wrap(self) -> Backbone:
        """The model as a network that embeds."""
        return CLIPNetwork(self.model)

    def embed(self, segments: NDArray[Any]) -> Array:
        """(N, 1, height, width, 3) uint8 RGB pictures to (N, D) float32 unit vectors.

        Raises:
            UserError: if shape or type differ.
        """
        check_segments(self, segments)
        return embed_in_chunks(self.network, segments, dim=self.dim, chunk=self.chunk)
