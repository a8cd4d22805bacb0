"""VGGish against the `torchvggish` package: front end, network, postprocessor."""

import numpy as np
import pytest
import torch
from torchvggish import mel_features, vggish_params
from torchvggish.torchvggish import VGG, Postprocessor, make_layers

from mmpyramid.backbones.base import Precision
from mmpyramid.backbones.logmel import VGGISH_OFFSET, LogMel
from mmpyramid.backbones.vggish import (
    QuantizedVGGish,
    VGGishExtractor,
    load_whitening,
)
from mmpyramid.backbones.weights import RandomWeights
from mmpyramid.core.errors import UserError

SECONDS = np.arange(16_000) / 16_000
SOUNDS = {
    "noise": np.random.default_rng(0).normal(scale=0.2, size=16_000),
    "sine": np.sin(2 * np.pi * 440 * SECONDS),
    "chirp": 0.7 * np.sin(2 * np.pi * (100 * SECONDS + 3500 * SECONDS**2)),
    "click": np.where(np.arange(16_000) == 8000, 1.0, 0.0),
    "silence": np.zeros(16_000),
}


@pytest.fixture(scope="module")
def released(tmp_path_factory):
    """The port's network with random weights, and its checkpoint."""
    torch.manual_seed(1)
    network = VGG(make_layers(), postprocess=False).eval()
    with torch.no_grad():
        for parameter in network.parameters():
            parameter.mul_(1.8)
    path = tmp_path_factory.mktemp("weights") / "vggish.pth"
    torch.save(network.state_dict(), path)
    return network, path


@pytest.mark.parametrize("name", SOUNDS)
def test_front_end_equals_the_released_one(name):
    sound = SOUNDS[name].astype(np.float32)
    expected = mel_features.log_mel_spectrogram(
        sound.astype(np.float64),
        audio_sample_rate=vggish_params.SAMPLE_RATE,
        log_offset=vggish_params.LOG_OFFSET,
        window_length_secs=vggish_params.STFT_WINDOW_LENGTH_SECONDS,
        hop_length_secs=vggish_params.STFT_HOP_LENGTH_SECONDS,
        num_mel_bins=vggish_params.NUM_MEL_BINS,
        lower_edge_hertz=vggish_params.MEL_MIN_HZ,
        upper_edge_hertz=vggish_params.MEL_MAX_HZ,
    )[: vggish_params.NUM_FRAMES]
    front_end = LogMel(VGGISH_OFFSET, torch.float64)
    actual = front_end.patches(torch.tensor(sound)[None])[0]
    np.testing.assert_allclose(actual, expected, rtol=0, atol=1e-5)


@pytest.mark.slow
def test_embeddings_equal_those_of_the_port(released):
    network, path = released
    extractor = VGGishExtractor(weights=path, precision=Precision.FLOAT32)
    sound_NS = np.stack(list(SOUNDS.values())).astype(np.float32)
    patch_NTK = extractor.network.log_mel.patches(torch.tensor(sound_NS))
    with torch.inference_mode():
        expected = network(patch_NTK.unsqueeze(1)).numpy()
    actual = extractor.embed(sound_NS)
    assert actual.shape == (5, 128)
    assert actual.min() == 0
    assert np.abs(expected).max() > 1e-3
    np.testing.assert_allclose(actual, expected, atol=1e-5 * expected.max())


@pytest.mark.slow
def test_bfloat16_differs_by_about_a_percent(released):
    _, path = released
    exact, rough = (VGGishExtractor(weights=path, precision=p) for p in list(Precision)[1:])
    sound_NS = np.stack(list(SOUNDS.values())).astype(np.float32)
    expected, actual = exact.embed(sound_NS), rough.embed(sound_NS)
    assert 0 < np.linalg.norm(actual - expected) < 0.02 * np.linalg.norm(expected)


def test_quantization_equals_that_of_the_port(tmp_path):
    random = np.random.default_rng(2)
    means, vectors = random.normal(size=128) / 4, random.normal(size=(128, 128)) / 4
    path = tmp_path / "pca.npz"
    np.savez(path, pca_means=means, pca_eigen_vectors=vectors)
    network = QuantizedVGGish()
    load_whitening(network, path)
    port = object.__new__(Postprocessor)  # making one downloads the parameters
    port._pca_matrix = torch.tensor(vectors).float()
    port._pca_means = torch.tensor(means.reshape(-1, 1)).float()
    embedding_ND = torch.tensor(random.exponential(0.3, size=(50, 128))).float()
    expected = port.postprocess(embedding_ND)
    actual = network.quantize(embedding_ND)
    assert {0.0, 255.0} < set(actual.flatten().tolist())
    assert (actual - expected).abs().max() <= 1  # where a value lies halfway
    assert (actual == expected).float().mean() > 0.999
    path.write_bytes(b"no")
    with pytest.raises(UserError, match="expected the PCA parameters"):
        load_whitening(network, path)


@pytest.mark.slow
def test_wrong_segments_are_refused():
    extractor = VGGishExtractor(weights=RandomWeights())
    with pytest.raises(UserError, match=r"vggish takes \(N, 16000\) float32.*got \(2, 8000\)"):
        extractor.embed(np.zeros((2, 8000), np.float32))
