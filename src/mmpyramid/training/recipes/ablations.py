"""Variants of the pyramid that the paper names without numbers, each `llp` but for one part.

`mmpyramid tables ablation` runs them beside recipes of Tables 3 and 4. Each is a flag or two of
`mmpyramid train llp`, so that they have no names there.
"""

from collections.abc import Callable
from functools import partial

from mmpyramid.models.mm_pyramid import PyramidConfig
from mmpyramid.training.config import TrainConfig
from mmpyramid.training.recipes.mm_pyramid import with_pyramid

DOUBLING = (1, 2, 4, 8, 16, 32)
"""Windows of six units; the released four are the first ones."""
RELEASED = 4


def ablation(**changes: object) -> Callable[[], TrainConfig]:
    """A recipe that is `llp` but for some fields of the pyramid."""
    return partial(with_pyramid, PyramidConfig(**changes))  # type: ignore[arg-type]


ABLATIONS: dict[str, Callable[[], TrainConfig]] = {
    **{
        f"llp-units-{number}": ablation(windows=DOUBLING[:number])
        for number in range(1, len(DOUBLING) + 1)
        if number != RELEASED
    },
    "llp-windows-linear": ablation(windows=(1, 2, 3, 4)),
    "llp-windows-equal": ablation(windows=(4, 4, 4, 4)),
    "llp-causal": ablation(causal=True),
    "llp-positions": ablation(positions=True),
}
"""Name to recipe; they are not among those of the command line."""
