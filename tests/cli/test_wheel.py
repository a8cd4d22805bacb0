"""What is built from the repository is whole, and parses a video without any extra."""

import json
import os
import subprocess
import sys
import venv
import zipfile
from importlib import metadata
from pathlib import Path

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

ROOT = Path(__file__).parents[2]
LISTED = "import importlib.metadata as m; print(*[each.name for each in m.distributions()])"


@pytest.fixture(scope="module")
def built(tmp_path_factory) -> Path:
    """A folder with the sdist and the wheel."""
    folder = tmp_path_factory.mktemp("dist")
    words = [sys.executable, "-m", "hatchling", "build", "-d", str(folder)]
    subprocess.run(words, cwd=ROOT, check=True, capture_output=True)
    return folder


@pytest.mark.slow
def test_a_wheel_has_every_file_of_the_package(built):
    (wheel,) = built.glob("*.whl")
    files = subprocess.run(
        ["git", "ls-files", "src/mmpyramid"], cwd=ROOT, check=True, capture_output=True, text=True
    ).stdout.split()
    assert len(files) > 200
    packed = set(zipfile.ZipFile(wheel).namelist())
    assert {name.removeprefix("src/") for name in files} <= packed
    assert list(built.glob("*.tar.gz"))


def required(name: str, extras: frozenset[str] = frozenset()) -> set[str]:
    """The distributions that one needs, and what these need, as they say themselves."""
    found, waiting = {name}, [(name, extras)]
    while waiting:
        current, chosen = waiting.pop()
        for text in metadata.requires(current) or []:
            needs = Requirement(text)
            wanted = [{"extra": extra} for extra in ("", *chosen)]
            if needs.marker and not any(map(needs.marker.evaluate, wanted)):
                continue
            if (other := canonicalize_name(needs.name)) not in found:
                found.add(other)
                waiting.append((other, frozenset(needs.extras)))
    return found


def make_environment(folder: Path, wheel: Path) -> Path:
    """A new environment with a wheel and what it requires, linked from here, and nothing else.

    Returns:
        Its Python.
    """
    venv.create(folder, symlinks=True)
    (packages,) = folder.glob("lib/python*/site-packages")
    for name in required("mmpyramid") - {"mmpyramid"}:
        for file in metadata.files(name) or []:
            first = file.parts[0]
            here, there = packages / first, Path(file.locate()).parents[len(file.parts) - 1] / first
            if first != ".." and first != "__pycache__" and not here.exists():
                here.symlink_to(there)
    zipfile.ZipFile(wheel).extractall(packages)
    return folder / "bin" / "python"


@pytest.mark.slow
@pytest.mark.network
def test_a_wheel_parses_a_clip_in_an_environment_of_its_own(built, clip, tmp_path):
    (wheel,) = built.glob("*.whl")
    python = make_environment(tmp_path / "environment", wheel)
    listed = subprocess.run(
        [python, "-c", LISTED], check=True, capture_output=True, text=True, env={}
    )
    absent = {"torch", "pytorch-lightning", "gradio", "pandas", "torchvision", "ray"}
    assert not absent & set(listed.stdout.split())
    words = ["parse", str(clip), "--out", str(tmp_path / "out"), "--formats", "json,html,edl"]
    done = subprocess.run(
        [python, "-m", "mmpyramid", *words, "--device", "cpu"],
        env={name: value for name, value in os.environ.items() if name != "PYTHONPATH"},
        cwd=tmp_path,
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stderr
    assert json.loads((tmp_path / "out" / "clip.json").read_text())["frame_rate"]
