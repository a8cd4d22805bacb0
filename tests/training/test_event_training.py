"""Event localization is trained and evaluated for real, under every supervision."""

from dataclasses import replace
from pathlib import Path

import pytest
import torch
from torch.nn import functional as F

from mmpyramid.cli import main
from mmpyramid.core.batch import Batch
from mmpyramid.core.errors import UserError
from mmpyramid.datasets import open_dataset
from mmpyramid.models import create_model, load_pretrained
from mmpyramid.models.network import Localized
from mmpyramid.problems import LocalizationProblem
from mmpyramid.problems.localization.losses import (
    DecomposedObjective,
    PooledObjective,
    decomposed_loss,
    pooled_loss,
)
from mmpyramid.training.recipes import RECIPES
from training import tiny_events


@pytest.fixture(scope="module")
def corpus(tmp_path_factory) -> Path:
    return tiny_events.make(tmp_path_factory.mktemp("corpus"))


def train(recipe: str, corpus: Path, out: Path, epochs: int) -> int:
    words = ["train", recipe, "--data", str(corpus), "--out", str(out), *tiny_events.FLAGS]
    return main([*words, "--epochs", str(epochs)])


@pytest.mark.slow
@pytest.mark.parametrize("recipe", ["ave", "ave-weak", "ave-proportion"])
def test_every_supervision_trains_and_evaluates(recipe, corpus, tmp_path, capsys):
    assert train(recipe, corpus, tmp_path / "run", epochs=1) == 0
    assert "simulated features, validation accuracy (two-head rule)" in capsys.readouterr().out
    model, numbers = tmp_path / "run" / "model", tmp_path / "numbers.json"
    assert main(["evaluate", str(model), "--data", str(corpus), "--json", str(numbers)]) == 0
    table = capsys.readouterr().out
    assert "simulated" in table
    for row in ("model", "true category everywhere (oracle)", "background everywhere"):
        assert any(line.startswith(row) for line in table.splitlines())
    assert '"two_head"' in numbers.read_text()


def test_a_network_that_diverged_has_no_numbers(corpus):
    config = RECIPES["ave"]().model
    test = open_dataset(corpus, "test", config.inputs)
    labels = test.labels
    network = create_model(replace(config, width=16, labels=labels))
    with torch.no_grad():
        network.relevance.weight.fill_(torch.nan)
    with pytest.raises(UserError, match="diverged"):
        LocalizationProblem().evaluate(network, test)


@pytest.mark.slow
def test_full_supervision_beats_both_references(corpus, tmp_path):
    assert train("ave", corpus, tmp_path / "run", epochs=20) == 0
    network = load_pretrained(tmp_path / "run" / "model")
    problem = LocalizationProblem()
    train_split = open_dataset(corpus, "train", network.inputs)
    known = problem.evaluate(network, train_split)
    best = max(report.all.two_head for report in problem.references(train_split).values())
    assert known.all.two_head > best + 5


def test_weak_training_reads_background_clips_and_no_segment(corpus):
    config = RECIPES["ave-weak"]()
    streams, supervision = config.model.inputs, config.objective.labels()
    train_split = open_dataset(corpus, "train", streams, supervision=supervision)
    assert train_split.annotations.noisy.any()
    batch = train_split.batch([0, len(train_split) - 1])
    network = create_model(config.model)
    output = network(batch.streams)
    loss = config.objective(output, batch)
    batch.segment_BT.fill_(0)
    torch.testing.assert_close(config.objective(output, batch), loss)
    config.objective.background_clips = False
    without = open_dataset(corpus, "train", streams, supervision=config.objective.labels())
    assert not without.annotations.noisy.any()


def test_the_decomposed_loss_is_the_sum_of_two_cross_entropies():
    relevance_BT, category_BC = torch.tensor([[2.0, -1.0, 9.0]]), torch.tensor([[0.5, 1.5]])
    segment_BT, weak_BC = torch.tensor([[1, 2, 1]]), torch.tensor([[0.0, 1.0, 0.0]])
    mask_BT = torch.tensor([[True, True, False]])
    output = Localized(torch.zeros(1, 3, 3), relevance_BT, category_BC)
    happens = -torch.sigmoid(relevance_BT[0, 0]).log() - torch.sigmoid(-relevance_BT[0, 1]).log()
    category = -category_BC.log_softmax(-1)[0, 1]
    loss = decomposed_loss(output, segment_BT, weak_BC, mask_BT, category_weight=0.5)
    torch.testing.assert_close(loss, happens / 2 + 0.5 * category)


