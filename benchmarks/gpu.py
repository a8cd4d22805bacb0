"""Measures training, evaluation and extraction on a CUDA GPU, beside the authors' code.

    python benchmarks/gpu.py --official MM_Pyramid
    python benchmarks/gpu.py --sections seeds compile      what takes longer
    python benchmarks/gpu.py --device cpu --smoke          every section, small: does it run?

It takes about `--minutes`: what is not measured by then is named. The table is printed, and written
with date and hardware into `benchmarks/results/`, with the numbers as JSON beside it. Features are
simulated, a few videos under many names; the authors' files hold 80 frames for each.
"""

import datetime as dt
import json
import sys
import tempfile
import time
import traceback
from pathlib import Path
from typing import Literal

import gpu_inference
import gpu_training
import torch
from gpu_bench import Bench, machine
from timing import command, header

Section = Literal[
    "steps",
    "epoch",
    "extract",
    "evaluation",
    "parity",
    "recipes",
    "profile",
    "pictures",
    "decoding",
    "compile",
    "seeds",
]
SECTIONS = {
    "steps": gpu_training.steps,
    "epoch": gpu_training.epoch,
    "extract": gpu_inference.extract,
    "evaluation": gpu_inference.evaluation,
    "parity": gpu_inference.parity,
    "recipes": gpu_training.recipes,
    "profile": gpu_training.profile,
    "pictures": gpu_inference.pictures,
    "decoding": gpu_inference.decoding,
    "compile": gpu_training.compiling,
    "seeds": gpu_training.seeds,
}
LONGER = ("compile", "seeds")


def report(bench: Bench) -> str:
    """All numbers as a table, times beside how often they go into the released one's."""
    released = {what: value for what, side, value, _ in bench.rows if side == "released"}
    lines = [
        header(),
        machine(bench.device),
        "",
        "| what | side | | times faster |",
        "|---|---|---|---|",
    ]
    for what, side, value, unit in bench.rows:
        ratio = f"{released[what] / value:.2f}" if what in released else ""
        lines.append(f"| {what} | {side} | {value:.4g} {unit} | {ratio} |")
    return "\n".join([*lines, "", *bench.notes]) + "\n"


def main(
    official: Path | None = None,
    device: Literal["cuda", "cpu"] = "cuda",
    sections: tuple[Section, ...] = tuple(name for name in SECTIONS if name not in LONGER),
    minutes: float = 5.0,
    smoke: bool = False,
    out: Path = Path(__file__).parent / "results",
) -> int:
    """Measure.

    Args:
        official: a checkout of the authors' code, to compare with.
        device: where.
        sections: what: training steps; epochs of `train llp`; extraction of LLP's features from
            videos; the network over a test split; outputs of every recipe against the CPU's; a step
            of every recipe; where the time of a step goes; ResNet-152 alone; decoding on a core
            and by NVDEC; `--compile`; F-scores over five seeds.
        minutes: nothing is begun after so many.
        smoke: everything small, to see that the script runs; the numbers mean nothing.
        out: folder of the results.

    Returns:
        The exit code: 1 if a section failed.
    """
    if device == "cuda" and not torch.cuda.is_available():
        sys.stderr.write("PyTorch finds no NVIDIA GPU here, so that there is nothing to measure\n")
        return 2
    where = torch.device("cuda", 0) if device == "cuda" else torch.device("cpu")
    if smoke:
        torch.set_num_threads(1)
    failed = False
    with tempfile.TemporaryDirectory() as folder:
        bench = Bench(where, official, smoke, Path(folder), time.monotonic() + 60 * minutes)
        bench.load_official()  # If it is none, better to know now.
        for name in bench.in_time(sections):
            start = time.monotonic()
            try:
                SECTIONS[name](bench)
            except Exception as error:  # noqa: BLE001 - told; the minutes of a GPU are not lost
                traceback.print_exc()
                bench.note(f"FAILED: {name}: {type(error).__name__}: {error}")
                failed = True
            bench.note(f"{name} took {time.monotonic() - start:.0f} s")
    text = report(bench)
    print(text)
    out.mkdir(parents=True, exist_ok=True)
    kind = machine(where).partition(",")[0].replace(" ", "-").replace(":", "").lower()
    path = out / f"{dt.date.today()}_{'smoke-' if smoke else ''}{kind}.md"
    path.write_text(text)
    numbers = {"machine": machine(where), "torch": torch.__version__, "rows": bench.rows}
    path.with_suffix(".json").write_text(json.dumps(numbers, indent=1) + "\n")
    print(path)
    return 1 if failed else 0


if __name__ == "__main__":
    command(main)
