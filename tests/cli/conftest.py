"""What the commands are tried on: a tiny corpus, untrained networks, a clip of two seconds."""

from collections.abc import Callable
from pathlib import Path

import pytest
import torch

import media_files
from mmpyramid.cli import main
from mmpyramid.models import MMPyramid, MMPyramidConfig, save_pretrained
from training import tiny_corpus

OPEN = {"audio_streams": {"yamnet": 1024}, "visual_streams": {"efficientnet_lite0": 1280}}


def untrained(folder: Path, **settings: object) -> Path:
    torch.manual_seed(0)
    return save_pretrained(
        MMPyramid(MMPyramidConfig(labels=tiny_corpus.LABELS, width=16, **settings)),
        folder,
        {"epoch": 3, "val/segment_type_av": 12.5},
    )


@pytest.fixture
def run() -> Callable[..., int]:
    """Run a command in this process; gives its exit code."""

    def call(*words: object) -> int:
        try:
            return main([str(word) for word in words])
        except SystemExit as error:
            return int(error.code)

    return call


@pytest.fixture(scope="session")
def corpus(tmp_path_factory) -> Path:
    return tiny_corpus.make(tmp_path_factory.mktemp("corpus"), num_train=8, num_val=6)


@pytest.fixture(scope="session")
def model(tmp_path_factory) -> Path:
    return untrained(tmp_path_factory.mktemp("model"))


@pytest.fixture(scope="session")
def open_model(tmp_path_factory) -> Path:
    """Reads the streams that can be extracted from video."""
    return untrained(tmp_path_factory.mktemp("open"), **OPEN)


@pytest.fixture(scope="session")
def clip(tmp_path_factory) -> Path:
    path = tmp_path_factory.mktemp("media") / "clip.mp4"
    return media_files.write_media(path, media_files.steady(20), media_files.tone(440, 2.0))
