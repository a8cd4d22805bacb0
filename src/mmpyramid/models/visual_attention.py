"""Audio-guided visual attention: where in the picture the sound comes from.

Shape letters: B batch, T segments, P positions (height times width), D width.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn

from mmpyramid.core.errors import UserError


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
