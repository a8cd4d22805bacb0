"""A fixed number of worker processes for all visitors, each job with an end in sight."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from queue import LifoQueue
from threading import Lock

from mmpyramid.pipeline import Parsed
from mmpyramid.web.limits import BusyError, Limits
from mmpyramid.web.worker import Job, JobWorker, OnStage, Setup, Stage


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
        >>> pool.parse(job).timeline  # doctest: +SKIP
    """

    def __init__(self, setup: Setup, limits: Limits, num_workers: int) -> None:
        self.setup = setup
        self.limits = limits
        self.workers = tuple(JobWorker(setup) for _ in range(num_workers))
        self._num_inside = 0
        self._lock = Lock()
        self._closed = False
        self._free: LifoQueue[JobWorker] = LifoQueue()
        for worker in self.workers:
            worker.start()
            self._free.put(worker)

    @property
    def capacity(self) -> int:
        """How many may be inside, working or waiting."""
        return len(self.workers) + self.limits.max_waiting

    @property
    def num_waiting(self) -> int:
        """How many wait for their turn."""
        return max(0, self._num_inside - len(self.workers))

    @contextmanager
    def place(self) -> Iterator[None]:
        """Be one of those inside, from before an upload is even received.

        Raises:
            BusyError: if as many as may are waiting.
        """
        with self._lock:
            self._check_room()
            self._num_inside += 1
        try:
            yield
        finally:
            with self._lock:
                self._num_inside -= 1

    def parse(self, job: Job, on_stage: OnStage | None = None) -> Parsed:
        """Take a `place`, then a turn, see `take_turn`; safe in several threads at once.

        Raises:
            BusyError: if too many are waiting; and what `take_turn` raises.
        """
        with self.place():
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

    def _check_room(self) -> None:
        if self._closed or self._num_inside >= self.capacity:
            raise BusyError(
                f"{self.num_waiting} others are waiting for their turn, which is as many as this "
                "server lets wait; try again in a minute"
            )


def _ignore(stage: Stage) -> None:
    """Report nothing."""
    del stage
