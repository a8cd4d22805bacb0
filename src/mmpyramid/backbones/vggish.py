"""VGGish: what is heard in one second, as the 128 numbers of the published features.

Shape letters: N segments, T frames of the spectrogram, K mel bands, C channels.
"""

from __future__ import annotations

import zipfile
from itertools import pairwise
from pathlib import Path

import numpy as np
import torch
from torch import Tensor, nn

from mmpyramid.backbones.backbone import Backbone
from mmpyramid.backbones.base import Precision
from mmpyramid.backbones.logmel import VGGISH_OFFSET, LogMel
from mmpyramid.backbones.published import (
    PublishedExtractor,
    Weights,
    keep_variance,
    load_state,
    read_state,
)
from mmpyramid.backbones.weights import RandomWeights, Url, fetch
from mmpyramid.core import Modality
from mmpyramid.core.errors import UserError
from mmpyramid.media.sampling import Sampling

NETWORK = Url(
    url="https://github.com/harritaylor/torchvggish/releases/download/v0.1/vggish-10086976.pth",
    sha256="10086976",
)
PCA = Url(
    url="https://storage.googleapis.com/audioset/vggish_pca_params.npz",
    sha256="4d878af3e306defbfb37095365aa7e5a6cecb86bad13e859e626151c4e6a8b9d",
)
DIM = 128
LAYERS = ((64,), (128,), (256, 256), (512, 512))
"""Output channels of the convolutions before each pooling."""

LOUDEST = 2.0
"""Whitened embeddings are clipped to this size before they become 8-bit numbers."""


class VGGish(Backbone):
    """A VGG network on log-mel patches, with the names of the released PyTorch port.

    Source:
        Hershey et al., "CNN architectures for large-scale audio classification" (2017), and its
        releases in TensorFlow and PyTorch. The features of LLP and AVE are its embeddings after the
        last ReLU, neither whitened nor quantized.
    """

    def __init__(self) -> None:
        super().__init__()
        self.log_mel = LogMel(VGGISH_OFFSET, torch.float64)
        layers: list[nn.Module] = []
        width = 1
        for block in LAYERS:
            for channels in block:
                layers += [nn.Conv2d(width, channels, 3, padding=1), nn.ReLU(inplace=True)]
                width = channels
            layers.append(nn.MaxPool2d(2))
        self.features = nn.Sequential(*layers)
        sizes = (width * 6 * 4, 4096, 4096, DIM)
        self.embeddings = nn.Sequential(
            *(
                layer
                for before, after in pairwise(sizes)
                for layer in (nn.Linear(before, after), nn.ReLU(inplace=True))
            )
        )
        keep_variance(self)

    def embed(self, segments: Tensor) -> Tensor:
        """(N, S) waveforms at 16 kHz to (N, 128), from their first 0.975 s."""
        return self.embed_patches(self.log_mel.patches(segments))

    def embed_patches(self, patch_NTK: Tensor) -> Tensor:
        """(N, 96, 64) log-mel patches to (N, 128)."""
        x_NCTK = patch_NTK.unsqueeze(1).to(next(self.parameters()).dtype)
        x_NTKC = self.features(x_NCTK).permute(0, 2, 3, 1)
        embedding_ND: Tensor = self.embeddings(x_NTKC.flatten(1))
        return embedding_ND.float()


class QuantizedVGGish(VGGish):
    """VGGish, then whitening and quantization to 8 bits, as AudioSet publishes its features.

    Source:
        The postprocessor of the releases. The PyTorch port rounds, which is followed; TensorFlow's
        original truncates.
    """

    mean_D: Tensor
    whitening_DD: Tensor

    def __init__(self) -> None:
        super().__init__()
        self.register_buffer("mean_D", torch.zeros(DIM), persistent=False)
        self.register_buffer("whitening_DD", torch.eye(DIM), persistent=False)

    def embed_patches(self, patch_NTK: Tensor) -> Tensor:
        """(N, 96, 64) log-mel patches to (N, 128), whole numbers from 0 to 255."""
        return self.quantize(super().embed_patches(patch_NTK))

    def quantize(self, embedding_ND: Tensor) -> Tensor:
        """(N, 128) embeddings to (N, 128) whole numbers from 0 to 255."""
        white_ND = (embedding_ND - self.mean_D) @ self.whitening_DD.T
        return ((white_ND.clamp(-LOUDEST, LOUDEST) + LOUDEST) * (255 / (2 * LOUDEST))).round()


class VGGishExtractor(PublishedExtractor):
    """The stream `vggish` of LLP and AVE: one 128-d vector per second of sound, none negative.

    The weights are downloaded at the first use, 289 MB.

    Example:
        >>> import numpy as np
        >>> extractor = VGGishExtractor()  # doctest: +SKIP
        >>> extractor.embed(np.zeros((10, 16000), np.float32)).shape  # doctest: +SKIP
        (10, 128)
    """

    name = "vggish"
    modality = Modality.AUDIO
    shape = (DIM,)
    hub = NETWORK
    cpu_chunk, gpu_chunk = 8, 128

    def make(self) -> VGGish:
        """The network, with random weights."""
        return VGGish()

    def load(self, network: VGGish, path: Path) -> None:
        """Fill it from the checkpoint of the PyTorch port."""
        load_state(network, read_state(path), path)


class QuantizedVGGishExtractor(VGGishExtractor):
    """The stream `vggish_pca`: one vector of 128 whole numbers per second, as AudioSet publishes.

    Networks that are trained on the published features of LLP or AVE do not expect these.

    Args:
        device: where to run, as PyTorch names it.
        sampling: how files are cut into segments.
        precision: the number format to compute in.
        weights: of VGGish itself; those of the whitening come from the hub, but for random ones.

    Raises:
        UserError: if weights cannot be loaded, or do not fit.
    """

    name = "vggish_pca"

    def __init__(
        self,
        *,
        device: str = "cpu",
        sampling: Sampling = Sampling.SECONDS,
        precision: Precision = Precision.AUTO,
        weights: Weights | None = None,
    ) -> None:
        super().__init__(device=device, sampling=sampling, precision=precision, weights=weights)
        if not isinstance(weights, RandomWeights):
            path = fetch(PCA)
            load_whitening(self.network, path)
            self.weights_sha256 += f" with {PCA.sha256}"

    def make(self) -> QuantizedVGGish:
        """The network, with random weights."""
        return QuantizedVGGish()


def load_whitening(network: Backbone, path: Path) -> None:
    """Fill a `QuantizedVGGish` with AudioSet's PCA parameters, an `.npz` file.

    Raises:
        UserError: if the file is none.
    """
    assert isinstance(network, QuantizedVGGish)
    try:
        with np.load(path) as arrays:
            network.mean_D.copy_(torch.tensor(arrays["pca_means"]))
            network.whitening_DD.copy_(torch.tensor(arrays["pca_eigen_vectors"]))
    except (OSError, ValueError, KeyError, RuntimeError, zipfile.BadZipFile) as error:
        raise UserError(f"expected the PCA parameters of VGGish in {path}: {error}") from error
