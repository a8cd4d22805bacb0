"""Training in Lightning: the one module, its checkpoints, progress and number format."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any, Literal, cast

import pytorch_lightning as pl
import torch
from lightning_fabric.plugins import TorchCheckpointIO
from pytorch_lightning.callbacks import TQDMProgressBar
from torch import Tensor
from torch.optim.lr_scheduler import LambdaLR
from torch.optim.swa_utils import AveragedModel, get_ema_multi_avg_fn

from mmpyramid.accelerate import accelerate
from mmpyramid.backbones.base import computes_in_bf16
from mmpyramid.core.batch import Batch
from mmpyramid.models import Network, create_model, save_pretrained
from mmpyramid.models.network import to_full_precision
from mmpyramid.problems import problem_named
from mmpyramid.training.config import TrainConfig


class NetworkModule(pl.LightningModule):
    """Trains a network, and validates it with the official numbers of its problem."""

    def __init__(self, config: TrainConfig) -> None:
        super().__init__()
        self.config = config
        self.problem = problem_named(config.objective.problem)
        self.network = create_model(config.model)
        accelerate(self.network)
        self.average = None
        if config.ema_decay:
            mean = get_ema_multi_avg_fn(config.ema_decay)  # type: ignore[no-untyped-call]
            self.average = AveragedModel(self.network, multi_avg_fn=mean).requires_grad_(False)
        self.metrics = self.problem.metrics(config.model.decoder)

    @property
    def result(self) -> Network[Any, Any]:
        """The network that is validated and kept: with averaged weights, if they are averaged."""
        if self.average is None:
            return self.network
        return cast(Network[Any, Any], self.average.module)

    @property
    def selection_metric(self) -> str:
        """The logged number that the best epoch is chosen by."""
        return f"val/{self.problem.selection}"

    def configure_optimizers(self) -> tuple[list[torch.optim.Adam], list[LambdaLR]]:
        """Adam with the schedule of the configuration, stepped once per epoch."""
        # Lightning clips no gradients in bf16 if the optimizer is fused.
        fused = not self.config.clip_norm
        optimizer = torch.optim.Adam(
            self.network.parameters(), lr=self.config.learning_rate, fused=fused
        )
        return [optimizer], [LambdaLR(optimizer, self.config.schedule)]

    def on_train_batch_start(self, batch: Batch, batch_index: int) -> None:
        """Seed dropout by step, so that a resumed run repeats what an uninterrupted one draws.

        Once per epoch is not enough: beside the network, Lightning and data loaders draw as well,
        and not as often in a resumed epoch.
        """
        torch.manual_seed(self.config.seed + 1_000 * (self.global_step + 1) + self.global_rank)

    def training_step(self, batch: Batch, batch_index: int) -> Tensor:
        """Loss of one batch, computed in float32 or better, outside autocast."""
        output = self._score(self.network, batch)
        with torch.autocast(self.device.type, enabled=False):
            loss = self.config.objective(to_full_precision(output), batch)
        self.log("train/loss", loss, prog_bar=True, batch_size=len(batch.mask_BT))
        return loss

    def on_train_batch_end(self, outputs: Any, batch: Batch, batch_index: int) -> None:
        """Update the average of the weights."""
        if self.average is not None:
            self.average.update_parameters(self.network)

    def validation_step(self, batch: Batch, batch_index: int) -> None:
        """Update the metrics with one batch."""
        self.problem.update(self.metrics, self._score(self.result, batch), batch)

    def on_validation_epoch_end(self) -> None:
        """Log the official numbers."""
        numbers = {f"val/{name}": value for name, value in self.metrics.compute().items()}
        self.metrics.reset()
        self.log(self.selection_metric, numbers.pop(self.selection_metric), prog_bar=True)
        self.log_dict(numbers)

    def transfer_batch_to_device(
        self, batch: Batch, device: torch.device, dataloader_idx: int
    ) -> Batch:
        """Move a batch; Lightning does not know the class."""
        return batch.to(device)

    def _score(self, network: Callable[..., Any], batch: Batch) -> Any:
        output = network(batch.streams, batch.mask_BT, batch.present_BM)
        self.problem.check_output(output)
        return output


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
        """All metrics but the version of the logger."""
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


def resolve_precision(
    precision: Literal["auto", "32-true", "bf16-mixed"], accelerator: str
) -> Literal["32-true", "bf16-mixed"]:
    """Replace `auto` by the format in which the device trains fastest without losing the result.

    Args:
        precision: `auto`, or one of Lightning's names.
        accelerator: Lightning's accelerator; `auto` takes a GPU if there is one.
    """
    if precision != "auto":
        return precision
    device = accelerator
    if accelerator in {"auto", "gpu"}:
        gpus = {"mps": torch.backends.mps, "cuda": torch.cuda}
        device = next((name for name, gpu in gpus.items() if gpu.is_available()), "cpu")
    is_known = device in {"cpu", "cuda", "mps", "xpu"}
    return "bf16-mixed" if is_known and computes_in_bf16(device) else "32-true"
