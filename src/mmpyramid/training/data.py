"""Opens the splits of a corpus in the layout that goes with a problem."""

from __future__ import annotations

from pathlib import Path
from typing import Any, Literal, TypeAlias

from mmpyramid.core.errors import UserError
from mmpyramid.datasets.annotations import Annotations
from mmpyramid.datasets.ave import EventAnnotations, read_ave
from mmpyramid.datasets.corpus import Corpus, open_source
from mmpyramid.datasets.event_corpus import EventCorpus, open_events
from mmpyramid.datasets.llp import read_llp
from mmpyramid.datasets.refined import read_refined
from mmpyramid.models import NetworkConfig
from mmpyramid.problems import Objective

Split: TypeAlias = Literal["train", "val", "test"]


def read_annotations(
    problem: str, data: Path, split: Split, objective: Objective | None = None
) -> Annotations | EventAnnotations:
    """What is annotated in a split, without its features.

    Args:
        problem: its name.
        data: corpus folder.
        split: which split.
        objective: for training, which labels the network may see.

    Raises:
        UserError: if the annotations cannot be read, or there are no videos.
    """
    annotations: Annotations | EventAnnotations
    if problem == "localization":
        options: dict[str, Any] = {} if objective is None else objective.supervised_by()
        annotations = read_ave(data, split, **options)
    else:
        annotations = read_llp(data, split)
    if not len(annotations):
        raise UserError(
            f"expected videos in the {split} split of {data}, but its annotations name none; add "
            "some, or take another corpus"
        )
    return annotations


def open_split(
    problem: str,
    data: Path,
    split: Split,
    model: NetworkConfig,
    *,
    features: Path | None = None,
    objective: Objective | None = None,
    refined: Path | None = None,
) -> Corpus | EventCorpus:
    """Open a split for a network.

    Args:
        problem: its name.
        data: corpus folder.
        split: which split.
        model: its streams are read.
        features: where the features are, if not in the corpus folder.
        objective: for training, which labels the network may see.
        refined: for training, a file of modality-aware labels (parsing only).

    Raises:
        UserError: if annotations or features cannot be used.
    """
    if refined and objective and not (objective.reads_modalities or problem == "localization"):
        raise UserError(
            "modality-aware labels are for recipes whose loss reads them, such as `llp` and "
            "`han`; for this one leave --refined out"
        )
    annotations = read_annotations(problem, data, split, objective)
    if isinstance(annotations, EventAnnotations):
        if refined is not None:
            raise UserError("modality-aware labels are for parsing; leave --refined out")
        return EventCorpus(annotations, open_events(data, features), model.inputs)
    modality = read_refined(refined, annotations) if refined and split == "train" else None
    return Corpus(annotations, open_source(data, features), model.inputs, modality)
