"""Two runs never write into one folder."""

import pytest

from mmpyramid.core.errors import UserError
from mmpyramid.core.files import only_writer
from mmpyramid.training.recipes import RECIPES
from mmpyramid.training.run import fit
from training import tiny_corpus


@pytest.mark.slow
def test_a_second_run_in_a_folder_is_refused(tmp_path):
    data = tiny_corpus.make(tmp_path / "data", num_train=2, num_val=2)
    with only_writer(tmp_path / "run"), pytest.raises(UserError, match="another process writes"):
        fit(RECIPES["llp"](), data, tmp_path / "run", resume=True)
    assert [path.name for path in (tmp_path / "run").iterdir()] == ["run.lock"]
