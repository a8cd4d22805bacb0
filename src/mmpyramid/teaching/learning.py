"""Learns segment classifiers from a lesson, measures them by clip, and refuses what is not learned.

Shape letters: N clips, T segments of a clip, C classes.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, TypeAlias

import numpy as np
import torch
from numpy.typing import NDArray

from mmpyramid.backbones import runtime
from mmpyramid.backbones.yamnet import YAMNetExtractor
from mmpyramid.core import AnyScores, Features, Modality
from mmpyramid.core.runs import Mask
from mmpyramid.models import Network, SegmentClassifier, SegmentClassifierConfig
from mmpyramid.problems import problem_named
from mmpyramid.teachers import Teacher
from mmpyramid.teaching.classifier import (
    WINDOW,
    Linear,
    Measured,
    calibrate,
    fit,
    fit_folds,
    folds_of,
    held_out,
    measure,
    windows_with,
)
from mmpyramid.teaching.examples import STREAMS, WIDTHS, Examples, Lesson

SIDES = (Modality.AUDIO, Modality.VISUAL)

FEWEST = 2
"""Videos of a class that it takes: one to learn from, and another one to see whether it was."""

MEASURABLE = 5
"""Videos of a class from which on its F is believed, and what is found no better than by guessing
is refused: of fewer, others may well find it, as measured by `benchmarks/teach.py`."""

COMMON = 0.5
"""F from which a class that is nearly everywhere need not be found better than by always saying
yes."""

Found: TypeAlias = Sequence[tuple[int, Mapping[Modality, Mask]]]
"""Rows of clips, and where classes were found there, (T, C) by modality."""


@dataclass(frozen=True, kw_only=True)
class Result:
    """What became of one class in one modality.

    Attributes:
        label: the class.
        modality: how it is perceived.
        num_clips: of how many clips it is said.
        measured: how well it is found in clips that it was not learned from; None if that cannot be
            measured.
        refused: why it was not learned; empty if it was.

    Example:
        >>> result = Result(label="Dog", modality=Modality.AUDIO, num_clips=2, refused="few clips")
        >>> result.measured is None
        True
    """

    label: str
    modality: Modality
    num_clips: int
    measured: Measured | None = None
    refused: str = ""


@dataclass(frozen=True, kw_only=True, eq=False)
class Side:
    """What is to be learned of one modality.

    Attributes:
        modality: which.
        examples: of all classes, with features as a network reads them.
        refused: why classes cannot be learned, by label; those that are asked for and can have an
            empty reason.
        num_clips: of how many clips each of these is said.
        stratified_NC: what each fold should leave enough of for the others: clips with, and clips
            without each class that can be learned.
    """

    modality: Modality
    examples: Examples
    refused: Mapping[str, str]
    num_clips: Mapping[str, int]
    stratified_NC: NDArray[np.bool_]

    @classmethod
    def of(cls, lesson: Lesson, modality: Modality, network: SegmentClassifier) -> Side:
        """One side of a lesson."""
        raw, stream = lesson.examples(modality), STREAMS[modality]
        with torch.inference_mode():
            described = network.described({stream: torch.from_numpy(raw.feature_SD)}, [stream])
        annotated_NC = lesson.annotated(modality)
        has_NC = annotated_NC & np.isin(np.arange(len(annotated_NC)), raw.clip_S)[:, None]
        without_NC = np.zeros_like(has_NC)
        for clip in np.unique(raw.clip_S):
            without_NC[clip] = (raw.target_SC[raw.clip_S == clip] == 0).any(axis=0)
        refused, num_clips = {}, {}
        for column, label in enumerate(lesson.labels):
            if annotated_NC[:, column].any():
                num_clips[label] = int(annotated_NC[:, column].sum())
                refused[label] = _why_not(
                    modality,
                    num_clips[label],
                    int(has_NC[:, column].sum()),
                    int(without_NC[:, column].sum()),
                ) or _why_not_apart(raw, column)
        learned = [not refused.get(label, "not asked for") for label in lesson.labels]
        return cls(
            modality=modality,
            examples=replace(raw, feature_SD=described.numpy()),
            refused=refused,
            num_clips=num_clips,
            stratified_NC=np.hstack((has_NC[:, learned], without_NC[:, learned])),
        )

    @property
    def labels(self) -> list[str]:
        """The classes that can be learned."""
        return [label for label, reason in self.refused.items() if not reason]

    def learn(
        self, columns: Sequence[int], fold_N: NDArray[np.int64]
    ) -> tuple[Linear, dict[int, Linear]]:
        """Fit and calibrate classifiers of some classes: of all clips, and without each fold."""
        examples = self.examples.of(np.ones_like(fold_N, np.bool_), columns)
        if not columns:
            nothing = Linear(examples.feature_SD[:0], np.zeros(0, np.float32))
            return nothing, dict.fromkeys(np.unique(fold_N).tolist(), nothing)
        linear_of = fit_folds(examples, fold_N)
        calibration = calibrate(held_out(linear_of, examples, fold_N), examples)
        folds = {fold: calibration.of(linear) for fold, linear in linear_of.items()}
        return calibration.of(fit(examples)), folds


def _why_not_apart(examples: Examples, column: int) -> str:
    """Why a class cannot be calibrated, which scores of what lacks it are for; empty if it can."""
    if windows_with(examples, column).all():
        return f"videos, or stretches of {WINDOW} s, without it: 0, it takes 1"
    return ""


def _why_not(modality: Modality, num_annotated: int, num_usable: int, num_without: int) -> str:
    """Why a class cannot be learned; empty if it can."""
    if num_annotated < FEWEST:
        return f"{num_annotated} video is too few, it takes {FEWEST}"
    if num_usable < FEWEST:
        what = "sound" if modality is Modality.AUDIO else "a picture"
        return f"{num_usable} of its {num_annotated} videos have {what}, it takes {FEWEST}"
    if num_without < FEWEST:
        return f"videos, or parts of videos, without it: {num_without}, it takes {FEWEST}"
    return ""


def learn_classifiers(
    lesson: Lesson, rival: Teacher | None = None, seed: int = 0
) -> tuple[SegmentClassifier | None, list[Result], Found]:
    """Learn what can be learned of a lesson.

    Args:
        lesson: clips, and what is said of them.
        rival: who finds some of the classes without it; what it finds better is left to it.
        seed: of the folds.

    Returns:
        The network, None if nothing was learned; what became of every class and modality that the
        corrections name; what was found in each clip by what was learned without it.
    """
    classes = YAMNetExtractor().classifier
    network = _blank(classes, lesson.labels, [lesson.labels] * 2)
    sides = [Side.of(lesson, modality, network) for modality in SIDES]
    column = {label: index for index, label in enumerate(lesson.labels)}
    fold_N = folds_of(np.hstack([side.stratified_NC for side in sides]), seed=seed)
    learned = [side.learn([column[label] for label in side.labels], fold_N) for side in sides]
    features = list(lesson.features.values())
    found = []
    for fold in np.unique(fold_N).tolist():
        network = _blank(classes, lesson.labels, [side.labels for side in sides])
        for side, (_, folds) in zip(sides, learned, strict=True):
            _write(network, side, folds[fold])
        rows = np.flatnonzero(fold_N == fold).tolist()
        found += [(row, find(network, features[row])) for row in rows]
    by_rival = [(row, find(rival, features[row])) for row, _ in found] if rival else []
    results = []
    for side in sides:
        measured = measure_found(lesson, side.modality, found, lesson.labels, seed)
        others = measure_found(lesson, side.modality, by_rival, rival.labels, seed) if rival else {}
        results += [
            Result(
                label=label,
                modality=side.modality,
                num_clips=side.num_clips[label],
                measured=None if reason else measured[label],
                refused=reason
                or _why_useless(side.num_clips[label], measured[label], others.get(label)),
            )
            for label, reason in side.refused.items()
        ]
    known = [
        [
            result.label
            for result in results
            if result.modality is side.modality and not result.refused
        ]
        for side in sides
    ]
    labels = [label for label in lesson.labels if any(label in names for names in known)]
    if not labels:
        return None, results, found
    network = _blank(classes, labels, known)
    for side, (linear, _) in zip(sides, learned, strict=True):
        _write(network, side, linear)
    return network, results, found


def _why_useless(num_clips: int, measured: Measured, other: Measured | None) -> str:
    """Why a class is not kept that was learned; empty if it is."""
    if num_clips >= MEASURABLE and measured.deciding <= min(measured.guess, COMMON):
        return "in videos that were kept aside it is found no better than by guessing"
    if other is not None and other.deciding > measured.deciding:
        return f"the vocabulary finds it better (F {other.deciding:.2f})"
    return ""


def _blank(
    classes: runtime.Linear, labels: Sequence[str], perceived: Sequence[Sequence[str]]
) -> SegmentClassifier:
    """A network on the open features that knows the classes of YAMNet, and nothing else yet."""
    audio, visual = (STREAMS[modality] for modality in SIDES)
    heard, seen = perceived
    network = SegmentClassifier(
        SegmentClassifierConfig(
            labels=tuple(labels),
            audio_streams={audio: WIDTHS[audio]},
            visual_streams={visual: WIDTHS[visual]},
            heard=tuple(heard),
            seen=tuple(seen),
            backbone_classes={audio: len(classes.bias_K)},
            context=WINDOW,
        )
    )
    weights = {"weight": torch.tensor(classes.weight_KD), "bias": torch.tensor(classes.bias_K)}
    network.backbone_classes[audio].load_state_dict(weights)
    return network.eval()


@torch.no_grad()
def _write(network: SegmentClassifier, side: Side, linear: Linear) -> None:
    """Set the weights of those classes of a side that the network perceives; others are 0."""
    is_heard = side.modality is Modality.AUDIO
    layer = network.audio if is_heard else network.visual
    layer.weight.zero_()
    layer.bias.zero_()
    for row, label in enumerate(side.labels):
        if label in network.perceived[not is_heard]:
            column = network.labels.index(label)
            layer.weight[column] = torch.from_numpy(linear.weight_CD[row])
            layer.bias[column] = float(linear.bias_C[row])


def find(scorer: Network[Any, Any] | Teacher, features: Features) -> Mapping[Modality, Mask]:
    """Where a scorer finds its classes in a video, (T, C) by modality."""
    scores: AnyScores = scorer.predict(features)
    return problem_named(scores.problem).decide(scores, scorer.decoder)


def measure_found(
    lesson: Lesson,
    modality: Modality,
    found: Found,
    labels: Sequence[str],
    seed: int,
) -> dict[str, Measured]:
    """How well each class of a lesson was found.

    Args:
        lesson: what is said of the clips.
        modality: how the classes are perceived.
        found: the rows of clips, with what was found there.
        labels: the columns of that.
        seed: of the intervals.
    """
    targets = lesson.targets(modality)
    pairs = [(targets[row], masks[modality]) for row, masks in found if row in targets]
    return {
        label: measure(
            [target_TC[:, lesson.labels.index(label)] for target_TC, _ in pairs],
            [mask_TC[:, labels.index(label)] for _, mask_TC in pairs],
            seed,
        )
        for label in labels
        if label in lesson.labels
    }
