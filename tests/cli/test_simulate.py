"""`mmpyramid simulate --layout ave`."""

import pytest

from mmpyramid.datasets import is_simulated
from mmpyramid.datasets.ave import read_ave
from mmpyramid.datasets.ave_files import AveFolder


def test_the_layout_of_ave(run, tmp_path, capsys):
    out = tmp_path / "new" / "ave"
    sizes = ("--train", 4, "--val", 2, "--test", 3)
    assert run("simulate", "--layout", "ave", "--out", out, *sizes) == 0
    shown = capsys.readouterr().out
    assert "simulated features of 4 train, 2 val, 3 test videos" in shown
    assert "mmpyramid train ave --data" in shown
    assert is_simulated(out)
    assert AveFolder.is_published(out)
    assert len(read_ave(out, "train", "weak")) == 4 + 1


@pytest.mark.parametrize("layout", ["llp", "ave"])
def test_seeds_are_not_negative(layout, run, tmp_path, capsys):
    assert run("simulate", "--layout", layout, "--out", tmp_path / "new", "--seed", -1) == 2
    assert "a seed of at least 0" in capsys.readouterr().err
    assert not (tmp_path / "new").exists()


@pytest.mark.parametrize("layout", ["llp", "ave"])
@pytest.mark.parametrize("size", [-1, 10**14])
def test_sizes_that_nobody_can_make(layout, size, run, tmp_path, capsys):
    assert run("simulate", "--layout", layout, "--out", tmp_path / "new", "--train", size) == 2
    assert f"at most 1,000,000 videos in a split, got train={size}" in capsys.readouterr().err
    assert not (tmp_path / "new").exists()


def test_frames_are_for_llp_alone(run, tmp_path, capsys):
    assert run("simulate", "--layout", "ave", "--out", tmp_path / "new", "--per-frame") == 2
    assert "which layout llp alone has" in capsys.readouterr().err
    assert not (tmp_path / "new").exists()
