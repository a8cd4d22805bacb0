"""`Teacher`: AudioSet and ImageNet probabilities, mapped to the labels of a vocabulary.

Axes: T segments of one second, C labels, K classes of a backbone.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import NamedTuple, Protocol, overload

import numpy as np
from numpy.typing import NDArray

from mmpyramid.backbones.base import Extractor
from mmpyramid.backbones.efficientnet import EfficientNetLite0Extractor
from mmpyramid.backbones.faces import FaceExtractor
from mmpyramid.backbones.yamnet import YAMNetExtractor
from mmpyramid.core import Array, Decoder, Features, Modality, Scores
from mmpyramid.core.errors import UserError
from mmpyramid.teachers.pooling import (
    RADIUS,
    Around,
    best,
    calibrate,
    everywhere,
    highest,
    in_video,
    shared_length,
    surroundings,
)
from mmpyramid.teachers.vocabulary import Vocabulary, audioset, background, load_vocabulary

NUM_NEAREST = 3
"""So many classes are named, of sounds and of pictures, where nothing is found."""


class Rule(NamedTuple):
    """From which raw score on a label counts as found in a video, and what it has to beat.

    The threshold of a label is `threshold + slope * background`, at most `HIGHEST`; see
    `vocabulary.background`.

    Attributes:
        threshold: of a label that never scores high by chance.
        slope: how much more is asked of those that do.
        kin: a label has to reach this share of the score of any class that shares a parent with it
            in AudioSet's ontology: of two animals, one is there.
        others: the same for classes that share none, which may well be there at once.
        weaker: where a label is sure, this share of the threshold is enough in a segment.
    """

    threshold: float
    slope: float
    kin: float
    others: float
    weaker: float


RULES: Mapping[Modality, Rule] = {
    Modality.AUDIO: Rule(threshold=0.4, slope=0.2, kin=0.8, others=0.4, weaker=0.6),
    Modality.VISUAL: Rule(threshold=0.4, slope=1.5, kin=1.0, others=1.0, weaker=0.4),
}
"""Chosen by cross-validation over clips; `benchmarks/vocabulary.py` shows what they give."""

HIGHEST = 0.9


class Classifier(Extractor, Protocol):
    """What a teacher needs of a backbone: the class probabilities of its embeddings."""

    @property
    def class_names(self) -> Sequence[str]:
        """The K class names, in the order of `classify`."""
        ...

    def classify(self, embedding: Array) -> Array:
        """(T, D) embeddings to (T, K) probabilities."""
        ...


class Counterparts:
    """What stands for the labels of a vocabulary in one backbone's list of classes.

    Args:
        vocabulary: C labels.
        modality: how the backbone perceives.
        class_names: its K classes.

    Attributes:
        members: by label, its columns.
        rivals_CK: what share of a class's score a label has to reach; 0 for its own relatives.
        thresholds_C: the raw scores from which a label counts as found.

    Raises:
        UserError: if the vocabulary names another class.
    """

    def __init__(
        self, vocabulary: Vocabulary, modality: Modality, class_names: Sequence[str]
    ) -> None:
        rule = RULES[modality]
        self.members = vocabulary.columns(modality, class_names)
        self.rivals_CK = np.full((len(self.members), len(class_names)), rule.others, np.float32)
        self._is_heard = modality == Modality.AUDIO
        self._weaker = rule.weaker
        if self._is_heard:
            self._apply_ontology(class_names, rule.kin)
        for row, columns in zip(self.rivals_CK, self.members, strict=True):
            row[columns] = 0
        chance_K = background(modality, class_names)
        chance_C = np.array(
            [self._pooled(chance_K[columns]) for columns in self.members], np.float32
        )
        self.thresholds_C: Array = np.minimum(rule.threshold + rule.slope * chance_C, HIGHEST)

    def _apply_ontology(self, class_names: Sequence[str], kin: float) -> None:
        ontology, index = audioset(), {name: column for column, name in enumerate(class_names)}

        def columns_of(names: set[str]) -> list[int]:
            return sorted(index[name] for name in names if name in index)

        for label, row in enumerate(self.rivals_CK):
            names = [class_names[column] for column in self.members[label]]
            parents = ontology.parents(names)
            row[columns_of(ontology.kinds(parents))] = kin
            row[columns_of(parents | ontology.kinds(names))] = 0
            self.members[label] = columns_of(ontology.implying(names)) or self.members[label]

    def _pooled(self, score_K: Array) -> Array:
        """Of the classes of a label, (..., K) to (...)."""
        pooled: Array = score_K.max(-1, initial=0) if self._is_heard else score_K.sum(-1).clip(0, 1)
        return pooled

    def scores(self, prob_TK: Array) -> tuple[Array, Array]:
        """How sure each label is in each segment, once to be there at all, once to be there too.

        Both are 0.5 at the limits: the raw score reaches the threshold, or the `weaker` one,
        and keeps up with its rivals.
        """
        raw_TC, rival_TC = np.zeros((2, len(prob_TK), len(self.members)), np.float32)
        for label, columns in enumerate(self.members):
            if columns:
                raw_TC[:, label] = self._pooled(prob_TK[:, columns])
                rival_TC[:, label] = (prob_TK * self.rivals_CK[label]).max(-1)
        keeps_up_TC = raw_TC / np.maximum(raw_TC + rival_TC, 1e-12)
        return (
            np.minimum(calibrate(raw_TC, self.thresholds_C), keeps_up_TC),
            np.minimum(calibrate(raw_TC, self._weaker * self.thresholds_C), keeps_up_TC),
        )


class SeenWithSound:
    """Scores of what is seen where it is heard, though no classifier of pictures knows it.

    A voice is that of a face in the picture, if there is one. Of some sounds the source is nearly
    always in the picture, so that it can be inferred.

    Args:
        vocabulary: C labels.
        has_faces: whether faces are looked for.
        infer_seen: whether it is inferred from sounds alone what is seen.

    Attributes:
        labels: those that can be seen so.
        inferred: those of them that are reported as seen only because they are heard.

    Raises:
        UserError: if it is to be inferred, and there is no label that can be.

    Example:
        >>> from mmpyramid.teachers import Entry
        >>> entries = {"Speech": Entry(face=True), "Blender": Entry(seen_if_heard=0.9)}
        >>> both = SeenWithSound(Vocabulary("home", entries), has_faces=True, infer_seen=True)
        >>> heard_TC, face_T = np.array([[0.8, 0.8]]), np.array([0.6])
        >>> both.scores(heard_TC, face_T).round(2).tolist()
        [[0.6, 0.72]]
    """

    def __init__(self, vocabulary: Vocabulary, *, has_faces: bool, infer_seen: bool) -> None:
        entries = vocabulary.entries.values()
        self._has_face_C = np.array([has_faces and entry.face for entry in entries])
        shares = [entry.seen_if_heard if infer_seen else 0.0 for entry in entries]
        self._share_C = np.array(shares, np.float32)
        if infer_seen and not self._share_C.any():
            raise UserError(
                "expected a vocabulary that lists by `seen_if_heard` what is nearly always seen "
                f"where it is heard, got {vocabulary.title}, which has no such label; leave out "
                "`--infer-seen`"
            )
        named = list(zip(vocabulary.labels, self._has_face_C, self._share_C, strict=True))
        self.labels = tuple(label for label, has_face, share in named if has_face or share)
        self.inferred = tuple(label for label, _, share in named if share)

    def scores(self, heard_TC: Array, face_T: Array) -> Array:
        """As sure as the label is heard, and the face is there; or as it is heard and seen then.

        Args:
            heard_TC: how sure each label is heard.
            face_T: how sure there is a face.

        Returns:
            (T, C), how sure each label is seen.
        """
        with_face_TC = np.minimum(heard_TC, face_T[:, None]) * self._has_face_C
        seen_TC: Array = np.maximum(with_face_TC, heard_TC * self._share_C)
        return seen_TC

    def notes(self) -> tuple[str, ...]:
        """What a reader of the timeline should know."""
        if not self.inferred:
            return ()
        names = "; ".join(label.replace("_", " ") for label in self.inferred)
        return (
            "What is marked as inferred was not seen: it is heard, and nearly always seen then\n"
            f"Labels that are inferred: {names}",
        )


class Teacher:
    """Scores videos without training: for each label the classes that stand for it.

    A label's raw score is, heard, the maximum over its AudioSet classes (sigmoids, which overlap)
    and, seen, the sum over its ImageNet classes (a softmax, which divides). The score is 0.5 where
    the raw score reaches the label's threshold and keeps up with every other class of the list, in
    the vocabulary or not, as `Rule` says; so the default decoder is the right one. A label counts
    as in the video when it is heard or seen surely enough, see `in_video`. Where a label is sure to
    be heard, or seen, those that it is a kind of are not: a trumpet is not music as well. Some
    labels are seen by a face, or by inference, where they are heard: see `SeenWithSound`.

    Args:
        vocabulary: the labels and their counterparts.
        classifiers: one per stream of sounds or pictures.
        faces: finds faces, for labels that are seen with them.
        infer_seen: whether labels that are nearly always seen where they are heard are reported as
            seen.

    Attributes:
        name: what messages call it.
        labels: the C labels.
        sought: what is looked and listened for, in words.
        extractors: the backbones, which extract those streams.
        streams: width of each stream that it reads, by name.
        unmapped: by modality, the labels that it can never find there.
        notes: the same in words, for `Timeline.notes`; the first line is the gist.

    Raises:
        UserError: if a classifier lacks a class of the vocabulary, or nothing can be inferred.

    Example:
        >>> teacher = load_teacher("llp")  # doctest: +SKIP
        >>> teacher.predict({"yamnet": embedding_TD}).audio.shape  # doctest: +SKIP
        (10, 25)
    """

    def __init__(
        self,
        vocabulary: Vocabulary,
        classifiers: Sequence[Classifier],
        faces: Extractor | None = None,
        *,
        infer_seen: bool = False,
    ) -> None:
        self.name = f"teachers (zero-shot, {vocabulary.title} labels)"
        self.labels = vocabulary.labels
        self.sought = vocabulary.sought
        self.extractors: tuple[Extractor, ...] = (*classifiers, *([faces] if faces else ()))
        self.streams = {extractor.name: extractor.dim for extractor in self.extractors}
        self._faces, self._classifiers = faces, tuple(classifiers)
        self._seen_with_sound = SeenWithSound(
            vocabulary, has_faces=faces is not None, infer_seen=infer_seen
        )
        unseen = vocabulary.unmapped(Modality.VISUAL)
        self.unmapped = {
            Modality.AUDIO: vocabulary.unmapped(Modality.AUDIO),
            Modality.VISUAL: tuple(
                label for label in unseen if label not in self._seen_with_sound.labels
            ),
        }
        self.notes = (*_notes(vocabulary, self.unmapped), *self._seen_with_sound.notes())
        plural = "s" * (len(self.labels) != 1)
        self._asked = f"looked for: {len(self.labels)} {vocabulary.title} label{plural}"
        self._counterparts = {
            classifier.name: Counterparts(vocabulary, classifier.modality, classifier.class_names)
            for classifier in classifiers
        }
        self._is_kind_CC = kinds(vocabulary, classifiers)

    @property
    def decoder(self) -> Decoder:
        """The decoder that is used by default."""
        return Decoder()

    @property
    def reach(self) -> int:
        """How many segments before and after one are needed to score it as in a long video.

        A label is sure by its surroundings, and hides others in its own.
        """
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
        shape = (
            shared_length(features, self.streams, self.name, "the feature set `open`"),
            len(self.labels),
        )
        sure = {modality: np.zeros(shape, np.float32) for modality in RULES}
        segment = {modality: np.zeros(shape, np.float32) for modality in RULES}
        nearest = []
        for classifier in self._classifiers:
            if classifier.name in features:
                prob_TK = classifier.classify(features[classifier.name])
                modality = classifier.modality
                sure[modality], segment[modality] = self._counterparts[classifier.name].scores(
                    prob_TK
                )
                nearest.append(_nearest(modality, prob_TK, classifier.class_names))
        is_long = shape[0] > 2 * RADIUS
        around = surroundings if is_long else everywhere
        self._see_with_sound(features, sure, segment, around)
        video_audio_C, video_visual_C = (in_video(sure[modality]) for modality in RULES)
        gate_TC = np.maximum(*(around(sure[modality], in_video) for modality in RULES))
        for modality, segment_TC in segment.items():
            found_TC = around(np.minimum(segment_TC, gate_TC), highest)
            segment[modality] = np.minimum(segment_TC, self._most_specific(found_TC))
        return Scores(
            audio=segment[Modality.AUDIO],
            visual=segment[Modality.VISUAL],
            video=np.maximum(video_audio_C, video_visual_C),
            labels=self.labels,
            video_audio=video_audio_C,
            video_visual=video_visual_C,
            local_video=gate_TC if is_long else None,
            nearest=(f"What came closest: {'; '.join(nearest)}; {self._asked}",),
            inferred=self._seen_with_sound.inferred,
        )

    def _see_with_sound(
        self,
        features: Features,
        sure: Mapping[Modality, Array],
        segment: Mapping[Modality, Array],
        around: Around,
    ) -> None:
        """Add what is seen where it is heard; it has to be sure by itself, as what is seen else."""
        seen = [e.name for e in self.extractors if e.modality == Modality.VISUAL]
        if features.keys().isdisjoint(seen):
            return
        face_T = np.zeros(len(sure[Modality.VISUAL]), np.float32)
        if self._faces and self._faces.name in features:
            face_T = features[self._faces.name][:, 0]
        sure_TC, segment_TC = (
            self._seen_with_sound.scores(scores[Modality.AUDIO], face_T)
            for scores in (sure, segment)
        )
        segment_TC = np.minimum(segment_TC, around(sure_TC, in_video))
        for scores, more_TC in ((sure, sure_TC), (segment, segment_TC)):
            np.maximum(scores[Modality.VISUAL], more_TC, out=scores[Modality.VISUAL])

    def _most_specific(self, found_TC: Array) -> Array:
        """How sure it is that nothing more specific is there, (T, C)."""
        shown_TC = np.ones_like(found_TC)
        for label in np.flatnonzero(self._is_kind_CC.any(axis=0)):
            shown_TC[:, label] -= found_TC[:, self._is_kind_CC[:, label]].max(-1)
        return shown_TC


def load_teacher(
    vocabulary: str | Path | Vocabulary = "everyday",
    *,
    device: str = "cpu",
    faces: bool = True,
    infer_seen: bool = False,
) -> Teacher:
    """Make the teacher of a vocabulary; downloads the backbones' weights if need be.

    Args:
        vocabulary: one that comes along, a file of one's own, or what was read from it.
        device: where the backbones run.
        faces: whether to look for faces; without them, labels that are seen by a face are not.
        infer_seen: whether labels that are nearly always seen where they are heard are reported as
            seen.

    Raises:
        UserError: if there is no such vocabulary, it is wrong, the weights cannot be loaded, or
            nothing can be inferred.

    Example:
        >>> load_teacher("llp").streams  # doctest: +SKIP
        {'yamnet': 1024, 'efficientnet_lite0': 1280, 'faces': 1}
    """
    chosen = vocabulary if isinstance(vocabulary, Vocabulary) else load_vocabulary(vocabulary)
    classifiers = (YAMNetExtractor(device=device), EfficientNetLite0Extractor(device=device))
    needed = faces and any(entry.face for entry in chosen.entries.values())
    finder = FaceExtractor(device=device) if needed else None
    return Teacher(chosen, classifiers, finder, infer_seen=infer_seen)


def _notes(vocabulary: Vocabulary, unmapped: Mapping[Modality, tuple[str, ...]]) -> tuple[str, ...]:
    """One note on all that has no counterpart: numbers, then on lines of their own the labels."""
    gist, details = [], []
    for modality, found, what in (
        (Modality.AUDIO, "seen", "sounds"),
        (Modality.VISUAL, "heard", "pictures"),
    ):
        if labels := unmapped[modality]:
            gist.append(f"{len(labels)} can only be {found}")
            names = "; ".join(label.replace("_", " ") for label in labels)
            details.append(f"Only {found}, as the classifier of {what} has no such class: {names}")
    if not gist:
        return ()
    total = f"Of the {len(vocabulary.labels)} {vocabulary.title} labels"
    return ("\n".join([f"{total}, {' and '.join(gist)}", *details]),)


def _nearest(modality: Modality, prob_TK: Array, class_names: Sequence[str]) -> str:
    best_K = best(prob_TK)
    columns = [column for column in (-best_K).argsort()[:NUM_NEAREST] if best_K[column] >= 0.01]
    names = ", ".join(f"{class_names[column]} {best_K[column]:.2f}" for column in columns)
    what = "sounds" if modality == Modality.AUDIO else "pictures"
    return f"of {len(class_names):,} {what}, {names or 'none'}"


def kinds(vocabulary: Vocabulary, classifiers: Sequence[Classifier]) -> NDArray[np.bool_]:
    """Which label (row) is a kind of which other (column), by what stands for them, (C, C)."""
    ontology = audioset()
    wide: dict[Modality, list[set[str]]] = {}
    named: dict[Modality, list[set[str]]] = {}
    for classifier in classifiers:
        names, modality = classifier.class_names, classifier.modality
        columns = vocabulary.columns(modality, names)
        named[modality] = [{names[column] for column in label} for label in columns]
        is_heard = modality == Modality.AUDIO
        wide[modality] = [ontology.kinds(label) if is_heard else label for label in named[modality]]

    def is_kind(one: int, other: int) -> bool:
        """Heard if both can be heard, else seen: all of the one stands for the other as well."""
        for modality, labels in named.items():
            if labels[one] and labels[other]:
                within = labels[one] <= wide[modality][other]
                return within and not labels[other] <= wide[modality][one]
        return False

    size = range(len(vocabulary.labels))
    return np.array([[is_kind(one, other) for other in size] for one in size])
