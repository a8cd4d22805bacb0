"""The corridor: from the path of a video to its timeline."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import closing, contextmanager
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Protocol

from mmpyramid.backbones.base import Extractor
from mmpyramid.backbones.registry import BACKBONES, BackboneOptions, create_extractors
from mmpyramid.core import AnyScores, Event, Features, Timeline
from mmpyramid.core.device import resolve_device
from mmpyramid.core.errors import UserError, extra
from mmpyramid.core.files import check_model
from mmpyramid.core.scores import Extracted, VideoInfo
from mmpyramid.extract.decoding import Decoding, Limits
from mmpyramid.extract.embedding import BATCH, SegmentProgress, extract_features
from mmpyramid.extract.engines import Engine, Job
from mmpyramid.extract.live import LiveDecoding
from mmpyramid.extract.pieces import Failure, Piece, RequiredInputs, pieces_of, required_input
from mmpyramid.media.source import MediaFile, Source, to_media_file
from mmpyramid.media.streams import PLAYED, Tracks
from mmpyramid.problems import Decoder, Gate, decode
from mmpyramid.stream import EVERY, EventStream
from mmpyramid.teachers import VOCABULARIES, Beside, load_teacher, recorded_vocabulary
from mmpyramid.teachers.text import TEXT, load_text_teacher, prompts_for

TEACHERS = "teachers"
"""The scorer that needs no training; `teachers-llp` has the vocabulary `llp`, and so on."""

Hook = Callable[[str], None]
"""Called with the name of each step as it begins: `load`, `extract`, `score`, `decode`."""


def _silent(step: object) -> None:
    """Report nothing."""
    del step


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
        """The decoder that is used by default."""
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
        """Decode the same scores with other settings; nothing is extracted or scored again.

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
        text: words to look and listen for instead, each a label; CLAP and CLIP compare sound and
            picture with them.
        weights: by stream (`clap`, `clip`), which checkpoints compare with words: folders or hub
            ids instead of the usual ones.
        decoder: thresholds and lengths; left out, the official rule.
        sensitivity: moves all thresholds together, see `Decoder.with_sensitivity`.
        infer_seen: whether the teachers report as seen what is heard and is then nearly always
            seen; such events are `inferred`.
        device: where the networks run: `cpu`, `cuda`, `cuda:1`, or `auto` for a GPU where there is
            one. Float32 is exact there, see `use_float32`.
        limits: decode videos within these limits, in a separate process that can open only the
            video (and, if allowed, the files that it refers to); by default, videos are decoded in
            this process.
        alone: whether each video gets such a process of its own, as videos from strangers should.
        hook: called when a step begins.

    Attributes:
        sought: what is looked and listened for, in words.
        options: how its backbones are made.

    Raises:
        UserError: if the model cannot be loaded or reads features that cannot be extracted from
            video, the vocabulary is invalid or not for this model, or the device cannot be used.

    Example:
        >>> timeline = Pipeline("teachers")("clip.mp4")  # doctest: +SKIP
    """

    def __init__(  # noqa: PLR0913 - one for each setting
        self,
        model: str | Path = "teachers",
        *,
        vocabulary: str | Path | None = None,
        text: Sequence[str] = (),
        weights: Mapping[str, str | Path] | None = None,
        decoder: Decoder | None = None,
        sensitivity: float | None = None,
        infer_seen: bool = False,
        device: str = "cpu",
        limits: Limits | None = None,
        alone: bool = False,
        hook: Hook | None = None,
    ) -> None:
        device = resolve_device(device)
        paths = {stream: Path(source) for stream, source in (weights or {}).items()}
        self.options = BackboneOptions(device=device, weights=paths)
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
        self.name = str(model)
        try:
            self.hook("load")
            self._load(vocabulary, text, infer_seen=infer_seen)
        except BaseException:
            self.close()
            raise
        self.gate = self.scorer.decoder.gate
        self.decoder = _completed(decoder, self.gate)

    def _load(
        self, vocabulary: str | Path | None, text: Sequence[str], *, infer_seen: bool
    ) -> None:
        """Load what scores and its backbones.

        Raises:
            UserError: as the constructor.
        """
        self.scorer: Scorer
        self.extractors: Sequence[Extractor]
        device = self.options.device
        own = None if text else vocabulary_of(self.name, vocabulary)
        if infer_seen and own is None:
            raise UserError(
                f"expected the model `{TEACHERS}` to infer what is seen, got "
                f"`{TEXT if text else self.name}`, which reports only what it was trained to see; "
                "leave out `--infer-seen`"
            )
        if text:
            check_text(self.name, vocabulary)
            found = load_text_teacher(prompts_for(text), self.options)
            self.scorer, self.extractors = found, found.extractors
            self.name, self.sought = TEXT, found.sought
        elif own is None:
            self.scorer, self.extractors = _load_network(self.name, device)
            self.sought = f"the {len(self.scorer.labels)} labels of {self.name}"
        else:
            teacher = load_teacher(own, device=device, infer_seen=infer_seen)
            self.scorer, self.extractors = teacher, teacher.extractors
            self.sought = teacher.sought
            self.name = TEACHERS if own == VOCABULARIES[0] else f"{TEACHERS}-{Path(own).stem}"

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
        file = to_media_file(video)
        hook("extract")
        with self._decoding(file) as decoding:
            extracted = extract_features(
                file,
                self.extractors,
                max_seconds=max_seconds,
                decoding=decoding,
                tracks=tracks,
                on_progress=on_progress,
            )
        return self._parsed(extracted, str(file.path), decoder, hook)

    def run_each(
        self, videos: Sequence[Path], engine: Engine, *, tracks: Tracks = PLAYED
    ) -> Iterator[tuple[Path, Parsed | Failure]]:
        """Parse many videos, several at once, and yield each as soon as it is done.

        Networks compute with one thread in each process, so that the results have the same bits
        for any number of processes.

        Args:
            videos: the files.
            engine: how many processes on which device extract features.
            tracks: which tracks of each video to read.

        Yields:
            A path, and what was found or why the file failed.

        Example:
            >>> engine = LocalEngine(workers=4)  # doctest: +SKIP
            >>> for path, parsed in pipeline.run_each(paths, engine):  # doctest: +SKIP
            ...     print(path, parsed.timeline)
        """
        job = Job(
            factory=partial(create_extractors, options=self.options),
            extractors=tuple(extractor.name for extractor in self.extractors),
            batch=BATCH,
            tracks=tracks,
            made=self.extractors,
        )
        with closing(engine.run(engine.prepare(job), videos)) as results:
            for path, result in results:
                if isinstance(result, Failure):
                    yield path, result
                else:
                    yield path, self._parsed(result, str(path), self.decoder, _silent)

    def _parsed(self, extracted: Extracted, source: str, decoder: Decoder, hook: Hook) -> Parsed:
        """Score features and decide."""
        hook("score")
        scores = self.scorer.predict(extracted.features)
        hook("decode")
        timeline = decode(
            scores,
            decoder,
            duration=extracted.duration,
            source=source,
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
        while (decoding := self._take_idle()) is not None:
            decoding.close()

    def _take_idle(self) -> Decoding | None:
        """Take an idle decoder, which no other thread gets then; None if there is none."""
        try:
            return self._idle.pop()
        except IndexError:
            return None

    @contextmanager
    def _decoding(self, file: MediaFile) -> Iterator[Decoding | None]:
        """A decoder for this thread alone; kept for later unless its work was interrupted."""
        if self.limits is None:
            yield None
            return
        if file.follow_references:
            with Decoding(self.limits, follow_references=True) as reading:
                yield reading
            return
        decoding = self._take_idle() or Decoding(self.limits, alone=self.alone)
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
            video: the file; for what comes live, see `listen`.
            decoder: thresholds and lengths for this video only.
            every: scores are computed for so many new segments at once.

        Raises:
            UserError: if the file cannot be decoded, or scorer or decoder need the whole of it.

        Example:
            >>> for event in Pipeline("teachers").stream("long.mp4"):  # doctest: +SKIP
            ...     print(event.start, event.end, event.label)
        """
        required, file = RequiredInputs.of(self.extractors), to_media_file(video)
        with self._decoding(file) as decoding:
            pieces = pieces_of(file, required, BATCH, decoding=decoding)
            yield from self._events(pieces, decoder, every)

    def listen(
        self,
        source: LiveDecoding,
        *,
        decoder: Decoder | None = None,
        every: int = 1,
        on_second: Callable[[int], None] = _silent,
    ) -> Iterator[Event]:
        """Give the events of a live source as they end, until it ends or is stopped.

        The events that last when it ends come last. What comes when, see `stream`.

        Args:
            source: a microphone, a camera, a pipe, or a stream of a network.
            decoder: thresholds and lengths.
            every: scores are computed for so many new segments at once; more takes less time.
            on_second: called with the number of seconds that have come, at each.

        Raises:
            UserError: if the source cannot be opened or decoded, or scorer or decoder need the
                whole of a video.

        Example:
            >>> with LiveDecoding("microphone") as live:  # doctest: +SKIP
            ...     for event in Pipeline("teachers").listen(live):
            ...         print(event.start, event.end, event.label)
        """

        def pieces() -> Iterator[Piece | VideoInfo]:
            for piece in source.pieces(RequiredInputs.of(self.extractors)):
                if isinstance(piece, Piece):
                    on_second(piece.stop)
                yield piece

        yield from self._events(pieces(), decoder, every)

    def _events(
        self, pieces: Iterable[Piece | VideoInfo], decoder: Decoder | None, every: int
    ) -> Iterator[Event]:
        chosen = self.decoder if decoder is None else _completed(decoder, self.gate)
        events = EventStream(self.scorer, chosen, every)
        needs = {extractor: required_input(extractor) for extractor in self.extractors}
        duration = None
        for piece in pieces:
            if not isinstance(piece, Piece):
                duration = piece.duration
                break
            inputs = piece.inputs
            events.missing = piece.missing
            yield from events.push(
                {e.name: e.embed(inputs[need]) for e, need in needs.items() if need in inputs}
            )
        yield from events.finish(duration)


