"""The tables of our own: what events are found by length, what networks cost, ablations."""

from dataclasses import replace
from types import SimpleNamespace

import numpy as np
import pytest

from mmpyramid.cli import main
from mmpyramid.core import Decoder, Modality, Scores
from mmpyramid.datasets import open_dataset
from mmpyramid.experiments import TABLES, jobs
from mmpyramid.experiments.measured import (
    costs,
    found_by_length,
    number_of_operations,
    number_of_parameters,
)
from mmpyramid.experiments.tables import ABLATION, PLUGIN_LLP
from mmpyramid.training.recipes import RECIPES
from mmpyramid.training.recipes.mm_pyramid import ABLATIONS
from training import tiny_corpus

SMALL = ("--width", "32", "--epochs", "1", "--batch-size", "8", "--precision", "32-true")


@pytest.fixture(scope="module")
def corpus(tmp_path_factory):
    return tiny_corpus.make(tmp_path_factory.mktemp("corpus"))


class Repeating:
    """A network that predicts what it is told, whatever it reads."""

    problem, decoder = "parsing", Decoder(gate="none")

    def __init__(self, *masks_TC: np.ndarray) -> None:
        self.masks = iter(masks_TC)

    def predict(self, features):
        return [self.scores(next(self.masks)) for _ in features]

    def scores(self, mask_TC):
        value_TC = mask_TC.astype(np.float32)
        return Scores(
            audio=value_TC, visual=0 * value_TC, video=value_TC.max(0), labels=("Dog", "Cat")
        )


def test_events_are_found_by_their_length():
    truth = np.zeros((2, 12, 2), dtype=bool)
    truth[0, :1, 0] = truth[0, 2:6, 0] = truth[1, :, 1] = truth[1, 4:7, 0] = True
    predicted = np.zeros_like(truth)
    predicted[0, 2:4, 0] = True  # Half of four seconds: found.
    predicted[1, :6, 1] = True  # Half of twelve.
    predicted[1, 4:5, 0] = True  # A third of three: neither found nor right.
    dataset = SimpleNamespace(
        ids=("a", "b"),
        item={"a": {}, "b": {}}.__getitem__,
        truth=lambda video_id: {Modality.AUDIO: truth["ab".index(video_id)]},
    )
    found = found_by_length(Repeating(*predicted), dataset)
    assert found == {
        "1-2 s": 0,
        "3-5 s": 50,
        "6-9 s": None,
        "10 s or more": 100,
        "precision": pytest.approx(200 / 3),
    }


@pytest.fixture
def found_costs(corpus):
    """Of a small network, and of one that is four times as wide."""
    recipe = RECIPES["llp"]()
    small = replace(recipe, batch_size=4, model=replace(recipe.model, width=32))
    large = replace(small, model=replace(recipe.model, width=128))
    train = open_dataset(corpus, "train", small.model.inputs, problem="parsing")
    return lambda rounds: costs({"small": small, "large": large}, "small", train, rounds=rounds)


@pytest.mark.alone
@pytest.mark.slow
def test_steps_are_compared(found_costs):
    found = found_costs(rounds=5)
    assert found["small"].step == 1
    assert found["large"].step > 1


@pytest.mark.slow
def test_costs_are_counted(found_costs):
    found = found_costs(rounds=1)
    assert found["small"].step == 1
    assert found["large"].step > 0
    assert found["large"].flops > 4 * found["small"].flops
    assert found["large"].parameters > 4 * found["small"].parameters


def test_operations_of_a_layer_are_its_products():
    """Projections of HAN grow with the streams' width: two operations for each product."""
    recipe = RECIPES["han"]()
    narrow, wide = (
        replace(recipe, model=replace(recipe.model, width=16, audio_streams={"vggish": width}))
        for width in (100, 200)
    )
    more = number_of_operations(wide) - number_of_operations(narrow)
    assert more == 2 * 10 * 100 * 16
    assert number_of_parameters(wide) - number_of_parameters(narrow) == 100 * 16


def test_attention_is_counted():
    def operations(length: int) -> int:
        recipe = RECIPES["han"]()
        model = replace(recipe.model, width=16, context=length)
        return number_of_operations(replace(recipe, model=model))

    # What grows faster than the length: two products of each of the four attentions.
    squared = operations(20) - 2 * operations(10)
    assert squared == 4 * 2 * 2 * 16 * (20**2 - 2 * 10**2)


