"""MA's label refinement against its rule written out, and its three steps run for real."""

import json
import shutil
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from mmpyramid.cli import main
from mmpyramid.core.batch import Batch
from mmpyramid.core.errors import UserError
from mmpyramid.datasets.llp import read_llp
from mmpyramid.datasets.refined import read_refined
from mmpyramid.datasets.synthetic.simulated import simulate_features
from mmpyramid.models import create_model
from mmpyramid.models.checkpoint import read_description
from mmpyramid.training.modality_aware import (
    StreamProbabilities,
    draw_partners,
    exchange,
    fit_modality_aware,
    relative_error,
    removals,
)
from mmpyramid.training.recipes import RECIPES
from mmpyramid.training.run import Run
from random_batch import random_batch
from training import tiny_corpus

OWN_RECIPE = """
from mmpyramid.training.recipes import RECIPES

def sharper():
    config = RECIPES["han-ma"]()
    config.objective.temperature = 0.1
    return config

RECIPES["sharper"] = sharper
"""
RNG = np.random.default_rng(3)


def flags(num_epochs: int) -> tuple[str, ...]:
    """Of a short training of a narrow network."""
    epochs = ("--epochs", str(num_epochs))
    return ("--model.width", "16", *epochs, "--batch-size", "8", "--precision", "32-true")


FLAGS = flags(2)


def test_partners_share_no_label_and_depend_on_the_seed_alone():
    weak_NC = (RNG.random((60, 8)) < 0.2).astype(np.float32)
    partner_N = draw_partners(weak_NC, seed=1)
    assert all(weak_NC[row] @ weak_NC[other] == 0 for row, other in enumerate(partner_N))
    assert all(row != other for row, other in enumerate(partner_N))
    np.testing.assert_array_equal(partner_N, draw_partners(weak_NC, seed=1))
    assert (partner_N != draw_partners(weak_NC, seed=2)).any()
    assert len(set(partner_N.tolist())) > 10


def test_a_video_that_shares_a_label_with_all_others_has_no_partner():
    weak_NC = np.array([[1, 1], [1, 0], [0, 1]], np.float32)
    assert draw_partners(weak_NC, seed=0).tolist() == [-1, 2, 1]


def test_labels_go_by_the_published_rule():
    num_videos, num_classes = 50, 6
    weak_NC = (RNG.random((num_videos, num_classes)) < 0.5).astype(np.float32)
    found = StreamProbabilities(*RNG.random((3, num_videos, 2, num_classes)).astype(np.float32))
    error_MC = relative_error(found.own, weak_NC)
    removed_NMC = removals(found, weak_NC, error_MC)
    for modality in range(2):
        error_C = 1 - ((found.own[:, modality] > 0.5) == (weak_NC > 0)).mean(axis=0)
        kept = (found.kept_audio, found.kept_visual)[modality]
        for video in range(num_videos):
            for c in range(num_classes):
                relative = error_C[c] / error_C.max()
                low = [kept[video, stream, c] / relative < 0.5 for stream in range(2)]
                expected = weak_NC[video, c] == 1 and all(low)
                assert removed_NMC[video, modality, c] == expected
    assert 0 < removed_NMC.mean() < 0.5


def test_nothing_is_removed_where_no_stream_errs():
    weak_NC = np.eye(4, dtype=np.float32)
    perfect = np.repeat(weak_NC[:, None], 2, axis=1)
    found = StreamProbabilities(perfect, 0 * perfect, 0 * perfect)
    assert not removals(found, weak_NC, relative_error(perfect, weak_NC)).any()


def test_an_exchange_takes_sound_from_one_and_picture_from_the_other():
    def batch(value: float, length: int, has_sound: bool) -> Batch:
        return Batch(
            streams={"ear": torch.full((1, 5, 2), value), "eye": torch.full((1, 5, 3), value)},
            mask_BT=torch.arange(5)[None] < length,
            present_BM=torch.tensor([[has_sound, True]]),
        )

    mixed = exchange(batch(1.0, 5, True), batch(2.0, 3, False), ["ear"])
    assert (mixed.streams["eye"] == 1).all()
    assert (mixed.streams["ear"] == 2).all()
    assert mixed.mask_BT.sum() == 3
    assert mixed.present_BM.tolist() == [[False, True]]


