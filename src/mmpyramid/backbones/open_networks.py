"""The open backbones in PyTorch: what GPUs run, and what the graphs of the CPU are exported from.

Their batch norms are folded into the convolutions. After a change, write the graphs anew, see
`mmpyramid.export.write_graphs`.
"""

from __future__ import annotations

from collections.abc import Mapping

import torch
from torch import Tensor, nn
from torch.nn import functional

from mmpyramid.backbones import efficientnet, faces, yamnet
from mmpyramid.backbones.backbone import Backbone
from mmpyramid.backbones.logmel import YAMNET_OFFSET, LogMel
from mmpyramid.core import Array


def same_padding(size: int, kernel: int, stride: int) -> tuple[int, int]:
    """Zeros before and after an axis so that ceil(size / stride) outputs result.

    TensorFlow's rule "SAME": an odd number of zeros puts the larger half behind, which a PyTorch
    convolution's own symmetric padding cannot do.

    Example:
        >>> same_padding(224, kernel=3, stride=2), same_padding(7, kernel=3, stride=2)
        ((0, 1), (1, 1))
    """
    total = max((-(-size // stride) - 1) * stride + kernel - size, 0)
    return total // 2, total - total // 2


class SameConv2d(nn.Conv2d):
    """A square convolution with bias and TensorFlow's "SAME" padding.

    Args:
        in_channels: channels of the input.
        out_channels: channels of the output.
        kernel: width of the kernel.
        stride: step in both directions.
        groups: equal to the number of channels for a depthwise convolution.
    """

    def __init__(
        self, in_channels: int, out_channels: int, kernel: int, stride: int = 1, groups: int = 1
    ) -> None:
        padding = kernel // 2 if stride == 1 else 0
        super().__init__(in_channels, out_channels, kernel, stride, padding, groups=groups)

    def forward(self, x_NCHW: Tensor) -> Tensor:
        """(N, C, H, W) to (N, out_channels, ceil(H / stride), ceil(W / stride))."""
        kernel, stride = self.kernel_size[0], self.stride[0]
        if stride > 1:
            height, width = x_NCHW.shape[-2:]
            columns, rows = (same_padding(size, kernel, stride) for size in (width, height))
            x_NCHW = functional.pad(x_NCHW, (*columns, *rows))
        return super().forward(x_NCHW)


class YAMNet(Backbone):
    """MobileNet-v1 on log-mel patches.

    Source:
        Plakal and Ellis, "YAMNet" (TensorFlow model garden, 2019); Howard et al., "MobileNets"
        (2017).
    """

    def __init__(self) -> None:
        super().__init__()
        self.log_mel = LogMel(YAMNET_OFFSET)
        convolutions = [SameConv2d(1, 32, kernel=3, stride=2)]
        width = 32
        for channels, stride in yamnet.LAYERS:
            convolutions.append(SameConv2d(width, width, kernel=3, stride=stride, groups=width))
            convolutions.append(SameConv2d(width, channels, kernel=1))
            width = channels
        self.convolutions = nn.ModuleList(convolutions)

    def embed(self, segments: Tensor) -> Tensor:
        """(N, S) waveforms at 16 kHz to (N, 1024), from their first 0.975 s."""
        x_NCHW = self.log_mel.patches(segments).unsqueeze(1)
        for convolution in self.convolutions:
            x_NCHW = convolution(x_NCHW).relu_()
        return x_NCHW.mean(dim=(2, 3))


class InvertedResidual(nn.Module):
    """Widen (1x1), filter each channel (k x k), narrow (1x1); add the input where shapes allow."""

    def __init__(self, width: int, out: int, *, expansion: int, kernel: int, stride: int) -> None:
        super().__init__()
        inner = expansion * width
        self.expand = SameConv2d(width, inner, kernel=1) if expansion > 1 else None
        self.depthwise = SameConv2d(inner, inner, kernel, stride, groups=inner)
        self.project = SameConv2d(inner, out, kernel=1)
        self.residual = stride == 1 and width == out

    def forward(self, x_NCHW: Tensor) -> Tensor:
        """(N, width, H, W) to (N, out, ceil(H / stride), ceil(W / stride))."""
        y_NCHW: Tensor = x_NCHW if self.expand is None else relu6(self.expand(x_NCHW))
        y_NCHW = self.project(relu6(self.depthwise(y_NCHW)))
        return y_NCHW + x_NCHW if self.residual else y_NCHW


class EfficientNetLite0(Backbone):
    """EfficientNet-B0 without squeeze-and-excitation and with ReLU6.

    Source:
        Tan and Le, "EfficientNet" (2019), table 1; the "lite" variant of its TensorFlow release
        (2020).
    """

    def __init__(self) -> None:
        super().__init__()
        width = 32
        self.stem = SameConv2d(3, width, kernel=3, stride=2)
        blocks = []
        for expansion, channels, kernel, first_stride, count in efficientnet.STAGES:
            for i in range(count):
                stride = first_stride if i == 0 else 1
                blocks.append(
                    InvertedResidual(
                        width, channels, expansion=expansion, kernel=kernel, stride=stride
                    )
                )
                width = channels
        self.blocks = nn.Sequential(*blocks)
        self.head = SameConv2d(width, 1280, kernel=1)

    def embed(self, segments: Tensor) -> Tensor:
        """(N, F, 224, 224, 3) uint8 RGB to (N, 1280), the mean over the F pictures."""
        picture_NHWC = segments.flatten(0, 1)
        x_NCHW = (picture_NHWC.permute(0, 3, 1, 2).float() - 127.0) / 128.0
        x_NCHW = relu6(self.head(self.blocks(relu6(self.stem(x_NCHW)))))
        picture_ND = x_NCHW.mean(dim=(2, 3))
        return picture_ND.reshape(*segments.shape[:2], -1).mean(dim=1)


def relu6(x: Tensor) -> Tensor:
    """min(max(x, 0), 6), in place."""
    return x.clamp_(0, 6)


class Block(nn.Module):
    """Filter each channel, narrow (1x1), filter, widen (1x1), add what came in."""

    def __init__(self, width: int, narrow: int, out: int, stride: int = 1) -> None:
        super().__init__()
        self.convolutions = nn.ModuleList(
            [
                SameConv2d(width, width, kernel=3, stride=stride, groups=width),
                SameConv2d(width, narrow, kernel=1),
                SameConv2d(narrow, narrow, kernel=3, groups=narrow),
                SameConv2d(narrow, out, kernel=1),
            ]
        )
        self.stride, self.more = stride, out - width

    def forward(self, x_NCHW: Tensor) -> Tensor:
        """(N, width, H, W) to (N, out, H / stride, W / stride)."""
        filter_in, narrow, filter_out, widen = self.convolutions
        y_NCHW: Tensor = widen(filter_out(narrow(filter_in(x_NCHW)).relu_()))
        if self.stride > 1:
            x_NCHW = functional.max_pool2d(x_NCHW, self.stride)
        if self.more:
            x_NCHW = functional.pad(x_NCHW, (0, 0, 0, 0, 0, self.more))
        return (y_NCHW + x_NCHW).relu_()


class FaceDetector(Backbone):
    """A pyramid: down to a stride of 32, up again to 4, where each cell may be inside of a face.

    Source: Bazarevsky et al., "BlazeFace" (2019), for blocks and boxes; the graph of the file for
    the rest.
    """

    def __init__(self) -> None:
        super().__init__()
        width = faces.STAGES[0][0]
        self.stem = SameConv2d(3, width, kernel=3, stride=2)
        down, widths = [], []
        for out, stride in faces.STAGES:
            down.append(Block(width, out // 4, out, stride))
            width = out
            widths.append(width)
        self.down = nn.ModuleList(down)
        self.tops, self.sides, self.up = nn.ModuleList(), nn.ModuleList(), nn.ModuleList()
        for joining, out, count in faces.LEVELS:
            self.tops.append(SameConv2d(width, out, kernel=1))
            self.sides.append(SameConv2d(widths[joining], out, kernel=1))
            self.up.append(nn.Sequential(*(Block(out, out // 2, out) for _ in range(count))))
            width = out
        self.classifier = SameConv2d(width, 1, kernel=1)
        self.regressor = SameConv2d(width, faces.NUM_COORDINATES, kernel=1)

    def detect(self, picture_NCHW: Tensor) -> tuple[Tensor, Tensor]:
        """Find faces in pictures.

        Args:
            picture_NCHW: (N, 3, H, W) within -1..1; H and W are multiples of 32.

        Returns:
            For each cell of four by four pixels the probability of a face around it, (N, H/4, W/4),
            and its coordinates, (N, 16, H/4, W/4), points being relative to the middle of the cell.
        """
        x_NCHW = self.stem(picture_NCHW).relu_()
        passed = []
        for block in self.down:
            x_NCHW = block(x_NCHW)
            passed.append(x_NCHW)
        for (joining, *_), top, side, blocks in zip(
            faces.LEVELS, self.tops, self.sides, self.up, strict=True
        ):
            above_NCHW = functional.interpolate(
                top(x_NCHW).relu_(), scale_factor=2, mode="bilinear", align_corners=False
            )
            x_NCHW = blocks(side(passed[joining]).relu_() + above_NCHW)
        return self.classifier(x_NCHW).sigmoid()[:, 0], self.regressor(x_NCHW)

    def embed(self, segments: Tensor) -> Tensor:
        """(N, 1, 160, 160, 3) uint8 RGB to (N, 1), the surest face that is not too small."""
        picture_NCHW = segments[:, 0].permute(0, 3, 1, 2).float() / 127.5 - 1
        prob_NHW, box_NCHW = self.detect(picture_NCHW)
        longer_NHW = box_NCHW[:, 2:4].amax(1) / faces.SIZE
        return (prob_NHW * (longer_NHW >= faces.SMALLEST)).amax((1, 2)).unsqueeze(1)


NETWORKS: Mapping[str, type[Backbone]] = {
    "yamnet": YAMNet,
    "efficientnet_lite0": EfficientNetLite0,
    "faces": FaceDetector,
}
"""By the name of the stream."""


def with_weights(name: str, weights: Mapping[str, Array]) -> Backbone:
    """The network of a stream.

    Args:
        name: of the stream.
        weights: by the name of the parameter.
    """
    network = NETWORKS[name]()
    network.load_state_dict({key: torch.tensor(values) for key, values in weights.items()})
    return network.eval()
