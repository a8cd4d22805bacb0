"""The log-mel front end that VGGish and YAMNet share.

Both networks see 96 frames of 64 mel bands. They differ in one number, the offset inside the
logarithm: 0.01 for VGGish, 0.001 for YAMNet.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional

from mmpyramid.media.sound import SAMPLE_RATE

WINDOW = 400
HOP = 160
FFT = 512
NUM_BANDS = 64
LOW_HZ, HIGH_HZ = 125.0, 7500.0
PATCH_FRAMES = 96
PATCH_SAMPLES = WINDOW + (PATCH_FRAMES - 1) * HOP

VGGISH_OFFSET = 0.01
YAMNET_OFFSET = 0.001


def hertz_to_mel(hertz: Tensor) -> Tensor:
    """The HTK mel scale, 1127 ln(1 + f / 700)."""
    return 1127.0 * torch.log1p(hertz / 700.0)


def mel_matrix() -> Tensor:
    """(257, 64) weights from the bins of a spectrum to mel bands, float64.

    The triangles are linear in mel (not in Hz) and have peak 1; the bin at 0 Hz weighs nothing.
    """
    bin_mel_F = hertz_to_mel(torch.linspace(0, SAMPLE_RATE / 2, FFT // 2 + 1, dtype=torch.float64))
    low, high = hertz_to_mel(torch.tensor([LOW_HZ, HIGH_HZ], dtype=torch.float64)).tolist()
    edge_mel = torch.linspace(low, high, NUM_BANDS + 2, dtype=torch.float64)
    lower, center, upper = edge_mel[:-2], edge_mel[1:-1], edge_mel[2:]
    rising_FK = (bin_mel_F[:, None] - lower) / (center - lower)
    falling_FK = (upper - bin_mel_F[:, None]) / (upper - center)
    weight_FK = torch.minimum(rising_FK, falling_FK).clamp(min=0)
    weight_FK[0] = 0
    return weight_FK


class LogMel(nn.Module):
    """Waveforms to log-mel spectrograms: ln(mel · |STFT| + offset).

    Frames of 25 ms every 10 ms at 16 kHz, complete frames only and not centered; periodic Hann
    window; magnitude (not power) of a 512-point FFT; 64 HTK mel bands from 125 to 7500 Hz.

    Args:
        offset: what is added before the logarithm, `VGGISH_OFFSET` or `YAMNET_OFFSET`.
        dtype: what to compute in. Where one band is loud, float32 rounds the quiet ones; the
            result is float32 in any case.

    Example:
        >>> LogMel(YAMNET_OFFSET).patches(torch.zeros(3, 16000)).shape
        torch.Size([3, 96, 64])

    Source:
        Hershey et al., "CNN architectures for large-scale audio classification" (2017), and the
        front ends released with VGGish (NumPy, float64) and YAMNet (TensorFlow, float32). The two
        are the same function, but for the offset and the precision.
    """

    window: Tensor
    mel_FK: Tensor

    def __init__(self, offset: float, dtype: torch.dtype = torch.float32) -> None:
        super().__init__()
        self.offset = offset
        window = torch.hann_window(WINDOW, periodic=True, dtype=torch.float64)
        self.register_buffer("window", window.to(dtype), persistent=False)
        self.register_buffer("mel_FK", mel_matrix().to(dtype), persistent=False)

    def forward(self, waveform_NS: Tensor) -> Tensor:
        """All complete frames: (N, S) samples to (N, 1 + (S - 400) // 160, 64), S >= 400."""
        frame_NTW = waveform_NS.to(self.window.dtype).unfold(-1, WINDOW, HOP) * self.window
        magnitude_NTF = torch.fft.rfft(frame_NTW, n=FFT).abs()
        return torch.log(magnitude_NTF @ self.mel_FK + self.offset).float()

    def patches(self, waveform_NS: Tensor) -> Tensor:
        """The network's input: (N, S) samples to the first 96 frames, (N, 96, 64).

        These cover 0.975 s; shorter waveforms are extended by silence.
        """
        missing = max(0, PATCH_SAMPLES - waveform_NS.shape[-1])
        patch: Tensor = self(functional.pad(waveform_NS[..., :PATCH_SAMPLES], (0, missing)))
        return patch
