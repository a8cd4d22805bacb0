"""A run goes on from what it wrote, and from nothing else."""

import random
import zipfile

import pytest
import torch

from mmpyramid.core.errors import UserError
from mmpyramid.core.files import SEAL_LENGTH
from mmpyramid.training.module import AtomicCheckpointIO

STATE = {"epoch": 3, "weights": {"layer": torch.arange(2000.0)}, "best": float("-inf")}


@pytest.fixture
def path(tmp_path):
    AtomicCheckpointIO().save_checkpoint(STATE, tmp_path / "new" / "last.ckpt")
    return tmp_path / "new" / "last.ckpt"


def load(path):
    return AtomicCheckpointIO().load_checkpoint(path)


def test_it_is_read_as_it_was_written(path):
    loaded = load(path)
    assert loaded["epoch"] == 3
    assert torch.equal(loaded["weights"]["layer"], STATE["weights"]["layer"])
    assert [file.name for file in path.parent.iterdir()] == ["last.ckpt"]


def test_no_flipped_bit_is_silent(path):
    choose, whole = random.Random(1), path.read_bytes()
    for _ in range(100):
        damaged = bytearray(whole)
        damaged[choose.randrange(len(whole) - SEAL_LENGTH)] ^= 1 << choose.randrange(8)
        path.write_bytes(damaged)
        with pytest.raises(UserError, match=r"cannot go on from .*last\.ckpt, which is damaged"):
            load(path)


def test_one_of_an_earlier_version_is_compared_with_the_checksums_of_zip(path):
    torch.save(STATE, path)
    assert load(path)["epoch"] == 3
    with zipfile.ZipFile(path) as archive:
        (values,) = (info for info in archive.infolist() if info.file_size == 8000)
    damaged = bytearray(path.read_bytes())
    damaged[values.header_offset + 4000] ^= 1
    path.write_bytes(damaged)
    with pytest.raises(UserError, match="the checksum of"):
        load(path)


@pytest.mark.parametrize("content", [b"", b"x" * 100, b"PK\3\4"])
def test_what_is_none(path, content):
    path.write_bytes(content)
    with pytest.raises(UserError, match="cannot go on from"):
        load(path)


class Evil:
    def __reduce__(self):
        return (print, ("run",))


def test_no_code_is_run(path, capsys):
    torch.save({"epoch": Evil()}, path)
    with pytest.raises(UserError, match="cannot go on from"):
        load(path)
    assert capsys.readouterr().out == ""
