"""Measures training and evaluation on a CUDA GPU, beside the authors' code if there is a checkout.

    python benchmarks/gpu.py --official MM_Pyramid
    python benchmarks/gpu.py --sections seeds compile      what takes longer
    python benchmarks/gpu.py --device cpu --smoke          every section, small: does it run?

It takes at most `--minutes`; sections for which no time is left are named. The table is printed,
and written with date and hardware into `benchmarks/results/`, with the numbers as JSON beside it.
Features are simulated, a few videos under many names; the authors' files hold 80 frames for each.
"""

import contextlib
import dataclasses
import datetime as dt
import io
import itertools
import json
import os
import statistics
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from types import SimpleNamespace
from typing import Literal

import torch
import tyro
from official import Official, load_official
from timing import header
from train_step import streams_of
from train_step import videos as random_videos

from mmpyramid.accelerate import CudaRecorder, ResidentDataset, TrainingStep
from mmpyramid.core.batch import Batch
from mmpyramid.core.device import use_float32
from mmpyramid.datasets.synthetic.simulated import simulate_features
from mmpyramid.models import create_model
from mmpyramid.training.config import TrainConfig
from mmpyramid.training.module import NetworkModule
from mmpyramid.training.recipes import RECIPES
from mmpyramid.training.run import fit

DISTINCT = {"train": 128, "val": 32, "test": 1}
"""Videos whose features are made; more names lead to the same files."""
RELEASED_WORKERS = 12


@dataclass
class Bench:
    """What the sections share: where to measure, how large, how long, and what was found."""

    device: torch.device
    official: Path | None
    smoke: bool
    folder: Path
    deadline: float
    rows: list[tuple[str, str, float, str]] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)

    def size(self, full: int, small: int) -> int:
        """A size, or a small one where the script itself is tested."""
        return small if self.smoke else full

    def add(self, what: str, side: str, value: float, unit: str) -> None:
        """Print and keep a number."""
        self.rows.append((what, side, value, unit))
        print(f"{what} | {side} | {value:.4g} {unit}", flush=True)

    def wait(self) -> None:
        """Return when the GPU has done everything."""
        if self.device.type == "cuda":
            torch.cuda.synchronize(self.device)

    def seconds(self, call: Callable[[], object], calls: int = 20, rounds: int = 5) -> float:
        """Seconds of a call: the median of some rounds after some calls that are not timed."""
        if self.smoke:
            calls, rounds = 1, 1
        for _ in range(self.size(3, 0)):
            call()
        taken = []
        for _ in range(rounds):
            self.wait()
            start = time.perf_counter()
            for _ in range(calls):
                call()
            self.wait()
            taken.append((time.perf_counter() - start) / calls)
        return statistics.median(taken)

    def config(self, recipe: str = "llp", **changes: object) -> TrainConfig:
        """A recipe at this size."""
        config = RECIPES[recipe]()
        if self.smoke:
            config.model.width = 16
        return dataclasses.replace(config, device=str(self.device), **changes)

    def load_official(self) -> Official | None:
        """The released code, if it can run here."""
        if self.official is None:
            return None
        return load_official(self.official, "cuda" if self.device.type == "cuda" else "cpu")


def resident(bench: Bench, num_rows: int) -> ResidentDataset:
    """Random videos on the device, with weak labels."""
    sample = random_videos(num_rows)
    batch = Batch(
        streams=streams_of(sample),
        mask_BT=torch.ones(num_rows, 10, dtype=torch.bool),
        present_BM=torch.ones(num_rows, 2, dtype=torch.bool),
        weak_BC=sample["label"],
    )
    return ResidentDataset(batch.to(bench.device))


def our_step(
    bench: Bench, precision: str, batch_size: int, *, graph: bool, compiled: bool = False
) -> Callable[[], object]:
    """A training step with everything that belongs to it: rows, gathering, seed."""
    use_float32(tf32=precision == "tf32")
    torch.manual_seed(0)
    module = NetworkModule(bench.config(compile=compiled)).to(bench.device)
    adam = torch.optim.Adam(module.network.parameters(), lr=1e-4, fused=True)
    recorder = CudaRecorder(bench.device) if graph and bench.device.type == "cuda" else None
    step = TrainingStep(
        module.loss, module.network, adam, recorder=recorder, say=bench.notes.append
    )
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
    for batch_size in (16, 128) if not bench.smoke else (4,):
        what = f"step of {batch_size} videos"
        if (official := bench.load_official()) is not None:
            bench.add(
                what, "released", 1e3 * bench.seconds(their_step(bench, official, batch_size)), "ms"
            )
        for precision, graph in (
            ("float32", False),
            ("bf16", False),
            ("float32", True),
            ("tf32", True),
            ("bf16", True),
        ):
            step = our_step(bench, precision, batch_size, graph=graph)
            side = f"{precision}, {'graph' if graph else 'eager'}"
            bench.add(what, side, 1e3 * bench.seconds(step), "ms")
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
        with stamped() as times:
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


