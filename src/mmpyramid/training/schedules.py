"""How the learning rate falls."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Callable
from typing import Literal, TypeAlias

Schedule: TypeAlias = Literal[
    "constant",
    "tenth-every-10",
    "fifth-after-10",
    "tenth-after-50",
    "half-at-10-20-30",
    "half-at-5-20-40",
    "fifth-off-at-60-120",
    "fifth-off-at-80-160",
    "tenth-after-288",
]
"""Name of a schedule."""


def steps(factor: float, *milestones: int) -> Callable[[int], float]:
    """Multiply by a factor after each of these numbers of epochs."""
    return lambda epoch: float(factor ** bisect_right(milestones, epoch))


SCHEDULES: dict[Schedule, Callable[[int], float]] = {
    "constant": steps(1.0),
    "tenth-every-10": lambda epoch: float(0.1 ** (epoch // 10)),
    "fifth-after-10": steps(0.2, 10),
    "tenth-after-50": steps(0.1, 50),
    "half-at-10-20-30": steps(0.5, 10, 20, 30),
    "half-at-5-20-40": steps(0.5, 5, 20, 40),
    "fifth-off-at-60-120": steps(0.8, 60, 120),
    "fifth-off-at-80-160": steps(0.8, 80, 160),
    "tenth-after-288": steps(0.1, 288),
}
"""What the initial learning rate is multiplied with in an epoch, counted from 0, by name.

Sources: `tenth-every-10` is the released code of HAN, MA and MM-Pyramid; `fifth-after-10` is the
paper's text for LLP ("degraded by a factor of 5 after 10 epochs"), read as one step;
`tenth-after-50` is its text for AVE; the halving ones are CMRAN's, fully and weakly supervised;
those that take a fifth off are PSP's; `tenth-after-288` is AVEL's, which is stepped after 15,000
batches of which an epoch has 52.
"""
