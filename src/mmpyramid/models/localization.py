"""Localization networks: one category per video, and when it happens.

Shape letters: B batch, T segments, C classes, P positions (height times width), D width.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import repeat
from typing import NamedTuple

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from mmpyramid.core import Array, LocalizationScores
from mmpyramid.core.batch import Batch
from mmpyramid.core.errors import UserError
from mmpyramid.core.labels import AVE_LABELS
from mmpyramid.models.network import (
    AT_ONCE,
    Localized,
    Network,
    NetworkConfig,
    window_starts,
    windows_by_size,
)


@dataclass(kw_only=True, slots=True)
class LocalizationConfig(NetworkConfig):
    """What every localization network's configuration holds; defaults are the AVE setting.

    Example:
        >>> len(LocalizationConfig().labels)
        28
    """

    labels: tuple[str, ...] = AVE_LABELS
    """Event categories in the order of the outputs; the background comes after them."""
    visual_streams: dict[str, int] = field(default_factory=lambda: {"vgg19": 512})
    """Width of each visual stream by name."""


class LocalizationNetwork(Network[Localized, LocalizationScores]):
    """A network that says which event a video shows, and in which segments.

    A subclass writes `score`; a video longer than the network was trained on is scored in
    half-overlapping windows, and a segment takes the mean over those that it is in.

    Example:
        >>> from mmpyramid.models import MMPyramidAVE
        >>> issubclass(MMPyramidAVE, LocalizationNetwork), LocalizationNetwork.problem
        (True, 'localization')
    """

    problem = "localization"
    config: LocalizationConfig

    @property
    def reach(self) -> int:
        """Windows of the trained length are scored each on its own."""
        return self.context

    def tensors(self, output: Localized, mask_BT: Tensor) -> dict[str, Tensor]:
        """Relevance and category probabilities, whatever heads the network has."""
        relevance_BT, category_BC = event_probabilities(output, len(self.labels), mask_BT)
        return {"relevance": relevance_BT, "category": category_BC}

    def results(self, batch: Batch) -> list[LocalizationScores]:
        """Score videos of any length."""
        lengths = batch.mask_BT.sum(1).tolist()
        found: dict[tuple[int, int], _Window] = {}
        for size, windows in windows_by_size(lengths, self.context):
            at_once = max(1, AT_ONCE // size)
            for first in range(0, len(windows), at_once):
                some = windows[first : first + at_once]
                found.update(zip(some, self._score_windows(batch, some, size), strict=True))
        return [self._scores_of(found, row, length) for row, length in enumerate(lengths)]

    def _score_windows(
        self, batch: Batch, windows: Sequence[tuple[int, int]], size: int
    ) -> Iterator[_Window]:
        """Score windows of one size, as (row of the video, start)."""
        row_W, start_W = torch.tensor(windows, device=batch.mask_BT.device).T
        at = row_W[:, None], start_W[:, None] + torch.arange(size, device=row_W.device)
        exists_WS = torch.ones_like(at[1], dtype=torch.bool)
        streams = {name: values[at] for name, values in batch.streams.items()}
        output: Localized = self(streams, exists_WS, batch.present_BM[row_W])
        relevance_WS, category_WC = event_probabilities(output, len(self.labels), exists_WS)
        weights_WSML = output.unit_weights_BTML
        weights = repeat(None, len(windows)) if weights_WSML is None else weights_WSML.float().cpu()
        return map(_Window, relevance_WS.float().cpu(), category_WC.float().cpu(), weights)

    def _scores_of(
        self, found: Mapping[tuple[int, int], _Window], row: int, length: int
    ) -> LocalizationScores:
        """What the windows of a video say together."""
        starts = window_starts(length, min(length, self.context))
        windows = [found[row, start] for start in starts]
        size = len(windows[0].relevance_S)
        category_WSC = torch.stack([w.category_C.expand(size, -1) for w in windows])
        category_TC = overlap_mean(category_WSC, starts, length)
        weights = [w.weights_SML for w in windows if w.weights_SML is not None]
        return LocalizationScores(
            relevance=overlap_mean(torch.stack([w.relevance_S for w in windows]), starts, length),
            category=category_TC.mean(0),
            labels=self.labels,
            local_category=category_TC if length > self.context else None,
            unit_weights=overlap_mean(torch.stack(weights), starts, length) if weights else None,
        )


class _Window(NamedTuple):
    """What was found in a window of a video, on the CPU."""

    relevance_S: Tensor
    category_C: Tensor
    weights_SML: Tensor | None


def check_grid(
    architecture: str, stream: str, visual: Tensor, map_size: tuple[int, int] | None
) -> None:
    """Refuse a map of another size than a network was made for.

    Args:
        architecture: the network's name.
        stream: the visual stream's name.
        visual: (B, T, H, W, D), or (B, T, D) for a network without `map_size`.
        map_size: H and W, or None for features without positions.

    Raises:
        UserError: if they differ.
    """
    grid = tuple(visual.shape[2:-1])
    if grid != (map_size or ()):
        raise UserError(
            f"`{architecture}` was made for a stream `{stream}` with map_size {map_size}, got "
            f"{grid or None}; take the features that it was trained on, or train with this map_size"
        )


class AudioGuidedAttention(nn.Module):
    """Weigh the positions of a visual map by what is heard (Tian et al., ECCV 2018).

    `v' = ReLU(U_v v)`, `a' = ReLU(U_a a)`, `S = v' W_v + (a' W_g)`, weights `softmax(W_h tanh(S))`
    over positions, applied to the map as it came. `S` has one row per position and P columns; the
    audio term of a row is one number, added to all its columns, as released. The number of
    positions is therefore fixed (49 for maps of 7 x 7).

    Args:
        audio_width: width of the audio stream.
        visual_width: width of the visual map.
        num_positions: P.
        hidden_width: width of both projections.

    Example:
        >>> attention = AudioGuidedAttention(3, 6, num_positions=4, hidden_width=8)
        >>> tuple(attention(torch.ones(2, 5, 3), torch.ones(2, 5, 2, 2, 6)).shape)
        (2, 5, 6)
    """

    def __init__(
        self,
        audio_width: int,
        visual_width: int,
        num_positions: int = 49,
        hidden_width: int = 512,
    ) -> None:
        super().__init__()
        self.audio = nn.Linear(audio_width, hidden_width)
        self.visual = nn.Linear(visual_width, hidden_width)
        self.visual_score = nn.Linear(hidden_width, num_positions, bias=False)
        self.audio_score = nn.Linear(hidden_width, num_positions, bias=False)
        self.output = nn.Linear(num_positions, 1, bias=False)
        for layer in (self.audio, self.visual, self.visual_score, self.audio_score, self.output):
            nn.init.xavier_uniform_(layer.weight)

    def weights(self, audio_BTD: Tensor, map_BTPD: Tensor) -> Tensor:
        """The weight of each position, (B, T, P), which sum to 1."""
        visual_BTPP = self.visual_score(torch.relu(self.visual(map_BTPD)))
        audio_BTP = self.audio_score(torch.relu(self.audio(audio_BTD)))
        scores_BTPP = torch.tanh(visual_BTPP + audio_BTP[..., None])
        weights_BTP: Tensor = self.output(scores_BTPP).squeeze(-1).softmax(-1)
        return weights_BTP

    def forward(self, audio_BTD: Tensor, visual_BTHWD: Tensor) -> Tensor:
        """Give the attended visual feature of every segment, (B, T, D)."""
        map_BTPD = visual_BTHWD.flatten(2, -2)
        weights_BTP = self.weights(audio_BTD, map_BTPD)
        return torch.einsum("btp,btpd->btd", weights_BTP, map_BTPD)


def decomposed(relevance_BT: Tensor, category_BC: Tensor, *, is_fused: bool) -> Localized:
    """Score segments by what the video shows, and by whether they show it.

    Args:
        relevance_BT: logit of "an event happens here".
        category_BC: logits of the video's category; C + 1 of them, background last, if fused.
        is_fused: relevance times these logits, which the objective pools over time (weak
            supervision); otherwise relevance times their softmax, and the rest is background.
    """
    happens_BTO = torch.sigmoid(relevance_BT)[..., None]
    if is_fused:
        score_BTC = happens_BTO * category_BC[:, None]
    else:
        event_BTC = happens_BTO * category_BC.softmax(-1)[:, None]
        score_BTC = torch.cat((event_BTC, 1 - happens_BTO), dim=-1)
    return Localized(score_BTC, relevance_BT, category_BC)


def overlap_mean(windows: Tensor, starts: Sequence[int], length: int) -> Array:
    """Mean of overlapping windows (W, S, ...) in each of `length` segments, (length, ...) float32.

    Example:
        >>> overlap_mean(torch.tensor([[1.0, 1.0], [3.0, 3.0]]), [0, 1], 3).tolist()
        [1.0, 2.0, 3.0]
    """
    total = windows.new_zeros(length, *windows.shape[2:], dtype=torch.float32)
    count = torch.zeros_like(total)
    for start, values in zip(starts, windows, strict=True):
        total[start : start + len(values)] += values
        count[start : start + len(values)] += 1
    mean: Array = (total / count).cpu().numpy()
    return mean


def event_probabilities(
    output: Localized, num_classes: int, mask_BT: Tensor
) -> tuple[Tensor, Tensor]:
    """Relevance (B, T) and category (B, C) probabilities, whatever heads the network has.

    A network that decomposes the problem gives both. For one that scores classes and background
    segment by segment, relevance is the probability of the best category against background alone,
    which exceeds a half where the argmax rule finds an event; the category is the mean over
    existing segments of the event scores' softmax, weighted by the relevance.
    """
    if output.relevance_BT is not None and output.category_BC is not None:
        category_BC = output.category_BC.softmax(-1)[:, :num_classes]
        return torch.sigmoid(output.relevance_BT), category_BC
    score_BTC = output.score_BTC.float()
    event_BTC, background_BT = score_BTC[..., :-1], score_BTC[..., -1]
    relevance_BT = torch.sigmoid(event_BTC.amax(-1) - background_BT)
    weight_BT = relevance_BT.clamp_min(torch.finfo(relevance_BT.dtype).tiny) * mask_BT
    category_BC = torch.einsum("bt,btc->bc", weight_BT, F.softmax(event_BTC, dim=-1))
    return relevance_BT, category_BC / weight_BT.sum(1, keepdim=True)
