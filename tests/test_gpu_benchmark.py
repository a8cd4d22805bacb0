"""The benchmark for GPUs runs, small and on a CPU: whoever has a GPU for minutes cannot mend it."""

import json
import subprocess
import sys
from pathlib import Path

import pytest
import torch

SCRIPT = Path(__file__).parents[1] / "benchmarks" / "gpu.py"


def run(*words: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run([sys.executable, str(SCRIPT), *words], capture_output=True, text=True)


@pytest.mark.slow
def test_every_section_runs(tmp_path):
    sections = ("steps", "epoch", "evaluation", "parity", "profile", "pictures", "seeds")
    done = run("--device", "cpu", "--smoke", "--out", str(tmp_path), "--sections", *sections)
    assert done.returncode == 0, done.stderr
    (path,) = tmp_path.glob("*_smoke-no-gpu-cpu.json")
    found = {what for what, *_ in json.loads(path.read_text())["rows"]}
    for beginning in ("step of", "epoch", "network", "outputs", "kernels", "ResNet", "Type@AV"):
        assert any(what.startswith(beginning) for what in found), beginning
    assert "| step of 4 videos | bf16, graph |" in path.with_suffix(".md").read_text()


@pytest.mark.slow
def test_without_a_gpu_it_says_so(tmp_path):
    if torch.cuda.is_available():
        pytest.skip("there is a GPU")
    done = run("--out", str(tmp_path))
    assert done.returncode == 2
    assert done.stderr == "PyTorch finds no NVIDIA GPU here, so that there is nothing to measure\n"
    assert list(tmp_path.iterdir()) == []