def test_a_video_of_background_teaches_a_category_only_where_there_is_one_for_it():
    """OV-AVEBench has such videos among those to train on, AVE has not."""
    segment_BT = torch.tensor([[1, 2], [2, 2]])
    weak_BC = torch.tensor([[0.0, 1.0, 0.0], [0.0, 0.0, 1.0]])
    relevance_BT = torch.tensor([[2.0, -1.0], [-3.0, 0.5]])
    every = torch.ones(2, 2, dtype=torch.bool)

    def losses(category_BC):
        output = Localized(torch.zeros(2, 2, 3), relevance_BT, category_BC)
        parts = [decomposed_loss(output, segment_BT, weak_BC, every, weight) for weight in (0, 1)]
        return parts[1] - parts[0]

    two_BC = torch.tensor([[0.5, 1.5], [7.0, 3.0]])
    torch.testing.assert_close(losses(two_BC), -two_BC.log_softmax(-1)[0, 1])
    three_BC = torch.tensor([[0.5, 1.5, 0.1], [7.0, 3.0, 5.0]])
    log_prob_BC = three_BC.log_softmax(-1)
    torch.testing.assert_close(losses(three_BC), -(log_prob_BC[0, 1] + log_prob_BC[1, 2]) / 2)
    output = Localized(torch.zeros(1, 2, 3), relevance_BT[1:], two_BC[1:])
    alone = decomposed_loss(output, segment_BT[1:], weak_BC[1:], every[1:])
    relevance = F.binary_cross_entropy_with_logits(relevance_BT[1:], torch.zeros(1, 2))
    torch.testing.assert_close(alone, relevance)


@pytest.mark.parametrize("recipe", ["ave", "ave-weak", "avel"])
def test_labels_of_another_kind_are_refused(recipe):
    """A folder and UnAV-100 have no class for every segment."""
    config = RECIPES[recipe]()
    output = Localized(torch.zeros(1, 2, 29), torch.zeros(1, 2), torch.zeros(1, 28))
    batch = Batch(
        streams={},
        mask_BT=torch.ones(1, 2, dtype=torch.bool),
        present_BM=torch.ones(1, 2, dtype=torch.bool),
        weak_BC=torch.zeros(1, 28),
    )
    with pytest.raises(UserError, match="got annotations of another kind"):
        config.objective(output, batch)


def test_a_network_that_scores_segments_alone_learns_no_relevance(corpus, tmp_path, capsys):
    words = ["train", "ave", "--data", str(corpus), "--out", str(tmp_path / "run")]
    assert main([*words, "--model.head", "segments", "--model.width", "16"]) == 2
    assert "leave --model.head as the recipe has it" in capsys.readouterr().err


def test_scores_are_not_pooled_for_labels_of_segments():
    with pytest.raises(UserError, match="labels of videos, `weak` or `proportion`"):
        PooledObjective(supervision="full")


@pytest.mark.parametrize("pool", ["max", "mean"])
@pytest.mark.parametrize("loss", ["soft-margin", "cross-entropy"])
def test_the_pooled_loss_compares_distributions_and_skips_padding(pool, loss):
    score_BTC = torch.tensor([[[1.0, 0.0], [3.0, 2.0], [99.0, -99.0]]])
    mask_BT, weak_BC = torch.tensor([[True, True, False]]), torch.tensor([[0.3, 0.7]])
    real_TC = score_BTC[0, :2]
    prob_C = (real_TC.amax(0) if pool == "max" else real_TC.mean(0)).softmax(-1)
    if loss == "soft-margin":
        prob_C = torch.sigmoid(prob_C)
    expected = -(weak_BC[0] * prob_C.log() + (1 - weak_BC[0]) * (1 - prob_C).log()).mean()
    actual = pooled_loss(Localized(score_BTC), weak_BC, mask_BT, pool=pool, loss=loss)
    torch.testing.assert_close(actual, expected)


def test_the_relevance_is_not_learned_from_weak_labels():
    with pytest.raises(UserError, match="another recipe, such as `ave-weak`"):
        DecomposedObjective(supervision="weak")


def test_options_of_the_other_task_are_refused(corpus, tmp_path, capsys):
    words = ["train", "ave", "--data", str(corpus), "--out", str(tmp_path / "run")]
    assert main([*words, "--refined", "labels.tsv"]) == 2
    assert "modality-aware labels are for parsing" in capsys.readouterr().err
