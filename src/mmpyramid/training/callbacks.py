"""Beside the training loop: the best network is kept, checkpoints are written whole."""

from __future__ import annotations

import os
import sys
from pathlib import Path
from typing import Any, Literal

import pytorch_lightning as pl
from lightning_fabric.plugins import TorchCheckpointIO
from pytorch_lightning.callbacks import TQDMProgressBar

from mmpyramid.models import save_pretrained
from mmpyramid.training.module import NetworkModule


class Keep(pl.Callback):
    """Write the network whenever it validates as well as ever (ties: the later), or always.

    Args:
        folder: where the checkpoint folder goes.
        keep: `best`, or `last` to write every epoch's network over the one before.
    """

    def __init__(self, folder: Path, keep: Literal["best", "last"] = "best") -> None:
        self.folder, self.keep = folder, keep
        self.best = float("-inf")

    def on_validation_end(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        """Compare and write."""
        assert isinstance(pl_module, NetworkModule)
        value = float(trainer.callback_metrics.get(pl_module.selection_metric, float("-inf")))
        if trainer.sanity_checking or (self.keep == "best" and value < self.best):
            return
        self.best = value
        if trainer.is_global_zero:
            numbers = {k: float(v) for k, v in trainer.callback_metrics.items() if "val/" in k}
            save_pretrained(
                pl_module.result, self.folder, {"epoch": trainer.current_epoch + 1, **numbers}
            )

    def state_dict(self) -> dict[str, Any]:
        """What a resumed run must know."""
        return {"best": self.best}

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """Take up where the interrupted run stopped."""
        self.best = state_dict["best"]


class Bar(TQDMProgressBar):
    """Lightning's progress bar with the metrics and nothing else."""

    def get_metrics(
        self, trainer: pl.Trainer, pl_module: pl.LightningModule
    ) -> dict[str, int | str | float | dict[str, float]]:
        """Leave the logger's version out."""
        metrics = super().get_metrics(trainer, pl_module)
        metrics.pop("v_num", None)
        return metrics


class Lines(pl.Callback):
    """One line per epoch on standard error, where a bar would fill a log file."""

    def on_train_epoch_end(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        """Tell the loss and the validation number."""
        assert isinstance(pl_module, NetworkModule)
        if trainer.is_global_zero:
            metrics = trainer.callback_metrics
            sys.stderr.write(
                f"epoch {trainer.current_epoch + 1}/{trainer.max_epochs}: "
                f"loss {metrics['train/loss']:.3f}, validation "
                f"{pl_module.problem.selection_title} {metrics[pl_module.selection_metric]:.2f}\n"
            )


class AtomicCheckpointIO(TorchCheckpointIO):
    """Writes a checkpoint beside its place and renames it: a kill never leaves half of one."""

    def save_checkpoint(
        self, checkpoint: dict[str, Any], path: Any, storage_options: Any | None = None
    ) -> None:
        """Write whole or not at all."""
        temporary = f"{path}.saving"
        super().save_checkpoint(checkpoint, temporary, storage_options)
        os.replace(temporary, path)  # noqa: PTH105 - Lightning gives a plain string
