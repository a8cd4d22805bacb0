"""Score a network on an annotated split: predictions, then the official numbers."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch

from mmpyramid.data.corpus import Corpus
from mmpyramid.models import ParsingNetwork
from mmpyramid.types import Array

BATCH = 64


@dataclass(frozen=True, kw_only=True, eq=False)
class Predictions:
    """Probabilities of N videos on the annotations' grid, float32.

    Attributes:
        ids: the N videos.
        audio: (N, T, C).
        visual: (N, T, C).
        video: (N, C).
        video_audio: (N, C), video-level probability of the audio stream.
        video_visual: (N, C), video-level probability of the visual stream.
    """

    ids: tuple[str, ...]
    audio: Array
    visual: Array
    video: Array
    video_audio: Array
    video_visual: Array

    def arrays(self) -> dict[str, Any]:
        """Everything by name, as `mmpyramid score` reads it from an .npz file."""
        return {**vars(self), "ids": np.array(self.ids)}

    def save(self, path: Path) -> None:
        """Write the .npz file that `mmpyramid score` reads."""
        np.savez_compressed(path, **self.arrays())


@torch.inference_mode()
def predict_corpus(network: ParsingNetwork, corpus: Corpus) -> Predictions:
    """Score every video of a corpus."""
    network.eval()
    device = next(network.parameters()).device
    segments, streams, videos = [], [], []
    for start in range(0, len(corpus), BATCH):
        rows = range(start, min(start + BATCH, len(corpus)))
        batch = corpus.__getitems__(rows).to(device)
        pooled = network(batch.streams, batch.mask_BT, batch.present_BM)
        segments.append((pooled.prob_BTMC * batch.mask_BT[..., None, None]).cpu())
        streams.append(pooled.stream_BMC.cpu())
        videos.append(pooled.video_BC.cpu())
    segment_NTMC, stream_NMC = torch.cat(segments).numpy(), torch.cat(streams).numpy()
    return Predictions(
        ids=corpus.annotations.ids,
        audio=segment_NTMC[:, :, 0],
        visual=segment_NTMC[:, :, 1],
        video=torch.cat(videos).numpy(),
        video_audio=stream_NMC[:, 0],
        video_visual=stream_NMC[:, 1],
    )
