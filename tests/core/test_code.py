"""Files of the user are imported under names of their own, in every process."""

import json
import os
import pickle
import subprocess
import sys
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context
from pathlib import Path

import pytest

from mmpyramid.core.code import VARIABLE, code_files, load_code
from mmpyramid.core.errors import UserError

SHAPE = """
from dataclasses import dataclass

@dataclass(slots=True)
class Shape:
    sides: int = {sides}
"""


@pytest.fixture(autouse=True)
def no_code(monkeypatch):
    """Each test begins without code files, and leaves none to others."""
    monkeypatch.setenv(VARIABLE, "[]")


@pytest.fixture
def load(tmp_path):
    def call(name, text):
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
        return load_code(path)

    return call


def test_no_other_module_is_shadowed(load):
    import random

    module = load("random.py", "def random():\n    return 'mine'\n")
    assert module.random() == "mine"
    assert sys.modules["random"] is random
    assert 0 <= random.random() < 1
    assert "mine" not in sys.modules


def test_two_files_of_one_name_live_beside_each_other(load):
    first, second = (load(f"{n}/my-shape.py", SHAPE.format(sides=n)) for n in (3, 4))
    assert (first.Shape().sides, second.Shape().sides) == (3, 4)
    assert [Path(path).name for path in code_files()] == ["my-shape.py"] * 2


def test_a_file_is_imported_once(load, tmp_path):
    module = load("once.py", SHAPE.format(sides=3))
    assert load_code(tmp_path / "." / "once.py") is module
    assert len(code_files()) == 1


def test_objects_travel_to_spawned_processes_and_back(load):
    shape = load("shape.py", SHAPE.format(sides=5)).Shape(7)
    assert pickle.loads(pickle.dumps(shape)) == shape
    with ProcessPoolExecutor(1, mp_context=get_context("spawn")) as pool:
        (found,) = pool.map(type, [shape])
    assert found is type(shape)


def test_a_child_process_finds_them_by_their_name_alone(load):
    shape = load("shape.py", SHAPE.format(sides=5)).Shape(7)
    code = "import pickle, sys; print(pickle.load(sys.stdin.buffer).sides)"
    command = [sys.executable, "-c", code]
    done = subprocess.run(command, input=pickle.dumps(shape), capture_output=True, check=True)
    assert done.stdout.strip() == b"7"


def test_a_file_that_fails_is_not_imported(load, tmp_path):
    with pytest.raises(ZeroDivisionError):
        load("broken.py", "1 / 0")
    assert code_files() == []
    assert not any(name.startswith("mmpyramid.core.code.broken") for name in sys.modules)
    with pytest.raises(UserError, match=r"gone\.py"):
        load_code(tmp_path / "gone.py")


def test_the_command_keeps_standard_modules(tmp_path):
    (tmp_path / "random.py").write_text("print('imported')\n")
    code = (
        "import sys; from mmpyramid.cli import main; main(sys.argv[1:]); "
        "import random; print(random.randint(1, 1))"
    )
    words = ["--code", str(tmp_path / "random.py"), "--code", str(tmp_path / "random.py")]
    done = subprocess.run(
        [sys.executable, "-P", "-c", code, *words, "--version"], capture_output=True, text=True
    )
    assert done.stdout.split()[:1] + done.stdout.split()[-1:] == ["imported", "1"], done.stderr


def test_children_of_a_process_that_was_given_code_know_it(tmp_path):
    (tmp_path / "mine.py").write_text("print('here')\n")
    environment = {**os.environ, VARIABLE: json.dumps([str(tmp_path / "mine.py")])}
    code = "from mmpyramid.core import code; code.load_inherited_code()"
    done = subprocess.run(
        [sys.executable, "-c", code], env=environment, capture_output=True, text=True, check=True
    )
    assert done.stdout == "here\n"