def evaluation(bench: Bench) -> None:
    """The network over 1,200 videos on the device, 128 at once; the released one by one."""
    number = bench.size(1200, 8)
    rows = resident(bench, 128 if not bench.smoke else 8)
    batch, what = rows.rows, f"network over {number} videos"
    for precision, dtype in (("float32", torch.float32), ("bf16", torch.bfloat16)):
        network = create_model(bench.config().model).eval().to(bench.device, dtype)

        @torch.inference_mode()
        def score(network: torch.nn.Module = network) -> None:
            for _ in range(-(-number // len(rows))):
                network(batch.streams, batch.mask_BT, batch.present_BM)

        bench.add(what, precision, bench.seconds(score, calls=3), "s")
    if (official := bench.load_official()) is not None:
        released = official.make().eval().to(bench.device)
        sample = [values.to(bench.device) for values in random_videos(1).values()][:3]

        @torch.no_grad()
        def one() -> None:
            released(*sample)

        bench.add(what, "released", number * bench.seconds(one), "s")


def parity(bench: Bench) -> None:
    """The largest difference of any output between CPU and GPU in float32, for every recipe."""
    use_float32()
    sys.path.append(str(Path(__file__).parents[1] / "tests"))
    from random_batch import random_batch

    for name in list(RECIPES)[:: bench.size(1, 12)]:
        config = bench.config(name)
        network = create_model(config.model).eval()
        batch = random_batch(config.model, config.objective.problem)
        outputs = []
        for where in ("cpu", bench.device):
            moved, there = batch.to(where), network.to(where)
            with torch.inference_mode():
                output = there(moved.streams, moved.mask_BT, moved.present_BM)
            outputs.append(there.tensors(output, moved.mask_BT))
        worst = max(float((outputs[1][n].cpu() - x).abs().max()) for n, x in outputs[0].items())
        bench.add("outputs, CPU against GPU", name, worst, "")


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
            bench.notes.append(events.table(sort_by=order, row_limit=15, max_name_column_width=60))


def pictures(bench: Bench) -> None:
    """ResNet-152 alone in bf16, with random weights: of the 8 pictures of a second of video."""
    from torchvision.models import resnet152

    batch = bench.size(256, 2)
    network = resnet152().eval().to(bench.device, torch.bfloat16, memory_format=torch.channels_last)
    images = torch.rand(batch, 3, 224, 224, device=bench.device, dtype=torch.bfloat16)

    @torch.inference_mode()
    def embed() -> None:
        network(images)

    rate = batch / bench.seconds(embed, calls=3)
    bench.add("ResNet-152, bf16", f"{batch} at once", rate, "pictures/s")


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
    for side, changes in {
        "float32, eager": {"precision": "32-true", "cuda_graph": "off"},
        "bf16, graph": {"precision": "bf16-mixed"},
    }.items():
        for seed in range(1, bench.size(5, 1) + 1):
            config = bench.config(epochs=bench.size(6, 1), seed=seed, keep="last", **changes)
            config.model.width = bench.size(128, 16)
            run = fit(config, data, bench.folder / f"{side}-{seed}", progress=False)
            description = json.loads((run.model / "config.json").read_text())
            reached = description["metrics"]["val/segment_type_av"]
            bench.add("Type@AV, simulated", f"{side}, seed {seed}", reached, "%")


SECTIONS = {
    "steps": steps,
    "epoch": epoch,
    "evaluation": evaluation,
    "parity": parity,
    "profile": profile,
    "pictures": pictures,
    "compile": compiling,
    "seeds": seeds,
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
    return "\n".join([*lines, "", *dict.fromkeys(bench.notes)]) + "\n"


def machine(device: torch.device) -> str:
    """The GPU and what drives it."""
    if device.type != "cuda":
        return f"no GPU: {device}"
    properties = torch.cuda.get_device_properties(device)
    return (
        f"{properties.name}, {properties.total_memory / 2**30:.0f} GiB, CUDA {torch.version.cuda}, "
        f"cuDNN {torch.backends.cudnn.version()}"
    )


def main(
    official: Path | None = None,
    device: Literal["cuda", "cpu"] = "cuda",
    sections: tuple[str, ...] = tuple(name for name in SECTIONS if name not in LONGER),
    minutes: float = 5.0,
    smoke: bool = False,
    out: Path = Path(__file__).parent / "results",
) -> None:
    """Measure.

    Args:
        official: a checkout of the authors' code, to compare with.
        device: where.
        sections: what, out of steps, epoch, evaluation, parity, profile, pictures, compile, seeds.
        minutes: no section begins after so many.
        smoke: everything small, to see that the script runs; the numbers mean nothing.
        out: folder of the results.
    """
    if device == "cuda" and not torch.cuda.is_available():
        sys.stderr.write("PyTorch finds no NVIDIA GPU here, so that there is nothing to measure\n")
        sys.exit(2)
    if unknown := set(sections) - set(SECTIONS):
        sys.stderr.write(f"expected sections out of {', '.join(SECTIONS)}, got {unknown}\n")
        sys.exit(2)
    where = torch.device("cuda", 0) if device == "cuda" else torch.device("cpu")
    if smoke:
        torch.set_num_threads(1)
    with tempfile.TemporaryDirectory() as folder:
        bench = Bench(where, official, smoke, Path(folder), time.monotonic() + 60 * minutes)
        for name in sections:
            if time.monotonic() > bench.deadline:
                bench.notes.append(f"not measured for lack of time: {name}")
                continue
            start = time.monotonic()
            SECTIONS[name](bench)
            print(f"# {name}: {time.monotonic() - start:.0f} s", flush=True)
    text = report(bench)
    print(text)
    out.mkdir(parents=True, exist_ok=True)
    kind = machine(where).partition(",")[0].replace(" ", "-").replace(":", "").lower()
    path = out / f"{dt.date.today()}_{'smoke-' if smoke else ''}{kind}.md"
    path.write_text(text)
    numbers = {"machine": machine(where), "torch": torch.__version__, "rows": bench.rows}
    path.with_suffix(".json").write_text(json.dumps(numbers, indent=1) + "\n")
    print(path)


if __name__ == "__main__":
    tyro.cli(main)
