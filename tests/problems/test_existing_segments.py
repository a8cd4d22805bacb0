"""Beyond a video's end there is neither a prediction nor a truth, wherever numbers are made."""

import dataclasses
from typing import ClassVar

import numpy as np
import pytest
import torch

from mmpyramid.core.batch import Batch
from mmpyramid.datasets import open_dataset
from mmpyramid.models import MMPyramid, MMPyramidConfig
from mmpyramid.problems import LocalizationProblem, ParsingProblem
from mmpyramid.problems.parsing import nothing_predicted, score_predictions
from training import tiny_corpus

SHORT = 3
"""Segments that the features of every other video have, of ten that are annotated."""


@pytest.fixture
def corpus(tmp_path):
    data = tiny_corpus.make(tmp_path / "data")
    for path in (data / "feats").rglob("*.npy"):
        if int(path.stem[-1]) % 2:
            np.save(path, np.load(path)[:SHORT])
    return data


@pytest.fixture
def network():
    torch.manual_seed(0)
    return MMPyramid(MMPyramidConfig(labels=tiny_corpus.LABELS, width=16)).eval()


def test_validation_evaluation_and_saved_predictions_agree(corpus, network, tmp_path):
    problem, test = ParsingProblem(), open_dataset(corpus, "test", network.inputs)
    path = tmp_path / "predictions.npz"
    report = problem.evaluate(network, test, predictions=path)
    metric = problem.metrics(network.decoder)
    for output, batch in problem.outputs(network, test):
        problem.update(metric, output, batch)
    scored = score_predictions(path, test.ids, *test.masks)
    for other in (metric.report(), scored):
        for level, numbers in report.to_dict().items():
            assert other.to_dict()[level] == pytest.approx(numbers, abs=1e-9)


def test_the_references_of_parsing_end_with_the_video(corpus, network):
    test = open_dataset(corpus, "test", network.inputs)
    mask_NT = test.batch(range(len(test))).mask_BT.numpy()
    found = ParsingProblem().references(test)["nothing"]
    assert found == nothing_predicted(*test.masks, mask_NT=mask_NT)
    assert found != nothing_predicted(*test.masks)


def test_the_references_of_localization_end_with_the_clip():
    """Of four annotated segments two exist, and in these the event happens throughout."""
    batch = Batch(
        streams={},
        mask_BT=torch.tensor([[True, True, False, False]]),
        present_BM=torch.ones(1, 2, dtype=torch.bool),
        weak_BC=torch.tensor([[0.0, 1.0, 0.0]]),
        segment_BT=torch.tensor([[1, 1, 2, 2]]),
    )
    references = LocalizationProblem().references(OneBatch(batch))
    assert references["true category everywhere (oracle)"].all.argmax == 100
    assert references["background everywhere"].all.argmax == 0
    oracle = references["true category everywhere (oracle)"]
    assert oracle.subset is None, "the event fills what exists"
    whole = dataclasses.replace(batch, mask_BT=torch.ones(1, 4, dtype=torch.bool))
    references = LocalizationProblem().references(OneBatch(whole))
    assert references["true category everywhere (oracle)"].all.argmax == 50


class OneBatch:
    """A split of one clip."""

    groups: ClassVar[dict[str, object]] = {}

    def __init__(self, batch: Batch) -> None:
        self.batch = lambda rows: batch

    def __len__(self) -> int:
        return 1
