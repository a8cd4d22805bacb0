"""Training in Lightning: the one module, its checkpoints and its progress.

Several processes may validate: every video counts once, whichever of them have scored it.
"""

from __future__ import annotations

import io
import sys
import zipfile
from collections.abc import Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import Any, Literal, TypeAlias, cast

import pytorch_lightning as pl
import torch
from lightning_fabric.plugins import TorchCheckpointIO
from torch import Tensor, distributed
from torch.optim.lr_scheduler import LambdaLR
from torch.optim.swa_utils import AveragedModel, get_ema_multi_avg_fn
from torch.utils.data import DataLoader

from mmpyramid.accelerate import CudaRecorder, TrainingStep, accelerate
from mmpyramid.accelerate.step import Recorder
from mmpyramid.core.batch import Batch
from mmpyramid.core.errors import UserError
from mmpyramid.core.files import DamagedFileError, seal, verify, write_durably
from mmpyramid.core.progress import Update, progress, report
from mmpyramid.core.text import shorten
from mmpyramid.models import Network, create_model, save_pretrained
from mmpyramid.models.network import to_full_precision
from mmpyramid.problems import problem_named
from mmpyramid.problems.base import DIVERGED
from mmpyramid.training.config import TrainConfig

LOGGED = 10
"""Every so many steps have their loss in the log."""


