"""VGG-19: what is seen where in one second, as the 7 x 7 maps of AVE's published features.

There are two sets of weights by the same name, and features of one do not fit a network that was
trained on the other. The published features come from the original weights (Caffe's, in Keras's
file), which take pictures in BGR without scaling; torchvision has trained its own.
"""

from __future__ import annotations

from pathlib import Path

import h5py
import torch
from torch import Tensor, nn
from torchvision.models import VGG19_Weights  # type: ignore[import-untyped]

from mmpyramid.backbones.published import (
    PictureBackbone,
    PublishedExtractor,
    hub_url,
    keep_variance,
    load_state,
    read_state,
    unreadable,
    without,
)
from mmpyramid.backbones.weights import Url
from mmpyramid.core import Modality
from mmpyramid.core.errors import UserError
from mmpyramid.core.files import open_regular
from mmpyramid.media.resizing import Resizing

KERAS = Url(
    url="https://storage.googleapis.com/tensorflow/keras-applications/vgg19/"
    "vgg19_weights_tf_dim_ordering_tf_kernels_notop.h5",
    md5="253f8cb515780f3b799900260a226db6",
)
TORCHVISION = VGG19_Weights.IMAGENET1K_V1
BLOCKS = ((64, 2), (128, 2), (256, 4), (512, 4), (512, 4))
"""Channels and number of the convolutions before each pooling."""
KERAS_LAYERS = tuple(
    f"block{block}_conv{number}"
    for block, (_, count) in enumerate(BLOCKS, 1)
    for number in range(1, count + 1)
)
CAFFE_MEAN_BGR = (103.939, 116.779, 123.68)
SIZE = 224
PICTURES_AT_ONCE = 4
"""On a CPU; the activations of more do not fit its caches."""


class VGG19(PictureBackbone):
    """The network up to its last pooling, with the names that torchvision gives its parameters.

    Args:
        mean: of red, green and blue within 0..1.
        std: their standard deviations.
        bgr: whether the network takes blue first.

    Source: Simonyan and Zisserman, "Very deep convolutional networks" (2015).
    """

    def __init__(self, mean: list[float], std: list[float], *, bgr: bool) -> None:
        layers: list[nn.Module] = []
        width = 3
        for channels, count in BLOCKS:
            for _ in range(count):
                layers += [nn.Conv2d(width, channels, 3, padding=1), nn.ReLU(inplace=True)]
                width = channels
            layers.append(nn.MaxPool2d(2))
        super().__init__(nn.Sequential(*layers), mean, std)
        self.bgr = bgr
        keep_variance(self.network)

    def convolutions(self) -> list[nn.Conv2d]:
        """Its 16 convolutions in order."""
        return [layer for layer in self.network.modules() if isinstance(layer, nn.Conv2d)]

    def embed(self, segments: Tensor) -> Tensor:
        """(N, F, 224, 224, 3) uint8 RGB to (N, 7 * 7 * 512), the mean map over the F pictures."""
        at_once = PICTURES_AT_ONCE if segments.device.type == "cpu" else len(segments[0])
        return torch.stack([self._mean_map(clip, at_once) for clip in segments]).flatten(1)

    def _mean_map(self, picture_FHW3: Tensor, at_once: int) -> Tensor:
        """(F, 224, 224, 3) uint8 RGB to (7, 7, 512)."""
        x_FHW3 = self.standardize(picture_FHW3)
        x_FCHW = (x_FHW3.flip(-1) if self.bgr else x_FHW3).permute(0, 3, 1, 2)
        maps = [self.network(part).float().sum(0) for part in torch.split(x_FCHW, at_once)]
        return torch.stack(maps).sum(0).permute(1, 2, 0) / len(picture_FHW3)


class _VGG19Extractor(PublishedExtractor):
    modality = Modality.VISUAL
    shape = (7, 7, 512)
    frames_per_segment = 16
    frame_size = (SIZE, SIZE)
    resizing = Resizing.INTERPOLATE
    cpu_chunk, gpu_chunk = 1, 8


class VGG19Extractor(_VGG19Extractor):
    """The stream `vgg19` of AVE: one (7, 7, 512) map per second, the mean of 16 pictures.

    The weights are downloaded at the first use, 80 MB: Keras's file without classifier. A PyTorch
    checkpoint of the Caffe weights, in torchvision's layout, is taken as well.

    Example:
        >>> import numpy as np
        >>> extractor = VGG19Extractor()  # doctest: +SKIP
        >>> pictures = np.zeros((10, 16, 224, 224, 3), np.uint8)
        >>> extractor.embed(pictures).shape  # doctest: +SKIP
        (10, 7, 7, 512)
    """

    name = "vgg19"
    hub = KERAS

    def make(self) -> VGG19:
        """The network, with random weights."""
        mean = [value / 255 for value in reversed(CAFFE_MEAN_BGR)]
        return VGG19(mean, [1 / 255] * 3, bgr=True)

    def load(self, network: VGG19, path: Path) -> None:
        """Fill it from Keras's file, or from a PyTorch checkpoint of the same weights."""
        if path.suffix in {".h5", ".hdf5"}:
            named = dict(zip(KERAS_LAYERS, network.convolutions(), strict=True))
            load_state(nn.ModuleDict(named), read_keras(path), path)
        else:
            load_torchvision(network, path)


class TorchvisionVGG19Extractor(_VGG19Extractor):
    """The stream `vgg19_torchvision`: as `vgg19`, with torchvision's weights and standardization.

    The weights are downloaded at the first use, 575 MB.
    """

    name = "vgg19_torchvision"
    hub = hub_url(TORCHVISION)

    def make(self) -> VGG19:
        """The network, with random weights."""
        preset = TORCHVISION.transforms()
        return VGG19(preset.mean, preset.std, bgr=False)

    def load(self, network: VGG19, path: Path) -> None:
        """Fill it from torchvision's checkpoint."""
        load_torchvision(network, path)


def load_torchvision(network: VGG19, path: Path) -> None:
    """Fill the network from a checkpoint with torchvision's names."""
    state = without(read_state(path), "classifier.")
    load_state(nn.ModuleDict({"features": network.network}), state, path)


def read_keras(path: Path) -> dict[str, Tensor]:
    """Read the convolutions of a Keras weights file as `<layer>.weight` (O, I, H, W) and `.bias`.

    Raises:
        UserError: if the file is not there or is no such file.
    """
    state: dict[str, Tensor] = {}

    def keep(name: str, data: object) -> None:
        if isinstance(data, h5py.Dataset) and data.ndim in (1, 4):
            tensor = torch.from_numpy(data[...])
            key = "weight" if data.ndim == 4 else "bias"
            layer = name.split("/")[-2]
            state[f"{layer}.{key}"] = tensor.permute(3, 2, 0, 1) if data.ndim == 4 else tensor

    try:
        open_regular(path).close()
        with h5py.File(str(path), "r") as file:
            file.visititems(keep)
    except Exception as error:  # The HDF5 library reports damage by nearly every kind of exception.
        raise UserError(unreadable(path, "a Keras weights file (.h5)", error)) from error
    return state
