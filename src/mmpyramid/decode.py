"""Room 5: probabilities to a `Timeline`. Deciding is apart from scoring; numpy only.

Axes: T segments of one second, C classes.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal, TypeAlias

import numpy as np
from numpy.typing import NDArray

from mmpyramid.errors import UserError
from mmpyramid.types import Array, Event, Modality, Scores, Timeline

Gate: TypeAlias = Literal["global", "per_modality", "none"]
Mask: TypeAlias = NDArray[np.bool_]

GATES: tuple[Gate, ...] = ("global", "per_modality", "none")


@dataclass(frozen=True, kw_only=True, slots=True)
class Decoder:
    """How probabilities become decisions; the defaults are the official rule of LLP.

    The official rule (HAN, MM-Pyramid): a class is on in a segment when its segment probability and
    its probability for the whole video both reach 0.5. Tune the fields on validation data; the
    network is not needed for that.

    Attributes:
        threshold: a segment is on when its probability is at least this.
        visual_threshold: the same for the visual stream; None takes `threshold`.
        video_threshold: the video-level gate opens when its probability is at least this.
        gate: which video-level probability gates a stream. `global`: that of the whole video, for
            both streams (HAN, MM-Pyramid); `per_modality`: that of the stream itself (MA); `none`.
        max_gap: silences of up to this many seconds between two runs of a label are filled.
        min_length: runs shorter than this many seconds are dropped, after the filling.

    Raises:
        UserError: if a threshold is outside 0..1, a length is negative, or the gate is unknown.

    Example:
        >>> Decoder(threshold=0.4, max_gap=1).gate
        'global'
    """

    threshold: float = 0.5
    visual_threshold: float | None = None
    video_threshold: float = 0.5
    gate: Gate = "global"
    max_gap: float = 0.0
    min_length: float = 0.0

    def __post_init__(self) -> None:
        for name in ("threshold", "visual_threshold", "video_threshold"):
            value = getattr(self, name)
            if value is not None and not 0 <= value <= 1:
                raise UserError(f"expected `{name}` within 0..1, got {value}; 0.5 is the usual one")
        for name in ("max_gap", "min_length"):
            value = getattr(self, name)
            if not value >= 0:
                raise UserError(f"expected `{name}` in seconds, 0 or more, got {value}")
        if self.gate not in GATES:
            raise UserError(f"expected `gate` to be one of {', '.join(GATES)}, got {self.gate!r}")


@dataclass(frozen=True, eq=False, slots=True)
class _Runs:
    """Maximal runs of a mask, ordered by label then start: columns of the mask, [start, stop)."""

    label: NDArray[np.intp]
    start: NDArray[np.intp]
    stop: NDArray[np.intp]

    @classmethod
    def of(cls, mask_TC: Mask) -> _Runs:
        padded_CT = np.pad(mask_TC.T.astype(np.int8), ((0, 0), (1, 1)))
        step_CT = np.diff(padded_CT, axis=1)
        label, start = np.nonzero(step_CT == 1)
        return cls(label, start, np.nonzero(step_CT == -1)[1])

    def where(self, keep: Mask) -> _Runs:
        return _Runs(self.label[keep], self.start[keep], self.stop[keep])

    def paint(self, shape_TC: tuple[int, int]) -> Mask:
        """The mask that is on where at least one run is."""
        step_TC = np.zeros((shape_TC[0] + 1, shape_TC[1]), dtype=np.int32)
        np.add.at(step_TC, (self.start, self.label), 1)
        np.add.at(step_TC, (self.stop, self.label), -1)
        return step_TC.cumsum(axis=0)[:-1] > 0

    def mean(self, value_TC: Array) -> NDArray[np.float64]:
        """Mean over each run, float64."""
        if not len(self.start):
            return np.zeros(0)
        # One zero after each class keeps the last stop inside the array, as `reduceat` requires.
        flat = np.pad(value_TC.T.astype(np.float64), ((0, 0), (0, 1))).ravel()
        offset = self.label * (len(value_TC) + 1)
        bounds = np.stack([offset + self.start, offset + self.stop], axis=1).ravel()
        sums: NDArray[np.float64] = np.add.reduceat(flat, bounds)[::2]
        return sums / (self.stop - self.start)


def segment_masks(scores: Scores, decoder: Decoder) -> tuple[Mask, Mask]:
    """Decide per segment and class whether it can be heard and whether it can be seen.

    With the default decoder this is the official inference of HAN and MM-Pyramid,
    `1[P >= 0.5] * 1[video >= 0.5]`. Where `scores.local_video` is present, it takes the place of
    `scores.video` in the global gate, segment by segment.

    Args:
        scores: probabilities of one video.
        decoder: thresholds, gate and lengths.

    Returns:
        audio (T, C) and visual (T, C), bool.

    Raises:
        UserError: if a probability is outside 0..1, or the gate needs scores that are not there.
    """
    audio_gate, visual_gate = _gates(scores, decoder)
    threshold, visual_threshold = decoder.threshold, decoder.visual_threshold
    if visual_threshold is None:
        visual_threshold = threshold
    for name, value_TC in (("audio", scores.audio), ("visual", scores.visual)):
        if not np.all((value_TC >= 0) & (value_TC <= 1)):
            raise UserError(
                f"expected `{name}` scores to be probabilities within 0..1, got logits or NaN"
            )
    audio_TC = (scores.audio >= threshold) & audio_gate
    visual_TC = (scores.visual >= visual_threshold) & visual_gate
    return _tidy(audio_TC, decoder), _tidy(visual_TC, decoder)


def decode(
    scores: Scores,
    decoder: Decoder | None = None,
    *,
    duration: float | None = None,
    source: str = "",
    model: str = "",
    missing: Sequence[Modality] = (),
    notes: Sequence[str] = (),
) -> Timeline:
    """Turn the probabilities of one video into its timeline.

    Events follow the convention of LLP: `audio` events are the audible runs, `visual` events the
    visible ones, and `audio_visual` events the runs where both hold at once, so the three overlap
    on purpose. Every event is a maximal run of one-second segments. Its score is the mean
    probability over the run; for `audio_visual` the mean of the product.

    Args:
        scores: probabilities of one video.
        decoder: thresholds, gate and lengths; None takes the official rule.
        duration: seconds of the video, where events end at the latest; None takes T.
        source: the video's path or id.
        model: what made the scores.
        missing: modalities that the file does not have; they yield no events.
        notes: what a reader of the timeline should know.

    Raises:
        UserError: if the duration and the number of segments disagree, or as `segment_masks` does.

    Example:
        >>> probs = np.array([[0.9], [0.8], [0.1]], np.float32)
        >>> scores = Scores(audio=probs, visual=0 * probs, video=probs[0], labels=("Dog",))
        >>> [(e.label, str(e.modality), e.start, e.end) for e in decode(scores)]
        [('Dog', 'audio', 0.0, 2.0)]
    """
    num_segments = scores.num_segments
    duration = float(num_segments) if duration is None else duration
    if num_segments and not num_segments - 1 < duration < math.inf:
        raise UserError(
            f"{num_segments} segments of one second need a duration of more than "
            f"{num_segments - 1} s, got {duration}; are the scores those of this video?"
        )
    audio_TC, visual_TC = segment_masks(scores, decoder or Decoder())
    audio_TC &= Modality.AUDIO not in missing
    visual_TC &= Modality.VISUAL not in missing
    streams = {
        Modality.AUDIO: (audio_TC, scores.audio),
        Modality.VISUAL: (visual_TC, scores.visual),
        Modality.AUDIO_VISUAL: (audio_TC & visual_TC, scores.audio * scores.visual),
    }
    return Timeline(
        events=tuple(
            event
            for modality, (mask_TC, value_TC) in streams.items()
            for event in _events(mask_TC, value_TC, modality, scores.labels, duration)
        ),
        duration=duration,
        labels=scores.labels,
        source=source,
        model=model,
        missing=tuple(missing),
        notes=tuple(notes),
    )


def rasterize(
    timeline: Timeline, num_segments: int, labels: Sequence[str] | None = None
) -> tuple[Mask, Mask]:
    """Draw a timeline on the grid of one-second segments: the way back from `decode`.

    A segment is on when one event covers at least half of it; a last segment that the video does
    not fill counts by the part that it has. An `audio_visual` event is heard and seen.

    Args:
        timeline: the events.
        num_segments: T.
        labels: the C labels wanted, in order; None takes those of the timeline. Events of other
            labels are left out.

    Returns:
        audio (T, C) and visual (T, C), bool.
    """
    column = {label: i for i, label in enumerate(timeline.labels if labels is None else labels)}

    def mask_of(modality: Modality) -> Mask:
        perceived = (modality, Modality.AUDIO_VISUAL)
        events = [e for e in timeline if e.modality in perceived and e.label in column]
        return _paint_events(events, column, num_segments, timeline.duration)

    return mask_of(Modality.AUDIO), mask_of(Modality.VISUAL)


def _gates(scores: Scores, decoder: Decoder) -> tuple[Mask, Mask]:
    """Whether each stream may be on, (C,) or (T, C)."""
    if decoder.gate == "none":
        is_open = np.ones(len(scores.labels), dtype=np.bool_)
        return is_open, is_open
    if decoder.gate == "global":
        video = scores.video if scores.local_video is None else scores.local_video
        is_open = video >= decoder.video_threshold
        return is_open, is_open
    if scores.video_audio is None or scores.video_visual is None:
        raise UserError(
            'gate "per_modality" needs scores with `video_audio` and `video_visual`, but this '
            'model gives none; use gate "global"'
        )
    return (
        scores.video_audio >= decoder.video_threshold,
        scores.video_visual >= decoder.video_threshold,
    )


def _tidy(mask_TC: Mask, decoder: Decoder) -> Mask:
    """Fill short gaps, then drop short runs."""
    num_segments, num_classes = mask_TC.shape
    if decoder.max_gap:
        gaps = _Runs.of(~mask_TC)
        inner = (gaps.start > 0) & (gaps.stop < num_segments)
        short = gaps.where(inner & (gaps.stop - gaps.start <= decoder.max_gap))
        mask_TC = mask_TC | short.paint((num_segments, num_classes))
    if decoder.min_length:
        runs = _Runs.of(mask_TC)
        long = runs.where(runs.stop - runs.start >= decoder.min_length)
        mask_TC = long.paint((num_segments, num_classes))
    return mask_TC


def _events(
    mask_TC: Mask, value_TC: Array, modality: Modality, labels: Sequence[str], duration: float
) -> list[Event]:
    """One event for each run of the mask."""
    runs = _Runs.of(mask_TC)
    columns = (runs.start, runs.stop, runs.label, runs.mean(value_TC))
    rows = zip(*(column.tolist() for column in columns), strict=True)
    return [
        Event(float(start), min(float(stop), duration), labels[label], modality, score)
        for start, stop, label, score in rows
    ]


def _paint_events(
    events: Sequence[Event], column: dict[str, int], num_segments: int, duration: float
) -> Mask:
    """The mask (T, C) of the segments that one event covers at least half."""
    start = np.array([event.start for event in events]).clip(0, num_segments)
    end = np.array([event.end for event in events]).clip(0, num_segments)
    label = np.array([column[event.label] for event in events], dtype=np.intp)

    def covered(segment: NDArray[np.intp]) -> Mask:
        is_cut = (segment < duration) & (duration < segment + 1)
        segment_end = np.where(is_cut, duration, segment + 1)
        overlap = np.minimum(end, segment_end) - np.maximum(start, segment)
        covers: Mask = overlap >= 0.5 * (segment_end - segment)
        return covers

    # Only the first and the last segment that an event touches can be covered in part.
    first = np.floor(start).astype(np.intp)
    last = np.ceil(end).astype(np.intp) - 1
    first_on = np.minimum(first + ~covered(first), num_segments)
    stop_on = np.maximum(last + covered(last), first_on)
    return _Runs(label, first_on, stop_on).paint((num_segments, len(column)))