class NetworkModule(pl.LightningModule):
    """Trains a network, and validates it with the official numbers of its problem.

    Lightning owns epochs, steps, schedules, checkpoints and logs. On one CUDA GPU, `TrainingStep`
    takes its place inside a step. Nothing in an epoch waits for a GPU: losses are kept where they
    are, and looked at before the validation.
    """

    def __init__(self, config: TrainConfig, placement: str = "") -> None:
        """Make the network.

        Args:
            config: the run.
            placement: where the features are, in words; empty on a CPU.
        """
        super().__init__()
        self.config, self.placement = config, placement
        self.problem = problem_named(config.objective.problem)
        self.network = create_model(config.model)
        accelerate(self.network)
        self.average = (
            AverageOfWeights(self.network, config.ema_decay) if config.ema_decay else None
        )
        self.metrics = self.problem.metrics(config.model.decoder)
        self.score_in_training = (
            torch.compile(self.network.forward) if config.compile else self.network
        )
        self.criterion = config.objective.criterion(self.network)
        self.step: TrainingStep | None = None
        self.losses: list[Tensor] = []
        self.counted: list[list[int]] = []

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
        fused = not self.config.clip_norm or self._takes_whole_steps
        weights = [*self.network.parameters(), *self.criterion.trained()]
        optimizer = torch.optim.Adam(weights, lr=self.config.learning_rate, fused=fused)
        return [optimizer], [LambdaLR(optimizer, self.config.schedule)]

    @property
    def _takes_whole_steps(self) -> bool:
        is_alone = self.trainer.world_size == 1
        return self.config.cuda_graph != "off" and self.device.type == "cuda" and is_alone

    def on_train_start(self) -> None:
        """Choose how steps are taken, and report what differs between machines."""
        if self._takes_whole_steps:
            self.take_whole_steps(CudaRecorder(self.device))
        elif self.device.type == "cuda":
            self._report("steps operator by operator")

    def on_train_epoch_start(self) -> None:
        """Set the epoch of the criterion; record the step again where it computes another loss."""
        epoch, before = self.current_epoch, self.criterion.phase(self.criterion.epoch)
        self.criterion.epoch = epoch
        if self.step is not None and self.criterion.phase(epoch) != before:
            self.take_whole_steps(self.step.recorder)

    def take_whole_steps(self, recorder: Recorder | None) -> None:
        """Leave forward, backward and optimizer to a `TrainingStep`."""
        self.step = TrainingStep(
            self.loss,
            torch.nn.ModuleList((self.network, self.criterion)),
            cast(torch.optim.Optimizer, self.optimizers(use_pl_optimizer=False)),
            clip_norm=self.config.clip_norm,
            recorder=recorder,
            required=self.config.cuda_graph == "on",
            report=self._report,
        )

    def _report(self, steps: str) -> None:
        name = torch.cuda.get_device_name(self.device) if self.device.type == "cuda" else "CPU"
        how = f"{self.trainer.precision}{', tf32' if self.config.precision == 'tf32' else ''}"
        if self.trainer.is_global_zero:
            sys.stderr.write(f"{name}, {how}: {'; '.join(filter(None, (self.placement, steps)))}\n")

    def on_train_batch_start(self, batch: Batch, batch_index: int) -> None:
        """Seed dropout by step, so that a resumed run repeats what an uninterrupted one draws.

        Once per epoch is not enough: beside the network, Lightning and data loaders draw as well,
        and not as often in a resumed epoch.
        """
        torch.manual_seed(self.config.seed + 1_000 * (self.global_step + 1) + self.global_rank)

    def loss(self, batch: Batch) -> Tensor:
        """Loss of one batch, computed in float32 or better, outside autocast; NaN after NaN."""
        batch = self.criterion.augment(batch)
        output = self.score_in_training(batch.streams, batch.mask_BT, batch.present_BM)
        with torch.autocast(self.device.type, enabled=False):
            loss: Tensor = self.criterion(to_full_precision(output), batch)
            return loss.masked_fill(self.problem.has_nan(output), torch.nan)

    def training_step(self, batch: Batch, batch_index: int) -> Tensor:
        """Loss of one batch; a `TrainingStep` also does what comes after it."""
        loss = self.loss(batch) if self.step is None else self.step(batch)
        self.losses.append(loss.detach())
        if self.device.type == "cpu":
            check_losses(self.losses[-1:])
        return loss

    def backward(self, loss: Tensor, *args: Any, **kwargs: Any) -> None:
        """Compute the gradients, unless that was done.

        Several processes wait for those of all weights, so that what a loss leaves out (LEAP's the
        weights of the modalities) gets a gradient of 0.
        """
        if self.step is not None:
            return
        if self.trainer.world_size > 1:
            weights = [*self.network.parameters(), *self.criterion.trained()]
            # Sums of each: of all weights in one vector it took a fifth of a step.
            loss = loss + 0 * torch.stack([weight.sum() for weight in weights]).sum()
        super().backward(loss, *args, **kwargs)

    def optimizer_zero_grad(self, epoch: int, batch_idx: int, optimizer: Any) -> None:
        """Forget the gradients of the last step, unless that was done."""
        if self.step is None:
            super().optimizer_zero_grad(epoch, batch_idx, optimizer)

    def optimizer_step(
        self, epoch: int, batch_idx: int, optimizer: Any, optimizer_closure: Any = None
    ) -> None:
        """Take a step; a `TrainingStep` takes it inside `training_step`."""
        if self.step is None:
            super().optimizer_step(epoch, batch_idx, optimizer, optimizer_closure)
        else:
            optimizer_closure()

    def on_train_batch_end(self, outputs: Any, batch: Batch, batch_index: int) -> None:
        """Update the average of the weights, and what the criterion keeps of them."""
        self.criterion.finish_step()
        if self.average is not None:
            self.average.update_parameters(self.network)

    def on_validation_epoch_start(self) -> None:
        """Find out which videos count here; log the losses of the epoch, which must be numbers."""
        self.counted = places_to_count(cast(DataLoader[Batch], self.trainer.val_dataloaders))
        if not self.losses:
            return
        check_losses(self.losses)
        losses, first = torch.stack(self.losses).tolist(), self.global_step - len(self.losses)
        for step, loss in enumerate(losses, start=first):
            if (step + 1) % LOGGED == 0:
                for logger in self.loggers:
                    logger.log_metrics({"train/loss": loss}, step)

    def validation_step(self, batch: Batch, batch_index: int) -> None:
        """Update the metrics with the videos of one batch that count in this process."""
        places = self.counted[batch_index]
        if not places:
            return
        if len(places) < len(batch.mask_BT):
            batch = batch.map(lambda values: values[places])
        output = self.result(batch.streams, batch.mask_BT, batch.present_BM)
        self.problem.check_output(output)
        self.problem.update(self.metrics, output, batch)

    def on_validation_epoch_end(self) -> None:
        """Log the mean loss and the official numbers."""
        numbers = {f"val/{name}": value for name, value in self.metrics.compute().items()}
        self.metrics.reset()
        if self.losses:
            mean = torch.stack(self.losses).mean()
            self.log("train/loss", mean, prog_bar=True, logger=False, sync_dist=True)
            self.losses.clear()
        self.log(self.selection_metric, numbers.pop(self.selection_metric), prog_bar=True)
        self.log_dict(numbers)

    def transfer_batch_to_device(
        self, batch: Batch, device: torch.device, dataloader_idx: int
    ) -> Batch:
        """Move a batch; Lightning does not know the class."""
        return batch.to(device)


class AverageOfWeights(AveragedModel):
    """An exponential moving average that asks the GPU only once whether it has begun.

    Args:
        network: whose weights are averaged.
        decay: what a step keeps of the average.
    """

    def __init__(self, network: torch.nn.Module, decay: float) -> None:
        mean = get_ema_multi_avg_fn(decay)  # type: ignore[no-untyped-call]
        super().__init__(network, multi_avg_fn=mean)
        self.mean, self.has_begun = mean, False
        self.requires_grad_(False)

    @torch.no_grad()
    def update_parameters(self, model: torch.nn.Module) -> None:
        """Move the average towards the weights of a network; at first, take them."""
        if not self.has_begun:
            super().update_parameters(model)
            self.has_begun = True
            return
        self.mean([*self.module.parameters()], [*model.parameters()], self.n_averaged)
        for kept, buffer in zip(self.module.buffers(), model.buffers(), strict=True):
            kept.copy_(buffer)
        self.n_averaged += 1


