"""A live source decoded in a process of its own, second by second.

The process is limited in memory. What comes through a pipe, it decodes confined as strangers' files
are. A connection has to be opened by FFmpeg: the process gives up files, connections and programs
once that is done. One that records by a device of this machine, or follows a playlist, keeps its
rights.
"""

from __future__ import annotations

import os
from collections.abc import Iterator

from av.container import InputContainer

from mmpyramid.core.errors import UserError
from mmpyramid.core.process import (
    Answer,
    BrokenAnswerError,
    Channel,
    Worker,
    WorkerDiedError,
)
from mmpyramid.core.scores import VideoInfo
from mmpyramid.extract.decoding import Limits, make_answer, parse_answer
from mmpyramid.extract.pieces import Failure, Piece, RequiredInputs, pieces_of_reader
from mmpyramid.media.live import LiveReader, LiveSource
from mmpyramid.media.sampling import Sampling
from mmpyramid.media.source import load_decoders


class LiveDecoding:
    """Decodes what comes from a source. Use it in a `with` statement, or call `stop`.

    Args:
        source: what to listen to; text is read by `LiveSource.parse`.

    Raises:
        UserError: if the text names no source, or none that is there.

    Example:
        >>> with LiveDecoding("rtsp://camera.local/stream") as live:  # doctest: +SKIP
        ...     for event in Pipeline("teachers").listen(live):
        ...         print(event.start, event.label)
    """

    def __init__(self, source: str | LiveSource) -> None:
        self.source = LiveSource.parse(source) if isinstance(source, str) else source
        self.source.check()
        self._worker: Worker | None = None
        self._is_stopped = False

    def __enter__(self) -> LiveDecoding:
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()

    def stop(self) -> None:
        """End the process; whoever iterates comes to an end without an error."""
        self._is_stopped = True
        if self._worker is not None:
            self._worker.kill()

    def pieces(self, required: RequiredInputs) -> Iterator[Piece | VideoInfo]:
        """Yield a piece each second and, if the source ends by itself, its `VideoInfo`.

        Args:
            required: what to read of it.

        Raises:
            UserError: if the source cannot be opened or decoded, or its tracks are chosen.
        """
        if required.sampling != Sampling.SECONDS:
            raise UserError(
                f"expected networks that take a second after the other of a live source, got "
                f"those of {required.sampling} sampling, which need the whole video"
            )
        opened = Opened(self.source)
        descriptor = self.source.open_file() if self.source.is_file else None
        try:
            self._worker = self._start(opened)
            self._worker.send(required, descriptor)
        finally:
            if descriptor is not None:
                os.close(descriptor)
        stop = 0
        while not self._is_stopped:
            message = self._receive(required, stop)
            if message is None:
                return
            yield message
            if not isinstance(message, Piece):
                return
            stop = message.stop

    def _start(self, opened: Opened) -> Worker:
        opens_more = bool(self.source.device) or self.source.follows_playlists
        prepare = None if opens_more else opened.open
        worker = Worker(opened.serve, "listen", memory=Limits.memory, prepare=prepare)
        worker.start()
        return worker

    def _receive(self, required: RequiredInputs, stop: int) -> Piece | VideoInfo | None:
        """The next message, None if the process was stopped meanwhile."""
        assert self._worker is not None, "`pieces` starts it"
        try:
            message = parse_answer(self._worker.receive(), required, 1, stop)
        except WorkerDiedError as error:
            if self._is_stopped:
                return None
            raise UserError(f"decoding {self.source.name} crashed the decoder ({error})") from error
        except BrokenAnswerError as error:
            raise UserError(
                f"decoding {self.source.name} gave an invalid answer, and the decoder was ended "
                f"({error})"
            ) from error
        if isinstance(message, Failure):
            raise UserError(message.reason)
        return message


class Opened:
    """A source in the process that decodes it."""

    def __init__(self, source: LiveSource) -> None:
        self._source = source
        self._container: InputContainer | Failure | None = None

    def open(self) -> None:
        """Prepare the process to give up its rights, for which a connection must be there."""
        load_decoders()
        if self._source.protocols:
            try:
                self._container = self._source.open()
            except UserError as error:
                self._container = Failure(str(error))

    def serve(self, channel: Channel) -> None:
        """Decode until the source ends."""
        required: RequiredInputs = channel.requests.get()
        for answer in self._answers(required, channel):
            channel.send(answer)

    def _answers(self, required: RequiredInputs, channel: Channel) -> Iterator[Answer]:
        try:
            for message in pieces_of_reader(self._reader(required, channel), 1):
                yield make_answer(message, required)
        except MemoryError:
            yield make_answer(Failure("decoding it takes more memory than it may"), required)
        except Exception as error:  # noqa: BLE001 - reported by the parent
            yield make_answer(Failure.of(error), required)

    def _reader(self, required: RequiredInputs, channel: Channel) -> LiveReader:
        if isinstance(self._container, Failure):
            raise UserError(self._container.reason)
        is_file = self._source.is_file
        container = self._container or self._source.open(
            channel.descriptors.get() if is_file else None
        )
        return LiveReader(
            container,
            self._source.name,
            required.views,
            sounds=required.sounds,
            video=bool(required.views),
        )
