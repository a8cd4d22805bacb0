"""CLAP: what is heard in one second, as a vector that can be compared with those of texts."""

from __future__ import annotations

from functools import cached_property
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from mmpyramid.backbones.backbone import Backbone, embed_in_chunks
from mmpyramid.backbones.base import check_segments
from mmpyramid.backbones.hub import TextExtractor, from_hub, unit
from mmpyramid.core import Array, Modality


class CLAPNetwork(Backbone):
    """The sound side of CLAP.

    Args:
        model: a `ClapModel` of `transformers`.
    """

    def __init__(self, model: Any) -> None:
        super().__init__()
        self.network = model

    def embed(self, segments: Tensor) -> Tensor:
        """(N, 1 or 4, frames, mel bands) log-mel spectrograms to (N, D) unit vectors."""
        model: Any = self.network
        mel_NCFM = segments.to(next(self.parameters()).dtype)
        # No piece is longer than what the network hears at once, whatever its pre-processing says.
        is_longer_N1 = torch.zeros(len(segments), 1, dtype=torch.bool, device=segments.device)
        pooled_ND = model.audio_model(mel_NCFM, is_longer=is_longer_N1).pooler_output
        return unit(model.audio_projection(pooled_ND))


class CLAPExtractor(TextExtractor):
    """The stream `clap`: one unit vector per second of sound at 48 kHz.

    The network hears ten seconds at once; each second is repeated to fill them, as VALOR and LAION
    did. The width is 512. If nothing is said, the checkpoint is LAION's with feature fusion
    (Apache-2.0, 0.6 GB).

    Args:
        device: where to run, as PyTorch names it.
        precision: the number format to compute in.
        weights: a folder in the hub's format, or another hub id.

    Raises:
        UserError: if the checkpoint cannot be loaded, or is not one of CLAP.

    Source:
        Wu et al., "Large-scale contrastive language-audio pretraining with feature fusion and
        keyword-to-caption augmentation" (2023).

    Example:
        >>> clap = CLAPExtractor()  # doctest: +SKIP
        >>> heard_TD = clap.embed(np.zeros((10, 48000), np.float32))  # doctest: +SKIP
        >>> logit_TC = clap.scale * heard_TD @ clap.encode(["rain"]).T  # doctest: +SKIP
    """

    name = "clap"
    modality = Modality.AUDIO
    dim = 512
    hub = "laion/clap-htsat-fused"
    architecture = "ClapModel"

    @cached_property
    def front(self) -> Any:
        """What makes log-mel spectrograms of waveforms."""
        from transformers import ClapFeatureExtractor

        return from_hub(ClapFeatureExtractor, self.source, "a `preprocessor_config.json`")

    @property
    def sample_rate(self) -> int:
        """Samples per second of the sound that it takes."""
        rate: int = self.front.sampling_rate
        return rate

    def read_scale(self) -> float:
        """The scale of the checkpoint."""
        return float(self.model.logit_scale_a.detach().exp())

    def wrap(self) -> Backbone:
        """The model as a network that embeds."""
        return CLAPNetwork(self.model)

    def embed(self, segments: NDArray[Any]) -> Array:
        """(N, 48000) float32 waveforms at 48 kHz to (N, D) float32 unit vectors.

        Raises:
            UserError: if shape or type differ.
        """
        check_segments(self, segments)
        mel = self.front([*segments], sampling_rate=self.sample_rate, return_tensors="np")
        mel_NCFM = np.asarray(mel["input_features"], np.float32)
        return embed_in_chunks(self.network, mel_NCFM, dim=self.dim, chunk=self.chunk)
