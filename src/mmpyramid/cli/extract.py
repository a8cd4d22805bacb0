"""`mmpyramid extract`: from videos to a store of features."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Annotated, Literal

import tyro

from mmpyramid.backbones.base import Precision
from mmpyramid.backbones.registry import BackboneOptions, create_extractors
from mmpyramid.cli._options import OPTIONAL, TrackFlags, console, shows_progress
from mmpyramid.core.device import resolve_device
from mmpyramid.core.errors import UserError
from mmpyramid.core.files import check_output_folder
from mmpyramid.core.progress import progress, report_failed
from mmpyramid.extract.corpus import ExtractionProgress, ExtractionSummary, extract_corpus
from mmpyramid.extract.decoding import Limits
from mmpyramid.extract.engines import Engine, LocalEngine


@dataclass(frozen=True, kw_only=True)
class BackboneFlags:
    """Which backbones, with which weights, on which pictures."""

    set: str = "open"
    """A set of backbones: `open` (YAMNet and EfficientNet-Lite0), those of the published
    features, `llp` (VGGish, ResNet-152, R(2+1)D-18) or `ave` (VGGish, VGG-19), or `text` (CLAP and
    CLIP), whose features can be compared with words."""
    streams: Annotated[
        str | None, tyro.conf.arg(metavar="NAME,NAME", help_behavior_hint=OPTIONAL)
    ] = None
    """Backbones by name instead of a set, for instance `yamnet,resnet152`."""
    weights: Annotated[
        tuple[str, ...], tyro.conf.arg(metavar="STREAM=PATH ...", help_behavior_hint=OPTIONAL)
    ] = ()
    """Files to take weights from, instead of downloading them; of `clip` and `clap` folders in the
    format of the Hugging Face hub, or ids there."""
    random_weights: bool = False
    """Use random instead of pretrained weights, for dry runs. The features are then meaningless."""
    sampling: Literal["seconds", "published"] = "seconds"
    """Cut videos by the second, or into ten segments as the scripts of LLP and AVE did."""
    precision: Literal["auto", "float32", "bfloat16"] = "auto"
    """The number format of published backbones; `auto` is bfloat16 where it is faster."""
    device: str = "cpu"
    """Where networks run: auto, cpu, cuda or cuda:1."""

    def names(self) -> str | Sequence[str]:
        """What `create_extractors` makes.

        Raises:
            UserError: if there is a set as well.
        """
        if self.streams is None:
            return self.set
        if self.set != BackboneFlags.set:
            raise UserError(
                f"expected --set or --streams, got --set {self.set} and --streams {self.streams}; "
                "leave one of them out"
            )
        return tuple(name.strip() for name in self.streams.split(",") if name.strip())

    def options(self, *, here: bool = True) -> BackboneOptions:
        """How it makes them.

        Args:
            here: whether the device is one of this machine, and not of a cluster.

        Raises:
            UserError: if flags cannot be understood, contradict each other, or name a device that
                cannot be used.
        """
        device = self.device
        if here or not device.startswith("cuda"):
            device = resolve_device(device)
        elif device != "cuda":
            raise UserError(
                f"expected --device cuda, got {device}: a worker of a cluster sees one GPU only"
            )
        pairs = [text.partition("=") for text in self.weights]
        for stream, _, file in pairs:
            if not (stream and file):
                raise UserError(
                    f"expected --weights STREAM=PATH, got {stream or file!r}; try --weights "
                    "vggish=vggish-10086976.pth"
                )
        return BackboneOptions(
            device=device,
            sampling=self.sampling,
            precision=Precision(self.precision),
            weights={stream: Path(file) for stream, _, file in pairs},
            random_weights=self.random_weights,
        ).resolved(self.names())


@dataclass(frozen=True, kw_only=True)
class EngineFlags:
    """How many processes on which machines, and what a file may cost."""

    engine: Literal["local", "ray"] = "local"
    """`local` works on this machine, `ray` on a Ray cluster or on a Ray that it starts here; the
    store is the same, bit for bit."""
    address: Annotated[
        str | None, tyro.conf.arg(metavar="STR", help_behavior_hint="(default: this machine)")
    ] = None
    """Address of the Ray cluster: `auto` or host:6379."""
    workers: Annotated[
        int | None, tyro.conf.arg(metavar="INT", help_behavior_hint="(default: one per core)")
    ] = None
    """Number of processes that run the networks, or that decode for them if these run on GPUs. On a
    Ray cluster, each has a GPU of its own if it needs one."""
    devices: int = 1
    """Number of GPUs to use on this machine, with --device cuda; each gets a process of its own."""
    timeout: float = Limits.timeout
    """Seconds that decoding one file may take, and one more for every MiB of it."""

    def start(self, device: str) -> Engine:
        """Create the engine.

        Args:
            device: where its networks run.

        Raises:
            UserError: if flags are out of range or contradict each other.
        """
        if self.workers is not None and self.workers < 1:
            raise UserError(f"expected --workers of at least 1, got {self.workers}")
        if not 0 < self.timeout < math.inf:
            raise UserError(
                "expected --timeout of more than 0 seconds, and a finite number of them, got "
                f"{self.timeout}"
            )
        self._check_devices(device)
        limits = Limits(timeout=self.timeout)
        if self.engine == "ray":
            from mmpyramid.extract.ray_engine import RayEngine

            return RayEngine(
                workers=self.workers,
                limits=limits,
                address=self.address,
                gpus=float(device == "cuda"),
            )
        if self.address is not None:
            raise UserError(
                f"--address {self.address} is that of a Ray cluster; add --engine ray to use it"
            )
        gpus = self.devices if device.startswith("cuda") else 0
        return LocalEngine(workers=self.workers, limits=limits, gpus=gpus)

    def _check_devices(self, device: str) -> None:
        """Check that there are enough GPUs.

        Raises:
            UserError: if there are not.
        """
        if self.devices < 1:
            raise UserError(f"expected --devices of at least 1, got {self.devices}")
        if self.devices == 1:
            return
        if device != "cuda" or self.engine != "local":
            raise UserError(
                f"--devices {self.devices} is for GPUs of this machine: expected --device cuda and "
                f"--engine local with it, got --device {device} and --engine {self.engine}"
            )
        import torch

        if (available := torch.cuda.device_count()) < self.devices:
            raise UserError(
                f"expected at most as many --devices as PyTorch finds GPUs here, {available}, got "
                f"{self.devices}"
            )


@shows_progress
def extract(
    videos: Annotated[
        tuple[str, ...],
        tyro.conf.Positional,
        tyro.conf.arg(metavar="VIDEOS [VIDEOS ...]", help_behavior_hint="(required)"),
    ],
    /,
    *,
    out: Path,
    backbones: Annotated[BackboneFlags, tyro.conf.arg(name="")] = BackboneFlags(),
    engine: Annotated[EngineFlags, tyro.conf.arg(name="")] = EngineFlags(),
    tracks: Annotated[TrackFlags, tyro.conf.arg(name="")] = TrackFlags(),  # noqa: B008 - frozen
    retry_failed: bool = False,
    check: bool = False,
) -> int:
    """Extract the features of many videos into a store.

    An interrupted run continues where it stopped, even after `kill -9`. A bad file is reported,
    noted in the store with the reason, and skipped.

    Example: mmpyramid extract videos/ --out features

    Args:
        videos: Files, folders (searched through, for whatever holds sound or moving pictures) or
            glob patterns.
        out: The store's folder.
        backbones: Which backbones, and how they run.
        engine: How many processes on which machines, and what a file may cost.
        tracks: Which of several tracks.
        retry_failed: Retry videos that failed in an earlier run.
        check: Extract nothing, but verify the store: read all of it, and extract some videos again.
    """
    if not videos:
        raise UserError("expected videos, got none; try `mmpyramid extract videos/ --out features`")
    check_output_folder(out)
    if check and retry_failed:
        raise UserError("expected --check or --retry-failed, got both; --check extracts nothing")
    if check:
        return _check(videos, out, backbones, engine, tracks)
    options = backbones.options(here=engine.engine == "local")
    with progress("extract") as update:
        summary = extract_corpus(
            videos,
            out,
            backbones.names(),
            factory=partial(create_extractors, options=options),
            engine=engine.start(options.device),
            retry_failed=retry_failed,
            tracks=tracks.to_tracks(),
            on_progress=extraction_reporter(update, "extract"),
        )
    print_summary(out, summary, "extracted")
    if backbones.random_weights:
        console().print(f"{out}: RANDOM WEIGHTS, these features mean nothing")
    return 1 if summary.failed else 0


def extraction_reporter(
    update: Callable[[int, int], None], command: str
) -> Callable[[ExtractionProgress], None]:
    """A function that shows how many videos are over, and reports each that failed.

    Args:
        update: shows (completed, total).
        command: for messages.
    """

    def on_progress(done: ExtractionProgress) -> None:
        update(done.completed, done.total)
        if done.error:
            text = f"mmpyramid {command}: {done.video_id} skipped: {done.error}"
            report_failed(done.video_id, done.error, text)

    return on_progress


def print_summary(out: Path, summary: ExtractionSummary, what: str) -> None:
    """Print what a run did: how many videos were `what`, skipped, failed, and left out."""
    console().print(
        f"{out}: {summary.done} {what}, {summary.skipped} were there already, "
        f"{len(summary.failed)} failed"
    )
    if summary.left_out:
        console().print(f"{out}: left out: {summary.left_out}")


def _check(
    videos: tuple[str, ...],
    store: Path,
    backbones: BackboneFlags,
    engine: EngineFlags,
    tracks: TrackFlags,
) -> int:
    """Print what is wrong with a store, and return the exit code."""
    from mmpyramid.extract.corpus import check_corpus

    options = backbones.options(here=engine.engine == "local")
    with progress("check") as update:
        report = check_corpus(
            videos,
            store,
            backbones.names(),
            factory=partial(create_extractors, options=options),
            engine=engine.start(options.device),
            tracks=tracks.to_tracks(),
            progress=update,
        )
    problems = {
        **dict.fromkeys(report.absent, "not extracted; run the same command without --check"),
        **{name: f"damaged: {why}" for name, why in report.damaged.items()},
        **{name: f"changed: {why}" for name, why in report.changed.items()},
        **dict.fromkeys(report.strange, "in the store, but not among these videos"),
    }
    for name, why in problems.items():
        report_failed(name, why, f"mmpyramid extract --check: {name}: {why}")
    console().print(
        f"{store}: {report.num_sound} sound, {len(report.damaged)} damaged, "
        f"{len(report.absent)} absent, {len(report.failed)} failed before, "
        f"{len(report.strange)} of other videos; extracted again: {len(report.same)} the same, "
        f"{len(report.close)} nearly, {len(report.changed)} changed"
    )
    return 0 if report.is_sound else 1
