"""`Teacher`: AudioSet and ImageNet probabilities, mapped to our labels and calibrated."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Literal, NamedTuple, Protocol, TypeAlias, overload

import numpy as np
from numpy.lib.stride_tricks import sliding_window_view

from mmpyramid.backbones.base import Extractor
from mmpyramid.backbones.efficientnet import EfficientNetLite0Extractor
from mmpyramid.backbones.yamnet import YAMNetExtractor
from mmpyramid.core import Array, Decoder, Features, Modality, Scores
from mmpyramid.core.errors import UserError
from mmpyramid.teachers.maps import LABEL_SETS, LabelSet, class_indices

LabelSetName: TypeAlias = Literal["llp", "ave"]

RADIUS = 5
"""The surroundings of a segment in a long video: this many seconds before and after it."""


class Thresholds(NamedTuple):
    """Raw scores from which a label counts as found: once in the video, then in each segment.

    The first is the higher one: a label that is sure somewhere may be weaker elsewhere.
    """

    video: float
    segment: float


THRESHOLDS: Mapping[Modality, Thresholds] = {
    Modality.AUDIO: Thresholds(video=0.4, segment=0.25),
    Modality.VISUAL: Thresholds(video=0.25, segment=0.15),
}

EXCEPTIONS: Mapping[Modality, Mapping[str, Thresholds]] = {
    # YAMNet takes coughs, crowds and croaks for speech.
    Modality.AUDIO: {"Speech": Thresholds(video=0.6, segment=0.5)},
    # 118 breeds add up to a good deal on anything furry or unclear.
    Modality.VISUAL: dict.fromkeys(("Dog", "Bark"), Thresholds(video=0.6, segment=0.4)),
}
"""Labels that raise false alarms at the common thresholds."""


class Classifier(Extractor, Protocol):
    """What a teacher needs of a backbone: the class probabilities of its embeddings."""

    @property
    def class_names(self) -> Sequence[str]:
        """The K class names, in the order of `classify`."""
        ...

    def classify(self, embedding: Array) -> Array:
        """(T, D) embeddings to (T, K) probabilities."""
        ...


@dataclass(frozen=True)
class _Stream:
    """Probabilities (T, C) per segment and (C,) per video, and (T, C) of the surroundings."""

    segment_TC: Array
    video_C: Array
    local_TC: Array


class Teacher:
    """Scores videos without training: for each label the classes that stand for it.

    A label's raw score is, heard, the maximum over its AudioSet classes (sigmoids, which overlap)
    and, seen, the sum over its ImageNet classes (a softmax, which divides). `calibrate` then moves
    the tuned thresholds of the raw scores to 0.5, so that the default decoder is the right one.
    A label counts as in the video when it is heard or seen surely enough in one segment.

    Args:
        label_set: the labels and their counterparts.
        classifiers: one per stream.

    Attributes:
        name: who speaks, for `Timeline.model`.
        labels: the C labels.
        classifiers: the backbones, which also extract those streams.
        streams: width of each stream that it reads, by name.
        unmapped: by modality, the labels that it can never find there.
        notes: the same in words, for `Timeline.notes`; the first line is the gist.

    Example:
        >>> teacher = load_teacher("llp")  # doctest: +SKIP
        >>> teacher.predict({"yamnet": embedding_TD}).audio.shape  # doctest: +SKIP
        (10, 25)
    """

    def __init__(self, label_set: LabelSet, classifiers: Sequence[Classifier]) -> None:
        self.name = f"teachers (zero-shot, {label_set.name} labels)"
        self.labels = label_set.labels
        self.streams = {classifier.name: classifier.dim for classifier in classifiers}
        self.unmapped = {modality: label_set.unmapped(modality) for modality in label_set.classes}
        self.notes = _notes(label_set)
        self.classifiers = tuple(classifiers)
        self._members = {
            classifier.modality: {
                label_set.labels.index(label): class_indices(classes, classifier.class_names)
                for label, classes in label_set.classes[classifier.modality].items()
            }
            for classifier in classifiers
        }
        self._thresholds = {modality: thresholds(self.labels, modality) for modality in THRESHOLDS}

    @property
    def decoder(self) -> Decoder:
        """What decides on its scores, unless something else is asked for."""
        return Decoder()

    @property
    def reach(self) -> int:
        """How many segments before and after one are needed to score it as in a long video."""
        return 2 * RADIUS

    @property
    def grid(self) -> int:
        """Long videos may be cut anywhere."""
        return 1

    @overload
    def predict(self, features: Features) -> Scores: ...
    @overload
    def predict(self, features: Sequence[Features]) -> list[Scores]: ...

    def predict(self, features: Features | Sequence[Features]) -> Scores | list[Scores]:
        """Score one video, or several, of any length.

        Args:
            features: (T, D) by stream name. A stream that is not there scores 0 throughout.

        Raises:
            UserError: if no stream is there, or if shapes disagree.
        """
        if not isinstance(features, Mapping):
            return [self.predict(one) for one in features]
        num_segments = self._check(features)
        audio = self._score(Modality.AUDIO, features, num_segments)
        visual = self._score(Modality.VISUAL, features, num_segments)
        is_long = num_segments > 2 * RADIUS
        return Scores(
            audio=audio.segment_TC,
            visual=visual.segment_TC,
            video=np.maximum(audio.video_C, visual.video_C),
            labels=self.labels,
            video_audio=audio.video_C,
            video_visual=visual.video_C,
            local_video=np.maximum(audio.local_TC, visual.local_TC) if is_long else None,
        )

    def _check(self, features: Features) -> int:
        """The number of segments T, which all streams must share."""
        shapes: dict[str, tuple[int, ...]] = {
            name: features[name].shape for name in self.streams if name in features
        }
        lengths = {shape[0] for shape in shapes.values()}
        if len(lengths) != 1 or any(
            shape != (shape[0], self.streams[name]) for name, shape in shapes.items()
        ):
            wanted = ", ".join(f"{name} (T, {dim})" for name, dim in self.streams.items())
            given = ", ".join(f"{name} {values.shape}" for name, values in features.items())
            raise UserError(
                f"{self.name} read one or more of the streams {wanted}, with the same T; got "
                f"{given or 'nothing'}. Extract the feature set `open`"
            )
        return lengths.pop()

    def _score(self, modality: Modality, features: Features, num_segments: int) -> _Stream:
        raw_TC = np.zeros((num_segments, len(self.labels)), np.float32)
        for classifier in self.classifiers:
            if classifier.modality != modality or classifier.name not in features:
                continue
            prob_TK = classifier.classify(features[classifier.name])
            for column, members in self._members[modality].items():
                member_TK = prob_TK[:, members]
                is_softmax = modality == Modality.VISUAL
                raw_TC[:, column] = member_TK.sum(1) if is_softmax else member_TK.max(1)
            raw_TC = raw_TC.clip(0, 1)
        video_C, segment_C = self._thresholds[modality]
        return _Stream(
            segment_TC=calibrate(raw_TC, segment_C),
            video_C=calibrate(raw_TC.max(axis=0, initial=0), video_C),
            local_TC=calibrate(surroundings(raw_TC), video_C),
        )


def load_teacher(label_set: LabelSetName = "llp", *, device: str = "cpu") -> Teacher:
    """Make the teacher of one benchmark's labels; downloads the backbones' weights if need be.

    Raises:
        UserError: if the label set is unknown or the weights cannot be had.

    Example:
        >>> load_teacher("ave").streams  # doctest: +SKIP
        {'yamnet': 1024, 'efficientnet_lite0': 1280}
    """
    if label_set not in LABEL_SETS:
        raise UserError(f"unknown label set {label_set!r}; there are {', '.join(LABEL_SETS)}")
    classifiers = (YAMNetExtractor(device=device), EfficientNetLite0Extractor(device=device))
    return Teacher(LABEL_SETS[label_set], classifiers)


def _notes(label_set: LabelSet) -> tuple[str, ...]:
    """One note on all that has no counterpart: numbers, then on lines of their own the labels."""
    verbs = {Modality.AUDIO: ("hear", "heard"), Modality.VISUAL: ("see", "seen")}
    gist, details = [], []
    for modality, (hear, heard) in verbs.items():
        if labels := label_set.unmapped(modality):
            gist.append(f"never {hear} {len(labels)}")
            names = "; ".join(label.replace("_", " ") for label in labels)
            details.append(f"Never {heard}, as the classifier has no such class: {names}")
    if not gist:
        return ()
    total = f"of the {len(label_set.labels)} {label_set.name} labels"
    return ("\n".join([f"The teachers {' and '.join(gist)} {total}", *details]),)


def thresholds(labels: Sequence[str], modality: Modality) -> tuple[Array, Array]:
    """The raw thresholds of each label in one modality: (C,) for the video, (C,) for a segment."""
    rows = [EXCEPTIONS[modality].get(label, THRESHOLDS[modality]) for label in labels]
    table_C2 = np.array(rows, np.float32).reshape(-1, 2)
    return table_C2[:, 0], table_C2[:, 1]


def calibrate(raw: Array, threshold: Array) -> Array:
    """Shift the logit of a raw score so that `threshold` becomes exactly 0.5; 0 and 1 stay.

    The same as sigmoid(logit(raw) - logit(threshold)): monotone, so no ranking changes.

    Args:
        raw: (..., C) scores within 0..1.
        threshold: (C,) within 0..1, ends excluded.

    Example:
        >>> calibrate(np.array([0.0, 0.25, 1.0]), np.array([0.25])).tolist()
        [0.0, 0.5, 1.0]
    """
    on, off = raw * (1 - threshold), (1 - raw) * threshold
    return np.asarray(on / (on + off), dtype=np.float32)


def surroundings(raw_TC: Array) -> Array:
    """The maximum from `RADIUS` seconds before each segment to `RADIUS` seconds after, (T, C)."""
    padded = np.pad(raw_TC, ((RADIUS, RADIUS), (0, 0)))
    maximum: Array = sliding_window_view(padded, 2 * RADIUS + 1, axis=0).max(axis=-1)
    return maximum