@pytest.mark.parametrize("name", ABLATIONS)
def test_an_ablation_differs_from_the_released_network_in_the_pyramid_alone(name):
    config, recipe = ABLATIONS[name](), RECIPES["llp"]()
    assert config != recipe
    assert config == replace(recipe, model=config.model)
    assert replace(config.model, pyramid=recipe.model.pyramid) == recipe.model


def test_widths_are_relative_to_what_is_asked_for(tmp_path):
    quarter, half = (row for row in ABLATION.rows if row.relative_width != 1)
    found = list(jobs([quarter, half], [1], {"width": 64}, tmp_path))
    assert [job.config.model.width for job in found] == [16, 32]
    assert len({job.folder for job in found}) == 2


@pytest.mark.slow
def test_the_ablation_tells_costs_and_goes_on(corpus, tmp_path, capsys):
    words = ("tables", "ablation", "--data", str(corpus), "--out", str(tmp_path), *SMALL)
    rows = ("--rows", "mm-pyramid", "a-quarter-of-the-width", "1-unit")
    assert main([*words, "--seeds", "1", *rows]) == 0
    told = capsys.readouterr()
    assert told.err.count("seed 1") == 3
    lines = {
        line.split("|")[1].strip(): line.split("|") for line in told.out.splitlines() if "|" in line
    }
    parameters, flops, step = (float(cell) for cell in lines["MM-Pyramid"][-4:-1])
    assert step == 1
    assert float(lines["A quarter of the width"][-4]) < parameters
    assert float(lines["1 unit"][-3]) < flops
    assert "5 units" not in lines
    measured = tmp_path / "cost-ablation.json"
    stamp = measured.stat().st_mtime_ns
    assert main([*words, "--seeds", "1", *rows]) == 0
    again = capsys.readouterr()
    assert (again.out, again.err, measured.stat().st_mtime_ns) == (told.out, "", stamp)


@pytest.mark.slow
def test_the_pyramid_as_a_part_is_compared_by_length(corpus, tmp_path, capsys):
    words = ("tables", "plugin-llp", "--data", str(corpus), "--out", str(tmp_path), *SMALL)
    assert main([*words, "--seeds", "1"]) == 0
    shown = capsys.readouterr().out
    # Eight clips; what is heard, what is seen and what is both are events of their own.
    assert "- annotated events: 3 of 1-2 s, 0 of 3-5 s, 21 of 6-9 s, 0 of 10 s" in shown
    assert [row.name for row in PLUGIN_LLP.rows] == ["HAN", "HAN + pyramid", "MM-Pyramid"]
    for row in PLUGIN_LLP.rows:
        (line,) = (line for line in shown.splitlines() if line.startswith(f"| {row.name} |"))
        assert len(line.split("|")) == len(TABLES["plugin-llp"].columns) + 4
        # The corpus has no event of ten seconds.
        assert line.split("|")[-3].strip() == ""
        assert 0 <= float(line.split("|")[-2]) <= 100


def test_the_subset_is_an_option_of_the_table_that_has_one(corpus, tmp_path, capsys):
    words = ("--data", str(corpus), "--out", str(tmp_path))
    assert main(["tables", "1", "--subset", "--list-rows", *words]) == 0
    assert [line.split()[0] for line in capsys.readouterr().out.splitlines()] == [
        *("mpn", "cmran", "psp", "mm-pyramid")
    ]
    assert main(["tables", "2", "--subset", *words]) == 2
    assert "leave --subset out" in capsys.readouterr().err


def test_no_precision_is_told_where_nothing_is_predicted():
    truth = np.ones((1, 3, 2), dtype=bool)
    dataset = SimpleNamespace(
        ids=("a",), item=lambda _: {}, truth=lambda _: {Modality.AUDIO: truth[0]}
    )
    found = found_by_length(Repeating(~truth[0]), dataset)
    assert found["precision"] is None
    assert found["3-5 s"] == 0


@pytest.mark.parametrize("length", [9, 11])
def test_features_may_be_longer_or_shorter_than_what_is_annotated(length):
    """Those that somebody extracted of a clip that is not as long as its name says."""
    truth = np.zeros((10, 2), dtype=bool)
    truth[6:10, 0] = True
    predicted = np.zeros((length, 2), dtype=bool)
    predicted[6:, 0] = True
    dataset = SimpleNamespace(
        ids=("a",), item=lambda _: {}, truth=lambda _: {Modality.AUDIO: truth}
    )
    found = found_by_length(Repeating(predicted), dataset)
    assert (found["3-5 s"], found["precision"]) == (100, 100)
