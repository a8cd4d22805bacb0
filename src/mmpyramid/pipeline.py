"""The corridor: from the path of a video to its timeline."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Protocol

from mmpyramid.backbones.base import Extractor
from mmpyramid.backbones.registry import BACKBONES, BackboneOptions, create_extractors
from mmpyramid.core import AnyScores, Event, Features, Timeline
from mmpyramid.core.device import resolve_device
from mmpyramid.core.errors import UserError
from mmpyramid.extract.decoding import (
    Decoding,
    Limits,
    Piece,
    RequiredInputs,
    required_input,
)
from mmpyramid.extract.embedding import BATCH, SegmentProgress, extract_features, pieces_of
from mmpyramid.media.source import MediaFile, Source, to_media_file
from mmpyramid.media.streams import PLAYED, Tracks
from mmpyramid.models import load_pretrained
from mmpyramid.problems import Decoder, Gate, decode
from mmpyramid.stream import EVERY, EventStream
from mmpyramid.teachers import VOCABULARIES, Beside, load_teacher, recorded_vocabulary

TEACHERS = "teachers"
"""The scorer that needs no training; `teachers-llp` has the vocabulary `llp`, and so on."""

Hook = Callable[[str], None]
"""Called with the name of each step as it begins: `load`, `extract`, `score`, `decode`."""


class Scorer(Protocol):
    """What a pipeline scores with: a trained network or the teachers."""

    notes: tuple[str, ...]

    @property
    def labels(self) -> tuple[str, ...]:
        """The class names that it knows."""
        ...

    @property
    def streams(self) -> Mapping[str, int]:
        """Width of every stream that it reads, by name."""
        ...

    @property
    def decoder(self) -> Decoder:
        """What decides on its scores, unless something else is asked for."""
        ...

    @property
    def reach(self) -> int | None:
        """How many segments before and after one can change its scores; None: all of them."""
        ...

    @property
    def grid(self) -> int:
        """Long videos may be cut at multiples of this many segments."""
        ...

    def predict(self, features: Features, /) -> AnyScores:
        """Score one video."""
        ...


@dataclass(frozen=True, kw_only=True, eq=False)
class Parsed:
    """All that a pipeline found out about one video.

    Attributes:
        timeline: what happens when.
        scores: the probabilities behind it.
        features: what the backbones saw and heard.
        decoder: what the timeline was decided by, with the gate that was taken.
        gate: the gate that the scorer was made for, if it tells.
    """

    timeline: Timeline
    scores: AnyScores
    features: Features
    decoder: Decoder
    gate: Gate | None = None

    def decode_again(self, decoder: Decoder) -> Parsed:
        """Decide anew on the same scores; nothing is extracted or scored again.

        Raises:
            UserError: if the decoder's gate needs scores that are not there.
        """
        old, decoder = self.timeline, _completed(decoder, self.gate)
        timeline = decode(
            self.scores,
            decoder,
            duration=old.duration,
            source=old.source,
            model=old.model,
            missing=old.missing,
            notes=old.notes,
        )
        timeline = replace(timeline, frame_rate=old.frame_rate)
        return replace(self, timeline=timeline, decoder=decoder)


class Pipeline:
    """Parses videos of any length: decode, extract, score, decide.

    Backbones and scorer are loaded once, so one pipeline serves many videos.

    Args:
        model: `teachers` (zero-shot), a checkpoint folder, or a hub id.
        vocabulary: what the teachers look and listen for: `everyday`, which is the default, `llp`,
            `ave`, or a file of your own. `teachers-llp` is short for the two together.
        decoder: thresholds and lengths; left out, the official rule.
        sensitivity: moves all thresholds together, see `Decoder.with_sensitivity`.
        infer_seen: whether the teachers tell to be seen what is heard and nearly always seen then;
            such events are `inferred`.
        device: where the networks run: `cpu`, `cuda`, `cuda:1`, or `auto` for a GPU where there is
            one. Float32 is exact there, see `use_float32`.
        limits: decode videos within these, in a process apart that can open nothing but the video,
            or read what it refers to where that is allowed; left out, videos are decoded in this
            process.
        alone: whether each video has such a process of its own, as strangers' videos should.
        hook: called as each step begins.

    Attributes:
        sought: what is looked and listened for, in words.

    Raises:
        UserError: if the model cannot be had or reads features that cannot be extracted from video,
            the vocabulary is wrong or not for this model, or the device cannot be used.

    Example:
        >>> timeline = Pipeline("teachers")("clip.mp4")  # doctest: +SKIP
    """

    def __init__(  # noqa: PLR0913 - one for each setting
        self,
        model: str | Path = "teachers",
        *,
        vocabulary: str | Path | None = None,
        decoder: Decoder | None = None,
        sensitivity: float | None = None,
        infer_seen: bool = False,
        device: str = "cpu",
        limits: Limits | None = None,
        alone: bool = False,
        hook: Hook | None = None,
    ) -> None:
        device = resolve_device(device)
        decoder = decoder or Decoder()
        if sensitivity is not None:
            decoder = decoder.with_sensitivity(sensitivity)
        self.limits, self.alone = limits, alone
        self._idle: list[Decoding] = []
        if limits is not None:
            # It begins while backbones and scorer are loaded.
            self._idle.append(Decoding(limits, alone=alone))
            self._idle[0].start()
        self.hook = hook or _silent
        self.hook("load")
        self.name = str(model)
        if (own := vocabulary_of(self.name, vocabulary)) is None:
            if infer_seen:
                raise UserError(
                    f"expected the model `{TEACHERS}` to infer what is seen, got `{self.name}`, "
                    "which tells only what it was trained to see; leave out `--infer-seen`"
                )
            self.scorer, self.extractors = _load_network(self.name, device)
            self.sought = f"the {len(self.scorer.labels)} labels of {self.name}"
        else:
            teacher = load_teacher(own, device=device, infer_seen=infer_seen)
            self.scorer, self.extractors = teacher, teacher.extractors
            self.sought = teacher.sought
            self.name = TEACHERS if own == VOCABULARIES[0] else f"{TEACHERS}-{Path(own).stem}"
        self.gate = self.scorer.decoder.gate
        self.decoder = _completed(decoder, self.gate)

    def __call__(self, video: Source) -> Timeline:
        """Parse one video.

        Raises:
            UserError: if the file cannot be decoded at all.
        """
        return self.run(video).timeline

    def run(
        self,
        video: Source,
        *,
        decoder: Decoder | None = None,
        hook: Hook | None = None,
        max_seconds: float | None = None,
        tracks: Tracks = PLAYED,
        on_progress: SegmentProgress | None = None,
    ) -> Parsed:
        """Parse one video and keep what led to the timeline; safe in several threads at once.

        Args:
            video: the file; a `MediaFile` can say that it may refer to others.
            decoder: thresholds and lengths for this video only.
            hook: called as each step begins, instead of the pipeline's own.
            max_seconds: refuse longer files.
            tracks: which of its pictures and sound tracks to read.
            on_progress: called as the extraction proceeds; what it raises ends the run.

        Raises:
            UserError: if the file cannot be decoded at all, or is too long, or lacks a track.
        """
        hook = hook or self.hook
        decoder = self.decoder if decoder is None else _completed(decoder, self.gate)
        hook("extract")
        with self._decoding(to_media_file(video)) as decoding:
            extracted = extract_features(
                video,
                self.extractors,
                max_seconds=max_seconds,
                decoding=decoding,
                tracks=tracks,
                on_progress=on_progress,
            )
        hook("score")
        scores = self.scorer.predict(extracted.features)
        hook("decode")
        timeline = decode(
            scores,
            decoder,
            duration=extracted.duration,
            source=str(to_media_file(video).path),
            model=self.name,
            missing=extracted.missing,
            notes=(*extracted.notes, *self.scorer.notes),
        )
        return Parsed(
            timeline=replace(timeline, frame_rate=extracted.frame_rate),
            scores=scores,
            features=extracted.features,
            decoder=decoder,
            gate=self.gate,
        )

    def close(self) -> None:
        """End the processes that decode; without limits there are none."""
        while self._idle:
            self._idle.pop().close()

    @contextmanager
    def _decoding(self, file: MediaFile) -> Iterator[Decoding | None]:
        """One that no other thread uses; kept for later unless what it was used for broke off."""
        if self.limits is None:
            yield None
            return
        if file.follow_references:
            with Decoding(self.limits, follow_references=True) as reading:
                yield reading
            return
        decoding = self._idle.pop() if self._idle else Decoding(self.limits, alone=self.alone)
        try:
            yield decoding
        finally:
            if decoding.expected:
                decoding.close()
            else:
                self._idle.append(decoding)

    def stream(
        self, video: Source, *, decoder: Decoder | None = None, every: int = EVERY
    ) -> Iterator[Event]:
        """Give the events of one video as they end, while it is still being read.

        They are those of `run`. Each comes at most `EventStream.delay` seconds of video after its
        end: the reach of the scorer (40 for the released network, 10 for the teachers), `every`,
        and the decoder's longest gap and shortest event, plus the pieces that are read.

        Args:
            video: the file. For a live source, push its features to an `EventStream`.
            decoder: thresholds and lengths for this video only.
            every: scores are computed for so many new segments at once.

        Raises:
            UserError: if the file cannot be decoded, or scorer or decoder need the whole of it.

        Example:
            >>> for event in Pipeline("teachers").stream("long.mp4"):  # doctest: +SKIP
            ...     print(event.start, event.end, event.label)
        """
        chosen = self.decoder if decoder is None else _completed(decoder, self.gate)
        events = EventStream(self.scorer, chosen, every)
        needs = {extractor: required_input(extractor) for extractor in self.extractors}
        required = RequiredInputs.of(self.extractors)
        with self._decoding(to_media_file(video)) as decoding:
            for piece in pieces_of(video, required, BATCH, decoding=decoding):
                if not isinstance(piece, Piece):
                    yield from events.finish(piece.duration)
                    return
                inputs = piece.inputs
                events.missing = piece.missing
                yield from events.push(
                    {e.name: e.embed(inputs[need]) for e, need in needs.items() if need in inputs}
                )


def _completed(decoder: Decoder, gate: Gate | None) -> Decoder:
    """Let the scorer choose the gate where the decoder leaves it open."""
    return replace(decoder, gate=decoder.gate or gate)


def _silent(step: str) -> None:
    """Report nothing."""
    del step


def parse(video: str | Path, model: str | Path = "teachers") -> Timeline:
    """Parse one video, decoded within `Limits`; for several, keep a `Pipeline`.

    Raises:
        UserError: if the model or the video cannot be used.

    Example:
        >>> for event in parse("clip.mp4"):  # doctest: +SKIP
        ...     print(event.label, event.modality, event.start, event.end)
    """
    pipeline = Pipeline(model, limits=Limits())
    try:
        return pipeline(video)
    finally:
        pipeline.close()


def vocabulary_of(model: str, chosen: str | Path | None) -> str | Path | None:
    """What the teachers are asked for; None if the model is a trained network.

    Raises:
        UserError: if a vocabulary is chosen for a model that has labels of its own.
    """
    if model == TEACHERS:
        return chosen or VOCABULARIES[0]
    if chosen is not None:
        raise UserError(
            f"expected a vocabulary with the model `{TEACHERS}` only, got `{chosen}` for "
            f"`{model}`, which has labels of its own; leave one of the two out"
        )
    named = {f"{TEACHERS}-{name}": name for name in VOCABULARIES}
    return named.get(model)


def _load_network(model: str, device: str) -> tuple[Scorer, Sequence[Extractor]]:
    """Load a trained network, with the labels of a vocabulary if it keeps them; its backbones."""
    network = load_pretrained(model).to(device)
    unknown = sorted(network.streams.keys() - BACKBONES.keys())
    if unknown:
        raise UserError(
            f"the model `{model}` reads {', '.join(unknown)}, which this version cannot extract "
            f"from video; it extracts {', '.join(BACKBONES)}, and backbones of your own once their "
            "file has been imported (`--code FILE.py`). Score precomputed features by `mmpyramid "
            "evaluate`, or train on the open features (recipe `llp-open`)"
        )
    options = BackboneOptions(device=device)
    if not network.vocabulary:
        return network, create_extractors(tuple(network.streams), options)
    teacher = load_teacher(recorded_vocabulary(network.vocabulary), device=device)
    scorer = Beside(network, teacher)
    others = tuple(name for name in network.streams if name not in teacher.streams)
    return scorer, (*teacher.extractors, *(create_extractors(others, options) if others else ()))
