"""The one LightningModule: a network, its loss, its optimizer and its validation numbers."""

from __future__ import annotations

import pytorch_lightning as pl
import torch
from torch import Tensor
from torch.optim.lr_scheduler import LambdaLR

from mmpyramid.data.batch import Batch
from mmpyramid.metrics.stateful import ParsingMetrics
from mmpyramid.models import MMPyramid
from mmpyramid.models.heads import Pooled
from mmpyramid.training.config import TrainConfig, learning_rate_factor
from mmpyramid.training.losses import guided_loss

SELECTION_METRIC = "val/segment_type_av"
"""The best checkpoint is the one with the highest value of this, as in the released code."""


class ParsingModule(pl.LightningModule):
    """Trains a parsing network on weak labels and validates it on dense ones."""

    def __init__(self, config: TrainConfig) -> None:
        super().__init__()
        self.config = config
        self.network = MMPyramid(config.model)
        self.metrics = ParsingMetrics()

    def configure_optimizers(self) -> tuple[list[torch.optim.Adam], list[LambdaLR]]:
        """Adam with the schedule of the configuration, stepped once per epoch."""
        optimizer = torch.optim.Adam(
            self.network.parameters(), lr=self.config.learning_rate, fused=True
        )
        schedule = LambdaLR(
            optimizer, lambda epoch: learning_rate_factor(self.config.schedule, epoch)
        )
        return [optimizer], [schedule]

    def on_train_batch_start(self, batch: Batch, batch_index: int) -> None:
        """Seed dropout by step, so that a resumed run repeats what an uninterrupted one draws.

        Once per epoch is not enough: beside the network, Lightning and data loaders draw as well,
        and not as often in a resumed epoch.
        """
        torch.manual_seed(self.config.seed + 1_000 * (self.global_step + 1) + self.global_rank)

    def training_step(self, batch: Batch, batch_index: int) -> Tensor:
        """Loss of one batch."""
        assert batch.weak_BC is not None
        loss = guided_loss(
            self._score(batch),
            batch.weak_BC,
            self.config.audio_smoothing,
            self.config.visual_smoothing,
        )
        self.log("train/loss", loss, prog_bar=True, batch_size=len(batch.weak_BC))
        return loss

    def validation_step(self, batch: Batch, batch_index: int) -> None:
        """Count what one batch gets right."""
        assert batch.audio_BTC is not None
        assert batch.visual_BTC is not None
        pooled = self._score(batch)
        self.metrics.update(
            pooled.prob_BTMC[:, :, 0],
            pooled.prob_BTMC[:, :, 1],
            pooled.video_BC,
            batch.audio_BTC,
            batch.visual_BTC,
            batch.mask_BT,
        )

    def on_validation_epoch_end(self) -> None:
        """Log the ten official numbers."""
        numbers = {f"val/{name}": value for name, value in self.metrics.compute().items()}
        self.metrics.reset()
        self.log(SELECTION_METRIC, numbers.pop(SELECTION_METRIC), prog_bar=True)
        self.log_dict(numbers)

    def _score(self, batch: Batch) -> Pooled:
        pooled: Pooled = self.network(batch.streams, batch.mask_BT, batch.present_BM)
        return pooled

    def transfer_batch_to_device(
        self, batch: Batch, device: torch.device, dataloader_idx: int
    ) -> Batch:
        """Move a batch; Lightning does not know the class."""
        return batch.to(device)
