"""`TextTeacher`: whatever words describe, by how near sound and picture are to them.

CLAP and CLIP put a second of sound, a picture and a text into one space each. A segment's logit of
a text is the cosine of the two, times a scale that the checkpoint has learned.

Axes: T segments of one second, C labels, D width of a stream.
"""

from __future__ import annotations

import tomllib
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Protocol

import msgspec
import numpy as np

from mmpyramid.backbones.base import Extractor
from mmpyramid.backbones.registry import FEATURE_SETS, BackboneOptions, create_extractors
from mmpyramid.core import Array, Decoder, Features, Modality, Scores
from mmpyramid.core.errors import UserError
from mmpyramid.core.text import read_text, shorten, to_type
from mmpyramid.teachers.pooling import RADIUS, highest, in_video, shared_length, surroundings
from mmpyramid.teachers.vocabulary import FOLDER

TEXT = "text"
"""The model that looks and listens for words."""

HEARD, SEEN = "This is a sound of {}", "A photo of {}."
"""What is made of words: the sentences of VALOR."""

NOTHING: Mapping[Modality, tuple[str, ...]] = {
    Modality.AUDIO: (
        "This is a sound of something",
        "This is a sound of background noise",
        "This is a sound of silence",
    ),
    Modality.VISUAL: ("A photo.", "A photo of something.", "A photo of a place."),
}
"""What a text has to be nearer than, where no threshold is known. Chosen without real weights."""


