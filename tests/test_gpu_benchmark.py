"""The benchmark for GPUs runs, small and on a CPU: whoever has a GPU for minutes cannot mend it."""

import json
import os
import subprocess
import sys
from importlib import import_module
from pathlib import Path

import pytest
import torch
import tyro

SCRIPT = Path(__file__).parents[1] / "benchmarks" / "gpu.py"
SECTIONS = {
    "steps": "step of 4 videos",
    "epoch": "epoch of about 12 videos",
    "extract": "extract --streams vggish",
    "evaluation": "network over 8 videos",
    "parity": "outputs, CPU against GPU",
    "recipes": "step of `llp`",
    "profile": "kernels of a step",
    "pictures": "ResNet-152, bf16",
    "decoding": "decoding of 640 by 360",
    "compile": "torch.compile",
    "seeds": "Type@AV, simulated",
}
"""What each section measures, among other things."""
CHECKOUT = (
    *("main_network", "dataloader_avvp", "main_avvp"),
    *("nets/Transformer", "nets/MPAM", "utils/eval_metrics"),
)
"""Files of the authors' code."""
NVIDIA_SMI = "#!/bin/sh\nprintf '50\\n[N/A]\\n100\\n'\nexec sleep 60\n"
"""Prints like NVIDIA's program, and goes on until it is ended."""


@pytest.fixture
def benchmark(monkeypatch):
    """The script in this process, without what it imports afterwards."""
    before = set(sys.modules)
    monkeypatch.syspath_prepend(SCRIPT.parent)
    yield import_module(SCRIPT.stem)
    for name in set(sys.modules) - before:
        path = getattr(sys.modules[name], "__file__", None)
        if path is None or Path(path).parent == SCRIPT.parent:
            del sys.modules[name]


@pytest.mark.slow
def test_every_section_runs(tmp_path):
    asked = tmp_path / "bin" / "nvidia-smi"
    asked.parent.mkdir()
    asked.write_text(NVIDIA_SMI)
    asked.chmod(0o755)
    # The compiler itself, which takes a minute, is not what is tried.
    environment = {"TORCHDYNAMO_DISABLE": "1", "PATH": f"{asked.parent}:{os.environ['PATH']}"}
    words = ("--device", "cpu", "--smoke", "--out", str(tmp_path), "--sections", *SECTIONS)
    command = [sys.executable, str(SCRIPT), *words]
    done = subprocess.run(command, capture_output=True, text=True, env=os.environ | environment)
    assert done.returncode == 0, done.stderr
    (path,) = tmp_path.glob("*_smoke-no-gpu-cpu.json")
    rows = json.loads(path.read_text())["rows"]
    assert not set(SECTIONS.values()) - {what for what, *_ in rows}
    assert [value for _, side, value, _ in rows if "GPU busy" in side] == [75.0, 75.0, 75.0]
    text = path.with_suffix(".md").read_text()
    assert "| step of 4 videos | bf16, graph |" in text
    assert all(f"{name} took" in text for name in SECTIONS)


@pytest.mark.slow
def test_a_section_that_fails_costs_no_other(benchmark, tmp_path):
    checkout = tmp_path / "checkout"
    for name in CHECKOUT:
        path = checkout / f"{name}.py"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text("")  # There is no network in it.
    settings = {"official": checkout, "device": "cpu", "smoke": True, "out": tmp_path}
    assert benchmark.main(**settings, sections=("steps", "pictures")) == 1
    text = next(tmp_path.glob("*.md")).read_text()
    assert "FAILED: steps: AttributeError: " in text
    assert "| ResNet-152, bf16 |" in text
    (checkout / "dataloader_avvp.py").unlink()
    with pytest.raises(SystemExit, match="no checkout of MM_Pyramid: there is no dataloader_avvp"):
        benchmark.main(**settings)


def test_what_there_was_no_time_for_is_named(benchmark, tmp_path, capsys):
    settings = {"device": "cpu", "smoke": True, "out": tmp_path, "minutes": 0}
    assert benchmark.main(**settings, sections=("steps", "epoch")) == 0
    assert "not measured for lack of time: steps, epoch" in capsys.readouterr().out
    with pytest.raises(SystemExit):
        tyro.cli(benchmark.main, args=["--help"])
    listed = capsys.readouterr().out
    assert [name for name in SECTIONS if name not in listed] == []


def test_without_a_gpu_it_says_so(benchmark, tmp_path, capsys):
    if torch.cuda.is_available():
        pytest.skip("there is a GPU")
    assert benchmark.main(out=tmp_path) == 2
    message = "PyTorch finds no NVIDIA GPU here, so that there is nothing to measure\n"
    assert capsys.readouterr().err == message
    assert list(tmp_path.iterdir()) == []
