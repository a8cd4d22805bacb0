"""Sections of `gpu.py` about training: steps, epochs, recipes, what is left of a step."""

from __future__ import annotations

import contextlib
import io
import itertools
import json
import os
import sys
import time
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from types import SimpleNamespace

import torch
from gpu_bench import Bench, busy, random_batch, random_videos, resident
from official import Official

from mmpyramid.accelerate import CudaRecorder, TrainingStep
from mmpyramid.core.device import use_float32
from mmpyramid.datasets.synthetic.simulated import simulate_features
from mmpyramid.training.module import NetworkModule
from mmpyramid.training.recipes import RECIPES
from mmpyramid.training.run import fit

DISTINCT = {"train": 128, "val": 32, "test": 1}
"""Videos whose features are made; more names lead to the same files."""
RELEASED_WORKERS = 12


def our_step(
    bench: Bench, precision: str, batch_size: int, *, graph: bool, compiled: bool = False
) -> Callable[[], object]:
    """A training step with everything that belongs to it: rows, gathering, seed."""
    use_float32(tf32=precision == "tf32")
    torch.manual_seed(0)
    module = NetworkModule(bench.config(compile=compiled)).to(bench.device)
    adam = torch.optim.Adam(module.network.parameters(), lr=1e-4, fused=True)
    recorder = CudaRecorder(bench.device) if graph and bench.device.type == "cuda" else None
    step = TrainingStep(module.loss, module.network, adam, recorder=recorder, report=bench.note)
    rows = resident(bench, 4 * batch_size)
    numbers = itertools.count()

    def take() -> torch.Tensor:
        number = next(numbers)
        torch.manual_seed(number)
        batch = rows.__getitems__([(number + i) % len(rows) for i in range(batch_size)])
        with torch.autocast(bench.device.type, torch.bfloat16, enabled=precision == "bf16"):
            return step(batch)

    return take


def their_step(bench: Bench, official: Official, batch_size: int) -> Callable[[], None]:
    """The released training loop over one batch."""
    network = official.make().to(bench.device)
    optimizer = torch.optim.Adam(network.parameters(), lr=1e-4)
    loader = one_batch(random_videos(batch_size))
    arguments = SimpleNamespace(log_interval=10**9)

    def step() -> None:
        with contextlib.redirect_stdout(io.StringIO()):
            official.main.train(arguments, network, loader, optimizer, torch.nn.BCELoss(), 1)

    return step


def one_batch(sample: dict[str, torch.Tensor]) -> list[dict[str, torch.Tensor]]:
    """A loader of one batch, as the released `train` wants it."""

    class Loader(list):  # type: ignore[type-arg]
        dataset = (0,) * len(sample["label"])

    return Loader([sample])


def steps(bench: Bench) -> None:
    """Training steps of 16 and of 128 videos."""
    sizes = (16, 128) if not bench.smoke else (4,)
    if (official := bench.load_official()) is not None:
        for size in sizes:
            taken = bench.seconds(their_step(bench, official, size))
            bench.add(f"step of {size} videos", "released", 1e3 * taken, "ms")
    kinds = ("float32, eager", "bf16, eager", "float32, graph", "tf32, graph", "bf16, graph")
    for size, side in bench.in_time(list(itertools.product(sizes, kinds))):
        precision, how = side.split(", ")
        step = our_step(bench, precision, size, graph=how == "graph")
        bench.add(f"step of {size} videos", side, 1e3 * bench.seconds(step), "ms")
    use_float32()


