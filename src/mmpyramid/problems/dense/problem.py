"""Dense events in untrimmed videos (UnAV-100): several at once, each heard and seen, exactly timed.

Source: Geng et al., "Dense-Localizing Audio-Visual Events in Untrimmed Videos", CVPR 2023, and its
code.

Axes: B batch, T segments of one second, C classes, X seconds before and after a middle.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np
from numpy.typing import NDArray

from mmpyramid.core import Array, Decoder, DetectionScores, Modality
from mmpyramid.core.errors import UserError
from mmpyramid.core.runs import Mask, tidy
from mmpyramid.problems.base import Problem, VideoScores, register_problem, to_numpy
from mmpyramid.problems.dense.detections import (
    DetectionReport,
    DetectionStudy,
    precision_table,
    write_detections,
)
from mmpyramid.problems.detection import EventTable

if TYPE_CHECKING:
    from mmpyramid.core.batch import Batch
    from mmpyramid.datasets import Dataset
    from mmpyramid.models import Network
    from mmpyramid.models.detector import Detected
    from mmpyramid.problems.dense.training import SegmentPrecision

LOWEST, MOST, SIGMA = 0.001, 100, 0.4
"""Of detections: the lowest score, how many a video keeps, the width of the suppression."""


def detect(scores: DetectionScores) -> EventTable:
    """The surest events of a video, with exact times; `video` is 0 throughout.

    Each segment and class gives a candidate. Of those of one class, the surest lowers the scores of
    others by `exp(-IoU² / 0.4)`, then the next one does (Bodla et al., "Soft-NMS", ICCV 2017).
    Those that are left are cut to the video, as in the released code of UnAV-100.

    Example:
        >>> extent = np.ones((3, 1, 2), np.float32)
        >>> happens = np.array([[0.9], [0.8], [0.0]], np.float32)
        >>> table = detect(DetectionScores(happens=happens, extent=extent, labels=("Dog",)))
        >>> table.start.tolist(), table.score.round(3).tolist()
        ([0.0, 0.5], [0.9, 0.606])
    """
    middle_T1 = np.arange(scores.num_segments)[:, None] + 0.5
    before_TC, after_TC = np.moveaxis(scores.extent.astype(np.float64), -1, 0)
    start_TC, end_TC = middle_T1 - before_TC, middle_T1 + after_TC
    score_TC = suppress(scores.happens.astype(np.float64), start_TC, end_TC)
    surest = np.argsort(-score_TC, axis=None, kind="stable")[:MOST]
    row, label = np.unravel_index(surest[score_TC.flat[surest] >= LOWEST], score_TC.shape)
    return EventTable(
        video=np.zeros(len(row), np.int64),
        label=label.astype(np.int64),
        start=start_TC[row, label].clip(min=0),
        end=end_TC[row, label].clip(max=scores.num_segments),
        score=score_TC[row, label],
    )


def suppress(
    score_TC: NDArray[np.float64], start_TC: NDArray[np.float64], end_TC: NDArray[np.float64]
) -> NDArray[np.float64]:
    """Scores after each candidate of a class has lowered those of the less sure ones, (T, C)."""
    waiting_TC, kept_TC = score_TC.copy(), np.zeros_like(score_TC)
    every_C = np.arange(score_TC.shape[1])
    for _ in range(min(len(score_TC), MOST)):
        best_C = waiting_TC.argmax(axis=0)
        best = best_C, every_C
        kept_TC[best] = np.maximum(waiting_TC[best], 0)
        shared_TC = np.minimum(end_TC, end_TC[best]) - np.maximum(start_TC, start_TC[best])
        length_TC = (end_TC - start_TC) + (end_TC - start_TC)[best]
        iou_TC = shared_TC.clip(0) / (length_TC - shared_TC.clip(0))
        waiting_TC = waiting_TC * np.exp(-np.square(iou_TC) / SIGMA)
        waiting_TC[best] = -1  # It has had its turn.
    return kept_TC


class DetectionProblem(Problem[DetectionScores, DetectionReport]):
    """Selects by the average precision of segments on the validation videos.

    Example:
        >>> DetectionProblem().selection_title
        'average precision of segments'
    """

    name: ClassVar[str] = "detection"
    selection: ClassVar[str] = "segment_ap"
    selection_title: ClassVar[str] = "average precision of segments"
    settings: ClassVar[frozenset[str]] = frozenset(("threshold", "max_gap", "min_length"))

    def decide(self, scores: DetectionScores, decoder: Decoder) -> dict[Modality, Mask]:
        """Where events are heard and seen, by segment."""
        mask_TC = scores.happens >= decoder.threshold
        return {Modality.AUDIO_VISUAL: tidy(mask_TC, decoder.max_gap, decoder.min_length)}

    def values(self, scores: DetectionScores) -> dict[Modality, Array]:
        """The probabilities."""
        return {Modality.AUDIO_VISUAL: scores.happens}

    def video_scores(self, predicted: tuple[Mask, Mask], truth: tuple[Mask, Mask]) -> VideoScores:
        """F of segments and classes; 100 where there is nothing, and rightly so."""
        predicted_TC, truth_TC = predicted[0] & predicted[1], truth[0] & truth[1]
        both = np.count_nonzero(predicted_TC) + np.count_nonzero(truth_TC)
        shared = 2 * np.count_nonzero(predicted_TC & truth_TC)
        return {"segment": {"F": 100 * shared / both if both else 100.0}}

    def metrics(self, decoder: Decoder) -> SegmentPrecision:
        """The average precision of all segments and classes."""
        from mmpyramid.problems.dense.training import SegmentPrecision

        del decoder
        return SegmentPrecision()

    def update(self, metric: Any, output: Detected, batch: Batch) -> None:
        """Add a batch."""
        assert batch.audio_BTC is not None
        prob_BTC = output.logit_BTC.float().sigmoid()
        metric.update(prob_BTC[batch.mask_BT], batch.audio_BTC[batch.mask_BT].long())

    def evaluate(
        self,
        network: Network[Any, DetectionScores],
        dataset: Dataset,
        decoder: Decoder | None = None,
        *,
        predictions: Path | None = None,
    ) -> DetectionReport:
        """Mean average precision of the detections, by the exact times of the truth."""
        del decoder
        if predictions and predictions.suffix.lower() != ".json":
            raise UserError(
                f"expected a name that ends in .json for the detections, got {predictions}"
            )
        found = _joined([detect(scores) for scores in self._scores(network, dataset)])
        if predictions:
            write_detections(predictions, found, dataset)
        return DetectionStudy.of(found, dataset).report

    def references(self, dataset: Dataset) -> dict[str, DetectionReport]:
        """Every class from start to end of every video, and the true classes of each."""
        heard_NTC, seen_NTC = dataset.masks
        length_N = [len(dataset.truth(name)[Modality.AUDIO_VISUAL]) for name in dataset.ids]
        true_NC = np.asarray((heard_NTC & seen_NTC).any(axis=1))
        answers = {"all classes": np.ones_like(true_NC), "true classes": true_NC}
        return {
            f"{name} throughout": DetectionStudy.of(
                _joined(
                    [
                        EventTable.of(np.broadcast_to(has_C, (1, length, len(has_C))))
                        for has_C, length in zip(has_NC, length_N, strict=True)
                    ]
                ),
                dataset,
            ).report
            for name, has_NC in answers.items()
        }

    def table(self, reports: Mapping[str, DetectionReport], title: str) -> str:
        """Reports side by side, as text."""
        return precision_table(reports, title)

    def _scores(
        self, network: Network[Any, DetectionScores], dataset: Dataset
    ) -> Iterator[DetectionScores]:
        """The scores of all videos in their order."""
        for output, batch in self.outputs(network, dataset):
            happens_BTC = to_numpy(output.logit_BTC.float().sigmoid())
            extent_BTCX = to_numpy(output.extent_BTCX.float())
            for row, length in enumerate(batch.mask_BT.sum(1).tolist()):
                yield DetectionScores(
                    happens=happens_BTC[row, :length],
                    extent=extent_BTCX[row, :length],
                    labels=network.labels,
                )


def _joined(tables: Sequence[EventTable]) -> EventTable:
    """The events of each video, as those of a split."""
    return EventTable(
        video=np.repeat(np.arange(len(tables)), [len(table) for table in tables]),
        label=np.concatenate([table.label for table in tables]),
        start=np.concatenate([table.start for table in tables]),
        end=np.concatenate([table.end for table in tables]),
        score=np.concatenate([table.score for table in tables]),
    )


register_problem(DetectionProblem())
