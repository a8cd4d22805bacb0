"""Made-up checkpoints, features and labels for the compared networks, by a rule.

The rule for single numbers is that of `reference.made_up`; README.md tells the whole procedure.
"""

from collections.abc import Mapping

import numpy as np
import torch

from reference.made_up import uniform

NUM_VIDEOS, NUM_SEGMENTS, NUM_EVENTS, NUM_LLP = 2, 10, 28, 25
CATEGORIES, EVENTS = (3, 17), ((2, 7), (0, 10))
"""Category of each of the two videos, and the segments in which its event happens."""

HEADS = ("L2.", "event_classifier.", "category_classifier.")
"""Last layers whose outputs would hardly differ from class to class by the rule; they get more."""

Shapes = Mapping[str, tuple[int, ...]]


def tensor(name: str, shape: tuple[int, ...]) -> torch.Tensor:
    """A weight that keeps the variance of its input; a bias; the scale of a normalization."""
    kind = name.rpartition(".")[2]
    if kind == "num_batches_tracked":
        return torch.zeros(shape, dtype=torch.int64)
    if "bias" in kind or kind == "running_mean":
        return torch.from_numpy(uniform(name, shape, 0.2))
    if len(shape) == 1:
        return torch.from_numpy(1 + uniform(name, shape, 0.3))
    gain = 6.0 if name.startswith(HEADS) else 1.0
    return torch.from_numpy(uniform(name, shape, gain * (3 / int(np.prod(shape[1:]))) ** 0.5))


def state_dict(shapes: Shapes) -> dict[str, torch.Tensor]:
    """A checkpoint: every tensor by the rule."""
    return {name: tensor(name, shape) for name, shape in shapes.items()}


def stream(name: str, *shape: int) -> torch.Tensor:
    """Features of unit variance of both videos, (B, T, ...)."""
    size = (NUM_VIDEOS, NUM_SEGMENTS, *shape)
    return torch.from_numpy(uniform(f"compared.{name}", size, 3**0.5))


def inputs() -> tuple[torch.Tensor, torch.Tensor]:
    """VGGish (B, 10, 128) and the map of VGG-19 (B, 10, 7, 7, 512)."""
    return stream("vggish", 128), stream("vgg19", 7, 7, 512)


def segment_labels() -> torch.Tensor:
    """Class of every segment (B, 10), 28 where there is background."""
    labels = torch.full((NUM_VIDEOS, NUM_SEGMENTS), NUM_EVENTS)
    for row, (category, (start, end)) in enumerate(zip(CATEGORIES, EVENTS, strict=True)):
        labels[row, start:end] = category
    return labels


def video_labels() -> torch.Tensor:
    """One-hot category of every video, (B, 29)."""
    return torch.nn.functional.one_hot(torch.tensor(CATEGORIES), NUM_EVENTS + 1).float()


def proportion_labels() -> torch.Tensor:
    """Which share of every video each class fills, (B, 29)."""
    one_hot = torch.nn.functional.one_hot(segment_labels(), NUM_EVENTS + 1)
    return one_hot.float().mean(1)


def llp_labels() -> torch.Tensor:
    """Weak labels of parsing (B, 25), each class present with probability 0.2."""
    return torch.from_numpy((uniform("compared.llp", (NUM_VIDEOS, NUM_LLP)) > 0.6).astype("f4"))
