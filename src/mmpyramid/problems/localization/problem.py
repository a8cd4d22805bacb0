"""Audio-visual event localization (AVE): one category per video, heard and seen at once.

Axes: N clips, B batch, T segments of one second, C classes; class C is background.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np
from numpy.typing import NDArray

from mmpyramid.core import Array, Decoder, LocalizationScores, Modality
from mmpyramid.core.errors import UserError
from mmpyramid.core.runs import Mask
from mmpyramid.problems.base import (
    PageArrays,
    Problem,
    VideoScores,
    batches,
    register_problem,
    to_numpy,
)
from mmpyramid.problems.localization.clips import ClipScores, scores_by_group
from mmpyramid.problems.localization.decisions import argmax_rule, category_mask, two_head_rule

if TYPE_CHECKING:
    from torch import Tensor

    from mmpyramid.core.batch import Batch
    from mmpyramid.datasets import Dataset
    from mmpyramid.models import Network
    from mmpyramid.models.network import Localized
    from mmpyramid.problems.localization.metrics import LocalizationMetrics, LocalizationReport


class LocalizationProblem(Problem[LocalizationScores, "LocalizationReport"]):
    """Selects by accuracy on all validation clips, by the two-head rule.

    Example:
        >>> LocalizationProblem().selection_title
        'accuracy (two-head rule)'
    """

    name: ClassVar[str] = "localization"
    selection: ClassVar[str] = "accuracy_two_head"
    selection_title: ClassVar[str] = "accuracy (two-head rule)"
    settings: ClassVar[frozenset[str]] = frozenset(("threshold", "max_gap", "min_length"))

    def decide(self, scores: LocalizationScores, decoder: Decoder) -> dict[Modality, Mask]:
        """Where an event is heard and seen."""
        return {Modality.AUDIO_VISUAL: category_mask(scores, decoder)}

    def values(self, scores: LocalizationScores) -> dict[Modality, Array]:
        """Relevance times category probability."""
        return {Modality.AUDIO_VISUAL: scores.relevance[:, None] * scores.categories}

    def page_arrays(self, scores: LocalizationScores, floor: np.float32) -> PageArrays:
        """With `chosen`, the column of each segment whatever its relevance, or -1: background."""
        certain = replace(scores, relevance=np.ones_like(scores.relevance))
        chosen_TC = category_mask(certain, Decoder())
        value_TC = self.values(scores)[Modality.AUDIO_VISUAL]
        is_kept_C = chosen_TC.any(axis=0) | (value_TC.max(axis=0, initial=0) >= floor)
        columns = np.flatnonzero(is_kept_C)
        chosen_T = chosen_TC[:, columns].argmax(axis=1) if columns.size else 0
        chosen_T = np.where(chosen_TC.any(axis=1), chosen_T, -1)
        return PageArrays(
            columns=columns.tolist(),
            segments={"category": scores.categories[:, columns]},
            others={"relevance": scores.relevance, "chosen": chosen_T.astype(np.float32)},
        )

    def video_scores(self, predicted: tuple[Mask, Mask], truth: tuple[Mask, Mask]) -> VideoScores:
        """The share of segments that are right: a category that is annotated, or rightly none.

        Where clips of one video overlap, a segment has several true categories.

        Example:
            >>> truth_TC = np.array([[True, False], [False, False]])
            >>> predicted_TC = np.array([[True, False], [False, True]])
            >>> problem = LocalizationProblem()
            >>> problem.video_scores((predicted_TC, predicted_TC), (truth_TC, truth_TC))
            {'segment': {'accuracy': 50.0}}
        """
        predicted_TC, truth_TC = predicted[0] & predicted[1], truth[0] & truth[1]
        is_hit_T = (predicted_TC & truth_TC).any(axis=1)
        is_quiet_T = ~(predicted_TC | truth_TC).any(axis=1)
        return {"segment": {"accuracy": 100 * float(np.mean(is_hit_T | is_quiet_T))}}

    def metrics(self, decoder: Decoder) -> LocalizationMetrics:
        """The accuracies by both rules, on all clips and on the subset."""
        from mmpyramid.problems.localization.metrics import LocalizationMetrics

        del decoder
        return LocalizationMetrics()

    def update(self, metric: Any, output: Localized, batch: Batch) -> None:
        """Add a batch."""
        truth_BT, is_subset_B, background = _truth(batch)
        decisions = predicted_classes(output, background, batch.mask_BT)
        classes = (truth_BT.new_tensor(each) for each in decisions)
        metric.update(*classes, truth_BT, is_subset_B, batch.mask_BT)

    def evaluate(
        self,
        network: Network[Any, LocalizationScores],
        dataset: Dataset,
        decoder: Decoder | None = None,
        *,
        predictions: Path | None = None,
    ) -> LocalizationReport:
        """The accuracies by both rules, on all clips and on the subset."""
        if predictions:
            raise UserError(
                "predictions are saved of networks for parsing and detection, this one is for "
                "localization; leave --predictions out"
            )
        metric = self.metrics(decoder or network.decoder)
        metric = metric.to(next(network.parameters()).device)
        gathered = _Gathered(dataset)
        for output, batch in self.outputs(network, dataset):
            self.update(metric, output, batch)
            if dataset.groups:
                _, _, background = _truth(batch)
                answers = predicted_classes(output, background, batch.mask_BT)
                gathered.add(dict(zip(("argmax", "two_head"), answers, strict=True)), batch)
        return replace(metric.report(), clips=gathered.scores())

    def references(self, dataset: Dataset) -> dict[str, LocalizationReport]:
        """Background everywhere; the true category everywhere, an oracle that reads the labels."""
        metrics = {
            name: self.metrics(Decoder())
            for name in ("true category everywhere (oracle)", "background everywhere")
        }
        gathered = {name: _Gathered(dataset) for name in metrics}
        for batch in batches(dataset):
            truth_BT, is_subset_B, background = _truth(batch)
            assert batch.weak_BC is not None
            category_BT = batch.weak_BC.argmax(1)[:, None].expand_as(truth_BT)
            background_BT = truth_BT.new_full(truth_BT.shape, background)
            for name, answer_BT in zip(metrics, (category_BT, background_BT), strict=True):
                metrics[name].update(answer_BT, answer_BT, truth_BT, is_subset_B, batch.mask_BT)
                gathered[name].add({"any": to_numpy(answer_BT)}, batch)
        return {
            name: replace(metric.report(), clips=gathered[name].scores())
            for name, metric in metrics.items()
        }

    def table(self, reports: Mapping[str, LocalizationReport], title: str) -> str:
        """Reports side by side, as text."""
        from mmpyramid.problems.localization.metrics import localization_table

        return localization_table(reports, title)


class _Gathered:
    """Answers for the clips of a data set, batch by batch, where it has groups of clips."""

    def __init__(self, dataset: Dataset) -> None:
        self.dataset = dataset
        self._answers: dict[str, list[NDArray[np.int64]]] = {}
        self._truth: list[NDArray[np.int64]] = []
        self._exists: list[Mask] = []

    def add(self, by_rule: Mapping[str, NDArray[np.int64]], batch: Batch) -> None:
        """Add the classes (B, T) that each rule gives for a batch."""
        for rule, answer_BT in by_rule.items():
            self._answers.setdefault(rule, []).append(answer_BT)
        self._truth.append(to_numpy(clip_labels(batch)[0]))
        self._exists.append(to_numpy(batch.mask_BT))

    def scores(self) -> dict[str, dict[str, ClipScores]] | None:
        """The three numbers by rule, then by group; None for a data set without groups."""
        if not self.dataset.groups:
            return None
        truth_NT, exists_NT = np.concatenate(self._truth), np.concatenate(self._exists)
        num_classes, groups = len(self.dataset.labels), self.dataset.groups
        return {
            rule: scores_by_group(
                np.concatenate(parts), truth_NT, num_classes, groups, mask_NT=exists_NT
            )
            for rule, parts in self._answers.items()
        }


def predicted_classes(
    output: Localized, background: int, mask_BT: Tensor
) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """The class of each segment by the argmax rule and by the two-head rule, (B, T) each.

    A network without the two heads is read as `event_probabilities` says.
    """
    from mmpyramid.models.localization import event_probabilities

    argmax_BT = argmax_rule(to_numpy(output.score_BTC))
    is_decomposed = output.relevance_BT is not None and output.category_BC is not None
    relevance_BT, category_BC = (
        (output.relevance_BT, output.category_BC)
        if is_decomposed
        else event_probabilities(output, background, mask_BT)
    )
    assert relevance_BT is not None
    assert category_BC is not None
    two_head_BT = two_head_rule(
        to_numpy(relevance_BT),
        to_numpy(category_BC),
        background=background,
        is_logit=is_decomposed,
    )
    return argmax_BT, two_head_BT


def clip_labels(batch: Batch) -> tuple[Tensor, Tensor]:
    """The class of every segment, (B, T), and the label of every clip, (B, C + 1).

    Raises:
        UserError: if the batch has other annotations.
    """
    if batch.segment_BT is None or batch.weak_BC is None:
        raise UserError(
            "expected a clip's category and the class of every segment, as AVE and OV-AVEBench "
            "have them, got annotations of another kind; parsing networks read these"
        )
    return batch.segment_BT, batch.weak_BC


def _truth(batch: Batch) -> tuple[Tensor, Tensor, int]:
    """True classes, whether the event is shorter than the clip, the class of background."""
    segment_BT, weak_BC = clip_labels(batch)
    background = weak_BC.shape[-1] - 1
    is_subset_B = ((segment_BT == background) & batch.mask_BT).any(1)
    return segment_BT, is_subset_B, background


register_problem(LocalizationProblem())
