"""A folder in the layout of the other task is told as such."""

import pytest

from mmpyramid.core.errors import UserError
from mmpyramid.datasets.ave import read_ave
from mmpyramid.datasets.llp import read_llp


@pytest.mark.parametrize("place", ["", "data"])
def test_a_folder_of_ave_is_told(tmp_path, place):
    (tmp_path / place).mkdir(exist_ok=True)
    (tmp_path / place / "Annotations.txt").write_text("Bark&bbbbbbbbbbb&good&6&8\n")
    with pytest.raises(UserError, match=r"layout of LLP in .*, got files of AVE \(Annotations.txt"):
        read_llp(tmp_path, "test")


@pytest.mark.parametrize("place", ["", "data"])
def test_a_folder_of_llp_is_told(tmp_path, place):
    (tmp_path / place).mkdir(exist_ok=True)
    (tmp_path / place / "AVVP_train.csv").write_text("filename\tevent_labels\n")
    with pytest.raises(UserError, match=r"layout of AVE in .*, got files of LLP \(AVVP_\*.csv"):
        read_ave(tmp_path, "train", "weak")
