"""A pipe in the place of a file that is read is reported at once: nobody waits for it."""

import os

import pytest

from mmpyramid import Timeline, UserError
from mmpyramid.backbones.published import read_state
from mmpyramid.backbones.vgg19 import read_keras
from mmpyramid.datasets.synthetic.planting import claim_folder
from mmpyramid.models.convert import read_official
from mmpyramid.render import to_html
from mmpyramid.store.hdf5 import only_dataset, read_dataset


def open_hdf5(path):
    with only_dataset(path):
        pass


READERS = {
    "a checkpoint of PyTorch": read_state,
    "weights of Keras": read_keras,
    "an official checkpoint": read_official,
    "a file of features": open_hdf5,
    "a file of labels": read_dataset,
    "a video to embed": lambda path: to_html(Timeline(duration=1.0), video=path),
    "parameters of a corpus": lambda path: claim_folder(path.parent, path.name, {}),
}


@pytest.mark.parametrize("read", READERS.values(), ids=READERS)
def test_a_pipe_is_reported_at_once(read, tmp_path):
    os.mkfifo(tmp_path / "pipe.mp4")
    with pytest.raises(UserError, match=r"pipe\.mp4"):
        read(tmp_path / "pipe.mp4")


@pytest.mark.parametrize("content", [b"", b"\x89HDF\r\n\x1a\n" + bytes(600), b"text" * 100])
def test_damaged_weights_of_keras_are_reported(content, tmp_path):
    (tmp_path / "vgg19.h5").write_bytes(content)
    with pytest.raises(UserError, match=r"Keras weights file .* at .*vgg19\.h5"):
        read_keras(tmp_path / "vgg19.h5")