def check_losses(losses: Sequence[Tensor]) -> None:
    """Check that training has not diverged.

    Raises:
        UserError: if a loss is no number.
    """
    if torch.stack([*losses]).isnan().any():
        raise UserError(DIVERGED)


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


class EpochProgress(pl.Callback):
    """Reports how many steps of the whole run are done, and each epoch's result."""

    def __init__(self) -> None:
        self._open = ExitStack()
        self._update: Update | None = None

    def on_train_start(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        """Begin; a resumed run begins where it stopped."""
        if trainer.is_global_zero:
            self._update = self._open.enter_context(progress("train", unit="steps"))
            self._report(trainer)

    def on_train_batch_end(self, trainer: pl.Trainer, *_: Any) -> None:
        """Count the step."""
        self._report(trainer)

    def on_train_epoch_end(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        """Report the loss and the validation number."""
        assert isinstance(pl_module, NetworkModule)
        if trainer.is_global_zero:
            metrics, epoch = trainer.callback_metrics, trainer.current_epoch + 1
            values = {
                "train/loss": float(metrics["train/loss"]),
                pl_module.selection_metric: float(metrics[pl_module.selection_metric]),
            }
            report(
                f"epoch {epoch}/{trainer.max_epochs}: loss {values['train/loss']:.3f}, validation "
                f"{pl_module.problem.selection_title} {values[pl_module.selection_metric]:.2f}",
                {"epoch": epoch, "epochs": trainer.max_epochs or 0, **values},
            )

    def teardown(self, trainer: pl.Trainer, pl_module: pl.LightningModule, stage: str) -> None:
        """End, however the run ended."""
        self._open.close()
        self._update = None

    def _report(self, trainer: pl.Trainer) -> None:
        if self._update is not None:
            epochs = f"epoch {trainer.current_epoch + 1}/{trainer.max_epochs}"
            total = trainer.num_training_batches * (trainer.max_epochs or 1)
            self._update(trainer.global_step, int(total), detail=epochs)


class AtomicCheckpointIO(TorchCheckpointIO):
    """Writes a checkpoint as a whole, with a checksum that is compared before a run goes on."""

    def save_checkpoint(
        self, checkpoint: dict[str, Any], path: Any, storage_options: Any | None = None
    ) -> None:
        """Write the file aside, then rename it.

        Raises:
            UserError: if the disk is full.
        """
        content = io.BytesIO()
        torch.save(checkpoint, content)
        Path(path).parent.mkdir(parents=True, exist_ok=True)
        write_durably(Path(path), seal(content.getvalue()))

    def load_checkpoint(self, path: Any, *_: Any, **__: Any) -> dict[str, Any]:
        """Compare the file with its checksum and read it, as data and never as code.

        Checkpoints of earlier versions have the checksums of zip files alone.

        Raises:
            UserError: if it is damaged.
        """
        try:
            if not verify(Path(path)):
                with zipfile.ZipFile(path) as archive:
                    if damaged := archive.testzip():
                        raise DamagedFileError(f"the checksum of {damaged} in it is wrong")
            state: dict[str, Any] = torch.load(path, map_location="cpu", weights_only=True)
        except Exception as error:
            raise UserError(
                f"the run cannot go on from {path}, which is damaged ({shorten(str(error), 200)}); "
                "copy it again, or delete it to start over"
            ) from error
        return state


Batches: TypeAlias = Sequence[Sequence[int]]
"""The rows of a split that are in each batch."""


def places_to_count(loader: DataLoader[Batch]) -> list[list[int]]:
    """Which videos of each batch count in this process, as places in the batch.

    Samplers repeat videos until all processes have as many; the processes exchange which rows of
    the split they have. All of them have to call this.

    Args:
        loader: this process's share of the validation split.
    """
    assert loader.batch_sampler is not None, "batches are made of rows"
    mine = [list(rows) for rows in loader.batch_sampler]
    if not (distributed.is_available() and distributed.is_initialized()):
        return first_places([mine], 0)
    shares: list[Batches] = [()] * distributed.get_world_size()
    distributed.all_gather_object(shares, mine)
    return first_places(shares, distributed.get_rank())


def first_places(shares: Sequence[Batches], rank: int) -> list[list[int]]:
    """The places in the batches of one share whose rows neither came before nor in one before.

    Example:
        >>> shares = [[[0, 2], [4, 0]], [[1, 3], [0, 1]]]
        >>> first_places(shares, 0), first_places(shares, 1)
        ([[0, 1], [0]], [[0, 1], []])
    """
    seen = {row for share in shares[:rank] for rows in share for row in rows}
    places: list[list[int]] = []
    for rows in shares[rank]:
        places.append([])
        for place, row in enumerate(rows):
            if row not in seen:
                seen.add(row)
                places[-1].append(place)
    return places
