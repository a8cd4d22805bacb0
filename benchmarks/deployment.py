"""What a number format costs and gives: F-scores, size, time of one video, of a trained network.

    mmpyramid simulate --annotations LLP --train 1000 --seed 3 --out llp
    mmpyramid train llp --data llp --out run
    python benchmarks/deployment.py run/model --data llp --official MM_Pyramid

PyTorch in float32 and bfloat16 beside ONNX files in float32 and int8, on the same split.
"""

import tempfile
from collections.abc import Callable
from functools import partial
from pathlib import Path

import numpy as np
import onnxruntime
import torch
from evaluate import their_network
from timing import command, header, interleave, table

from mmpyramid.datasets import Dataset, open_dataset
from mmpyramid.export import export_onnx, network_graph
from mmpyramid.models import ParsingNetwork, load_pretrained
from mmpyramid.problems import ParsingProblem
from mmpyramid.problems.base import BATCH
from mmpyramid.problems.parsing import Predictions, comparison_table

CALLS, REST = 40, 0.3
"""Calls in a row, and seconds of sleep before: threads of onnxruntime stay awake after a call."""


def inputs_of(corpus: Dataset, rows: range) -> dict[str, np.ndarray]:
    """What an exported network takes."""
    batch = corpus.__getitems__(rows)
    tensors = {"mask": batch.mask_BT, "present": batch.present_BM, **batch.streams}
    return {name: tensor.numpy() for name, tensor in tensors.items()}


def run_onnx(session: onnxruntime.InferenceSession, corpus: Dataset) -> Predictions:
    """Score a split with an exported network."""
    parts = [
        session.run(
            ["audio", "visual", "video"],
            inputs_of(corpus, range(start, min(start + BATCH, len(corpus)))),
        )
        for start in range(0, len(corpus), BATCH)
    ]
    audio, visual, video = (np.concatenate(column) for column in zip(*parts, strict=True))
    return Predictions(ids=corpus.annotations.ids, audio=audio, visual=visual, video=video)


def run_pytorch(network: ParsingNetwork, corpus: Dataset, bf16: bool) -> Predictions:
    """Score a split; bfloat16 is autocast's, as where a training run validates."""
    with torch.autocast("cpu", torch.bfloat16, enabled=bf16):
        return ParsingProblem().predict(network, corpus)


def sessions(network: ParsingNetwork) -> dict[str, tuple[onnxruntime.InferenceSession, float]]:
    """An exported network in both formats, and how many MiB its file has."""
    found = {}
    with tempfile.TemporaryDirectory() as folder:
        for name in ("float32", "int8"):
            path = Path(folder) / f"{name}.onnx"
            export_onnx(network_graph(network), path, int8=name == "int8")
            content = path.read_bytes()
            session = onnxruntime.InferenceSession(content, providers=["CPUExecutionProvider"])
            found[f"ONNX {name}"] = (session, len(content) / 2**20)
    return found


@torch.inference_mode()
def main(model: Path, /, data: Path, official: Path | None = None, rounds: int = 11) -> None:
    """Compare number formats.

    Args:
        model: a trained parsing network on the published features.
        data: a corpus folder whose split `test` has dense labels.
        official: a checkout of the authors' code, to compare the time with.
        rounds: how often forty calls with one video are timed in each format, in turns.
    """
    print(header())
    network = load_pretrained(model)
    assert isinstance(network, ParsingNetwork)
    corpus = open_dataset(data, "test", network.inputs)
    predictions = {
        "PyTorch float32": run_pytorch(network, corpus, bf16=False),
        "PyTorch bfloat16": run_pytorch(network, corpus, bf16=True),
    }
    one = corpus.__getitems__([0])
    latencies: dict[str, Callable[[], object]] = {
        "PyTorch float32": partial(network, one.streams, one.mask_BT, one.present_BM)
    }
    if official is not None:
        latencies = {"released": their_network(official), **latencies}
    for name, (session, size) in sessions(network).items():
        predictions[name] = run_onnx(session, corpus)
        latencies[name] = partial(session.run, None, inputs_of(corpus, range(1)))
        print(f"{name}: {size:.0f} MiB")
    gate = network.config.gate
    reports = {
        name: each.report(*corpus.annotations.truth, gate=gate)
        for name, each in predictions.items()
    }
    print(comparison_table(reports, f"{data}: test, {len(corpus)} videos, per cent"))
    exact = predictions["PyTorch float32"]
    for name, each in predictions.items():
        pairs = [(each.audio, exact.audio), (each.visual, exact.visual)]
        worst = max(float(abs(ours - theirs).max()) for ours, theirs in pairs)
        print(f"{name}: probabilities of segments at most {worst:.1e} from PyTorch float32")
    print("one video through the network:")
    times = interleave(latencies, rounds, calls=CALLS, rest=REST)
    print(table(times, next(iter(latencies))))


if __name__ == "__main__":
    command(main)