def test_videos_of_different_lengths_are_exchanged_where_both_last():
    """Batches of a folder are as long as the longest video of each."""
    own, other = (
        Batch(
            streams={"ear": torch.full((1, length, 2), value), "eye": torch.ones(1, length, 3)},
            mask_BT=torch.ones(1, length, dtype=torch.bool),
            present_BM=torch.ones(1, 2, dtype=torch.bool),
        )
        for length, value in ((5, 1.0), (3, 2.0))
    )
    for seen, heard, value in ((own, other, 2.0), (other, own, 1.0)):
        mixed = exchange(seen, heard, ["ear"])
        assert torch.equal(mixed.streams["ear"], torch.full((1, 3, 2), value))
        assert mixed.streams["eye"].shape == (1, 3, 3)
        assert mixed.mask_BT.tolist() == [[True, True, True]]


@pytest.fixture(scope="module")
def corpus(tmp_path_factory) -> Path:
    return tiny_corpus.make(tmp_path_factory.mktemp("corpus"))


def refine(corpus: Path, out: Path, *more: str, num_epochs: int = 2) -> int:
    words = ("refine", "han-ma", "--data", str(corpus), "--out", str(out), *flags(num_epochs))
    return main([*words, *more])


@pytest.mark.slow
def test_three_steps_run_once_and_resume_to_the_same_labels(corpus, tmp_path, capsys):
    out = tmp_path / "run"
    assert refine(corpus, out) == 0
    printed = capsys.readouterr().out
    assert "labels removed" in printed
    annotations = read_llp(corpus, "train")
    labels_NMC = read_refined(out / "refined_labels.tsv", annotations)
    summary = json.loads((out / "refinement.json").read_text())
    for modality, name in enumerate(("removed_audio", "removed_visual")):
        gone_C = (annotations.weak - labels_NMC[:, modality]).sum(0)
        message = [summary["classes"][label][name] for label in annotations.labels]
        assert message == gone_C.tolist()
    retrained = read_description(out / "retrained" / "model")
    assert retrained["config"]["gate"] == "per_modality"
    assert retrained["metrics"]["epoch"] == 2, "the last epoch is kept, whatever it reaches"
    before = (out / "refined_labels.tsv").read_bytes()
    (out / "refinement.json").unlink()
    assert refine(corpus, out, "--resume") == 0
    assert (out / "refined_labels.tsv").read_bytes() == before
    assert refine(corpus, out) == 2
    assert "--resume" in capsys.readouterr().err
    base = (out / "base" / "model" / "config.json").read_bytes()
    assert refine(corpus, out, "--resume", num_epochs=3) == 2
    assert "were refined after 2 epochs, not 3" in capsys.readouterr().err
    assert (out / "base" / "model" / "config.json").read_bytes() == base


