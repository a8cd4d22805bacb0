"""Synthesized sounds, one per class, and the soundtrack of a clip.

Every sound varies with its random generator (pitch, tempo, timbre), as two real bells do.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray

from mmpyramid.core import Array, Event, Modality

Wave: TypeAlias = NDArray[np.float64]
"""(samples,) of a sound."""

Sound: TypeAlias = Callable[[int, int, np.random.Generator], Wave]
"""From (number of samples, samples per second, randomness) to a waveform of any loudness."""

FADE_S = 0.015
EVENT_RMS = (0.08, 0.16)
NOISE_RMS = (0.002, 0.008)
PEAK = 0.95


def _times(num_samples: int, rate: int) -> Wave:
    return np.arange(num_samples) / rate


def _tone(frequency: Wave, rate: int) -> Wave:
    return np.sin(2 * np.pi * np.cumsum(frequency) / rate)


def _harmonics(phase: Wave, levels: Wave) -> Wave:
    """Cosines at 1, 2, 3, … times a phase given in turns."""
    wave = np.zeros_like(phase)
    for number, level in enumerate(levels, start=1):
        wave += level * np.cos(2 * np.pi * number * phase)
    return wave


def _hits(
    num_samples: int, rate: int, *, period: float, ring: float, rng: np.random.Generator
) -> Iterator[slice]:
    """Samples of hits about `period` seconds apart, each ringing for at most `ring` seconds.

    The first hit comes at once: an event begins when it can be heard.
    """
    start = 0
    while start < num_samples:
        yield slice(start, min(num_samples, start + int(ring * rate)))
        start += int(rate * period * rng.uniform(0.92, 1.08))


def _length(part: slice) -> int:
    return int(part.stop - part.start)


def bell(num_samples: int, rate: int, rng: np.random.Generator) -> Wave:
    """Strikes with the inharmonic, decaying partials of a church bell."""
    pitch, period = rng.uniform(350, 700), rng.uniform(0.45, 0.8)
    partials = {0.5: 0.5, 1.0: 1.0, 1.19: 0.8, 1.5: 0.5, 2.0: 0.8, 2.67: 0.4, 4.1: 0.25}
    times = _times(2 * rate, rate)
    strike = np.zeros(len(times))
    for ratio, level in partials.items():
        decay = np.exp(-times * ratio / 0.7)
        strike += level * decay * np.sin(2 * np.pi * pitch * ratio * times)
    wave = np.zeros(num_samples)
    for ringing in _hits(num_samples, rate, period=period, ring=2.0, rng=rng):
        wave[ringing] += strike[: _length(ringing)]
    return wave


def siren(num_samples: int, rate: int, rng: np.random.Generator) -> Wave:
    """A wailing horn: a tone that sweeps up and down about once a second."""
    sweep = np.sin(
        2 * np.pi * rng.uniform(0.8, 1.6) * _times(num_samples, rate) + rng.uniform(0, 6)
    )
    frequency = rng.uniform(800, 1000) + 350 * sweep
    return _harmonics(np.cumsum(frequency) / rate, 1 / np.arange(1, 5))


def drum(num_samples: int, rate: int, rng: np.random.Generator) -> Wave:
    """Beats of a falling pitch with a burst of noise at each stroke."""
    pitch, period = rng.uniform(90, 160), rng.uniform(0.2, 0.36)
    wave = np.zeros(num_samples)
    for beat in _hits(num_samples, rate, period=period, ring=0.6, rng=rng):
        times = _times(_length(beat), rate)
        falling = _tone(pitch * (1 + 1.5 * np.exp(-times / 0.03)), rate) * np.exp(-times / 0.12)
        noise = rng.standard_normal(len(times)) * np.exp(-times / 0.025)
        wave[beat] += rng.uniform(0.6, 1.0) * (falling + 0.6 * noise)
    return wave


def bird(num_samples: int, rate: int, rng: np.random.Generator) -> Wave:
    """Short chirps that sweep between 2 and 5 kHz."""
    base, period = rng.uniform(2300, 3400), rng.uniform(0.12, 0.2)
    wave = np.zeros(num_samples)
    for chirp in _hits(num_samples, rate, period=period, ring=rng.uniform(0.07, 0.12), rng=rng):
        ramp = np.linspace(0, 1, _length(chirp))
        bend = rng.uniform(300, 1500) * np.sin(np.pi * ramp * rng.uniform(0.5, 2.0))
        wave[chirp] += np.sin(np.pi * ramp) * _tone(base + bend, rate)
    return wave


def engine(num_samples: int, rate: int, rng: np.random.Generator) -> Wave:
    """A low pulse train with many harmonics and the roughness of combustion."""
    times = _times(num_samples, rate)
    pitch = rng.uniform(38, 65) * (1 + 0.06 * np.sin(2 * np.pi * rng.uniform(0.2, 0.6) * times))
    phase = np.cumsum(pitch) / rate
    pulses = _harmonics(phase, 1 / np.sqrt(np.arange(1, 41)))
    combustion = 0.8 * rng.standard_normal(num_samples) * (pulses > 1)
    rough: Wave = (0.7 + 0.3 * np.sin(np.pi * phase)) * (pulses + combustion)
    return rough


def clock(num_samples: int, rate: int, rng: np.random.Generator) -> Wave:
    """Ticks and tocks: very short clicks that ring at two pitches in turn."""
    pitches = rng.uniform(1700, 2300) * np.array([1.0, 0.75])
    period = rng.uniform(0.24, 0.34)
    wave = np.zeros(num_samples)
    clicks = _hits(num_samples, rate, period=period, ring=0.06, rng=rng)
    for count, ringing in enumerate(clicks):
        times = _times(_length(ringing), rate)
        click = rng.standard_normal(len(times)) + 2 * np.sin(2 * np.pi * pitches[count % 2] * times)
        wave[ringing] += click * np.exp(-times / 0.006)
    return wave


def cricket(num_samples: int, rate: int, rng: np.random.Generator) -> Wave:
    """A steady stridulation: a high tone in fast pulses, grouped into trills."""
    times = _times(num_samples, rate)
    pulses = np.maximum(0, np.sin(2 * np.pi * rng.uniform(28, 40) * times))
    trill = np.cos(2 * np.pi * rng.uniform(2.5, 4) * times) > -0.7
    tone: Wave = np.sin(2 * np.pi * rng.uniform(4300, 5200) * times)
    return pulses * trill * tone


def rain(num_samples: int, rate: int, rng: np.random.Generator) -> Wave:
    """The bright hiss of many drops, with single drops standing out."""
    hiss = np.diff(rng.standard_normal(num_samples + 1))
    drops = np.zeros(num_samples)
    for start in rng.integers(num_samples, size=60 * num_samples // rate):
        length = min(int(0.004 * rate), num_samples - start)
        drops[start : start + length] += rng.standard_normal(length) * rng.uniform(1, 4)
    return hiss + drops


SOUNDS: dict[str, Sound] = {
    "Bell": bell,
    "Siren": siren,
    "Drum": drum,
    "Bird": bird,
    "Engine": engine,
    "Clock": clock,
    "Cricket": cricket,
    "Rain": rain,
}
"""Label to sound."""


def render_soundtrack(
    events: Iterable[Event], num_samples: int, rate: int, rng: np.random.Generator
) -> Array:
    """Mix the heard events over faint background noise.

    Args:
        events: planted events; those that are only seen are skipped.
        num_samples: length of the soundtrack.
        rate: samples per second.
        rng: source of randomness.

    Returns:
        (num_samples,) float32 waveform within -1..1.
    """
    wave = _background(num_samples, rng)
    for event in events:
        if event.modality is Modality.AUDIO:
            start, end = int(event.start * rate), int(event.end * rate)
            sound = SOUNDS[event.label](end - start, rate, rng)
            wave[start:end] += _faded(_at_rms(sound, rng.uniform(*EVENT_RMS)), rate)
    loudest = float(np.abs(wave).max())
    return (wave * min(1.0, PEAK / loudest)).astype(np.float32)


def _background(num_samples: int, rng: np.random.Generator) -> Wave:
    """Pink noise: the power of white noise divided by the frequency."""
    spectrum = np.fft.rfft(rng.standard_normal(num_samples))
    spectrum /= np.sqrt(np.maximum(np.arange(len(spectrum)), 20))
    return _at_rms(np.fft.irfft(spectrum, num_samples), rng.uniform(*NOISE_RMS))


def _at_rms(wave: Wave, rms: float) -> Wave:
    scaled: Wave = wave * (rms / np.sqrt(np.mean(wave**2)))
    return scaled


def _faded(wave: Wave, rate: int) -> Wave:
    length = int(FADE_S * rate)
    ramp = np.minimum(1, np.arange(1, len(wave) + 1) / length)
    faded: Wave = wave * ramp * ramp[::-1]
    return faded
