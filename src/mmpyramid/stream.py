"""Events while a video is still coming, with bounded delay and equal to those of the whole.

A segment's scores depend on what is within `reach` of it; once that much has come after it, they
are settled. An event is reported when it has ended for good: nothing that may still come can
lengthen, join or drop it.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import replace
from typing import Protocol

import numpy as np

from mmpyramid.core import AnyScores, Array, Event, Features, Modality
from mmpyramid.core.errors import UserError
from mmpyramid.problems import Decoder, decode

EVERY = 16


class StreamScorer(Protocol):
    """A scorer whose scores depend on the surroundings only.

    Attributes:
        reach: how many segments before and after one can change its scores; None: all of them.
        grid: videos may be cut at multiples of this many segments without changing what is scored.
    """

    @property
    def reach(self) -> int | None:
        """See the class."""
        ...

    @property
    def grid(self) -> int:
        """See the class."""
        ...

    def predict(self, features: Features, /) -> AnyScores:
        """Score one video."""
        ...


class EventStream:
    """Takes features as they come, gives events as they end.

    Args:
        scorer: what scores.
        decoder: thresholds and lengths.
        every: scores are computed for so many new segments at once; more is faster, and later.
        missing: modalities that the source does not have; they yield no events.

    Attributes:
        missing: as given; it may be set until the first push.
        delay: an event is reported at most this many seconds after it has ended.

    Raises:
        UserError: if scorer or decoder need the whole video.

    Example:
        >>> stream = EventStream(network, Decoder())  # doctest: +SKIP
        >>> for features in camera:  # doctest: +SKIP
        ...     print(stream.push(features))
        >>> print(stream.finish())  # doctest: +SKIP
    """

    def __init__(
        self,
        scorer: StreamScorer,
        decoder: Decoder,
        every: int = EVERY,
        missing: Sequence[Modality] = (),
    ) -> None:
        if scorer.reach is None:
            raise UserError(
                "expected a scorer that looks at the surroundings of a segment only, got one that "
                "looks at the whole video; stream with an MM-Pyramid network or the teachers"
            )
        if decoder.gate == "per_modality":
            raise UserError(
                'gate "per_modality" needs the whole video; stream with gate "global" or "none"'
            )
        if every < 1:
            raise UserError(f"expected scores for at least 1 new segment at once, got {every}")
        self.missing = missing
        self._scorer, self._decoder, self._every = scorer, decoder, every
        self._reach, self._grid = scorer.reach, scorer.grid
        self._margin = math.ceil(decoder.max_gap) + math.ceil(decoder.min_length) + 1
        self.delay = self._reach + self._margin + every
        self._features: dict[str, Array] = {}
        self._begin = self._length = self._settled = 0
        self._scores: AnyScores | None = None
        self._base, self._reported = 0, 0.0

    def push(self, features: Features) -> list[Event]:
        """Take the next segments, (N, ...) by stream name; give the events that are over.

        Raises:
            UserError: if there are other streams than before, or not as many rows of each.
        """
        self._check(features)
        for name, rows in features.items():
            known = self._features.get(name)
            self._features[name] = rows if known is None else np.concatenate((known, rows))
        self._length = self._begin + min(map(len, self._features.values()), default=0)
        until = self._length - self._reach
        return self._advance(until) if until >= self._settled + self._every else []

    def _check(self, features: Features) -> None:
        counts = {name: len(rows) for name, rows in features.items()}
        known = self._features.keys() or counts.keys()
        if counts.keys() != known or len(set(counts.values())) > 1:
            raise UserError(
                f"expected as many rows of each of {', '.join(known)}, got {counts}; where one "
                "begins later, push zeros for what is not there yet"
            )

    def finish(self, duration: float | None = None) -> list[Event]:
        """Give the remaining events, once; they end at `duration` seconds at the latest."""
        if not self._length:
            return []
        remaining = self._advance(self._length, float(duration or self._length))
        self._reported = math.inf
        return remaining

    def _advance(self, until: int, duration: float | None = None) -> list[Event]:
        self._settle(until)
        assert self._scores is not None
        end = float(until) if duration is None else duration
        timeline = decode(
            self._scores, self._decoder, duration=end - self._base, missing=self.missing
        )
        over = self._settled - self._margin if duration is None else math.inf
        base = self._base
        events = [replace(e, start=e.start + base, end=e.end + base) for e in timeline.events]
        ended = [event for event in events if self._reported < event.end <= over]
        if duration is None:
            waiting = [int(event.start) for event in events if event.end > over]
            self._reported = max(self._reported, int(over))
            self._forget(min(waiting, default=int(over)) - self._margin)
        return ended

    def _settle(self, until: int) -> None:
        """Score what has come, keep the scores that no longer change, forget old features."""
        scores = self._scorer.predict(self._features)
        new = scores.segments(self._settled - self._begin, until - self._begin)
        self._scores = new if self._scores is None else self._scores.joined(new)
        self._settled = until
        begin = max(0, until - self._reach) // self._grid * self._grid
        for name, rows in self._features.items():
            self._features[name] = rows[begin - self._begin :]
        self._begin = begin

    def _forget(self, base: int) -> None:
        """Drop the scores of segments before `base`, which no unfinished event needs."""
        if base > self._base and self._scores is not None:
            self._scores = self._scores.segments(base - self._base, self._scores.num_segments)
            self._base = base
