"""Imports flow one way, and importing the package stays light."""

import ast
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

import mmpyramid

PACKAGE = Path(mmpyramid.__file__).parent
ROOMS = (
    *(
        "version",
        "core",
        "formats",
        "media",
        "backbones",
        "store",
        "extract",
        "datasets",
        "models",
    ),
    *("accelerate", "problems", "teachers", "training", "teaching", "experiments", "render"),
    *("export", "stream", "pipeline", "library", "web", "cli", "__main__", "__init__"),
)
"""From the ground up: a room imports from those before it."""
RANKS = {name: rank for rank, name in enumerate(ROOMS)}
FILES = sorted(PACKAGE.rglob("*.py"))


def room(module: str) -> str:
    parts = module.split(".")
    return parts[1] if len(parts) > 1 and parts[1] in RANKS else "__init__"


def imported_rooms(path: Path) -> set[str]:
    found = set()
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module:
            assert node.level == 0, f"{path}: write absolute imports"
            submodules = {f"mmpyramid.{alias.name}" for alias in node.names}
            found |= submodules if node.module == "mmpyramid" else {node.module}
    return {room(name) for name in found if name.split(".")[0] == "mmpyramid"}


@pytest.mark.parametrize("path", FILES, ids=lambda path: str(path.relative_to(PACKAGE)))
def test_a_room_imports_only_from_the_rooms_before_it(path):
    relative = path.relative_to(PACKAGE)
    own = relative.parts[0].removesuffix(".py")
    assert own in RANKS, f"give {own} its place among the rooms"
    for other in imported_rooms(path) - {own}:
        allowed = RANKS[other] < RANKS[own] or (other == "__init__" and own == "cli")
        assert allowed, f"{relative} ({own}) imports from {other}"


def test_the_ground_floor_names_no_other_room_even_in_a_string():
    """So that nothing is imported by name past the rule above; renderers are handed down to it."""
    for path in FILES:
        if "core" in path.relative_to(PACKAGE).parts:
            found = re.findall(r"mmpyramid\.(\w+)", path.read_text())
            assert RANKS.keys() & set(found) <= {"core", "version"}, path


def test_importing_the_package_is_light():
    heavy = ["torch", "onnxruntime", "av", "matplotlib", "h5py", "tyro"]
    code = f"import sys, mmpyramid; print([m for m in {heavy!r} if m in sys.modules])"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


def test_a_library_that_would_report_its_use_leaves_no_trace(tmp_path):
    code = "import mmpyramid, onnxruntime; assert onnxruntime.get_available_providers()"
    elsewhere = {name: str(tmp_path) for name in ("HOME", "TMPDIR", "XDG_CACHE_HOME")}
    environment = {**os.environ, **elsewhere}
    environment.pop("ORT_DISABLE_TELEMETRY", None)
    subprocess.run([sys.executable, "-c", code], env=environment, check=True)
    assert list(tmp_path.rglob("*")) == []


def test_deciding_and_scoring_need_numpy_alone():
    code = (
        "import sys; from mmpyramid import Timeline; from mmpyramid.problems import decode; "
        "from mmpyramid.problems.parsing import score_predictions; "
        "print([m for m in ('torch', 'torchmetrics') if m in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
