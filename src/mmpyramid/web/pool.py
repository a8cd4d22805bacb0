"""Jobs of visitors: a fixed number of worker processes in turn, and both ends of their lines.

Videos of strangers are parsed in processes of their own, because only a process can be ended
whatever it is doing, and because one that crashes leaves the server and the other visitors alone.
Those do not even decode them: each video has a decoder of its own, whose answers are checked.
"""

from __future__ import annotations

import pickle
import time
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from queue import LifoQueue
from threading import Lock
from typing import Any, TypeAlias

import numpy as np

from mmpyramid.core.code import load_inherited_code
from mmpyramid.core.device import use_threads
from mmpyramid.core.errors import UserError
from mmpyramid.core.process import (
    Answer,
    Channel,
    Worker,
    WorkerError,
    WorkerTimeoutError,
)
from mmpyramid.core.progress import Display, shown
from mmpyramid.extract.decoding import Limits as DecodingLimits
from mmpyramid.media.streams import PLAYED, Tracks
from mmpyramid.pipeline import TEACHERS, Parsed, Pipeline, vocabulary_of
from mmpyramid.problems import Decoder
from mmpyramid.teachers import load_vocabulary
from mmpyramid.web.limits import BusyError, GivenUpError, Limits, TooManyError

LOAD_SECONDS = 300
"""How long the models may take to load again, after a process was lost; weights are cached then."""


@dataclass(frozen=True, kw_only=True)
class Setup:
    """What every worker process is started with.

    Attributes:
        models: what can be chosen, as `Pipeline` names it.
        vocabulary: what `teachers` look and listen for.
        device: where the networks run.
        num_threads: threads of PyTorch in one process.
        max_seconds: length of the longest video.
    """

    models: tuple[str, ...]
    vocabulary: str = "everyday"
    device: str = "cpu"
    num_threads: int = 1
    max_seconds: float = 600

    @property
    def choices(self) -> dict[str, str]:
        """The models by the names that visitors see, which reveal no folders of the server.

        Example:
            >>> list(Setup(models=("teachers", "/home/a/runs/one/model")).choices)
            ['teachers', 'model']
        """
        return {_shown(model, self.models): model for model in self.models}

    @property
    def sought(self) -> str:
        """What the first model looks and listens for, in words.

        Example:
            >>> Setup(models=("teachers-llp", "teachers")).sought
            '25 LLP sounds and things'
        """
        first = next(iter(self.choices))
        chosen = self.vocabulary if first == TEACHERS else None
        vocabulary = vocabulary_of(self.choices[first], chosen)
        return load_vocabulary(vocabulary).sought if vocabulary else f"the labels of {first}"


@dataclass(frozen=True, kw_only=True)
class Job:
    """One video to parse.

    Attributes:
        path: the file.
        name: what the visitor calls it.
        model: one of `Setup.choices`.
        decoder: how to decide.
    """

    path: Path
    name: str
    model: str
    decoder: Decoder
    tracks: Tracks = PLAYED


WORDS = {
    "wait": "Waiting for a free worker",
    "load": "Loading the models",
    "score": "Scoring",
    "decode": "Deciding",
}
SHARES = {"wait": 0.0, "load": 0.0, "extract": 0.02, "score": 0.95, "decode": 0.99}
"""Nearly all the time goes into decoding pictures and sound and into the backbones."""


@dataclass(frozen=True)
class Stage:
    """How far a job is: `wait`, `load`, `extract`, `score` or `decode`, with segments done.

    Example:
        >>> Stage("extract", 5, 10).words
        'Looking and listening: 50%'
    """

    name: str
    done: int = 0
    total: int | None = None

    @property
    def share(self) -> float:
        """How much of the job is done, 0..1."""
        begun = SHARES[self.name]
        if self.name != "extract" or not self.total:
            return begun
        return begun + self.done / self.total * (SHARES["score"] - begun)

    @property
    def words(self) -> str:
        """The stage in words."""
        if self.name != "extract":
            return WORDS[self.name]
        if not self.done:
            return "Looking and listening"
        if not self.total:
            return f"Looking and listening: second {self.done}"
        return f"Looking and listening: {self.done / self.total:.0%}"


