"""JoMoLD: labels of a modality are dropped where its loss is high and the other's is low.

Source: Cheng et al., "Joint-Modal Label Denoising for Weakly-Supervised Audio-Visual Video
Parsing", ECCV 2022, and its released code. A class of a video is taken to be absent from one
modality if, among the videos of the batch that have the class, the modality alone has one of the
largest losses and the other modality one of the smallest. How many may be dropped is the noise
ratio of the class. (The release means to raise the ratios slowly in the first epochs, but
multiplies in place: it drops nothing in the first epoch and all from the second on. So does this.)

Departures: what a modality says alone is what the network says when the other one is withheld, as
from a file that lacks it; the release leaves out its cross-modal attention. There is no dropout
before the visual head (0.5 in the release), and the best epoch is the recipe's choice, there that
of the highest F of events heard. Ratios depend on the size of batches: of 16 videos, small ratios
drop nothing.

Shape letters: N videos, B batch, M modalities (audio, visual), C classes.
"""

from __future__ import annotations

import io
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional as F

from mmpyramid.core import Array
from mmpyramid.core.batch import Batch
from mmpyramid.core.errors import UserError
from mmpyramid.core.files import check_output_folder, write_durably
from mmpyramid.core.text import shorten
from mmpyramid.datasets import Dataset, open_dataset
from mmpyramid.models.network import Network, Pooled, to_full_precision
from mmpyramid.models.parsing import ParsingConfig
from mmpyramid.problems.base import batches
from mmpyramid.problems.parsing.composed import ComposedCriterion, Source, Step, Targets, Term
from mmpyramid.problems.parsing.losses import (
    EPSILON,
    GuidedObjective,
    contrastive_loss,
    stream_term,
    video_term,
)
from mmpyramid.training.config import TrainConfig
from mmpyramid.training.settings import Schedule
from mmpyramid.training.strategies.registry import register_strategy

if TYPE_CHECKING:
    from mmpyramid.training.run import Run

SURE_SEEN, SURE_HEARD = 1.8, 0.6
"""A class is noise where its probability, by its mean, is below this."""


@dataclass(kw_only=True, slots=True)
class DenoisingObjective(GuidedObjective):
    """Individual guided learning on labels that each batch denoises (JoMoLD)."""

    noise_ratios: Path | None = None
    """NumPy archive of `audio` and `visual`, (C,) each within 0..1, as JoMoLD has it; left out, a
    first run estimates them."""
    audio_weight: float = 2.0
    """Weight of the audio stream's label; that of the visual stream weighs 1."""
    video_weight: float = 1.0
    """Weight of the whole video's label."""
    contrast: float = 1.0
    """Weight of the contrastive loss, between both modalities after the encoder."""
    start: int = 1
    """Epochs before labels are dropped."""

    def __post_init__(self) -> None:
        GuidedObjective.__post_init__(self)
        if self.start < 0:
            raise UserError(f"--objective.start should be 0 or more, got {self.start}")

    def criterion(self, network: Network[Any, Any]) -> DenoisingCriterion:
        """What a training run calls, with the ratios.

        Raises:
            UserError: if the ratios cannot be read.
        """
        return DenoisingCriterion(self, network)

    def sources(self) -> Sequence[Source]:
        """The smoothed weak label without what is noise."""
        return (*GuidedObjective.sources(self), self._denoised)

    def terms(self) -> Sequence[tuple[float, Term]]:
        """Both streams, the video, and the contrast of the two modalities."""
        return (
            (self.audio_weight, stream_term(0)),
            (1.0, stream_term(1)),
            (self.video_weight, video_term),
            (self.contrast, self._contrast_encoded),
        )

    def _denoised(self, targets: Targets, step: Step) -> Targets:
        caller, weak_BC = step.caller, step.batch.weak_BC
        assert isinstance(caller, DenoisingCriterion)
        assert weak_BC is not None
        if caller.epoch < self.start:
            return targets
        prob_BMC = alone(caller.network, step.batch).clamp(EPSILON, 1 - EPSILON)
        loss_BMC = F.binary_cross_entropy(prob_BMC, targets.stream_BMC, reduction="none")
        drop_BMC = noisy_labels(loss_BMC, weak_BC, caller.ratio_MC)
        return targets._replace(stream_BMC=targets.stream_BMC.masked_fill(drop_BMC, 0.0))

    def _contrast_encoded(self, targets: Targets, step: Step) -> Tensor:
        del targets
        assert step.output.encoded is not None
        heard_BTD, seen_BTD = step.output.encoded.fused_BTMD.unbind(2)
        both_BT = step.batch.mask_BT & step.batch.present_BM.all(1, keepdim=True)
        return contrastive_loss(heard_BTD, seen_BTD, both_BT, self.temperature)


