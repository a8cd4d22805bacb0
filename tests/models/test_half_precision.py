"""Every network scores with its weights in bf16 nearly what it scores in float32."""

import numpy as np
import pytest
import torch

from mmpyramid.models import create_model
from mmpyramid.training.recipes import RECIPES
from random_batch import MAP


@pytest.mark.slow
@pytest.mark.parametrize("recipe", RECIPES)
def test_weights_in_bf16_score_as_in_float32(recipe):
    config = RECIPES[recipe]().model
    config.width = 16
    torch.manual_seed(0)
    network = create_model(config).eval()
    features = {
        name: np.random.default_rng(0).normal(size=(12, *MAP.get(name, ()), width)).astype("f4")
        for name, width in network.streams.items()
    }
    names = {
        "parsing": ("audio", "visual", "video", "video_audio", "local_video"),
        "localization": ("relevance", "category", "local_category"),
        "detection": ("happens",),
    }[network.problem]
    exact, half = network.predict(features), network.bfloat16().predict(features)
    for name in names:
        assert getattr(half, name).dtype == np.float32
        np.testing.assert_allclose(getattr(half, name), getattr(exact, name), atol=0.05)