class Prompt(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What stands for one label.

    Attributes:
        heard: the text that sounds are compared with.
        seen: the text that pictures are compared with.
        heard_above: the logit above which the label is heard; without it the text has to be nearer
            than all of `NOTHING` together.
        seen_above: the same for what is seen.
    """

    heard: str
    seen: str
    heard_above: float | None = None
    seen_above: float | None = None

    def of(self, modality: Modality) -> tuple[str, float | None]:
        """The text and the threshold for one modality."""
        if modality == Modality.AUDIO:
            return self.heard, self.heard_above
        return self.seen, self.seen_above


class _PromptFile(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    prompts: dict[str, Prompt]
    title: str = "own"


class Comparer(Extractor, Protocol):
    """What a teacher needs of a backbone: vectors of segments and of texts in one space."""

    scale: float

    def encode(self, texts: Sequence[str]) -> Array:
        """(C, D) unit vectors of C texts."""
        ...


def prompts_for(words: Sequence[str]) -> dict[str, Prompt]:
    """Sentences for words that someone looks and listens for.

    Raises:
        UserError: if there are none, one is empty, or one is there twice.

    Example:
        >>> prompts_for(["a red bus"])["a red bus"].seen
        'A photo of a red bus.'
    """
    plain = [" ".join(text.split()) for text in words]
    if not plain or not all(plain):
        raise UserError(
            'expected words to look and listen for, such as --text "a red bus", got nothing'
        )
    if len(set(plain)) < len(plain):
        twice = next(text for text in plain if plain.count(text) > 1)
        raise UserError(f"expected every text once, got {shorten(twice)!r} twice; leave one out")
    return {text: Prompt(HEARD.format(text), SEEN.format(text)) for text in plain}


def load_prompts(name: str | Path, labels: Sequence[str]) -> dict[str, Prompt]:
    """The prompts of some labels.

    Args:
        name: `llp`, for VALOR's texts and thresholds, or a TOML file of one's own.
        labels: which ones.

    Raises:
        UserError: if there is no such file, it is wrong, or it lacks a label.

    Example:
        >>> load_prompts("llp", ["Dog"])["Dog"].seen
        'A photo of a dog.'
    """
    path = FOLDER / "llp_prompts.toml" if name == "llp" else Path(name)
    if not path.is_file():
        raise UserError(f"expected `llp`, or a TOML file with prompts, got {name}; check the path")
    what = f"{name} to be a file of prompts"
    try:
        content = tomllib.loads(read_text(path))
    except tomllib.TOMLDecodeError as error:
        raise UserError(f"expected {what} in TOML: {error}") from error
    known = to_type(content, _PromptFile, what).prompts
    if lacking := [label for label in labels if label not in known]:
        raise UserError(
            f"expected prompts for all {len(labels)} labels in {name}, but {len(lacking)} are not "
            f"there ({', '.join(lacking[:3])}); add them as `{lacking[0]} = "
            '{ heard = "…", seen = "…" }` under `[prompts]`'
        )
    return {label: known[label] for label in labels}


class TextTeacher:
    """Scores videos by words, without training.

    The margin of a label in a segment is its logit less its threshold or, where none is known, less
    the logarithm of the sum of the exponentials of the logits of `NOTHING`. The score is the
    sigmoid of the margin: 0.5 at the threshold, and in the other case the softmax of the text
    against `NOTHING`. Labels do not compete with one another, for several may be there at once. A
    label counts as in the video by its best segments, as with `Teacher`.

    Args:
        prompts: by label, in the order of the scores.
        comparers: one for sounds, one for pictures, or one of the two.

    Attributes:
        name: what messages call it.
        labels: the C labels.
        sought: what is looked and listened for, in words.
        extractors: the backbones, which extract the streams.
        streams: width of each stream that it reads, by name.
        unmapped: by modality, the labels that it can never find there: none.
        notes: what a reader of the timeline should know.

    Example:
        >>> teacher = load_text_teacher(prompts_for(["a red bus"]))  # doctest: +SKIP
        >>> teacher.predict({"clip": embedding_TD}).visual.shape  # doctest: +SKIP
        (10, 1)
    """

    def __init__(self, prompts: Mapping[str, Prompt], comparers: Sequence[Comparer]) -> None:
        self.name = f"CLAP and CLIP ({len(prompts)} texts)"
        self.labels = tuple(prompts)
        self.sought = f"{len(prompts)} text{'s' * (len(prompts) > 1)}"
        self.extractors: tuple[Extractor, ...] = tuple(comparers)
        self.streams = {comparer.name: comparer.dim for comparer in comparers}
        self.unmapped: dict[Modality, tuple[str, ...]] = {}
        self.notes: tuple[str, ...] = (
            "Found by words: scores tell how near sound and picture are to a text, and are not "
            "calibrated",
        )
        self._comparers = tuple(comparers)
        self._texts, self._thresholds = {}, {}
        for comparer in comparers:
            prompted = [prompt.of(comparer.modality) for prompt in prompts.values()]
            texts = [text for text, _ in prompted]
            encoded = comparer.encode([*texts, *NOTHING[comparer.modality]])
            self._texts[comparer.name] = comparer.scale * encoded
            above = [np.nan if above is None else above for _, above in prompted]
            self._thresholds[comparer.name] = np.array(above, np.float32)

    @property
    def decoder(self) -> Decoder:
        """What decides on its scores, unless something else is asked for."""
        return Decoder()

    @property
    def reach(self) -> int:
        """How many segments before and after one are needed to score it as in a long video."""
        return RADIUS

    @property
    def grid(self) -> int:
        """Long videos may be cut anywhere."""
        return 1

    def thresholds(self) -> dict[Modality, Array]:
        """By modality, what logits are compared with, (C,); 0 where they are margins already."""
        return {
            comparer.modality: np.nan_to_num(self._thresholds[comparer.name])
            for comparer in self._comparers
        }

    def logits(self, features: Features) -> dict[Modality, Array]:
        """By modality, the logits (T, C); of labels without a threshold the margins.

        Raises:
            UserError: if no stream is there, or one has another width.
        """
        advice = "the feature set `text` from the same checkpoints"
        shared_length(features, self.streams, self.name, advice)
        found = {}
        for comparer in self._comparers:
            if comparer.name in features:
                all_TX = _units(features[comparer.name]) @ self._texts[comparer.name].T
                logit_TC, nothing_TX = np.split(all_TX, [len(self.labels)], axis=1)
                against_T1 = np.logaddexp.reduce(nothing_TX, axis=1, keepdims=True)
                has_none_C = np.isnan(self._thresholds[comparer.name])
                found[comparer.modality] = logit_TC - against_T1 * has_none_C
        return found

    def predict(self, features: Features) -> Scores:
        """Score one video of any length.

        Args:
            features: (T, D) by stream name. A stream that is not there scores 0 throughout.

        Raises:
            UserError: if no stream is there, or one has another width.
        """
        logits, thresholds = self.logits(features), self.thresholds()
        num_segments = len(next(iter(logits.values())))
        segment = dict.fromkeys(
            (Modality.AUDIO, Modality.VISUAL),
            np.zeros((num_segments, len(self.labels)), np.float32),
        )
        for modality, logit_TC in logits.items():
            segment[modality] = sigmoid(logit_TC - thresholds[modality])
        heard_C, seen_C = (in_video(score_TC) for score_TC in segment.values())
        is_long = num_segments > 2 * RADIUS
        local_TC = None
        if is_long:
            local_TC = np.maximum(*(surroundings(each, in_video) for each in segment.values()))
        best_C = np.maximum(*(highest(score_TC) for score_TC in segment.values()))
        nearest = ", ".join(
            f"{self.labels[column]} {best_C[column]:.2f}" for column in (-best_C).argsort()[:3]
        )
        return Scores(
            audio=segment[Modality.AUDIO],
            visual=segment[Modality.VISUAL],
            video=np.maximum(heard_C, seen_C),
            labels=self.labels,
            video_audio=heard_C,
            video_visual=seen_C,
            local_video=local_TC,
            nearest=(f"What came closest: {nearest}",),
        )


def load_text_teacher(
    prompts: Mapping[str, Prompt], options: BackboneOptions | None = None
) -> TextTeacher:
    """Make a teacher of words; downloads CLAP and CLIP if need be.

    Args:
        prompts: by label, see `prompts_for` and `load_prompts`.
        options: on which device the two run, and with which weights.

    Raises:
        UserError: if a checkpoint cannot be loaded.

    Example:
        >>> teacher = load_text_teacher(prompts_for(["rain"]))  # doctest: +SKIP
        >>> teacher.labels  # doctest: +SKIP
        ('rain',)
    """
    comparers: Sequence[Comparer] = create_extractors(FEATURE_SETS["text"], options)  # type: ignore[assignment]
    return TextTeacher(prompts, comparers)


def sigmoid(margin: Array) -> Array:
    """1 / (1 + exp(-margin)), float32.

    Example:
        >>> sigmoid(np.array([-1e9, 0.0, 1e9])).tolist()
        [0.0, 0.5, 1.0]
    """
    return (0.5 + 0.5 * np.tanh(margin / 2)).astype(np.float32)


def _units(vector_TD: Array) -> Array:
    """Vectors of length 1, as the cosine takes them; features that were imported may not be so."""
    length_T1 = np.linalg.norm(vector_TD, axis=1, keepdims=True)
    unit_TD: Array = vector_TD / np.maximum(length_T1, 1e-12)
    return unit_TD
