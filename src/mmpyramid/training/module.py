"""The one LightningModule: a network, its objective, its optimizer and its validation numbers."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, cast

import pytorch_lightning as pl
import torch
from torch import Tensor
from torch.optim.lr_scheduler import LambdaLR
from torch.optim.swa_utils import AveragedModel, get_ema_multi_avg_fn

from mmpyramid.core.batch import Batch
from mmpyramid.models import Network, create_model
from mmpyramid.models.outputs import to_full_precision
from mmpyramid.problems import problem_named
from mmpyramid.training.config import TrainConfig
from mmpyramid.training.mixed_adam import MixedAdam


class NetworkModule(pl.LightningModule):
    """Trains a network, and validates it with the official numbers of its problem."""

    def __init__(self, config: TrainConfig) -> None:
        super().__init__()
        self.config = config
        self.problem = problem_named(config.objective.problem)
        self.network = create_model(config.model)
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
        optimizer = self._make_optimizer()
        return [optimizer], [LambdaLR(optimizer, self.config.schedule)]

    def _make_optimizer(self) -> torch.optim.Adam:
        learning_rate = self.config.learning_rate
        in_bf16_here = self.trainer.precision == "bf16-mixed" and self.device.type == "cpu"
        if in_bf16_here and self.trainer.world_size == 1 and not self.config.clip_norm:
            return MixedAdam(self.network, lr=learning_rate)
        # Lightning clips no gradients in bf16 if the optimizer is fused.
        fused = not self.config.clip_norm
        return torch.optim.Adam(self.network.parameters(), lr=learning_rate, fused=fused)

    def on_train_batch_start(self, batch: Batch, batch_index: int) -> None:
        """Seed dropout by step, so that a resumed run repeats what an uninterrupted one draws.

        Once per epoch is not enough: beside the network, Lightning and data loaders draw as well,
        and not as often in a resumed epoch.
        """
        torch.manual_seed(self.config.seed + 1_000 * (self.global_step + 1) + self.global_rank)

    def training_step(self, batch: Batch, batch_index: int) -> Tensor:
        """Loss of one batch, computed in float32 or better, outside autocast."""
        optimizer = self.optimizers(use_pl_optimizer=False)
        forward = optimizer.forward if isinstance(optimizer, MixedAdam) else self.network
        output = self._score(forward, batch)
        with torch.autocast(self.device.type, enabled=False):
            loss = self.config.objective(to_full_precision(output), batch)
        self.log("train/loss", loss, prog_bar=True, batch_size=len(batch.mask_BT))
        return loss

    def on_train_batch_end(self, outputs: Any, batch: Batch, batch_index: int) -> None:
        """Take the new weights into the mean."""
        if self.average is not None:
            self.average.update_parameters(self.network)

    def validation_step(self, batch: Batch, batch_index: int) -> None:
        """Count what one batch gets right."""
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
