"""Many videos at once score as each of them alone."""

import dataclasses

import numpy as np
import pytest
import torch

from mmpyramid.models import create_model, network
from mmpyramid.training.recipes import RECIPES
from random_batch import MAP

LENGTHS = (10, 3, 23, 10)


def made(name, lengths):
    """A network of a recipe, and random features of videos."""
    config = RECIPES[name]().model
    config.width = 16
    torch.manual_seed(0)
    rng = np.random.default_rng(0)
    streams = config.inputs.widths
    videos = [
        {n: rng.random((T, *MAP.get(n, ()), w), np.float32) for n, w in streams.items()}
        for T in lengths
    ]
    return create_model(config).eval(), videos


@pytest.mark.parametrize("name", RECIPES)
def test_they_score_as_each_alone(name):
    scorer, videos = made(name, LENGTHS)
    for found, video in zip(scorer.predict_each(iter(videos)), videos, strict=True):
        expected = scorer.predict(video)
        for field in dataclasses.fields(expected):
            a, b = getattr(found, field.name), getattr(expected, field.name)
            if isinstance(b, np.ndarray):
                np.testing.assert_allclose(a, b, rtol=1e-5, atol=1e-6, err_msg=field.name)
            else:
                assert a == b


@pytest.mark.parametrize("name", ["llp", "ave"])
def test_batches_are_of_so_many_segments_with_their_padding(name, monkeypatch):
    monkeypatch.setattr(network, "AT_ONCE", 40)
    scorer, videos = made(name, (10, 10, 10, 10, 10, 3, 90, 2, 2))
    results, sizes = scorer.results, []
    scorer.results = lambda batch: sizes.append(len(batch.mask_BT)) or results(batch)
    taken = []
    scores = scorer.predict_each(taken.append(video) or video for video in videos)
    next(scores)
    assert len(taken) == 5, "videos are taken as they are needed"
    assert len(list(scores)) == 8
    assert sizes == [4, 2, 1, 2]
