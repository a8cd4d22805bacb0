"""What the commands are tried on: a tiny corpus, untrained networks, a clip of two seconds."""

from collections.abc import Callable
from pathlib import Path

import h5py
import numpy as np
import pytest
import torch

import media_files
from mmpyramid.cli import main
from mmpyramid.models import (
    MMPyramid,
    MMPyramidAVE,
    MMPyramidAVEConfig,
    MMPyramidConfig,
    save_pretrained,
)
from training import tiny_corpus

AVE_LINES = ("Dog&aaaaaaaaaaa&good&2&5", "Cat&-bbbbbbbbbb&good&0&3", "Dog&-bbbbbbbbbb&good&2&10")
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


@pytest.fixture(scope="session")
def events(tmp_path_factory):
    """An AVE folder of three lines, two of which are of one video, and a network for it."""
    folder = tmp_path_factory.mktemp("events")
    rng = np.random.default_rng(0)
    (folder / "labels.txt").write_text("Dog\nCat\n")
    (folder / "Annotations.txt").write_text("".join(f"{line}\n" for line in AVE_LINES))
    stored = {
        "audio_feature": ("avadataset", rng.random((3, 10, 128))),
        "visual_feature": ("avadataset", rng.random((3, 10, 7, 7, 512))),
        "test_order": ("order", np.array([1, 0, 2])),
    }
    for name, (dataset, values) in stored.items():
        with h5py.File(folder / f"{name}.h5", "w") as file:
            file.create_dataset(dataset, data=values)
    torch.manual_seed(0)
    network = MMPyramidAVE(MMPyramidAVEConfig(labels=("Dog", "Cat"), width=16))
    with torch.no_grad():
        network.relevance.bias.fill_(2.0)
    return folder, save_pretrained(network, folder / "model")
