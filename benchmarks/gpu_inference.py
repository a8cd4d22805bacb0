"""Sections of `gpu.py` about networks that are trained: evaluation, parity, extraction."""

from __future__ import annotations

import os
import time
from functools import partial
from pathlib import Path

import av
import numpy as np
import torch
from av.codec.hwaccel import HWAccel, hwdevices_available
from gpu_bench import Bench, busy, random_batch, random_videos, resident

from mmpyramid.backbones.registry import BackboneOptions, create_extractors
from mmpyramid.core.device import use_float32
from mmpyramid.core.process import num_cores
from mmpyramid.datasets.synthetic.rendered.corpus import write_mp4
from mmpyramid.extract.corpus import ExtractionProgress, extract_corpus
from mmpyramid.extract.engines import LocalEngine
from mmpyramid.models import create_model
from mmpyramid.training.recipes import RECIPES


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
    for name in bench.in_time(list(RECIPES)[:: bench.size(1, 12)]):
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


def extract(bench: Bench) -> None:
    """Videos to features of LLP, random weights: seconds of video a second, without the start.

    The start ends with the first video. Pictures are 640 by 360, 25 a second, as on the web.
    """
    seconds, number = bench.size(10, 2), bench.size(300, 4)
    videos = copies_of_a_clip(bench.folder / "videos", seconds, number)
    chosen = "llp" if not bench.smoke else ("vggish",)
    options = BackboneOptions(device=str(bench.device), random_weights=True).resolved(chosen)
    workers = num_cores() if not bench.smoke else 2
    times: list[float] = []

    def on_progress(done: ExtractionProgress) -> None:
        assert done.error is None, done.error
        times.append(time.perf_counter())

    what = "extract --set llp" if not bench.smoke else "extract --streams vggish"
    with busy(bench, what, f"{workers} workers"):
        start = time.perf_counter()
        extract_corpus(
            videos,
            bench.folder / "features",
            chosen,
            factory=partial(create_extractors, options=options),
            engine=LocalEngine(workers=workers, gpus=1),
            on_progress=on_progress,
        )
    rate = seconds * (number - 1) / (times[-1] - times[0])
    bench.add(what, f"{workers} workers", rate, "times real time")
    bench.add(what, "start", times[0] - start, "s")


def decoding(bench: Bench) -> None:
    """Seconds of video a second of FFmpeg's decoder, on one core and by NVDEC.

    Frames are copied to the memory of the CPU, where pictures are resized. Extraction decodes on
    cores, in processes that can reach no device.
    """
    seconds = bench.size(30, 2)
    clip = copies_of_a_clip(bench.folder / "decoding", seconds, 1) / "0.mp4"

    def decode(hwaccel: HWAccel | None = None) -> None:
        with av.open(clip, hwaccel=hwaccel) as container:
            stream = container.streams.video[0]
            assert stream.codec_context.is_hwaccel is (hwaccel is not None)
            stream.thread_count = 1
            frames = sum(1 for _ in container.decode(stream))
        assert frames == 25 * seconds

    sides = {"one core": None}
    if bench.device.type == "cuda" and "cuda" in hwdevices_available():
        sides["NVDEC"] = HWAccel("cuda", allow_software_fallback=False)
    else:
        bench.note("NVDEC: no CUDA here, or none in this build of PyAV")
    for side, hwaccel in sides.items():
        rate = seconds / bench.seconds(partial(decode, hwaccel), calls=1, rounds=3)
        bench.add("decoding of 640 by 360", side, rate, "times real time")


def copies_of_a_clip(folder: Path, seconds: int, number: int) -> Path:
    """A clip of moving noise and a tone, under many names."""
    folder.mkdir()
    rng = np.random.default_rng(0)
    large = rng.integers(0, 256, (45 + 25 * seconds, 80, 3), np.uint8)
    frames = np.stack([large[k : k + 45].repeat(8, 0).repeat(8, 1) for k in range(25 * seconds)])
    tone = np.sin(np.arange(16_000 * seconds) * 0.2).astype(np.float32)
    first = folder / "0.mp4"
    write_mp4(first, frames, 0.5 * tone, frames_per_second=25, sample_rate=16_000)
    for k in range(1, number):
        os.link(first, folder / f"{k}.mp4")
    return folder