def many_names(bench: Bench, sizes: dict[str, int]) -> Path:
    """A corpus of the published layout in which files have many names."""
    distinct = {name: bench.size(number, 6) for name, number in DISTINCT.items()}
    data = simulate_features(None, bench.folder / "data", sizes=distinct, per_frame=True)
    texts = {path: path.read_text().splitlines() for path in data.glob("AVVP_*.csv")}
    for path, (head, *lines) in texts.items():
        split = next((name for name in ("train", "val") if name in path.stem), "val")
        copies = -(-sizes.get(split, 1) // distinct[split])
        if "test" in path.stem:
            continue
        renamed = [copy_name(line, copy) for copy in range(copies) for line in lines]
        path.write_text("\n".join([head, *renamed]) + "\n")
        for copy, line in itertools.product(range(1, copies), lines):
            for folder in (data / "feats").iterdir():
                link = folder / f"{copy_name(line, copy)[:11]}.npy"
                if not link.exists() and (source := folder / f"{line[:11]}.npy").exists():
                    os.link(source, link)
    return data


def copy_name(line: str, copy: int) -> str:
    """A line of the annotations about a copy of its video: the id has other first letters."""
    return line if copy == 0 else f"{copy:04d}{line[4:]}"


def epoch(bench: Bench) -> None:
    """Epochs of `mmpyramid train llp`, with validation and checkpoints; the released without."""
    number = bench.size(10_000, 12)
    data = many_names(bench, {"train": number, "val": bench.size(649, 6)})
    os.environ["MMPYRAMID_FEATURE_CACHE"] = str(bench.folder / "packed")
    what = f"epoch of about {number} videos"
    for precision, epochs in (("bf16-mixed", 4), ("32-true", 3)):
        config = bench.config(precision=precision, epochs=bench.size(epochs, 2))
        with busy(bench, what, precision), stamped() as times:
            fit(config, data, bench.folder / precision)
        bench.add(
            what,
            f"{precision}, with validation",
            min(b - a for a, b in itertools.pairwise(times)),
            "s",
        )
    if (official := bench.load_official()) is not None:
        workers = RELEASED_WORKERS if bench.device.type == "cuda" else 0
        loader = torch.utils.data.DataLoader(
            official.corpus(data, "AVVP_train.csv"),
            batch_size=16,
            shuffle=True,
            num_workers=workers,
            pin_memory=workers > 0,
        )
        network = official.make().to(bench.device)
        optimizer = torch.optim.Adam(network.parameters(), lr=1e-4)
        start = time.perf_counter()
        with contextlib.redirect_stdout(io.StringIO()):
            arguments = SimpleNamespace(log_interval=10**9)
            official.main.train(arguments, network, loader, optimizer, torch.nn.BCELoss(), 1)
        bench.wait()
        bench.add(what, "released", time.perf_counter() - start, "s")


@contextlib.contextmanager
def stamped() -> Iterator[list[float]]:
    """When the lines about epochs are written to standard error."""
    times: list[float] = []

    class Stamping(io.StringIO):
        def write(self, text: str) -> int:
            if text.startswith("epoch"):
                times.append(time.perf_counter())
            return sys.__stderr__.write(text) if sys.__stderr__ else len(text)

    with contextlib.redirect_stderr(Stamping()):
        yield times


def recipes(bench: Bench) -> None:
    """A step of every recipe on three videos, in both number formats, and how it is taken."""
    names = list(RECIPES)[:: bench.size(1, 12)]
    for name, precision in bench.in_time(list(itertools.product(names, ("float32", "bf16")))):
        config = bench.config(name)
        torch.manual_seed(0)
        module = NetworkModule(config).to(bench.device)
        adam = torch.optim.Adam(module.network.parameters(), lr=1e-4, fused=True)
        recorder = CudaRecorder(bench.device) if bench.device.type == "cuda" else None
        notes: list[str] = []
        step = TrainingStep(
            module.loss, module.network, adam, recorder=recorder, report=notes.append
        )
        batch = random_batch(config.model, config.objective.problem).to(bench.device)

        with torch.autocast(bench.device.type, torch.bfloat16, enabled=precision == "bf16"):
            taken = bench.seconds(partial(step, batch), calls=5, rounds=3)
        graph = "graph" if notes == ["one CUDA graph per step"] else "eager"
        bench.add(f"step of `{name}`", f"{precision}, {graph}", 1e3 * taken, "ms")


def profile(bench: Bench) -> None:
    """What is left of a step: time by operator, and how long the GPU computes of it."""
    from torch.profiler import ProfilerActivity
    from torch.profiler import profile as record

    is_cuda = bench.device.type == "cuda"
    activities = [ProfilerActivity.CUDA if is_cuda else ProfilerActivity.CPU]
    for graph in (False, True):
        step = our_step(bench, "bf16", bench.size(16, 4), graph=graph)
        for _ in range(3):
            step()
        bench.wait()
        with record(activities=activities) as recorded:
            for _ in range(bench.size(10, 1)):
                step()
            bench.wait()
        events = recorded.key_averages()
        total = sum(e.self_device_time_total if is_cuda else e.self_cpu_time_total for e in events)
        side = f"bf16, {'graph' if graph else 'eager'}"
        bench.add("kernels of a step", side, total / 1e3 / bench.size(10, 1), "ms")
        if graph:
            order = "self_cuda_time_total" if is_cuda else "self_cpu_time_total"
            bench.note(events.table(sort_by=order, row_limit=15, max_name_column_width=60))


def compiling(bench: Bench) -> None:
    """`--compile`: how long the first step takes, and how long the others."""
    start = time.perf_counter()
    step = our_step(bench, "bf16", bench.size(16, 4), graph=True, compiled=True)
    step()
    bench.wait()
    bench.add("torch.compile", "first step", time.perf_counter() - start, "s")
    bench.add("torch.compile", "step of 16 videos, bf16, graph", 1e3 * bench.seconds(step), "ms")


def seeds(bench: Bench) -> None:
    """Type@AV on simulated LLP over five seeds: float32 without a graph, bf16 with."""
    data = simulate_features(
        None,
        bench.folder / "seeds",
        sizes={"train": bench.size(1000, 8), "val": bench.size(200, 4), "test": 1},
    )
    sides = {
        "float32, eager": {"precision": "32-true", "cuda_graph": "off"},
        "bf16, graph": {"precision": "bf16-mixed"},
    }
    every = list(itertools.product(range(1, bench.size(5, 1) + 1), sides))
    for seed, side in bench.in_time(every):
        config = bench.config(epochs=bench.size(6, 1), seed=seed, keep="last", **sides[side])
        config.model.width = bench.size(128, 16)
        run = fit(config, data, bench.folder / f"{side}-{seed}", progress=False)
        description = json.loads((run.model / "config.json").read_text())
        reached = description["metrics"]["val/segment_type_av"]
        bench.add("Type@AV, simulated", f"{side}, seed {seed}", reached, "%")