def _completed(decoder: Decoder, gate: Gate | None) -> Decoder:
    """Let the scorer choose the gate where the decoder leaves it open."""
    return replace(decoder, gate=decoder.gate or gate)


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
        return VOCABULARIES[0] if chosen is None else chosen
    if chosen is not None:
        raise UserError(
            f"expected a vocabulary with the model `{TEACHERS}` only, got `{chosen}` for "
            f"`{model}`, which has labels of its own; leave one of the two out"
        )
    named = {f"{TEACHERS}-{name}": name for name in VOCABULARIES}
    return named.get(model)


def check_text(model: str, vocabulary: str | Path | None) -> None:
    """Check that neither a vocabulary nor a network is chosen beside words.

    Raises:
        UserError: if there are a vocabulary or a trained network as well.
    """
    other = f"--model {model}" if vocabulary is None else f"--vocabulary {vocabulary}"
    if vocabulary is not None or model != TEACHERS:
        raise UserError(
            f"expected --text alone, for words are all that is looked and listened for then, got "
            f"{other} as well; leave one of the two out"
        )


def _load_network(model: str, device: str) -> tuple[Scorer, Sequence[Extractor]]:
    """Load a trained network, with the labels of a vocabulary if it keeps them; its backbones."""
    check_model(model)
    with extra("torch", f"the model `{model}`"):
        from mmpyramid.models import load_pretrained
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
