"""Train a network on a corpus."""

from __future__ import annotations

import dataclasses
import logging
import sys
import warnings
from collections import Counter
from collections.abc import Iterator, Mapping, Sized
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any, Literal, cast

import pytorch_lightning as pl
import torch
import yaml
from lightning_fabric.utilities.exceptions import MisconfigurationException
from pytorch_lightning.callbacks import ModelCheckpoint
from pytorch_lightning.loggers import TensorBoardLogger
from pytorch_lightning.utilities import rank_zero_only
from torch.utils.data import DataLoader, Sampler
from torch.utils.data import Dataset as TorchDataset

from mmpyramid.accelerate import ReadAhead, place
from mmpyramid.core.batch import Batch
from mmpyramid.core.device import computes_in_bf16, resolve_device, use_float32
from mmpyramid.core.errors import UserError
from mmpyramid.core.files import check_output_folder, only_writer, write_durably
from mmpyramid.core.progress import shown_anyway
from mmpyramid.core.text import read_text, shorten
from mmpyramid.datasets import Dataset, Split, open_dataset
from mmpyramid.datasets.base import digest_of
from mmpyramid.models import Network, load_pretrained
from mmpyramid.problems.base import BATCH
from mmpyramid.training.config import TrainConfig
from mmpyramid.training.module import (
    AtomicCheckpointIO,
    EpochProgress,
    NetworkCheckpoint,
    NetworkModule,
)

HARMLESS = (
    ".*exists and is not empty",  # the folder of a resumed run
    ".*does not have many workers",  # batches come from memory
    ".*smaller than the logging interval",  # small corpora
    ".*sync_dist=True",  # the metrics are reduced over devices before they are logged
    ".*LeafSpec",  # Lightning's own use of a newer torch
)
"""Warnings of Lightning that users cannot act on."""

LOADER: Any = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
"""Ten times as fast where PyYAML was built with its library."""

LARGEST_CONFIG, DEEPEST_CONFIG = 2**20, 50
"""Bytes and levels of a configuration. 10,000 classes take a quarter of a mebibyte."""


@dataclass(frozen=True, kw_only=True)
class Run:
    """The files of a run.

    Attributes:
        folder: where they are.
        device: where the network was trained, as PyTorch names it.
    """

    folder: Path
    device: str = "cpu"

    @property
    def model(self) -> Path:
        """The best network, a checkpoint folder."""
        return self.folder / "model"

    @property
    def last(self) -> Path:
        """The state after the last finished epoch, from which a run resumes."""
        return self.folder / "last.ckpt"

    @property
    def log(self) -> Path:
        """The TensorBoard log."""
        return self.folder / "tensorboard"

    @property
    def config(self) -> Path:
        """The resolved configuration."""
        return self.folder / "config.yaml"

    def load_network(self) -> Network[Any, Any]:
        """The resulting network, on the device that it was trained on."""
        return load_pretrained(self.model).to(self.device)


def fit(
    config: TrainConfig,
    data: Path,
    out: Path,
    *,
    features: Path | None = None,
    refined: Path | None = None,
    resume: bool = False,
    progress: bool = True,
) -> Run:
    """Train on the split `train`, validate on `val`.

    Args:
        config: the run; the labels and the context of its network are taken from the data.
        data: corpus folder, see `mmpyramid.datasets.open_dataset`.
        out: folder of the run.
        features: where the features are, if not in the corpus folder.
        refined: modality-aware labels of the training videos, see `mmpyramid.datasets.refined`.
        resume: continue after the last finished epoch of the run in `out`, if there is one.
        progress: report each step and epoch; where nothing else shows it, on the standard error.

    Returns:
        The run, whose `model` is the network of the epoch that `config.keep` names.

    Raises:
        UserError: if the data cannot be used, or `out` holds another run, cannot be written to, or
            is written to by another process.
    """
    check_output_folder(out)
    trainer = _make_trainer(config, Run(folder=out), progress)
    run = Run(folder=out, device=str(trainer.strategy.root_device))
    _check_folder(run, resume)
    open_split = partial(
        open_dataset,
        data,
        streams=config.model.inputs,
        problem=config.objective.problem,
        features=features,
    )
    train = open_split("train", supervision=config.objective.labels(refined)).check()
    val = open_split("val").check()
    val.truth(val.ids[0])  # Without dense labels there is nothing to validate on.
    model = dataclasses.replace(config.model, labels=train.labels, context=train.num_segments)
    config = dataclasses.replace(config, model=model)
    torch.manual_seed(config.seed)
    device = trainer.strategy.root_device
    feeds = device.type == "cuda"
    (placed, placement), (placed_val, _) = place(train, device), place(val, device)
    module, shuffle = NetworkModule(config, placement), EpochShuffle(train, config.seed)
    found = {**config.to_dict(), "data": identify({"train": train, "val": val})}
    with (
        shown_anyway() if progress else nullcontext(),
        # The first process of a run locks the folder for all.
        only_writer(out) if is_first_process() else nullcontext(),
        warnings.catch_warnings(),
        _errors_explained(trainer),
    ):
        _save_config(run, found)
        _report_global_batch(trainer, config)
        for message in HARMLESS:
            warnings.filterwarnings("ignore", message)
        trainer.fit(
            module,
            loader(placed, config.batch_size, shuffle, ahead=feeds and placed is train),
            loader(placed_val, BATCH, ahead=feeds and placed_val is val),
            ckpt_path=run.last if run.last.exists() else None,
        )
    return run