def _shown(model: str, models: tuple[str, ...]) -> str:
    """A model as visitors see it: of a folder, as few of its last parts as tell it from others."""
    parts = Path(model).parts
    if not (Path(model).is_absolute() or Path(model).exists()):
        return model
    others = {Path(other).parts for other in models if other != model}
    lengths = range(1, len(parts))
    unique = (n for n in lengths if all(other[-n:] != parts[-n:] for other in others))
    return "/".join(parts[-next(unique, 1) :])


OnStage: TypeAlias = Callable[[Stage], None]
"""Called as a job proceeds."""


class JobWorker:
    """A worker process that parses videos; started anew where it died or had to be killed."""

    def __init__(self, setup: Setup) -> None:
        self._process = Worker(partial(serve_jobs, setup), "web")

    @property
    def pid(self) -> int | None:
        """The id of the process, if there is one."""
        return self._process.pid

    def start(self, seconds: float | None = None) -> None:
        """Start the process and wait until its models are loaded, unless it runs already.

        Raises:
            UserError: if a model cannot be loaded.
            GivenUpError: if that takes too long, or the process dies.
        """
        if self._process.is_running:
            return
        self._process.stop()
        self._process.start()
        content = self._receive("loading the models", seconds, seconds).content
        if "mistake" in content:
            self._process.stop()
            raise UserError(content["mistake"])

    def parse(self, job: Job, seconds: float, on_stage: OnStage) -> Parsed:
        """Parse one video; after any failure the worker is ready for the next one.

        Args:
            job: what to do.
            seconds: when to give up, once the models are loaded.
            on_stage: called as the work proceeds; what it raises ends the job.

        Raises:
            UserError: if the video is bad.
            GivenUpError: if the work takes too long, or the process dies.
        """
        is_over = False
        on_stage(Stage("load"))
        try:
            self.start(LOAD_SECONDS)
            self._process.send(job)
            deadline = time.monotonic() + seconds
            while not is_over:
                left = max(0.0, deadline - time.monotonic())
                answer = self._receive(job.name, seconds, left)
                if is_over := "stage" not in answer.content:
                    break
                on_stage(Stage(*answer.content["stage"]))
        finally:
            if not is_over:
                self.kill()
        if "mistake" in answer.content:
            raise UserError(answer.content["mistake"])
        # A pickle, because this worker is ours: strangers' bytes go to its decoder.
        parsed: Parsed = pickle.loads(answer.arrays["parsed"].tobytes())
        return parsed

    def kill(self) -> None:
        """End the process, whatever it is doing; a `parse` in another thread notices."""
        self._process.kill()

    def _receive(self, task: str, seconds: float | None, left: float | None) -> Answer:
        """Wait for the next answer.

        Raises:
            GivenUpError: if none comes.
        """
        try:
            return self._process.receive(left)
        except WorkerTimeoutError as error:
            raise GivenUpError(
                f"the work on {task} took longer than {seconds:g} s and was given up; try a "
                "shorter or smaller video"
            ) from error
        except WorkerError as error:
            raise GivenUpError(
                f"the process that worked on {task} died: it crashed, was stopped, or the system "
                "killed it for lack of memory; try a shorter or smaller video, or another format"
            ) from error


def serve_jobs(setup: Setup, channel: Channel) -> None:
    """What a worker process does: load the models, then parse one video after the other."""
    load_inherited_code()
    limits = DecodingLimits(max_seconds=setup.max_seconds)
    try:
        with shown(Display(kind="lines", name="mmpyramid serve")):  # Downloads of weights.
            pipelines = {
                name: Pipeline(
                    model,
                    vocabulary=setup.vocabulary if model == TEACHERS else None,
                    device=setup.device,
                    limits=limits,
                    alone=True,
                )
                for name, model in setup.choices.items()
            }
    except UserError as error:
        channel.send(Answer({"mistake": str(error)}))
        return
    use_threads(setup.num_threads)
    channel.send(Answer({}))
    while True:
        channel.send(_answer(channel.requests.get(), pipelines, channel))


