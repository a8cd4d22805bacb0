"""The settings of a run: schedules, defaults, and mistakes that name their flag."""

import json
import re

import pytest
import yaml

from mmpyramid.cli import main
from mmpyramid.core.errors import UserError
from mmpyramid.training.recipes import RECIPES
from mmpyramid.training.settings import Schedule

HALVED_LATE = {4: 1, 5: 0.5, 20: 0.25, 40: 0.125}
HALVED = {9: 1, 10: 0.5, 20: 0.25, 30: 0.125, 199: 0.125}
HALVED_SLOWLY = {19: 1, 20: 0.5, 40: 0.25, 60: 0.125, 99: 0.125}
FACTORS = {
    "ave": {49: 1, 50: 0.1, 79: 0.1},
    "ave-weak": {49: 1, 50: 0.1, 79: 0.1},
    "ave-proportion": {49: 1, 50: 0.1, 79: 0.1},
    "ave-open": {49: 1, 50: 0.1, 79: 0.1},
    "cmran": HALVED,
    "cmran-weak": HALVED_LATE,
    "avsdn": HALVED,
    "avsdn-weak": HALVED_LATE,
    "cmran-pyramid": HALVED,
    **dict.fromkeys(("dam", "mpn", "mpn-weak"), HALVED),
    **dict.fromkeys(("avrb", "avin", "cman", "avt"), HALVED_SLOWLY),
    **dict.fromkeys(("avrb-weak", "avin-weak", "cman-weak", "avt-weak"), HALVED_SLOWLY),
    "psp-pyramid": {59: 1, 60: 0.8, 120: 0.64, 299: 0.64},
    "psp": {59: 1, 60: 0.8, 120: 0.64, 299: 0.64},
    "psp-proportion": {79: 1, 80: 0.8, 160: 0.64, 299: 0.64},
    "avel": {287: 1, 288: 0.1, 299: 0.1},
    "dmrn": {287: 1, 288: 0.1, 299: 0.1},
    "avel-weak": {0: 1, 200: 1},
    "unav": {29: 1, 30: 0.1, 40: 0.01, 44: 0.01},
    "unav-plain": {29: 1, 30: 0.1, 40: 0.01, 44: 0.01},
    "ov-avel": {0: 1, 9: 1},
}
"""Factor of the learning rate by epoch; all other recipes follow HAN's."""


@pytest.mark.parametrize("name", RECIPES)
def test_every_recipe_has_the_schedule_of_its_authors(name):
    schedule = RECIPES[name]().schedule
    factors = FACTORS.get(name, {0: 1, 9: 1, 10: 0.1, 20: 0.01, 39: 0.001})
    assert {epoch: schedule(epoch) for epoch in factors} == pytest.approx(factors)


def test_the_schedule_that_the_paper_prints():
    schedule = Schedule(factor=0.2, milestones=(10,))
    assert [schedule(epoch) for epoch in (0, 9, 10, 39)] == pytest.approx([1, 1, 0.2, 0.2])


@pytest.mark.parametrize(
    ("settings", "flag"),
    [
        ({"factor": 0.0}, "--schedule.factor"),
        ({"factor": float("nan")}, "--schedule.factor"),
        ({"every": -1}, "--schedule.every"),
        ({"milestones": (20, 10)}, "--schedule.milestones"),
        ({"milestones": (0, 10)}, "--schedule.milestones"),
        ({"every": 10, "milestones": (10,)}, "--schedule.every 0"),
    ],
)
def test_senseless_schedules_name_their_flag(settings, flag):
    with pytest.raises(UserError, match=flag):
        Schedule(**settings)


def test_milestones_on_the_command_line_replace_regular_steps(capsys):
    words = ["train", "llp", "--data", "gone", "--out", "out", "--schedule.milestones", "10", "20"]
    with pytest.raises(SystemExit, match="2"):
        main(words)
    shown = re.sub(r"[\s│─]+", " ", capsys.readouterr().err)
    assert "for milestones add --schedule.every 0" in shown
    assert main([*words, "--schedule.every", "0"]) == 2
    assert "gone" in capsys.readouterr().err


@pytest.mark.parametrize("name", RECIPES)
def test_a_recipe_trains_on_one_device(name):
    config = RECIPES[name]()
    assert (config.devices, config.num_nodes) == (1, 1)


@pytest.mark.parametrize("name", RECIPES)
def test_the_plain_form_is_what_a_file_gives_back(name):
    plain = RECIPES[name]().to_dict()
    assert yaml.safe_load(yaml.safe_dump(plain)) == json.loads(json.dumps(plain)) == plain
