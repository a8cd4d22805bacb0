"""Which training steps a CUDA graph can hold: those that never ask for a value.

A tensor on PyTorch's `meta` device has a shape and no values, so that whatever needs one fails: a
copy to the CPU, a condition, rows chosen by a mask.
"""

from contextlib import nullcontext

import pytest
import torch

from mmpyramid.training.module import NetworkModule
from mmpyramid.training.recipes import RECIPES
from random_batch import narrow, random_batch

ASKING = {
    *("psp", "psp-proportion", "avel", "avel-weak", "dmrn", "avsdn", "avsdn-weak", "talnet"),
    *("avrb", "avrb-weak", "avin", "avin-weak", "psp-pyramid"),
    *("avel-llp", "avsdn-llp"),  # Recurrent: packed sequences have their lengths on the CPU.
    "kong",  # Batch normalization over the segments that exist.
}
"""Recipes whose steps are taken operator by operator."""


@pytest.mark.slow
@pytest.mark.parametrize("name", RECIPES)
def test_a_step_asks_for_no_value(name, monkeypatch):
    monkeypatch.setattr(torch, "autocast", lambda *args, **settings: nullcontext())
    config = RECIPES[name]()
    narrow(config.model)
    module = NetworkModule(config).to("meta")
    batch = random_batch(config.model, config.objective.problem).to("meta")
    if name in ASKING:
        with pytest.raises(NotImplementedError, match=r"no data!|nonzero"):
            module.loss(batch)
    else:
        module.loss(batch).backward()