class DenoisingCriterion(ComposedCriterion):
    """Knows the noise ratios."""

    objective: DenoisingObjective
    ratio_MC: Tensor

    def __init__(self, objective: DenoisingObjective, network: Network[Any, Any]) -> None:
        super().__init__(objective, network)
        if objective.noise_ratios is None:
            raise UserError(
                "expected the noise ratios of the classes, got none; give --objective.noise-ratios "
                "FILE, or train by `--strategy jomold`, which estimates them"
            )
        ratio_MC = read_noise_ratios(objective.noise_ratios, len(network.labels))
        self.register_buffer("ratio_MC", torch.from_numpy(ratio_MC))

    def phase(self, epoch: int) -> int:
        """1 once labels are dropped."""
        return int(epoch >= self.objective.start)


@torch.no_grad()
def alone(network: Network[Any, Any], batch: Batch) -> Tensor:
    """What each modality has in the whole video when the other is withheld, (B, M, C) float32."""
    heard, seen = (
        network(batch.streams, batch.mask_BT, batch.present_BM & only)
        for only in torch.eye(2, dtype=torch.bool, device=batch.mask_BT.device)
    )
    both: tuple[Pooled, Pooled] = to_full_precision(heard), to_full_precision(seen)
    return torch.stack((both[0].stream_BMC[:, 0], both[1].stream_BMC[:, 1]), dim=1)


def noisy_labels(loss_BMC: Tensor, weak_BC: Tensor, ratio_MC: Tensor) -> Tensor:
    """Which labels of which modality are noise, (B, M, C).

    Of a class that n videos have, at most floor(ratio n) are dropped from a modality: those that
    are among so many largest losses of the modality and so many smallest of the other.

    Args:
        loss_BMC: of each label by each modality alone.
        weak_BC: 1 where a class occurs.
        ratio_MC: the noise ratios.

    Example:
        >>> loss = torch.tensor([[[9.0], [0.1]], [[0.2], [0.3]]])
        >>> noisy_labels(loss, torch.ones(2, 1), torch.full((2, 1), 0.5)).flatten().tolist()
        [True, False, False, True]
    """
    absent_B1C = weak_BC[:, None] == 0
    most_1MC = (ratio_MC * (weak_BC > 0).sum(0)).floor()[None]
    largest_BMC = _rank(loss_BMC.masked_fill(absent_B1C, -torch.inf), descending=True)
    smallest_BMC = _rank(loss_BMC.masked_fill(absent_B1C, torch.inf), descending=False)
    drop_BMC = (largest_BMC < most_1MC) & (smallest_BMC.flip(1) < most_1MC)
    return drop_BMC & ~absent_B1C


def _rank(values_BMC: Tensor, *, descending: bool) -> Tensor:
    order_BMC = torch.argsort(values_BMC, dim=0, descending=descending, stable=True)
    return order_BMC.argsort(0)


