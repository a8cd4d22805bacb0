"""Score a network on a split: its predictions, then the official numbers."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor

from mmpyramid.core.errors import UserError
from mmpyramid.datasets.base import Dataset
from mmpyramid.models import Network, ParsingNetwork
from mmpyramid.models.network import Localized, Pooled
from mmpyramid.problems.parsing import (
    ParsingReport,
    Predictions,
    llp_masks,
    parsing_report,
)
from mmpyramid.problems.parsing.gates import Gate

BATCH = 128
"""Videos scored at once, here and in validation."""


@torch.inference_mode()
def predict_corpus(network: Network[Any, Any], corpus: Dataset) -> Predictions:
    """Score every video of a corpus, on the segment grid of its annotations.

    Raises:
        UserError: if the network was trained for other labels, or another order of them.
    """
    check_labels(network, corpus.labels)
    assert isinstance(network, ParsingNetwork)
    network.eval()
    device = next(network.parameters()).device
    segments, streams, videos = [], [], []
    for start in range(0, len(corpus), BATCH):
        rows = range(start, min(start + BATCH, len(corpus)))
        batch = corpus.batch(rows).to(device)
        pooled = network(batch.streams, batch.mask_BT, batch.present_BM)
        refuse_nan(pooled)
        segment_BTMC = pooled.prob_BTMC * batch.mask_BT[..., None, None]
        padding = corpus.num_segments - segment_BTMC.shape[1]
        segments.append(torch.nn.functional.pad(segment_BTMC, (0, 0, 0, 0, 0, padding)).cpu())
        streams.append(pooled.stream_BMC.cpu())
        videos.append(pooled.video_BC.cpu())
    segment_NTMC, stream_NMC = torch.cat(segments).numpy(), torch.cat(streams).numpy()
    return Predictions(
        ids=corpus.ids,
        audio=segment_NTMC[:, :, 0],
        visual=segment_NTMC[:, :, 1],
        video=torch.cat(videos).numpy(),
        video_audio=stream_NMC[:, 0],
        video_visual=stream_NMC[:, 1],
    )


def report_of(predictions: Predictions, corpus: Dataset, gate: Gate = "global") -> ParsingReport:
    """The ten official numbers of the predictions of a corpus.

    Args:
        predictions: of `predict_corpus`.
        corpus: a densely annotated split.
        gate: which video-level probability a segment also needs, see `llp_masks`.

    Raises:
        UserError: if the split has weak labels only.
    """
    truth = corpus.masks
    masks = llp_masks(
        predictions.audio,
        predictions.visual,
        predictions.video,
        gate=gate,
        video_audio=predictions.video_audio,
        video_visual=predictions.video_visual,
    )
    return parsing_report(*masks, *truth)


def refuse_nan(output: Pooled | Localized) -> None:
    """Refuse what a network gives that has diverged in training.

    Raises:
        UserError: if there is NaN among the scores.
    """
    if isinstance(output, Pooled):
        scores: tuple[Tensor | None, ...] = (output.video_BC, output.prob_BTMC)
    else:
        scores = (output.score_BTC, output.relevance_BT, output.category_BC)
    if any(values is not None and values.isnan().any() for values in scores):
        raise UserError(
            "expected scores from the network, got NaN: its training has diverged. Train it again "
            "with a lower --learning-rate, or limit the gradients with --clip-norm 1"
        )


def check_labels(network: Network[Any, Any], labels: Sequence[str]) -> None:
    """Refuse a network that was trained for other labels, or another order of them.

    Raises:
        UserError: if they differ.
    """
    if network.labels != tuple(labels):
        raise UserError(
            f"expected a network for the {len(labels)} labels of the corpus ({_some(labels)}), in "
            f"their order; this one knows {len(network.labels)} ({_some(network.labels)})"
        )


def _some(labels: Sequence[str]) -> str:
    return ", ".join(labels[:3]) + (", ..." if len(labels) > 3 else "")