def _answer(job: Job, pipelines: Mapping[str, Pipeline], channel: Channel) -> Answer:
    """Parse one video. What is no `UserError` ends the process, with its traceback."""

    def report(*stage: Any) -> None:
        channel.send(Answer({"stage": stage}))

    try:
        parsed = pipelines[job.model].run(
            job.path,
            decoder=job.decoder,
            hook=report,
            tracks=job.tracks,
            on_progress=partial(report, "extract"),
        )
    except UserError as error:
        return Answer({"mistake": str(error).replace(str(job.path), job.name)})
    notes = tuple(note.replace(str(job.path), job.name) for note in parsed.timeline.notes)
    timeline = replace(parsed.timeline, source=job.name, model=job.model, notes=notes)
    content = pickle.dumps(replace(parsed, timeline=timeline, features={}))
    return Answer({}, {"parsed": np.frombuffer(content, np.uint8)})


class Pool:
    """Parses videos in worker processes, in turn.

    Args:
        setup: what the workers load.
        limits: how long a job may take, and how many may wait.
        num_workers: how many jobs run at once.

    Raises:
        UserError: if a model cannot be loaded.

    Example:
        >>> pool = Pool(Setup(models=("teachers",)), Limits(), 1)  # doctest: +SKIP
        >>> job = Job(path=p, name="a", model="teachers", decoder=Decoder())  # doctest: +SKIP
        >>> pool.parse(job, "127.0.0.1").timeline  # doctest: +SKIP
    """

    def __init__(self, setup: Setup, limits: Limits, num_workers: int) -> None:
        self.setup = setup
        self.limits = limits
        self.workers = tuple(JobWorker(setup) for _ in range(num_workers))
        self._num_inside = 0
        self._num_each: Counter[str] = Counter()
        self._lock = Lock()
        self._closed = False
        self._free: LifoQueue[JobWorker] = LifoQueue()
        for worker in self.workers:
            worker.start()
            self._free.put(worker)

    @property
    def capacity(self) -> int:
        """How many jobs may run or wait."""
        return len(self.workers) + self.limits.max_waiting

    @property
    def num_waiting(self) -> int:
        """How many wait for their turn."""
        return max(0, self._num_inside - len(self.workers))

    @contextmanager
    def place(self, visitor: str) -> Iterator[None]:
        """Take a place among the jobs that run or wait.

        Args:
            visitor: who; nobody takes all places.

        Raises:
            BusyError: if as many as may are waiting.
            TooManyError: if as many as may are waiting for this visitor.
        """
        with self._lock:
            self.check_room()
            if self._num_each[visitor] >= self.limits.max_each:
                raise TooManyError(
                    f"{self.limits.max_each} videos of yours are waiting already, which is as many "
                    "as one visitor may have here at once; wait until one is done"
                )
            self._num_inside += 1
            self._num_each[visitor] += 1
        try:
            yield
        finally:
            with self._lock:
                self._num_inside -= 1
                self._num_each[visitor] -= 1
                if not self._num_each[visitor]:
                    del self._num_each[visitor]

    def parse(self, job: Job, visitor: str, on_stage: OnStage | None = None) -> Parsed:
        """Take a `place`, then a turn, see `take_turn`; safe in several threads at once.

        Raises:
            BusyError, TooManyError: if too many are waiting; and what `take_turn` raises.
        """
        with self.place(visitor):
            return self.take_turn(job, on_stage)

    def take_turn(self, job: Job, on_stage: OnStage | None = None) -> Parsed:
        """Wait for a free worker and let it parse one video, for somebody who has a place.

        Args:
            job: what to do.
            on_stage: called as the work proceeds; what it raises ends the job.

        Raises:
            UserError: if the video is bad.
            BusyError: if the server is being stopped.
            GivenUpError: if the work takes too long, or its process dies.
        """
        on_stage = on_stage or _ignore
        on_stage(Stage("wait"))
        worker = self._free.get()
        try:
            if self._closed:
                raise BusyError("the server is being stopped; try again when it is back")
            return worker.parse(job, self.limits.max_seconds, on_stage)
        finally:
            self._free.put(worker)

    def close(self) -> None:
        """End every worker, whatever it is doing."""
        self._closed = True
        for worker in self.workers:
            worker.kill()

    def check_room(self) -> None:
        """Check that there is room, before an upload is received.

        Raises:
            BusyError: if as many as may are waiting.
        """
        if self._closed or self._num_inside >= self.capacity:
            raise BusyError(
                f"{self.num_waiting} others are waiting for their turn, which is as many as this "
                "server lets wait; try again in a minute"
            )


def _ignore(stage: Stage) -> None:
    """Report nothing."""
    del stage
