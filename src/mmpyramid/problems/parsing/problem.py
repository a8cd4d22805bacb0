"""Audio-visual video parsing (LLP): what is heard and what is seen, each by itself.

Axes: N videos, B batch, T segments of one second, M modalities (audio, visual), C classes.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np
from numpy.typing import NDArray

from mmpyramid.core import Array, Decoder, Modality, Scores
from mmpyramid.core.errors import UserError
from mmpyramid.core.runs import Mask, by_modality
from mmpyramid.problems.base import (
    PageArrays,
    Problem,
    VideoScores,
    batches,
    register_problem,
    to_numpy,
)
from mmpyramid.problems.parsing.decisions import segment_masks
from mmpyramid.problems.parsing.metrics import ParsingReport, comparison_table, parsing_report
from mmpyramid.problems.parsing.predictions import Predictions
from mmpyramid.problems.parsing.tuning import tune_thresholds, tuned_reports

if TYPE_CHECKING:
    from torchmetrics import Metric

    from mmpyramid.core.batch import Batch
    from mmpyramid.datasets import Dataset
    from mmpyramid.models import Network
    from mmpyramid.models.network import Pooled


class ParsingProblem(Problem[Scores, ParsingReport]):
    """Selects by segment-level Type@AV, as the released code does.

    Example:
        >>> ParsingProblem().selection_title
        'segment-level Type@AV'
    """

    name: ClassVar[str] = "parsing"
    selection: ClassVar[str] = "segment_type_av"
    selection_title: ClassVar[str] = "segment-level Type@AV"
    settings: ClassVar[frozenset[str]] = frozenset(
        ("threshold", "visual_threshold", "video_threshold", "gate", "max_gap", "min_length")
    )

    def decide(self, scores: Scores, decoder: Decoder) -> dict[Modality, Mask]:
        """Where a class is heard, where it is seen, and where both hold."""
        return by_modality(*segment_masks(scores, decoder))

    def values(self, scores: Scores) -> dict[Modality, Array]:
        """The probabilities of both streams, and their product."""
        return {
            Modality.AUDIO: scores.audio,
            Modality.VISUAL: scores.visual,
            Modality.AUDIO_VISUAL: scores.audio * scores.visual,
        }

    def page_arrays(self, scores: Scores, floor: np.float32) -> PageArrays:
        """The classes that reach the floor in a segment, of either stream."""
        streams = {
            "audio": scores.audio,
            "visual": scores.visual,
            "local_video": scores.local_video,
        }
        videos = {
            "video": scores.video,
            "video_audio": scores.video_audio,
            "video_visual": scores.video_visual,
        }
        peak_C = np.maximum(scores.audio, scores.visual).max(axis=0, initial=0)
        columns = np.flatnonzero(peak_C >= floor)
        zero = np.float32(0)
        return PageArrays(
            columns=columns.tolist(),
            segments={
                name: np.where(value_TC[:, columns] >= floor, value_TC[:, columns], zero)
                for name, value_TC in streams.items()
                if value_TC is not None
            },
            others={n: value_C[columns] for n, value_C in videos.items() if value_C is not None},
        )

    def video_scores(self, predicted: tuple[Mask, Mask], truth: tuple[Mask, Mask]) -> VideoScores:
        """The F-scores at both levels; their means over videos are the official numbers.

        Example:
            >>> nothing_TC = np.zeros((10, 25), np.bool_)
            >>> pair = (nothing_TC, nothing_TC)
            >>> ParsingProblem().video_scores(pair, pair)["event"]["audio"]
            100.0
        """
        masks_1TC = [mask_TC[None] for mask_TC in (*predicted, *truth)]
        return parsing_report(*masks_1TC).to_dict()

    def metrics(self, decoder: Decoder) -> Metric:
        """The ten official numbers, with the gate of the decoder."""
        from mmpyramid.problems.parsing.stateful import ParsingMetrics

        return ParsingMetrics(gate=decoder.gate or "global")

    def update(self, metric: Metric, output: Pooled, batch: Batch) -> None:
        """Add a batch."""
        metric.update(
            output.prob_BTMC[:, :, 0],
            output.prob_BTMC[:, :, 1],
            output.video_BC,
            batch.audio_BTC,
            batch.visual_BTC,
            batch.mask_BT,
            video_audio_BC=output.stream_BMC[:, 0],
            video_visual_BC=output.stream_BMC[:, 1],
        )

    def predict(self, network: Network[Any, Scores], dataset: Dataset) -> Predictions:
        """Score every video of a split, on the segment grid of its annotations.

        Raises:
            UserError: if the network was trained for other labels, or has diverged.
        """
        return self._predict(network, dataset)[0]

    def evaluate(
        self,
        network: Network[Any, Scores],
        dataset: Dataset,
        decoder: Decoder | None = None,
        *,
        predictions: Path | None = None,
    ) -> ParsingReport:
        """The ten official numbers, with the gate of the decoder."""
        decoder = network.decoder if decoder is None else decoder
        predicted, truth = self._predict(network, dataset)
        if predictions:
            predictions.parent.mkdir(parents=True, exist_ok=True)
            predicted.save(predictions)
        return predicted.report(*_dense(truth), gate=decoder.gate or "global")

    def tuned(
        self,
        network: Network[Any, Scores],
        dataset: Dataset,
        chosen_on: Dataset,
        decoder: Decoder | None = None,
    ) -> dict[str, ParsingReport]:
        """The ten numbers with thresholds of segments chosen on another split; see `tuning`."""
        gate = (network.decoder if decoder is None else decoder).gate or "global"
        predicted, truth = self._predict(network, chosen_on)
        chosen = tune_thresholds(predicted, *_dense(truth), gate=gate)
        predicted, truth = self._predict(network, dataset)
        return tuned_reports(chosen, predicted, *_dense(truth), gate=gate)

    def _predict(
        self, network: Network[Any, Scores], dataset: Dataset
    ) -> tuple[Predictions, list[Batch]]:
        """What a network predicts, and the batches that hold the truth."""
        parts = []
        truth: list[Batch] = []
        for output, batch in self.outputs(network, dataset):
            exists = batch.mask_BT[..., None, None]
            tensors = (output.prob_BTMC * exists, output.stream_BMC, output.video_BC, batch.mask_BT)
            parts.append([to_numpy(tensor) for tensor in tensors])
            truth.append(replace(batch, streams={}))
        segment_NTMC, stream_NMC, video_NC, mask_NT = (
            _join(column) for column in zip(*parts, strict=True)
        )
        predicted = Predictions(
            ids=dataset.ids,
            audio=segment_NTMC[:, :, 0],
            visual=segment_NTMC[:, :, 1],
            video=video_NC,
            video_audio=stream_NMC[:, 0],
            video_visual=stream_NMC[:, 1],
            mask=None if mask_NT.all() else mask_NT,
        )
        return predicted, truth

    def references(self, dataset: Dataset) -> dict[str, ParsingReport]:
        """The true labels of each video on all its segments, an oracle; and nothing."""
        every = list(batches(dataset))
        truth, mask_NT = _dense(every), _gather(every, "mask_BT")
        return {
            "true video labels (oracle)": weak_labels_everywhere(
                _gather(every, "weak_BC"), *truth, mask_NT=mask_NT
            ),
            "nothing": nothing_predicted(*truth, mask_NT=mask_NT),
        }

    def table(self, reports: Mapping[str, ParsingReport], title: str) -> str:
        """Reports side by side, as text."""
        return comparison_table(reports, title)


def nothing_predicted(
    truth_audio: Mask, truth_visual: Mask, *, mask_NT: Mask | None = None
) -> ParsingReport:
    """The score of an empty prediction; above 0, since an empty video scores 1.

    Args:
        truth_audio: (N, T, C) what is heard.
        truth_visual: (N, T, C) what is seen.
        mask_NT: True where a segment exists; without it all do.
    """
    nothing = np.zeros_like(truth_audio)
    return parsing_report(nothing, nothing, truth_audio, truth_visual, mask_NT=mask_NT)


def weak_labels_everywhere(
    weak_NC: NDArray[Any], truth_audio: Mask, truth_visual: Mask, *, mask_NT: Mask | None = None
) -> ParsingReport:
    """The score of a perfect tagger of whole videos that knows neither time nor modality.

    Args:
        weak_NC: the true labels of each video, 0 and 1 or bool, predicted for all its segments in
            both streams.
        truth_audio: (N, T, C) what is heard.
        truth_visual: (N, T, C) what is seen.
        mask_NT: True where a segment exists; without it all do.

    Raises:
        UserError: if the weak labels are of other videos or classes.
    """
    N, _, C = truth_audio.shape
    if weak_NC.shape != (N, C):
        raise UserError(f"expected weak labels of shape {(N, C)}, got {weak_NC.shape}")
    everywhere = np.broadcast_to(weak_NC[:, None, :], truth_audio.shape)
    return parsing_report(everywhere, everywhere, truth_audio, truth_visual, mask_NT=mask_NT)


def _gather(every: Sequence[Batch], name: str) -> NDArray[Any]:
    """One field of all batches.

    Raises:
        UserError: if there are weak labels only.
    """
    values = [getattr(batch, name) for batch in every]
    if any(value is None for value in values):
        raise UserError(
            "expected a split with dense labels (val or test), got one with weak labels only"
        )
    return _join([to_numpy(value) for value in values])


def _join(parts: Sequence[NDArray[Any]]) -> NDArray[Any]:
    """Batches one after the other; those of shorter videos are padded with zeros in time."""
    longest = max(part.shape[1] for part in parts)
    return np.concatenate(
        [
            np.pad(part, ((0, 0), (0, longest - part.shape[1]), *[(0, 0)] * (part.ndim - 2)))
            for part in parts
        ]
    )


def _dense(every: Sequence[Batch]) -> tuple[Mask, Mask]:
    """What is heard and what is seen in each segment, (N, T, C) each."""
    return _gather(every, "audio_BTC") > 0, _gather(every, "visual_BTC") > 0


register_problem(ParsingProblem())
