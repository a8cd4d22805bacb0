"""Train a network on a corpus."""

from __future__ import annotations

import dataclasses
import logging
import sys
import warnings
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import pytorch_lightning as pl
import torch
import yaml
from lightning_fabric.utilities.exceptions import MisconfigurationException
from pytorch_lightning.callbacks import ModelCheckpoint
from pytorch_lightning.loggers import TensorBoardLogger
from pytorch_lightning.utilities import rank_zero_only
from torch.utils.data import DataLoader

from mmpyramid.core.batch import Batch
from mmpyramid.core.errors import UserError
from mmpyramid.core.files import write_durably
from mmpyramid.datasets import Dataset, open_dataset
from mmpyramid.problems.base import BATCH
from mmpyramid.training.callbacks import (
    AtomicCheckpointIO,
    EpochLog,
    EpochProgressBar,
    NetworkCheckpoint,
)
from mmpyramid.training.config import TrainConfig
from mmpyramid.training.identity import identify
from mmpyramid.training.module import NetworkModule
from mmpyramid.training.precision import resolve_precision
from mmpyramid.training.sampler import EpochShuffle

HARMLESS = (
    ".*exists and is not empty",  # a resumed run is meant to go on in its folder
    ".*does not have many workers",  # batches come from memory
    ".*smaller than the logging interval",  # small corpora
    ".*sync_dist=True",  # the metrics are reduced over devices before they are logged
    ".*LeafSpec",  # Lightning's own use of a newer torch
)
"""Warnings of Lightning that tell a user nothing to act on."""


@dataclass(frozen=True, kw_only=True)
class Run:
    """Where the files of a run are.

    Attributes:
        folder: everything below.
    """

    folder: Path

    @property
    def model(self) -> Path:
        """The best network, a checkpoint folder."""
        return self.folder / "model"

    @property
    def last(self) -> Path:
        """Where an interrupted run goes on."""
        return self.folder / "last.ckpt"

    @property
    def log(self) -> Path:
        """The TensorBoard log."""
        return self.folder / "tensorboard"

    @property
    def config(self) -> Path:
        """The resolved configuration."""
        return self.folder / "config.yaml"


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
        resume: go on after the last finished epoch of the run in `out`; with nothing there, start.
        progress: show a bar on a terminal, elsewhere a line per epoch.

    Returns:
        The run, whose `model` is the network of the epoch that `config.keep` names.

    Raises:
        UserError: if the data cannot be used, or `out` holds another run.
    """
    run = Run(folder=out)
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
    model = dataclasses.replace(config.model, labels=train.labels, context=train.num_segments)
    config = dataclasses.replace(config, model=model)
    resolved = {**config.to_dict(), "data": identify({"train": train, "val": val})}
    _check_same(run, resolved)
    shuffle = EpochShuffle(train, config.seed)
    torch.manual_seed(config.seed)
    module, trainer = NetworkModule(config), _trainer(config, run, progress)
    _report_global_batch(trainer, config)
    _save_config(run, resolved)
    with warnings.catch_warnings(), _interruptible(trainer):
        for message in HARMLESS:
            warnings.filterwarnings("ignore", message)
        trainer.fit(
            module,
            loader(train, config.batch_size, shuffle),
            loader(val, BATCH),
            ckpt_path=run.last if run.last.exists() else None,
        )
    return run


@contextmanager
def _interruptible(trainer: pl.Trainer) -> Iterator[None]:
    """Pass on Ctrl-C, upon which Lightning exits or returns, depending on its version."""
    try:
        yield
    except SystemExit as error:
        raise KeyboardInterrupt from error
    if trainer.interrupted:
        raise KeyboardInterrupt


def loader(
    corpus: Dataset, batch_size: int, sampler: EpochShuffle | None = None
) -> DataLoader[Batch]:
    """Batches of a split, read whole from a memory map: no worker processes are needed."""
    return DataLoader(corpus, batch_size, sampler=sampler, collate_fn=lambda batch: batch)


@rank_zero_only
def _check_folder(run: Run, resume: bool) -> None:
    """Refuse a folder that holds a run, unless it is to be resumed.

    Only the first process of a run looks: by the time that the others start, the run is there.
    """
    if run.config.exists() and not resume:
        raise UserError(
            f"{run.folder} already holds a run; give --resume to go on, or another --out"
        )


@rank_zero_only
def _check_same(run: Run, resolved: Mapping[str, Any]) -> None:
    """Refuse to go on with another run than the one in its folder."""
    if not run.config.exists():
        return
    started = yaml.safe_load(run.config.read_text(encoding="utf-8"))
    if not isinstance(started, dict):
        raise UserError(f"{run.config} is no configuration of a run; choose another --out")
    differing = [
        name for name, value in resolved.items() if name != "epochs" and started.get(name) != value
    ]
    if differing:
        raise UserError(
            f"the run in {run.folder} was started with another configuration ({run.config}), which "
            f"differs in {', '.join(differing)}; resume with the same recipe, data and flags (only "
            "--epochs may change), or choose another --out"
        )


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


@rank_zero_only
def _save_config(run: Run, resolved: Mapping[str, Any]) -> None:
    run.folder.mkdir(parents=True, exist_ok=True)
    write_durably(run.config, yaml.safe_dump(dict(resolved), sort_keys=False).encode())


def _trainer(config: TrainConfig, run: Run, progress: bool) -> pl.Trainer:
    for noisy in ("pytorch_lightning.utilities.rank_zero", "pytorch_lightning.accelerators.cuda"):
        logging.getLogger(noisy).setLevel(logging.WARNING)
    resumable = ModelCheckpoint(
        dirpath=run.folder,
        filename="last",
        save_on_train_epoch_end=True,
        enable_version_counter=False,
    )
    bar = EpochProgressBar() if sys.stderr.isatty() else EpochLog()
    try:
        return pl.Trainer(
            max_epochs=config.epochs,
            accelerator=config.accelerator,
            devices=config.devices,
            num_nodes=config.num_nodes,
            gradient_clip_val=config.clip_norm or None,
            precision=resolve_precision(config.precision, config.accelerator),
            callbacks=[
                NetworkCheckpoint(run.model, config.keep),
                resumable,
                *([bar] if progress else []),
            ],
            plugins=[AtomicCheckpointIO()],
            logger=TensorBoardLogger(run.folder, name=None, version=run.log.name),
            num_sanity_val_steps=0,
            log_every_n_steps=10,
            enable_progress_bar=progress and isinstance(bar, EpochProgressBar),
            enable_model_summary=False,
        )
    except (ValueError, MisconfigurationException) as error:
        raise UserError(
            f"--accelerator {config.accelerator} with --devices {config.devices} and --num-nodes "
            f"{config.num_nodes} cannot be had here: {error}"
        ) from error