def loader(
    dataset: Dataset | TorchDataset[Batch],
    batch_size: int,
    sampler: Sampler[int] | None = None,
    *,
    ahead: bool = False,
) -> DataLoader[Batch]:
    """Batches of a split, read whole from a memory map: no worker processes are needed.

    Args:
        dataset: gives a batch for a list of rows.
        batch_size: how many rows.
        sampler: their order; None keeps it.
        ahead: read the next batch while a GPU computes on this one.
    """
    kind = ReadAhead if ahead else DataLoader
    readable = cast(TorchDataset[Batch], dataset)
    return kind(readable, batch_size, sampler=sampler, collate_fn=lambda batch: batch)


class EpochShuffle(Sampler[int]):
    """A random order for every epoch, the same whether or not a run was interrupted before it.

    Args:
        data: anything with a length.
        seed: with the epoch, fixes the order.
    """

    def __init__(self, data: Sized, seed: int) -> None:
        self.size, self.seed, self.epoch = len(data), seed, 0

    def set_epoch(self, epoch: int) -> None:
        """Choose the order; Lightning calls this before every epoch."""
        self.epoch = epoch

    def __iter__(self) -> Iterator[int]:
        generator = torch.Generator().manual_seed(self.seed + 1_000_003 * self.epoch)
        yield from torch.randperm(self.size, generator=generator).tolist()

    def __len__(self) -> int:
        return self.size


def identify(splits: Mapping[Split, Dataset]) -> dict[str, str]:
    """Digests of what a result is of; they do not depend on where the files lie.

    Args:
        splits: those whose annotations count; the features are those of the first one.

    Returns:
        A digest of the `annotations`, of the `features` of the first video of the first split, and
        of its `refined` labels if there are any.

    Raises:
        UserError: if the features cannot be read.
    """
    digests = {split: dataset.digest() for split, dataset in splits.items()}
    annotations = sorted((split, found["annotations"]) for split, found in digests.items())
    return {**next(iter(digests.values())), "annotations": digest_of(annotations)}


def is_first_process() -> bool:
    """Whether this process of a run writes the files."""
    return getattr(rank_zero_only, "rank", 0) == 0


def wait_for_all_processes() -> None:
    """Return when every process of a run has called this; at once if there is one process."""
    if torch.distributed.is_available() and torch.distributed.is_initialized():
        torch.distributed.barrier()


@rank_zero_only
def _check_folder(run: Run, resume: bool) -> None:
    """Check that a folder holds no run, unless it is to be resumed.

    Only the first process of a run looks: by the time that the others start, the run is there.
    """
    if run.config.exists() and not resume:
        raise UserError(
            f"{run.folder} already holds a run; give --resume to go on, or another --out"
        )


class _ConfigLoader(LOADER):  # type: ignore[misc]
    """Refuses a key that is there twice, of which YAML would take the last one."""

    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict[Any, Any]:
        found: dict[Any, Any] = super().construct_mapping(node, deep)
        if len(found) < len(node.value):
            counts = Counter(key.value for key, _ in node.value)
            key = next((key for key, count in counts.items() if count > 1), "")
            raise ValueError(f"the key {shorten(str(key))!r} is there twice")
        return found


def read_config(path: Path) -> dict[str, Any]:
    """What a run was started with, which is compared and not used.

    Raises:
        UserError: if it is no such file. What refers to itself could double with every line.
    """
    try:
        text, depth = read_text(path, LARGEST_CONFIG), 0
        for event in yaml.parse(text, LOADER):
            is_begin = isinstance(event, yaml.CollectionStartEvent)
            depth += is_begin - isinstance(event, yaml.CollectionEndEvent)
            if isinstance(event, yaml.AliasEvent) or depth > DEEPEST_CONFIG:
                raise ValueError("it has aliases or too many levels, as no run writes them")
        started = yaml.load(text, _ConfigLoader)
    except (yaml.YAMLError, ValueError) as error:
        reason = shorten(str(error).replace("\n", " "), 200)
        raise UserError(f"{path} cannot be read ({reason}); choose another --out") from error
    if not isinstance(started, dict):
        raise UserError(f"{path} is not the configuration of a run; choose another --out")
    return started


@rank_zero_only
def _save_config(run: Run, resolved: Mapping[str, Any]) -> None:
    """Write the resolved configuration, unless the run in the folder was started with another."""
    if run.config.exists():
        started = read_config(run.config)
        since = {each.name: each.default for each in dataclasses.fields(TrainConfig)}
        differing = [
            name
            for name, value in resolved.items()
            if name != "epochs" and _settled(started.get(name, since.get(name))) != _settled(value)
        ]
        if differing:
            raise UserError(
                f"the run in {run.folder} was started with another configuration ({run.config}), "
                f"which differs in {', '.join(differing)}; resume with the same recipe, data and "
                "flags (only --epochs may change), or choose another --out"
            )
    run.folder.mkdir(parents=True, exist_ok=True)
    write_durably(run.config, yaml.safe_dump(dict(resolved), sort_keys=False).encode())


