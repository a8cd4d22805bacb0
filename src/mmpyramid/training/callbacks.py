"""Callbacks of the training loop: checkpoints and progress."""

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


class NetworkCheckpoint(pl.Callback):
    """Save the network of the best epoch so far (of equals, the later one), or of every epoch.

    Args:
        folder: where the checkpoint folder goes.
        keep: `best`, or `last` to overwrite the network in every epoch.
    """

    def __init__(self, folder: Path, keep: Literal["best", "last"] = "best") -> None:
        self.folder, self.keep = folder, keep
        self.best = float("-inf")

    def on_validation_end(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        """Save the network if it is the best, on the first process only."""
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
        """The best value, for a resumed run."""
        return {"best": self.best}

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """Restore the best value of the interrupted run."""
        self.best = state_dict["best"]


class EpochProgressBar(TQDMProgressBar):
    """Lightning's progress bar with the metrics only."""

    def get_metrics(
        self, trainer: pl.Trainer, pl_module: pl.LightningModule
    ) -> dict[str, int | str | float | dict[str, float]]:
        """Leave the logger's version out."""
        metrics = super().get_metrics(trainer, pl_module)
        metrics.pop("v_num", None)
        return metrics


class EpochLog(pl.Callback):
    """One line per epoch on standard error, for runs without a terminal."""

    def on_train_epoch_end(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        """Write the loss and the validation number."""
        assert isinstance(pl_module, NetworkModule)
        if trainer.is_global_zero:
            metrics = trainer.callback_metrics
            sys.stderr.write(
                f"epoch {trainer.current_epoch + 1}/{trainer.max_epochs}: "
                f"loss {metrics['train/loss']:.3f}, validation "
                f"{pl_module.problem.selection_title} {metrics[pl_module.selection_metric]:.2f}\n"
            )


class AtomicCheckpointIO(TorchCheckpointIO):
    """Writes a checkpoint under another name and renames it, so that it is always complete."""

    def save_checkpoint(
        self, checkpoint: dict[str, Any], path: Any, storage_options: Any | None = None
    ) -> None:
        """Write the file, then rename it."""
        temporary = f"{path}.saving"
        super().save_checkpoint(checkpoint, temporary, storage_options)
        os.replace(temporary, path)  # noqa: PTH105 - Lightning gives a plain string