@pytest.mark.slow
def test_recipes_of_ones_own_are_refined_and_others_refused(corpus, tmp_path, capsys):
    code = tmp_path / "mine.py"
    code.write_text(OWN_RECIPE)
    words = [sys.executable, "-m", "mmpyramid", "--code", str(code), "refine"]
    where = ("--data", str(corpus), "--out", str(tmp_path / "run"), *FLAGS)
    done = subprocess.run([*words, "sharper", *where], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert "labels removed" in done.stdout
    assert main(["refine", "kong", *where]) == 2
    assert "whose loss reads them, such as `han-ma`" in capsys.readouterr().err
    with pytest.raises(UserError, match="whose loss reads them"):
        fit_modality_aware(RECIPES["kong"](), corpus, tmp_path / "other")
    assert not (tmp_path / "other").exists()


@pytest.mark.slow
def test_two_processes_refine_once(tmp_path):
    """And one of them has the only video to validate on."""
    data = tiny_corpus.make(tmp_path / "data", num_val=1)
    words = ("refine", "han-ma", "--data", str(data), "--out", str(tmp_path / "run"), *FLAGS)
    done = subprocess.run(
        [*(sys.executable, "-m", "mmpyramid", *words), "--devices", "2", "--accelerator", "cpu"],
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout.count("labels removed") == 1
    assert done.stdout.count("score it with") == 1


@pytest.mark.slow
def test_labels_are_refined_where_the_network_was_trained(corpus, tmp_path, monkeypatch):
    devices = []
    load = Run.load_network
    monkeypatch.setattr(Run, "load_network", lambda run: devices.append(run.device) or load(run))
    config = RECIPES["han-ma"]()
    config.model.width, config.epochs = 16, 1
    done = fit_modality_aware(config, corpus, tmp_path / "run")
    assert devices == [done.device] == [done.retrained.device]


@pytest.mark.slow
def test_annotations_beside_simulated_features_know_of_no_planted_labels(tmp_path, capsys):
    simulate_features(None, tmp_path / "sim", sizes={"train": 8, "val": 4, "test": 4})
    (tmp_path / "annotations").mkdir()
    for file in (*(tmp_path / "sim").glob("*.csv"), tmp_path / "sim" / "labels.txt"):
        shutil.copy(file, tmp_path / "annotations")
    words = ("--features", str(tmp_path / "sim" / "feats"), "--keep", "best")
    assert refine(tmp_path / "annotations", tmp_path / "run", *words) == 0
    message = capsys.readouterr().out
    assert "best epoch" in message
    assert "simulated features" in message
    assert "planted" not in message


@pytest.mark.parametrize(
    "recipe", [name for name, recipe in RECIPES.items() if recipe().objective.problem == "parsing"]
)
def test_labels_that_no_loss_would_read_are_refused(recipe, tmp_path):
    config = RECIPES[recipe]()
    config.model.width = 16
    batch = random_batch(config.model, "parsing")
    nowhere_BMC = torch.zeros(len(batch.weak_BC), 2, len(config.model.labels))
    output = create_model(config.model).eval()(batch.streams, batch.mask_BT, batch.present_BM)
    loss = config.objective(output, batch)
    is_read = loss != config.objective(output, replace(batch, modality_BMC=nowhere_BMC))
    assert config.objective.reads_modalities == is_read
    if not config.objective.reads_modalities:
        with pytest.raises(UserError, match="leave --refined out"):
            config.objective.labels(refined=tmp_path / "refined.tsv")


@pytest.mark.slow
def test_the_strategy_of_a_run_is_chosen_by_name(corpus, tmp_path, capsys):
    words = ("train", "han-ma", "--data", str(corpus), *FLAGS, "--out", str(tmp_path / "run"))
    assert main([*words, "--strategy", "modality-aware"]) == 0
    assert (
        f"network         {tmp_path / 'run' / 'retrained' / 'model'}\n" in capsys.readouterr().out
    )
    assert main([*words, "--strategy", "magic"]) == 2
    assert "known are plain, modality-aware" in capsys.readouterr().err
    assert main([*words, "--strategy", "modality-aware", "--refined", "labels.tsv"]) == 2
    assert "leave one of them out" in capsys.readouterr().err


def test_refined_labels_can_train_another_recipe(corpus, tmp_path, capsys):
    path = tmp_path / "refined.tsv"
    rows = [f"{name}\t\t" for name in read_llp(corpus, "train").names]
    path.write_text("\n".join(["filename\taudio_labels\tvisual_labels", *rows]) + "\n")
    words = ("train", "han", "--data", str(corpus), "--refined", str(path), *FLAGS)
    assert main([*words, "--out", str(tmp_path / "run")]) == 0
    path.unlink()
    assert main([*words, "--out", str(tmp_path / "other")]) == 2
    assert "refined.tsv: No such file" in capsys.readouterr().err