def _settled(value: Any) -> Any:
    """A value of a configuration without the place of pseudo labels: `data` tells their content."""
    if not isinstance(value, Mapping):
        return value
    return {name: part for name, part in value.items() if name != "segment_labels"}


@rank_zero_only
def _report_global_batch(trainer: pl.Trainer, config: TrainConfig) -> None:
    """Say what several devices do to a step: more videos, at an unchanged learning rate."""
    devices, nodes = trainer.num_devices, trainer.num_nodes
    if devices * nodes > 1:
        sys.stderr.write(
            f"global batch of {devices * nodes * config.batch_size} videos (--devices {devices} x "
            f"--num-nodes {nodes} x --batch-size {config.batch_size}); the learning rate stays "
            f"{config.learning_rate:g}\n"
        )


def _make_trainer(config: TrainConfig, run: Run, progress: bool) -> pl.Trainer:
    for noisy in ("pytorch_lightning.utilities.rank_zero", "pytorch_lightning.accelerators.cuda"):
        logging.getLogger(noisy).setLevel(logging.WARNING)
    resumable = ModelCheckpoint(
        dirpath=run.folder,
        filename="last",
        save_on_train_epoch_end=True,
        enable_version_counter=False,
    )
    where = torch.device(resolve_device(config.device))
    precision = resolve_precision(config.precision, str(where))
    use_float32(tf32=config.precision == "tf32")
    if where.index is not None and config.devices != 1:
        raise UserError(
            f"--device {where} is one GPU, got it with --devices {config.devices}; leave out the "
            "number of the GPU, or --devices"
        )
    if config.cuda_graph == "on" and (where.type != "cuda" or config.devices != 1):
        raise UserError(
            f"--cuda-graph on is for one CUDA GPU, got --device {where} with --devices "
            f"{config.devices}; use --cuda-graph auto"
        )
    reports = [EpochProgress()] if progress else []
    try:
        return pl.Trainer(
            max_epochs=config.epochs,
            accelerator=where.type,
            devices=config.devices if where.index is None else [where.index],
            deterministic=config.deterministic,
            num_nodes=config.num_nodes,
            gradient_clip_val=config.clip_norm or None,
            precision=precision,
            callbacks=[NetworkCheckpoint(run.model, config.keep), resumable, *reports],
            plugins=[AtomicCheckpointIO()],
            logger=TensorBoardLogger(run.folder, name=None, version=run.log.name),
            num_sanity_val_steps=0,
            log_every_n_steps=10,
            enable_progress_bar=False,
            enable_model_summary=False,
        )
    except (ValueError, MisconfigurationException) as error:
        raise UserError(
            f"--device {config.device} with --devices {config.devices} and --num-nodes "
            f"{config.num_nodes} cannot be used here: {error}"
        ) from error


def resolve_precision(
    precision: Literal["auto", "32-true", "tf32", "bf16-mixed"], device: str
) -> Literal["32-true", "bf16-mixed"]:
    """Replace `auto` by the format in which the device trains fastest without losing the result.

    Args:
        precision: `auto`, one of Lightning's names, or `tf32`, which is a kind of float32.
        device: as PyTorch names it.

    Raises:
        UserError: if the device has no TF32.
    """
    if precision == "tf32":
        if torch.device(device).type != "cuda":
            raise UserError(
                f"--precision tf32 is for NVIDIA GPUs, got --device {device}; take 32-true"
            )
        return "32-true"
    if precision != "auto":
        return precision
    return "bf16-mixed" if computes_in_bf16(device) else "32-true"


@contextmanager
def _errors_explained(trainer: pl.Trainer) -> Iterator[None]:
    """Pass on why training ended early.

    Upon Ctrl-C Lightning exits or returns, depending on its version.

    Raises:
        UserError: if an operator cannot repeat itself, or a GPU is full.
    """
    try:
        yield
    except SystemExit as error:
        raise KeyboardInterrupt from error
    except torch.OutOfMemoryError as error:
        raise UserError(
            "the memory of the GPU is full; take a smaller --batch-size, --precision bf16-mixed, "
            f"or a GPU that nothing else uses ({shorten(str(error), 200)})"
        ) from error
    except RuntimeError as error:
        operator, found, _ = str(error).partition(" does not have a deterministic implementation")
        if not found:
            raise
        raise UserError(
            f"--deterministic: PyTorch has no algorithm for the operator {operator} that repeats "
            f"itself on {trainer.strategy.root_device}; train without --deterministic, or replace "
            "the operator if it is in code of your own (docs/gpu.md lists them)"
        ) from error
    if trainer.interrupted:
        raise KeyboardInterrupt
