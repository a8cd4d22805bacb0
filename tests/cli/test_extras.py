"""Where nothing but the requirements is installed, a command names the extra that it needs."""

import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

from mmpyramid.cli.main import COMMANDS, EXTRAS, OWN_EXTRAS

ROOT = Path(__file__).parents[2]

HIDE = """
import sys

HIDDEN = set(sys.argv[1].split())

class Hiding:
    def __init__(self, finder):
        self.finder = finder

    def find_spec(self, name, path=None, target=None):
        return None if name in HIDDEN else self.finder.find_spec(name, path, target)

sys.meta_path[:] = map(Hiding, sys.meta_path)
"""
"""Hides packages, which are the first argument."""

PLAIN = f"""{HIDE}
from mmpyramid.cli import main

for words in sys.argv[2:]:
    sys.stderr.write("code %d\\n" % main(words.split()))
"""
"""Runs commands in an environment without some packages."""

NEEDS = {
    "train llp --data . --out run": "train",
    "evaluate model --data .": "train",
    "refine llp --data . --out run": "train",
    "tables 1 --data .": "train",
    "demo --out demo": "train",
    "export model --out model.onnx": "export",
    "parse {clip} --model {folder}": "torch",
    "parse {clip} --text dog": "text",
    "parse {clip} --device cuda": "torch",
    "teach {labels} --videos . --out mine": "torch",
    "extract {clip} --out features --set llp": "published",
    "extract {clip} --out features --streams resnet152": "published",
    "extract {clip} --out features --set text": "text",
    "extract {clip} --out features --device cuda": "torch",
    "library add {clip} --out lib": "library",
    "serve --port 0": "app",
}

IN_PYTHON = f"""{HIDE}
import mmpyramid
from mmpyramid.backbones.registry import BACKBONES
from mmpyramid.backbones.runtime import open_network

for attempt in (
    lambda: mmpyramid.HAN,
    lambda: mmpyramid.teach,
    lambda: mmpyramid.Pipeline(device="cuda"),
    lambda: mmpyramid.Pipeline("mine/model"),
    lambda: open_network("yamnet", {{}}, device="cuda", dim=1024, chunk=1, gpu_chunk=1),
    lambda: BACKBONES["vggish"].load(),
    lambda: BACKBONES["vgg19"].load(),
    lambda: mmpyramid.Pipeline(text=["a red bus"]),
):
    try:
        attempt()
    except ModuleNotFoundError as error:
        print(error.name, error)
"""


def test_the_interface_of_python_names_the_extra():
    packages = " ".join(sorted(set().union(*EXTRAS.values())))
    command = [sys.executable, "-c", IN_PYTHON, packages]
    found = subprocess.run(command, capture_output=True, text=True, check=True)
    extras = ["torch"] * 6 + ["published", "text"]
    answers = found.stdout.splitlines()
    assert len(answers) == len(extras), found.stdout
    for answer, extra in zip(answers, extras, strict=True):
        assert f"'mmpyramid[{extra}] @" in answer
        assert answer.split()[0] in EXTRAS[extra]


WRONG_MODEL = f"""{HIDE}
import mmpyramid

try:
    mmpyramid.Pipeline("tachers")
except mmpyramid.UserError as error:
    print(error)
"""


def test_a_model_that_is_not_there_is_told_before_an_extra_is_asked_for():
    command = [sys.executable, "-c", WRONG_MODEL, "torch"]
    found = subprocess.run(command, capture_output=True, text=True, check=True)
    assert found.stdout.startswith(
        "there is no checkpoint folder `tachers`, and it is not an id of"
    )


@pytest.mark.slow
def test_each_command_names_its_extra(tmp_path, clip):
    (tmp_path / "labels.csv").write_text("file,label,start,end,modality\nclip.mp4,beep,1,3,audio\n")
    places = {"clip": clip, "folder": tmp_path, "labels": tmp_path / "labels.csv"}
    packages = " ".join(sorted(set().union(*EXTRAS.values())))
    words = [command.format(**places) for command in NEEDS]
    found = subprocess.run(
        [sys.executable, "-c", PLAIN, packages, *words],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=True,
    )
    answers = found.stderr.split("code 2\n")[:-1]
    assert len(answers) == len(NEEDS), found.stderr
    for (command, extra), answer in zip(NEEDS.items(), answers, strict=True):
        assert f"'mmpyramid[{extra}] @" in answer, command


def test_extras_are_those_of_the_project():
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    assert EXTRAS.keys() == project["optional-dependencies"].keys() - {"dev", "docs"}
    assert OWN_EXTRAS.keys() <= COMMANDS.keys()
    assert set(OWN_EXTRAS.values()) <= EXTRAS.keys()
