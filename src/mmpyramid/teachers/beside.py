"""A trained network and the teachers as one scorer: new labels, and those of a vocabulary.

Axes: T segments of one second, C labels.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from mmpyramid.core import Array, Decoder, Features, Scores
from mmpyramid.core.errors import UserError
from mmpyramid.teachers.zero_shot import Teacher

if TYPE_CHECKING:
    from mmpyramid.models import Network


class Beside:
    """The labels of a network, and beside them those of the teachers.

    What the network has learned to hear, or to see, counts also where the vocabulary has the label;
    what it has not is left to the teachers.

    Args:
        network: for parsing.
        teacher: of the vocabulary.

    Attributes:
        labels: the C labels, those of the network first.
        streams: width of each stream that is read, by name.
        notes: those of both.

    Raises:
        UserError: if the network is for another problem.

    Example:
        >>> scorer = Beside(load_pretrained("mine"), load_teacher("everyday"))  # doctest: +SKIP
        >>> scorer.labels[:2]  # doctest: +SKIP
        ('Fireworks finale', 'Animal')
    """

    def __init__(self, network: Network[Any, Scores], teacher: Teacher) -> None:
        if network.problem != Scores.problem:
            raise UserError(
                f"expected a network for {Scores.problem} beside the labels of a vocabulary, got "
                f"one for {network.problem}; remove `vocabulary` from its config.json"
            )
        self._network, self._teacher = network, teacher
        own = network.labels
        self.labels = (*own, *(label for label in teacher.labels if label not in own))
        self.streams = {**network.streams, **teacher.streams}
        self.notes = (*network.notes, *teacher.notes)
        self._own = _columns(self.labels, own)
        self._others = _columns(self.labels, teacher.labels)
        heard, seen = network.perceived
        self._heard, self._seen = _columns(own, heard), _columns(own, seen)

    @property
    def decoder(self) -> Decoder:
        """The decoder that is used by default."""
        return self._network.decoder

    @property
    def reach(self) -> int | None:
        """How many segments before and after one can change its scores; None: all of them."""
        reach = self._network.reach
        return None if reach is None else max(reach, self._teacher.reach)

    @property
    def grid(self) -> int:
        """Long videos may be cut at multiples of this many segments."""
        return math.lcm(self._network.grid, self._teacher.grid)

    def predict(self, features: Features) -> Scores:
        """Score one video of any length.

        Raises:
            UserError: if the features are not those that the two read.
        """
        ours, theirs = self._network.predict(features), self._teacher.predict(features)
        is_long = ours.local_video is not None or theirs.local_video is not None
        ours_TC, theirs_TC = (scores.per_segment()["local_video"] for scores in (ours, theirs))
        gate_TC = self._joined(ours_TC, theirs_TC, ())
        gate_TC[:, self._own] = np.maximum(gate_TC[:, self._own], ours_TC)
        assert ours.video_audio is not None
        assert ours.video_visual is not None
        assert theirs.video_audio is not None
        assert theirs.video_visual is not None
        return Scores(
            audio=self._joined(ours.audio, theirs.audio, self._heard),
            visual=self._joined(ours.visual, theirs.visual, self._seen),
            video=gate_TC.max(axis=0),
            labels=self.labels,
            video_audio=self._joined(ours.video_audio, theirs.video_audio, self._heard),
            video_visual=self._joined(ours.video_visual, theirs.video_visual, self._seen),
            local_video=gate_TC if is_long else None,
            nearest=theirs.nearest,
        )

    def _joined(self, ours: Array, theirs: Array, learned: Sequence[int]) -> Array:
        """Columns of the teachers (..., C), and over them those that the network has learned."""
        joined = np.zeros((*theirs.shape[:-1], len(self.labels)), np.float32)
        joined[..., self._others] = theirs
        joined[..., [self._own[column] for column in learned]] = ours[..., learned]
        return joined


def _columns(labels: Sequence[str], some: Sequence[str]) -> list[int]:
    """Where some labels are among all."""
    return [labels.index(label) for label in some]
