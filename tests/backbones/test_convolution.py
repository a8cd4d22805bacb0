"""TensorFlow's padding and the folding of batch norm, against their definitions."""

import pytest
import torch
from torch import nn

from mmpyramid.backbones.conversion import fold_batch_norm
from mmpyramid.backbones.open_networks import SameConv2d, same_padding


@pytest.mark.parametrize("size", [1, 2, 5, 6, 7, 96, 224])
@pytest.mark.parametrize("kernel", [1, 3, 5])
@pytest.mark.parametrize("stride", [1, 2])
def test_outputs_cover_every_stride_and_the_odd_zero_goes_behind(size, kernel, stride):
    before, after = same_padding(size, kernel, stride)
    outputs = (size + before + after - kernel) // stride + 1
    assert outputs == -(-size // stride)
    assert 0 <= after - before <= 1


@pytest.mark.parametrize(("height", "width"), [(6, 4), (7, 5), (3, 2)])
@pytest.mark.parametrize("stride", [1, 2])
def test_a_convolution_reads_from_where_tensorflow_does(height, width, stride):
    kernel = 3
    conv = SameConv2d(2, 4, kernel, stride)
    x = torch.randn(1, 2, height, width)
    with torch.no_grad():
        y = conv(x)
    assert y.shape[-2:] == (-(-height // stride), -(-width // stride))
    top, left = same_padding(height, kernel, stride)[0], same_padding(width, kernel, stride)[0]
    padded = torch.zeros(2, height + 2 * kernel, width + 2 * kernel)
    padded[:, kernel : kernel + height, kernel : kernel + width] = x[0]
    for row in range(y.shape[2]):
        for column in range(y.shape[3]):
            i, j = kernel - top + row * stride, kernel - left + column * stride
            patch = padded[:, i : i + kernel, j : j + kernel]
            expected = (conv.weight * patch).sum(dim=(1, 2, 3)) + conv.bias
            torch.testing.assert_close(y[0, :, row, column], expected)


@pytest.mark.parametrize("affine", [True, False])
def test_folding_equals_a_convolution_and_its_batch_norm(affine):
    torch.manual_seed(0)
    apart = nn.Conv2d(6, 6, 3, padding=1, groups=6, bias=False)
    norm = nn.BatchNorm2d(6, eps=1e-3).eval()
    norm.running_mean.normal_()
    norm.running_var.uniform_(0.5, 2)
    nn.init.normal_(norm.bias)
    if affine:
        nn.init.normal_(norm.weight)
    folded = SameConv2d(6, 6, kernel=3, groups=6)
    kernel, bias = fold_batch_norm(
        kernel=apart.weight.detach().numpy(),
        mean=norm.running_mean.numpy(),
        variance=norm.running_var.numpy(),
        beta=norm.bias.detach().numpy(),
        gamma=norm.weight.detach().numpy() if affine else 1.0,
        eps=norm.eps,
    )
    folded.load_state_dict({"weight": torch.tensor(kernel), "bias": torch.tensor(bias)})
    x = torch.randn(2, 6, 8, 8)
    torch.testing.assert_close(folded(x), norm(apart(x)), atol=1e-5, rtol=1e-5)
