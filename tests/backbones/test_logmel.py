"""The log-mel front end against its published definition, written again in plain NumPy."""

import math

import numpy as np
import pytest
import torch

from mmpyramid.backbones.logmel import (
    PATCH_SAMPLES,
    VGGISH_OFFSET,
    YAMNET_OFFSET,
    LogMel,
    mel_matrix,
)


def mel(hertz):
    return 1127 * math.log(1 + hertz / 700)


def reference_mel_matrix():
    edges = [mel(125) + i * (mel(7500) - mel(125)) / 65 for i in range(66)]
    matrix = np.zeros((257, 64))
    for i in range(1, 257):
        x = mel(i * 8000 / 256)
        for band in range(64):
            low, center, high = edges[band : band + 3]
            matrix[i, band] = max(0, min((x - low) / (center - low), (high - x) / (high - center)))
    return matrix


def reference_log_mel(waveform, offset):
    window = 0.5 - 0.5 * np.cos(2 * np.pi * np.arange(400) / 400)
    starts = range(0, len(waveform) - 400 + 1, 160)
    spectra = [np.abs(np.fft.rfft(window * waveform[start : start + 400], 512)) for start in starts]
    return np.log(np.array(spectra) @ reference_mel_matrix() + offset)


def sine(hertz, amplitude, seconds):
    return amplitude * np.sin(2 * np.pi * hertz * np.arange(seconds * 16000) / 16000)


def log_mel(waveform, offset=VGGISH_OFFSET):
    return LogMel(offset)(torch.tensor(waveform, dtype=torch.float32)[None])[0].numpy()


@pytest.mark.parametrize("offset", [VGGISH_OFFSET, YAMNET_OFFSET])
@pytest.mark.parametrize("kind", ["noise", "sine", "chirp", "silence"])
def test_agrees_with_float64_to_float32_rounding_of_the_loudest_band(kind, offset):
    seconds = np.arange(16000) / 16000
    waveform = {
        "noise": np.random.default_rng(0).normal(scale=0.2, size=16000),
        "sine": sine(440, 1.0, 1),
        "chirp": 0.7 * np.sin(2 * np.pi * (100 * seconds + 3500 * seconds**2)),
        "silence": np.zeros(16000),
    }[kind]
    expected = reference_log_mel(waveform, offset)
    assert expected.shape == (98, 64)
    rounding = 1e-6 * np.exp(expected.max())
    actual = log_mel(waveform, offset)
    np.testing.assert_allclose(np.exp(actual), np.exp(expected), atol=rounding, rtol=1e-5)
    np.testing.assert_allclose(actual, expected, atol=0.01)


def test_mel_matrix_has_the_measured_sums():
    matrix = mel_matrix().numpy()
    np.testing.assert_allclose(matrix, reference_mel_matrix(), atol=1e-12)
    assert matrix.sum() == pytest.approx(230.9136, abs=1e-4)
    assert matrix.sum(axis=0)[[0, 1, 63]] == pytest.approx([0.94769, 0.98542, 8.94418], abs=1e-5)
    assert (matrix.sum(axis=0) > 0).all()
    assert not matrix[0].any()


def test_bands_span_the_published_frequencies():
    lowest = [125, 154.669, 185.405, 217.246]
    highest = [6940.57, 7215.35, 7500]
    edges = [mel(125) + i * (mel(7500) - mel(125)) / 65 for i in range(66)]
    hertz = [700 * (math.exp(edge / 1127) - 1) for edge in edges]
    assert hertz[:4] == pytest.approx(lowest, abs=1e-3)
    assert hertz[-3:] == pytest.approx(highest, abs=1e-2)
    bins_of_last_band = mel_matrix()[:, 63].nonzero().flatten() * 8000 / 256
    assert highest[0] < bins_of_last_band.min() <= bins_of_last_band.max() < highest[2]


def test_ten_seconds_of_1_khz():
    spectrogram = log_mel(sine(1000, 0.5, 10))
    assert spectrogram.shape == (998, 64)
    assert spectrogram.mean() == pytest.approx(-3.65722, abs=1e-5)
    assert spectrogram.max() == pytest.approx(4.11805, abs=1e-5)
    assert spectrogram.mean(axis=0).argmax() == 19


def test_full_scale_440_hz():
    spectrogram = log_mel(sine(440, 1.0, 10))
    assert spectrogram.mean() == pytest.approx(-3.27601, abs=2e-5)
    assert spectrogram.max() == pytest.approx(4.78224, abs=1e-5)
    assert spectrogram.mean(axis=0).argmax() == 8
    assert spectrogram[10, :3] == pytest.approx([-3.2785, -2.1315, -1.5580], abs=1e-4)


def test_silence_is_the_logarithm_of_the_offset():
    np.testing.assert_allclose(log_mel(np.zeros(16000)), -4.60517, atol=1e-5)


def test_patches_are_the_first_96_frames_of_each_second():
    waveform_NS = torch.randn(3, 16000, generator=torch.Generator().manual_seed(0))
    front_end = LogMel(YAMNET_OFFSET)
    patches = front_end.patches(waveform_NS)
    assert patches.shape == (3, 96, 64)
    torch.testing.assert_close(patches, front_end(waveform_NS)[:, :96])


def test_a_short_waveform_ends_in_silence():
    waveform_NS = torch.randn(1, 8000, generator=torch.Generator().manual_seed(0))
    padded_NS = torch.nn.functional.pad(waveform_NS, (0, PATCH_SAMPLES - 8000))
    front_end = LogMel(YAMNET_OFFSET)
    torch.testing.assert_close(front_end.patches(waveform_NS), front_end(padded_NS))
