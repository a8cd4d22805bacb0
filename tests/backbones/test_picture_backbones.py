"""ResNet-152, R(2+1)D-18 and VGG-19 against torchvision's networks and transforms.

The expected values follow the released scripts literally: PIL pictures, one transform after the
other, channels first, float32.
"""

import h5py
import numpy as np
import pytest
import torch
from PIL import Image
from torch import nn
from torchvision import models, transforms
from torchvision.models.video import r2plus1d_18

from mmpyramid.backbones import vgg19
from mmpyramid.backbones.base import Precision
from mmpyramid.backbones.r2plus1d import R2Plus1D18Extractor
from mmpyramid.backbones.resnet import ResNet152Extractor
from mmpyramid.backbones.vgg19 import KERAS_LAYERS, TorchvisionVGG19Extractor, VGG19Extractor
from mmpyramid.backbones.weights import RandomWeights
from mmpyramid.core.errors import UserError
from mmpyramid.media.resizing import resize

EXACT = {"precision": Precision.FLOAT32}


@pytest.fixture(autouse=True)
def few_pictures(monkeypatch):
    """Seconds of few pictures; VGG-19 still takes them in two parts of different size."""
    monkeypatch.setattr(ResNet152Extractor, "frames_per_segment", 2)
    monkeypatch.setattr(vgg19, "PICTURES_AT_ONCE", 2)
    for vgg in (VGG19Extractor, TorchvisionVGG19Extractor):
        monkeypatch.setattr(vgg, "frames_per_segment", 3)


def pictures(num_frames):
    """Smooth noise, as (frames, 60, 80, 3)."""
    small = np.random.default_rng(3).integers(0, 256, (num_frames, 6, 8, 3), np.uint8)
    return small.repeat(10, 1).repeat(10, 2)


def seen(extractor, frames):
    """What the extractor is given of one second of these pictures: (1, F, height, width, 3)."""
    shown = [resize(frame, extractor.frame_size, extractor.resizing) for frame in frames]
    return np.stack(shown)[None]


def save(tmp_path, network):
    path = tmp_path / "weights.pth"
    torch.save(network.state_dict(), path)
    return path


def close(actual, expected):
    assert np.abs(expected).max() > 1e-3
    np.testing.assert_allclose(actual, expected, atol=1e-4 * np.abs(expected).max())


@pytest.mark.slow
@torch.inference_mode()
def test_resnet_follows_the_script_of_llp(tmp_path):
    torch.manual_seed(0)
    network = models.resnet152(weights=None, zero_init_residual=True).eval()
    for name, parameter in network.named_parameters():
        if name.endswith("bn3.weight"):
            parameter.fill_(0.1)
    extractor = ResNet152Extractor(weights=save(tmp_path, network), **EXACT)
    frames = pictures(extractor.frames_per_segment)
    steps = models.ResNet152_Weights.IMAGENET1K_V1.transforms()
    script = transforms.Compose(
        [
            transforms.Resize(256),
            transforms.CenterCrop(224),
            transforms.ToTensor(),
            transforms.Normalize(steps.mean, steps.std),
        ]
    )
    network.fc = nn.Identity()
    expected = network(torch.stack([script(Image.fromarray(frame)) for frame in frames]))
    actual = extractor.embed(seen(extractor, frames))
    assert actual.shape == (1, 2048)
    close(actual[0], expected.mean(0).numpy())


@pytest.mark.slow
@torch.inference_mode()
def test_r2plus1d_follows_the_script_of_llp(tmp_path):
    torch.manual_seed(0)
    network = r2plus1d_18(weights=None).eval()
    extractor = R2Plus1D18Extractor(weights=save(tmp_path, network), **EXACT)
    clips = [pictures(16)[:8], pictures(16)[8:]]
    script = transforms.Compose(
        [
            transforms.Resize((112, 112)),
            transforms.ToTensor(),
            transforms.Normalize([0.43216, 0.394666, 0.37645], [0.22803, 0.22145, 0.216989]),
        ]
    )
    x_NFCHW = torch.stack(
        [torch.stack([script(Image.fromarray(frame)) for frame in clip]) for clip in clips]
    )
    body = nn.Sequential(*list(network.children())[:-1])
    expected = body(x_NFCHW.transpose(1, 2)).flatten(1)
    actual = extractor.embed(np.concatenate([seen(extractor, clip) for clip in clips]))
    assert actual.shape == (2, 512)
    close(actual, expected.numpy())


