"""The MA strategy as one run of three steps: train, refine the labels, train again."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from mmpyramid.core import Progress
from mmpyramid.core.errors import UserError
from mmpyramid.core.files import write_durably
from mmpyramid.datasets import Dataset, open_dataset
from mmpyramid.datasets.refined import write_refined
from mmpyramid.models import load_pretrained
from mmpyramid.training.config import TrainConfig
from mmpyramid.training.modality_aware import Refinement, refine_labels
from mmpyramid.training.precision import computing_device
from mmpyramid.training.run import Run, fit


@dataclass(frozen=True, kw_only=True)
class RefinedRun:
    """Where the files of the three steps are.

    Attributes:
        folder: everything below.
    """

    folder: Path

    @property
    def base(self) -> Run:
        """Step 1: trained on weak labels."""
        return Run(folder=self.folder / "base")

    @property
    def labels(self) -> Path:
        """Step 2: the modality-aware labels, see `mmpyramid.datasets.refined`."""
        return self.folder / "refined_labels.tsv"

    @property
    def summary(self) -> Path:
        """Step 2: how many labels went, by class and modality."""
        return self.folder / "refinement.json"

    @property
    def retrained(self) -> Run:
        """Step 3: trained from scratch on the modality-aware labels."""
        return Run(folder=self.folder / "retrained")


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
        config: of steps 1 and 3, a network whose objective reads labels of each modality.
        data: corpus folder in the LLP layout.
        out: folder of the run.
        features: where the features are, if not in the corpus folder.
        resume: go on where the run in `out` stopped; with nothing there, start.
        progress: as in `fit`.
        on_refine: called in step 2 with (videos completed, videos in total).

    Raises:
        UserError: if the objective does not read labels of each modality, or as `fit`.
    """
    if not config.objective.reads_modalities:
        raise UserError("modality-aware labels are for parsing; take a recipe such as `han-ma`")
    run = RefinedRun(folder=out)
    is_refined = _is_refined(run, config)
    settings: dict[str, Any] = {"features": features, "resume": resume, "progress": progress}
    fit(config, data, run.base.folder, **settings)
    if not is_refined:
        network = load_pretrained(run.base.model).to(computing_device(config.accelerator))
        train = open_dataset(
            data, "train", network.inputs, problem=network.problem, features=features
        )
        refinement = refine_labels(network, train, config.seed + 1, on_refine)
        write_refined(run.labels, train, refinement.modality_NMC)
        summary = json.dumps(_summary(refinement, train, config), indent=2) + "\n"
        write_durably(run.summary, summary.encode())
    fit(config, data, run.retrained.folder, refined=run.labels, **settings)
    return run


def _is_refined(run: RefinedRun, config: TrainConfig) -> bool:
    """Whether step 2 was finished, after as many epochs of step 1."""
    if not run.summary.exists():
        return False
    epochs = json.loads(run.summary.read_text(encoding="utf-8"))["epochs"]
    if epochs != config.epochs:
        raise UserError(
            f"the labels in {run.labels} were refined after {epochs} epochs, not {config.epochs}; "
            "resume with the same --epochs, or choose another --out"
        )
    return True


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