def estimate_noise_ratios(network: Network[Pooled, Any], train: Dataset) -> Array:
    """Which share of its labels each class lacks in each modality, (M, C).

    Args:
        network: trained on the weak labels.
        train: the training split.
    """
    network.eval()
    device = next(network.parameters()).device
    parts = [alone(network, batch.to(device)).cpu() for batch in batches(train)]
    prob_NMC = torch.cat(parts).numpy()
    relative_NMC = prob_NMC / prob_NMC.mean(0).clip(EPSILON)
    heard_NC = relative_NMC[:, 0] >= SURE_HEARD
    seen_NC = 0.95 * relative_NMC[:, 1] >= SURE_SEEN
    has_NC = train.weak > 0
    noisy_MC = np.stack([(has_NC & ~found).sum(0) for found in (heard_NC, seen_NC)])
    ratio_MC: Array = (noisy_MC / has_NC.sum(0).clip(1)).astype(np.float32)
    return ratio_MC


def read_noise_ratios(path: Path, num_classes: int) -> Array:
    """Read the ratios of a NumPy archive, (M, C) float32.

    Raises:
        UserError: if it cannot be read, or holds something else.
    """
    try:
        # What is too large becomes infinite, which is no ratio.
        with np.errstate(over="ignore"), np.load(path, allow_pickle=False) as archive:
            ratio_MC: Array = np.stack([archive["audio"], archive["visual"]]).astype(np.float32)
    # zipfile and numpy, which parses headers as Python, report damage by many kinds of exception.
    except Exception as error:
        raise UserError(
            f"expected noise ratios `audio` and `visual` in {path}: {shorten(str(error))}"
        ) from error
    is_share = (ratio_MC >= 0) & (ratio_MC <= 1)
    if ratio_MC.shape != (2, num_classes) or not is_share.all():
        raise UserError(
            f"expected {num_classes} noise ratios within 0..1 for each modality in {path}, got "
            f"{ratio_MC.shape[1:]} with values {ratio_MC.min():.3g} to {ratio_MC.max():.3g}"
        )
    return ratio_MC


def fit_jomold(
    config: TrainConfig,
    data: Path,
    out: Path,
    *,
    features: Path | None = None,
    resume: bool = False,
) -> Run:
    """Train on weak labels, estimate the noise of each class, train on denoised labels.

    Where the ratios are given there is one run, in `out` itself.
    """
    from mmpyramid.training.run import fit, is_first_process, wait_for_all_processes

    objective = config.objective
    assert isinstance(objective, DenoisingObjective)
    if objective.noise_ratios is not None:
        return fit(config, data, out, features=features, resume=resume)
    check_output_folder(out)
    ratios = out / "noise_ratios.npz"
    _check_epochs(ratios, config.epochs)
    plain = replace(config, objective=GuidedObjective(), keep="best")
    base = fit(plain, data, out / "base", features=features, resume=resume)
    if is_first_process() and not ratios.exists():
        network = base.load_network()
        train = open_dataset(
            data, "train", network.inputs, problem=network.problem, features=features
        )
        ratio_MC = estimate_noise_ratios(network, train)
        archive = io.BytesIO()
        np.savez(archive, audio=ratio_MC[0], visual=ratio_MC[1], epochs=config.epochs)
        write_durably(ratios, archive.getvalue())
    wait_for_all_processes()
    known = replace(config, objective=replace(objective, noise_ratios=ratios))
    return fit(known, data, out / "denoised", features=features, resume=resume)


def _check_epochs(ratios: Path, epochs: int) -> None:
    """Check that ratios, if a run has estimated them, are those of a first run of these epochs."""
    if not ratios.exists():
        return
    with np.load(ratios, allow_pickle=False) as archive:
        estimated_after = int(archive.get("epochs", epochs))
    if estimated_after != epochs:
        raise UserError(
            f"the noise ratios in {ratios} were estimated after {estimated_after} epochs, not "
            f"{epochs}; resume with the same --epochs, or choose another --out"
        )


def jomold(config: TrainConfig) -> TrainConfig:
    """Labels that each batch denoises by class and modality (JoMoLD, ECCV 2022)."""
    config = replace(config, objective=DenoisingObjective())
    return replace(
        config,
        model=replace(cast(ParsingConfig, config.model), gate="per_modality"),
        epochs=25,
        batch_size=128,
        learning_rate=5e-4,
        schedule=Schedule(factor=0.25, every=6),
    )


register_strategy("jomold", fit_jomold, configure=jomold)
