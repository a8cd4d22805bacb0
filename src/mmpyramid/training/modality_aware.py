"""The MA strategy: train, find out which labels are heard and which are seen, train again.

Source: Wu & Yang, "Exploring Heterogeneous Clues for Weakly-Supervised Audio-Visual Video Parsing",
CVPR 2021, and its released code. The weak label says that a class occurs, not in which track. Each
video's tracks are combined with those of an unrelated video; a class that a trained network finds
in neither stream of such a mixture is not in the track that was kept.

Shape letters: N videos, B batch, M modalities (audio, visual), C classes.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, NamedTuple

import msgspec
import numpy as np
import torch
from numpy.typing import NDArray
from pytorch_lightning.utilities import rank_zero_only
from torch import Tensor

from mmpyramid.core import Array, Progress
from mmpyramid.core.batch import Batch
from mmpyramid.core.errors import UserError
from mmpyramid.core.files import check_output_folder, write_json
from mmpyramid.core.text import read_json
from mmpyramid.datasets import Dataset, open_dataset
from mmpyramid.datasets.refined import write_refined
from mmpyramid.models import Network
from mmpyramid.models.network import Pooled
from mmpyramid.problems.base import BATCH
from mmpyramid.training.config import TrainConfig
from mmpyramid.training.run import Run, fit, wait_for_all_processes

CONFIDENT = 0.5
"""A class is found when its probability, divided by its relative error, reaches this."""


@dataclass(frozen=True, kw_only=True)
class RefinedRun:
    """The files of the three steps.

    Attributes:
        folder: where they are.
        device: where the networks were trained, as PyTorch names it.
    """

    folder: Path
    device: str = "cpu"

    @property
    def base(self) -> Run:
        """Step 1: trained on weak labels."""
        return Run(folder=self.folder / "base", device=self.device)

    @property
    def labels(self) -> Path:
        """Step 2: the modality-aware labels, see `mmpyramid.datasets.refined`."""
        return self.folder / "refined_labels.tsv"

    @property
    def summary(self) -> Path:
        """Step 2: how many labels were removed, by class and modality."""
        return self.folder / "refinement.json"

    @property
    def retrained(self) -> Run:
        """Step 3: trained from scratch on the modality-aware labels."""
        return Run(folder=self.folder / "retrained", device=self.device)


def fit_modality_aware(
    config: TrainConfig,
    data: Path,
    out: Path,
    *,
    features: Path | None = None,
    resume: bool = False,
    progress: bool = True,
    on_refine: Progress | None = None,
) -> RefinedRun:
    """Run the three steps; those that are finished are not run again.

    Step 2 draws its partners with `config.seed + 1`, steps 1 and 3 start from `config.seed`.

    Args:
        config: of steps 1 and 3; its loss reads modality-aware labels.
        data: corpus folder in the LLP layout.
        out: folder of the run.
        features: where the features are, if not in the corpus folder.
        resume: continue the run in `out`, if there is one.
        progress: as in `fit`.
        on_refine: called in step 2 with (videos completed, videos in total).

    Raises:
        UserError: if the loss reads no such labels, or as `fit`.
    """
    if not config.objective.reads_modalities:
        raise UserError(
            "modality-aware labels are for recipes whose loss reads them, such as `han-ma`; "
            f"{type(config.objective).__name__} does not"
        )
    check_output_folder(out)
    run = RefinedRun(folder=out)
    is_refined = _is_refined(run, config)
    settings: dict[str, Any] = {"features": features, "resume": resume, "progress": progress}
    base = fit(config, data, run.base.folder, **settings)
    if not is_refined:
        _write_labels(run, config, base, data, features, on_refine)
        wait_for_all_processes()
    retrained = fit(config, data, run.retrained.folder, refined=run.labels, **settings)
    return replace(run, device=retrained.device)


class ClassSummary(msgspec.Struct, frozen=True):
    """How many videos a class had, and in how many it was removed from a modality."""

    videos: int
    removed_audio: int
    removed_visual: int


class Summary(msgspec.Struct, frozen=True):
    """What is read again of `refinement.json`."""

    epochs: int
    classes: dict[str, ClassSummary]


def _is_refined(run: RefinedRun, config: TrainConfig) -> bool:
    """Whether step 2 was finished, after as many epochs of step 1."""
    if not run.summary.exists():
        return False
    epochs = read_json(run.summary, Summary, "the summary of a refinement").epochs
    if epochs != config.epochs:
        raise UserError(
            f"the labels in {run.labels} were refined after {epochs} epochs, not {config.epochs}; "
            "resume with the same --epochs, or choose another --out"
        )
    return True


@rank_zero_only
def _write_labels(
    run: RefinedRun,
    config: TrainConfig,
    base: Run,
    data: Path,
    features: Path | None,
    on_refine: Progress | None,
) -> None:
    """Step 2, whose summary is written last."""
    network = base.load_network()
    train = open_dataset(data, "train", network.inputs, problem=network.problem, features=features)
    refinement = refine_labels(network, train, config.seed + 1, on_refine)
    write_refined(run.labels, train, refinement.modality_NMC)
    write_json(run.summary, _summary(refinement, train, config))


def _summary(refinement: Refinement, corpus: Dataset, config: TrainConfig) -> dict[str, Any]:
    labels, weak_NC = corpus.labels, corpus.weak
    audio_C, visual_C = refinement.removed_MC.tolist()
    audio_error_C, visual_error_C = refinement.relative_error_MC.tolist()
    columns = zip(
        labels, weak_NC.sum(0).tolist(), audio_C, visual_C, audio_error_C, visual_error_C,
        strict=True,
    )  # fmt: skip
    return {
        "epochs": config.epochs,
        "seed": config.seed + 1,
        "videos": len(corpus),
        "videos_without_partner": refinement.without_partner,
        "classes": {
            label: {
                "videos": int(videos),
                "removed_audio": removed_audio,
                "removed_visual": removed_visual,
                "relative_error_audio": error_audio,
                "relative_error_visual": error_visual,
            }
            for label, videos, removed_audio, removed_visual, error_audio, error_visual in columns
        },
    }


class StreamProbabilities(NamedTuple):
    """Video-level probabilities of both streams, (N, M, C) each.

    Attributes:
        own: of the video as it is.
        kept_audio: of its audio track under an unrelated visual track.
        kept_visual: of its visual track with an unrelated audio track.
    """

    own: Array
    kept_audio: Array
    kept_visual: Array


@dataclass(frozen=True, kw_only=True, eq=False)
class Refinement:
    """Modality-aware labels, and what was removed to get them.

    Attributes:
        modality_NMC: (N, M, C) 1 where a class is believed to occur in a modality.
        removed_MC: (M, C) how many videos lost a class in a modality.
        relative_error_MC: (M, C) error of each stream in each class, the largest being 1.
        without_partner: number of videos that share a label with every other; theirs are kept.
    """

    modality_NMC: Array
    removed_MC: NDArray[np.int64]
    relative_error_MC: Array
    without_partner: int


def refine_labels(
    network: Network[Pooled, Any], corpus: Dataset, seed: int, progress: Progress | None = None
) -> Refinement:
    """Refine the weak labels of a training split.

    Args:
        network: trained on these labels (step 1 of MA).
        corpus: the training split.
        seed: fixes which videos are combined; same seed, same labels.
        progress: called after each batch with (videos completed, videos in total).
    """
    weak_NC = corpus.weak
    partner_N = draw_partners(weak_NC, seed)
    found = _probabilities(network, corpus, partner_N, progress)
    error_MC = relative_error(found.own, weak_NC)
    remove_NMC = removals(found, weak_NC, error_MC) & (partner_N >= 0)[:, None, None]
    return Refinement(
        modality_NMC=np.where(remove_NMC, 0, weak_NC[:, None]).astype(np.float32),
        removed_MC=np.count_nonzero(remove_NMC, axis=0),
        relative_error_MC=error_MC,
        without_partner=int(np.count_nonzero(partner_N < 0)),
    )


def draw_partners(weak_NC: Array, seed: int) -> NDArray[np.int64]:
    """For each video a random one without a common label, (N,); -1 where there is none.

    The choice depends on the seed and the video's row alone.
    """
    partner_N = np.full(len(weak_NC), -1, np.int64)
    for row, weak_C in enumerate(weak_NC):
        disjoint = np.flatnonzero(weak_NC @ weak_C == 0)
        disjoint = disjoint[disjoint != row]
        if len(disjoint):
            partner_N[row] = np.random.default_rng([seed, row]).choice(disjoint)
    return partner_N


def relative_error(own_NMC: Array, weak_NC: Array) -> Array:
    """Share of videos in which a stream is wrong about a class, by its largest value, (M, C).

    Absent classes that are found absent count as right, as released.
    """
    wrong_NMC = (own_NMC > CONFIDENT) != (weak_NC[:, None] > 0)
    error_MC = wrong_NMC.mean(axis=0)
    largest_M1 = error_MC.max(axis=1, keepdims=True)
    relative_MC: Array = (error_MC / np.where(largest_M1 > 0, largest_M1, 1)).astype(np.float32)
    return relative_MC


def removals(found: StreamProbabilities, weak_NC: Array, error_MC: Array) -> NDArray[np.bool_]:
    """Labels to remove, (N, M, C): neither stream finds the class when the track alone is kept.

    A class may be removed from both modalities, as released.
    """
    kept_NKMC = np.stack((found.kept_audio, found.kept_visual), axis=1)
    threshold_KMC = CONFIDENT * error_MC[:, None]
    unfound_NKC = (kept_NKMC < threshold_KMC).all(axis=2)
    removed_NMC: NDArray[np.bool_] = unfound_NKC & (weak_NC[:, None] > 0)
    return removed_NMC


@torch.inference_mode()
def _probabilities(
    network: Network[Pooled, Any],
    corpus: Dataset,
    partner_N: NDArray[np.int64],
    progress: Progress | None,
) -> StreamProbabilities:
    """Score every video as it is, with its audio track alone, and with its visual track alone."""
    network.eval()
    audio = tuple(network.config.audio_streams)
    parts: list[tuple[Tensor, Tensor, Tensor]] = []
    for start in range(0, len(corpus), BATCH):
        rows = range(start, min(start + BATCH, len(corpus)))
        # A video without a partner gets any; its labels are kept whatever comes out.
        partners = [max(int(partner_N[row]), 0) for row in rows]
        own, other = corpus.batch(rows), corpus.batch(partners)
        mixtures = (own, exchange(other, own, audio), exchange(own, other, audio))
        scored = [_streams_of(network, mixture) for mixture in mixtures]
        parts.append((scored[0], scored[1], scored[2]))
        if progress:
            progress(rows.stop, len(corpus))
    own_NMC, kept_audio_NMC, kept_visual_NMC = (
        torch.cat(column).numpy() for column in zip(*parts, strict=True)
    )
    return StreamProbabilities(own_NMC, kept_audio_NMC, kept_visual_NMC)


def exchange(seen: Batch, heard: Batch, audio_streams: Sequence[str]) -> Batch:
    """The audio track of one batch under the visual track of another, where both last.

    Args:
        seen: gives the visual streams.
        heard: gives the audio streams.
        audio_streams: which streams are audio.
    """
    length = min(seen.mask_BT.shape[1], heard.mask_BT.shape[1])
    streams = {
        name: (heard if name in audio_streams else seen).streams[name][:, :length]
        for name in seen.streams
    }
    return Batch(
        streams=streams,
        mask_BT=seen.mask_BT[:, :length] & heard.mask_BT[:, :length],
        present_BM=torch.stack((heard.present_BM[:, 0], seen.present_BM[:, 1]), dim=1),
    )


def _streams_of(network: Network[Pooled, Any], batch: Batch) -> Tensor:
    batch = batch.to(next(network.parameters()).device)
    streams_BMC: Tensor = network(batch.streams, batch.mask_BT, batch.present_BM).stream_BMC
    return streams_BMC.float().cpu()
