"""Tiny real extractors, and a program that extracts with them until somebody kills it."""

import os
import signal
import sys
import time
from functools import partial
from pathlib import Path

import numpy as np

from mmpyramid.backbones.base import Precision
from mmpyramid.core import Modality
from mmpyramid.extract import corpus
from mmpyramid.extract.engines import LocalEngine
from mmpyramid.media import Resizing
from mmpyramid.media.sampling import Sampling
from mmpyramid.store.writer import StoreWriter

BLACK = 0.02
"""Pictures darker than this make `MeanColor` misbehave, if asked to."""


class MeanColor:
    """Mean red, green and blue of each second; notes every call with its process in a file."""

    name = "mean_color"
    modality = Modality.VISUAL
    dim = 3
    frames_per_segment = 2
    frame_size = (16, 12)
    resizing = Resizing.SCALER
    sampling = Sampling.SECONDS
    precision = Precision.FLOAT32
    weights_sha256 = "none, mean color"

    def __init__(self, log=None, pause=0.0, on_black=None):
        self.log, self.pause, self.on_black = log, pause, on_black

    def embed(self, segments):
        if self.log:
            with Path(self.log).open("a") as file:
                file.write(f"{os.getpid()}\n")
        time.sleep(self.pause)
        means = segments.mean((1, 2, 3), dtype=np.float64).astype(np.float32) / 255
        dark = means.mean(1) < BLACK
        return misbehave(self.on_black, means, dark) if self.on_black and dark.any() else means


class Corner(MeanColor):
    """Mean of the upper left corner of other pictures than those of `MeanColor`."""

    name = "corner"
    frames_per_segment = 4
    frame_size = (20, 20)

    def embed(self, segments):
        return super().embed(segments[:, :, :10, :10])


class Bands:
    """Root mean square of eight bands of the spectrum of each second."""

    name = "bands"
    modality = Modality.AUDIO
    dim = 8
    frames_per_segment = 0
    frame_size = (0, 0)
    resizing = Resizing.SCALER
    sampling = Sampling.SECONDS
    precision = Precision.FLOAT32
    weights_sha256 = "none, bands"

    def embed(self, segments):
        power = np.abs(np.fft.rfft(segments)[:, :8000]) ** 2
        return np.sqrt(power.reshape(len(segments), 8, -1).mean(2)).astype(np.float32)


def misbehave(how, means, dark):
    if how == "nan":
        return np.where(dark[:, None], np.float32(np.nan), means)
    if how == "die":
        os.kill(os.getpid(), signal.SIGKILL)
    raise IndexError(how)


def make(names, **options):
    """An extractor factory; `partial(make, log=...)` is picklable."""
    every = {"mean_color": MeanColor(**options), "corner": Corner(**options), "bands": Bands()}
    return [every[name] for name in names]


def make_otherwise_elsewhere(names, here):
    """A factory whose extractors compute in another number format in every other process."""
    extractors = make(names)
    if os.getpid() != here:
        for extractor in extractors:
            extractor.precision = Precision.BFLOAT16
    return extractors


def make_in_parent_only(names, parent):
    """A factory that fails in every other process."""
    assert os.getpid() == parent
    return make(names)


if __name__ == "__main__":
    # Python keeps ignoring interrupts where a shell started the tests in the background.
    signal.signal(signal.SIGINT, signal.default_int_handler)
    videos, out, log, workers = sys.argv[1:]
    corpus.StoreWriter = partial(StoreWriter, videos_per_shard=5)
    factory = partial(make, log=log, pause=0.02)
    corpus.extract_corpus(
        videos,
        out,
        ("mean_color", "bands"),
        factory=factory,
        engine=LocalEngine(workers=int(workers)),
        batch=1,  # One call per second, and the videos have one second each.
    )