@pytest.fixture(scope="module")
def layers():
    """VGG-19 up to its last pooling, with random weights."""
    torch.manual_seed(0)
    features = models.vgg.make_layers(models.vgg.cfgs["E"]).eval()
    for layer in features:
        if isinstance(layer, nn.Conv2d):
            nn.init.kaiming_normal_(layer.weight, nonlinearity="relu")
    return features


@pytest.mark.slow
@torch.inference_mode()
def test_vgg_of_torchvision(tmp_path, layers):
    whole = nn.ModuleDict({"features": layers, "classifier": nn.Linear(2, 2)})
    extractor = TorchvisionVGG19Extractor(weights=save(tmp_path, whole), **EXACT)
    segment = seen(extractor, pictures(3))
    scaled = segment[0] / 255.0
    x_FCHW = (scaled - [0.485, 0.456, 0.406]) / [0.229, 0.224, 0.225]
    expected = layers(torch.tensor(x_FCHW).float().permute(0, 3, 1, 2)).mean(0).permute(1, 2, 0)
    actual = extractor.embed(segment)
    assert actual.shape == (1, 7, 7, 512)
    close(actual[0], expected.numpy())


def write_keras(path, layers):
    """The layout of Keras's weights files: kernels (height, width, in, out)."""
    convolutions = [layer for layer in layers if isinstance(layer, nn.Conv2d)]
    with h5py.File(path, "w") as file:
        for name, layer in zip(KERAS_LAYERS, convolutions, strict=True):
            file[f"{name}/{name}_W_1:0"] = layer.weight.detach().permute(2, 3, 1, 0).numpy()
            file[f"{name}/{name}_b_1:0"] = layer.bias.detach().numpy()
        file.create_group("block1_pool")
    return path


@pytest.mark.slow
@torch.inference_mode()
def test_vgg_of_ave_reads_keras_and_caffe_files(tmp_path, layers):
    keras = VGG19Extractor(weights=write_keras(tmp_path / "vgg19.h5", layers), **EXACT)
    caffe = VGG19Extractor(weights=save(tmp_path, nn.ModuleDict({"features": layers})), **EXACT)
    segment = seen(keras, pictures(3))
    bgr = segment[0, ..., ::-1] - np.array([103.939, 116.779, 123.68])
    expected = layers(torch.tensor(bgr).float().permute(0, 3, 1, 2)).mean(0).permute(1, 2, 0)
    actual = keras.embed(segment)
    close(actual[0], expected.numpy())
    np.testing.assert_array_equal(caffe.embed(segment), actual)
    assert keras.weights_sha256 != caffe.weights_sha256


@pytest.mark.slow
@pytest.mark.parametrize("extractor", [ResNet152Extractor, R2Plus1D18Extractor, VGG19Extractor])
def test_bfloat16_differs_by_about_a_percent(extractor, monkeypatch):
    """With two pictures, small ones where a network takes them: some processors lack bfloat16."""
    monkeypatch.setattr(extractor, "frames_per_segment", 2)
    if extractor is not VGG19Extractor:
        monkeypatch.setattr(extractor, "frame_size", (56, 56))
    exact, rough = (extractor(weights=RandomWeights(), precision=p) for p in list(Precision)[1:])
    segment = seen(exact, pictures(exact.frames_per_segment))
    expected, actual = exact.embed(segment), rough.embed(segment)
    assert actual.dtype == np.float32
    assert 0 < np.linalg.norm(actual - expected) < 0.02 * np.linalg.norm(expected)


@pytest.mark.slow
def test_other_weights_are_refused(tmp_path, layers):
    path = save(tmp_path, nn.ModuleDict({"features": layers}))
    with pytest.raises(UserError, match=r"expected the weights of ResNet in .* do not fit"):
        ResNet152Extractor(weights=path)
    for content in (b"no checkpoint", b"hello"):
        path.write_bytes(content)
        with pytest.raises(UserError, match=r"expected a PyTorch checkpoint at .* it failed: \w+"):
            R2Plus1D18Extractor(weights=path)
    bad = tmp_path / "vgg19.h5"
    bad.write_bytes(b"no checkpoint")
    with pytest.raises(UserError, match=r"expected a Keras weights file \(.h5\)"):
        VGG19Extractor(weights=bad)
