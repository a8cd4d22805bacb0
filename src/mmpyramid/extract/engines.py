"""Engines: which processes on which machines work through a corpus. All of them give the same bits.

A worker process that dies costs the file that it worked on, not the run.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, fields, replace
from functools import partial
from multiprocessing.connection import wait
from pathlib import Path
from typing import Any, TypeAlias

import msgspec

from mmpyramid.backbones.base import Extractor
from mmpyramid.core.code import load_inherited_code
from mmpyramid.core.device import one_thread, use_threads
from mmpyramid.core.errors import UserError
from mmpyramid.core.process import Answer, Channel, Worker, WorkerDiedError, num_cores
from mmpyramid.core.scores import Extracted, VideoInfo
from mmpyramid.extract.decoding import Limits
from mmpyramid.extract.embedding import NUM_AHEAD, FileExtractor, Results
from mmpyramid.extract.pieces import Failure
from mmpyramid.media.streams import PLAYED, Tracks
from mmpyramid.store.store import Provenance

GPU_BATCH = 64
"""Segments that a GPU embeds together, at least: several chunks of each backbone, one behind the
other, and segments of several short videos."""

Factory: TypeAlias = Callable[[str | Sequence[str]], Sequence[Extractor]]
"""Makes the extractors of a set, or of streams by name; picklable."""


@dataclass(frozen=True, kw_only=True)
class Job:
    """What is extracted, in a form that travels to other processes and machines.

    Attributes:
        factory: makes the extractors.
        extractors: a set's name or the names of streams, for `factory`.
        batch: how many segments are embedded together.
        tracks: which tracks of the videos are read.
        provenance: what the features of the whole corpus are made by; set by `Engine.prepare`.
        made: the extractors, where this process has made them already; they do not travel.
    """

    factory: Factory
    extractors: str | Sequence[str]
    batch: int
    tracks: Tracks = PLAYED
    provenance: Provenance | None = None
    made: Sequence[Extractor] | None = None

    def __getstate__(self) -> dict[str, Any]:
        return {**vars(self), "made": None}

    def prepare(self) -> Job:
        """Make the extractors here, and note what they are for all other processes."""
        load_inherited_code()
        made = self.made or self.factory(self.extractors)
        return replace(self, made=made, provenance=Provenance.of(made, self.tracks))

    def for_gpus(self) -> Job:
        """The job with batches that fill a GPU."""
        return replace(self, batch=max(self.batch, GPU_BATCH))

    def start(self, limits: Limits, decoders: int = 1) -> FileExtractor:
        """Start the job in a process that does nothing else.

        Args:
            limits: what decoding one file may take.
            decoders: how many processes decode for this one.

        Raises:
            UserError: if the extractors differ from those that the job was prepared with, as where
                another machine computes in another number format.
        """
        job = self.prepare()
        assert self.provenance is not None, "prepare the job before it travels"
        assert job.provenance is not None
        assert job.made is not None
        if differences := self.provenance.differences(job.provenance):
            raise UserError(
                f"expected the same backbones in all processes, but in one of them there "
                f"{'; '.join(differences)}. Name the number format by --precision"
            )
        use_threads(1)
        return FileExtractor(job.made, self.batch, limits, self.tracks, decoders)


@dataclass(frozen=True, kw_only=True)
class Engine(ABC):
    """Works through files in some processes on some machines.

    Attributes:
        workers: number of processes with networks, or that decode for one with networks; by default
            one per core.
        limits: what decoding one file may take.
    """

    workers: int | None = None
    limits: Limits = field(default_factory=Limits)

    def prepare(self, job: Job) -> Job:
        """Find out what the features will be made by, before the first is."""
        return job.prepare()

    @abstractmethod
    def run(self, job: Job, paths: Sequence[Path]) -> Results:
        """Extract the features of files, and yield them in any order.

        Args:
            job: what to do, prepared by this engine.
            paths: the files.
        """


@dataclass(frozen=True, kw_only=True)
class LocalEngine(Engine):
    """Works on this machine, in one of two ways.

    On the cores: a process with networks per worker, and beside it one that decodes. A network
    computes with one thread there, so that its sums do not depend on the machine, and more
    processes are more speed. One worker works in this process.

    On GPUs: one process owns the networks of a GPU, and the workers decode for it, because decoding
    is what a GPU waits for. The process of a single GPU is this one. Several share out the files,
    each as soon as it has room, and each has its part of the workers.

    Attributes:
        gpus: how many GPUs work, in processes of their own if there are several; 0 is on the cores.

    Example:
        >>> extract_corpus("videos/", "features/", engine=LocalEngine(workers=4))  # doctest: +SKIP
    """

    gpus: int = 0

    def run(self, job: Job, paths: Sequence[Path]) -> Results:
        """Extract the features of files, and yield them as they come."""
        num_workers = min(self.workers or num_cores(), len(paths))
        num_networks = min(self.gpus, len(paths)) or num_workers
        decoders = max(1, num_workers // max(1, num_networks))
        if self.gpus:
            job = job.for_gpus()
        if num_networks > 1:
            gpus = range(num_networks) if self.gpus else [None] * num_networks
            yield from work(job, self.limits, paths, gpus, NUM_AHEAD * decoders, decoders)
        elif paths:
            assert job.made is not None, "`prepare` made them"
            made = FileExtractor(job.made, job.batch, self.limits, job.tracks, decoders)
            with one_thread(), made as extractor:
                yield from extractor.each(paths)


def work(
    job: Job,
    limits: Limits,
    paths: Sequence[Path],
    gpus: Sequence[int | None],
    num_ahead: int = 1,
    decoders: int = 1,
) -> Results:
    """Work through files in freshly started processes, and yield results as they come.

    A process that dies while it has several files in hand leaves open which one killed it: they are
    then given out one at a time.

    Close the generator to stop early; the workers are then killed.

    Args:
        job: what to do.
        limits: what decoding one file may take.
        paths: the files.
        gpus: for each process the number of its GPU, or None on the cores.
        num_ahead: how many files a worker may have in hand.
        decoders: how many processes decode for each worker.

    Raises:
        UserError: if the job cannot be done in a worker.
        RuntimeError: if a worker ends before it takes a file.
    """
    pool = _WorkerPool(partial(_serve_job, job, limits, decoders), paths, num_ahead)
    try:
        for gpu in gpus[: len(paths)]:
            pool.start_worker(gpu)
        while pool.workers:
            for descriptor in wait(list(pool.workers)):
                assert isinstance(descriptor, int)
                result = pool.receive(descriptor)
                if result is not None:
                    yield result
    finally:
        for worker in pool.workers.values():
            worker.process.stop()


class _ExtractionWorker:
    """A process, its GPU if it has one, and the files that it works on, by number."""

    def __init__(self, process: Worker, gpu: int | None) -> None:
        self.process, self.gpu = process, gpu
        self.is_ready = False
        self.in_hand: dict[int, Path] = {}


class _WorkerPool:
    """The workers, the files that are left, and those that may have killed a worker."""

    def __init__(
        self, serve: Callable[[int | None, Channel], None], paths: Sequence[Path], num_ahead: int
    ) -> None:
        self.workers: dict[int, _ExtractionWorker] = {}
        self._serve, self._num_ahead = serve, num_ahead
        self._queue = deque(enumerate(paths))
        self._suspects: deque[tuple[int, Path]] = deque()

    def start_worker(self, gpu: int | None) -> None:
        process = Worker(partial(self._serve, gpu), "extract")
        process.start()
        self.workers[process.fileno()] = _ExtractionWorker(process, gpu)

    def receive(self, descriptor: int) -> tuple[Path, Extracted | Failure] | None:
        """Receive a worker's answer, give it its next files, and return the result if it is one."""
        worker = self.workers[descriptor]
        try:
            answer = worker.process.receive()
        except WorkerDiedError as error:
            del self.workers[descriptor]
            return self._replace(worker, error)
        if "mistake" in answer.content:
            raise UserError(answer.content["mistake"])
        over = None
        if worker.is_ready:
            number, result = _parse_result(answer)
            over = worker.in_hand.pop(number), result
        worker.is_ready = True
        self._assign(worker)
        if not worker.in_hand:
            worker.process.stop()
            del self.workers[descriptor]
        return over

    def _assign(self, worker: _ExtractionWorker) -> None:
        if self._suspects:
            todo = [] if worker.in_hand else [self._suspects.popleft()]
        else:
            # Towards the end files are shared evenly among the workers.
            most = min(self._num_ahead, 1 + len(self._queue) // len(self.workers))
            room = max(0, min(most - len(worker.in_hand), len(self._queue)))
            todo = [self._queue.popleft() for _ in range(room)]
        for number, path in todo:
            worker.in_hand[number] = path
            worker.process.send((number, path))

    def _replace(
        self, worker: _ExtractionWorker, error: WorkerDiedError
    ) -> tuple[Path, Failure] | None:
        """Replace a worker that died; returns the file that killed it, if that is certain."""
        if not worker.is_ready:
            raise RuntimeError(f"a worker could not start ({error})")
        suspects = list(worker.in_hand.items())
        if len(suspects) > 1:
            self._suspects += suspects
        if self._suspects or self._queue:
            self.start_worker(worker.gpu)
        if len(suspects) != 1:
            return None
        reason = (
            f"the process that worked on it died ({error}): it crashed, or the system killed it "
            f"for lack of memory"
        )
        return suspects[0][1], Failure(reason)


def _serve_job(job: Job, limits: Limits, decoders: int, gpu: int | None, channel: Channel) -> None:
    """What a worker process does: several files under way, results in any order."""
    if gpu is not None:
        use_gpu(gpu)
    try:
        extractor = job.start(limits, decoders)
    except UserError as error:
        channel.send(Answer({"mistake": str(error)}))
        return
    channel.send(Answer({}))
    in_hand: dict[Path, int] = {}
    while True:
        while not in_hand or not channel.requests.empty():
            number, path = channel.requests.get()
            in_hand[path] = number
            extractor.expect(path)
        path, result = extractor.next()
        content: dict[str, Any] = {"number": in_hand.pop(path)}
        if isinstance(result, Failure):
            channel.send(Answer(content | {"failure": result.reason}))
        else:
            known = {each.name: getattr(result, each.name) for each in fields(VideoInfo)}
            channel.send(Answer(content | {"info": known}, result.features))


def _parse_result(answer: Answer) -> tuple[int, Extracted | Failure]:
    content = answer.content
    if "failure" in content:
        return content["number"], Failure(content["failure"])
    info = msgspec.convert(content["info"], VideoInfo)
    return content["number"], Extracted(**vars(info), features=answer.arrays)


def use_gpu(number: int) -> None:
    """Let `cuda` mean this GPU in a process; without any it means nothing."""
    import torch

    if torch.cuda.is_available():
        torch.cuda.set_device(number)
