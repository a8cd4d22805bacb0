"""What is built from the repository is whole, and parses a video without any extra."""

import json
import os
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

from mmpyramid.cli.main import EXTRAS

ROOT = Path(__file__).parents[2]
BLOCKED = f"""
import sys
for name in {sorted(EXTRAS)}:
    sys.modules[name] = None
import mmpyramid
assert mmpyramid.__file__.startswith(sys.argv[1]), mmpyramid.__file__
from mmpyramid.cli import main
sys.exit(main(sys.argv[2:]))
"""


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


@pytest.mark.slow
@pytest.mark.network
def test_a_wheel_parses_a_clip_without_extras(built, clip, tmp_path):
    (wheel,) = built.glob("*.whl")
    zipfile.ZipFile(wheel).extractall(installed := tmp_path / "installed")
    words = ["parse", str(clip), "--out", str(tmp_path / "out"), "--formats", "json,html,edl"]
    done = subprocess.run(
        [sys.executable, "-c", BLOCKED, str(installed), *words, "--device", "cpu"],
        env={**os.environ, "PYTHONPATH": str(installed)},
        cwd=tmp_path,
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stderr
    assert json.loads((tmp_path / "out" / "clip.json").read_text())["frame_rate"]
