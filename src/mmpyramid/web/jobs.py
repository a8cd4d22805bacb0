"""What a worker process is asked, what it answers, and the process itself.

Videos of strangers are decoded in a process of their own, because only a process can be ended
whatever it is doing, and because one that crashes leaves the server and the other visitors alone.
"""

from __future__ import annotations

import signal
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass, replace
from multiprocessing.connection import Connection
from pathlib import Path
from typing import TypeAlias

from mmpyramid.core.code import load_inherited_code
from mmpyramid.core.errors import UserError
from mmpyramid.pipeline import Parsed, Pipeline
from mmpyramid.problems import Decoder


@dataclass(frozen=True, kw_only=True)
class Setup:
    """What every worker process is started with.

    Attributes:
        models: what can be chosen, as `Pipeline` names it.
        device: where the networks run.
        num_threads: threads of PyTorch in one process.
        max_seconds: length of the longest video.
    """

    models: tuple[str, ...]
    device: str = "cpu"
    num_threads: int = 1
    max_seconds: float = 600


@dataclass(frozen=True, kw_only=True)
class Job:
    """One video to parse; `name` is what the visitor calls it."""

    path: Path
    name: str
    model: str
    decoder: Decoder


@dataclass(frozen=True)
class Stage:
    """How far a job is: `wait`, `load`, `extract`, `score` or `decode`, with segments done."""

    name: str
    done: int = 0
    total: int | None = None


@dataclass(frozen=True)
class Ready:
    """The models are loaded."""


@dataclass(frozen=True)
class Refusal:
    """A mistake in the input, or in the models at the start."""

    reason: str


Answer: TypeAlias = Ready | Stage | Refusal | Parsed
"""What comes out of a worker's pipe."""

OnStage: TypeAlias = Callable[[Stage], None]
"""Called as a job proceeds."""


def serve_jobs(connection: Connection, setup: Setup) -> None:
    """What a worker process does; it ends with its parent, or when it is killed by it."""
    for interrupt in (signal.SIGINT, signal.SIGTERM):
        signal.signal(interrupt, signal.SIG_IGN)
    with suppress(EOFError, ConnectionError):
        try:
            pipelines = _load(setup)
        except UserError as error:
            connection.send(Refusal(str(error)))
            return
        connection.send(Ready())
        while True:
            job = connection.recv()
            connection.send(_answer(job, pipelines, setup.max_seconds, connection))


def _load(setup: Setup) -> dict[str, Pipeline]:
    import torch

    load_inherited_code()
    torch.set_num_threads(setup.num_threads)
    return {model: Pipeline(model, device=setup.device) for model in setup.models}


def _answer(
    job: Job, pipelines: Mapping[str, Pipeline], max_seconds: float, connection: Connection
) -> Parsed | Refusal:
    """Parse one video. What is no `UserError` ends the process, with its traceback."""
    try:
        parsed = pipelines[job.model].run(
            job.path,
            decoder=job.decoder,
            hook=lambda step: connection.send(Stage(step)),
            max_seconds=max_seconds,
            on_progress=lambda *counts: connection.send(Stage("extract", *counts)),
        )
    except UserError as error:
        return Refusal(str(error).replace(str(job.path), job.name))
    notes = tuple(note.replace(str(job.path), job.name) for note in parsed.timeline.notes)
    timeline = replace(parsed.timeline, source=job.name, notes=notes)
    return replace(parsed, timeline=timeline, features={})
