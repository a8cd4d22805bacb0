"""One worker process as its parent sees it."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager
from multiprocessing import get_context
from multiprocessing.connection import Connection
from multiprocessing.context import SpawnProcess

from mmpyramid.core.errors import UserError
from mmpyramid.pipeline import Parsed
from mmpyramid.web.jobs import Answer, Job, OnStage, Ready, Refusal, Setup, Stage, serve_jobs
from mmpyramid.web.limits import GivenUpError

LOAD_SECONDS = 300
"""How long the models may take to load again, after a process was lost; weights are cached then."""


class Worker:
    """A process and the pipe to it; started anew where the last one died or had to be killed.

    Attributes:
        process: the one of the moment, if there is one.
    """

    def __init__(self, setup: Setup) -> None:
        self._setup = setup
        self.process: SpawnProcess | None = None
        self._connection: Connection | None = None

    def start(self, seconds: float | None = None) -> None:
        """Start the process and wait until its models are loaded, unless it runs already.

        Raises:
            UserError: if a model cannot be loaded.
        """
        if self.process is not None and self.process.is_alive():
            return
        context = get_context("spawn")
        self._connection, theirs = context.Pipe()
        self.process = context.Process(target=serve_jobs, args=(theirs, self._setup), daemon=True)
        self.process.start()
        theirs.close()
        message = self._receive("loading the models", seconds)
        if isinstance(message, Refusal):
            raise UserError(message.reason)
        assert isinstance(message, Ready), message

    def parse(self, job: Job, seconds: float, on_stage: OnStage) -> Parsed:
        """Parse one video. Whatever goes wrong, the next job finds a worker that is fit.

        Args:
            job: what to do.
            seconds: when to give up, once the models are loaded.
            on_stage: called as the work proceeds; what it raises ends the job.

        Raises:
            UserError: if the video is bad.
            GivenUpError: if the work takes too long, or the process dies.
        """
        answer: Parsed | Refusal | None = None
        try:
            on_stage(Stage("load"))
            self.start(LOAD_SECONDS)
            self._send(job)
            deadline = time.monotonic() + seconds
            while answer is None:
                message = self._receive(job.name, seconds, deadline)
                if isinstance(message, Stage):
                    on_stage(message)
                else:
                    assert not isinstance(message, Ready)
                    answer = message
        finally:
            if answer is None:
                self.kill()
        if isinstance(answer, Refusal):
            raise UserError(answer.reason)
        return answer

    def kill(self) -> None:
        """End the process, whatever it is doing; a `parse` in another thread is told."""
        if self.process is not None:
            self.process.kill()
            self.process.join()

    def _send(self, job: Job) -> None:
        assert self._connection is not None
        with _death_told(job.name):
            self._connection.send(job)

    def _receive(self, task: str, seconds: float | None, deadline: float | None = None) -> Answer:
        """Wait for the next message until the deadline, or for so many seconds.

        Raises:
            GivenUpError: if none comes.
        """
        assert self._connection is not None
        left = seconds if deadline is None else max(0.0, deadline - time.monotonic())
        with _death_told(task):
            if self._connection.poll(left):
                answer: Answer = self._connection.recv()
                return answer
        raise GivenUpError(
            f"the work on {task} took longer than {seconds:g} s and was given up; try a shorter or "
            "smaller video"
        )


@contextmanager
def _death_told(task: str) -> Iterator[None]:
    """Turn the broken pipe of a process that died into a message.

    Raises:
        GivenUpError: if the pipe is broken.
    """
    try:
        yield
    except (EOFError, OSError) as error:  # The latter: it died in the middle of a message.
        raise GivenUpError(
            f"the process that worked on {task} died: it crashed, was stopped, or the system "
            "killed it for want of memory; try a shorter or smaller video, or another format"
        ) from error
