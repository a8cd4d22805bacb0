"""Jobs of programs, which send a video, ask how far it is, and fetch the result later.

Jobs are in memory, so none survives the server. Their videos are deleted as soon as they are
parsed; results are kept for some time, and then forgotten.
"""

from __future__ import annotations

import logging
import secrets
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, field
from threading import Lock
from time import monotonic
from typing import Literal, TypeAlias

from mmpyramid.core.errors import UserError
from mmpyramid.pipeline import Parsed
from mmpyramid.web.access import Visitor
from mmpyramid.web.limits import BusyError
from mmpyramid.web.pool import Job, Pool, Stage
from mmpyramid.web.uploads import Upload

State: TypeAlias = Literal["waiting", "running", "done", "failed"]

log = logging.getLogger(__name__)


class ServerFaultError(UserError):
    """An internal error occurred on the server; nothing is wrong with the file."""


@dataclass(eq=False)
class QueuedJob:
    """A job from the time it was sent to the time it is forgotten.

    Attributes:
        job: what to do.
        upload: the video; it is released when the work is over.
        visitor: whose job it is; nobody else may ask for it.
        id: names the job in addresses; it cannot be guessed.
        stage: how far the work is, while it lasts.
        parsed: what was found.
        error: why nothing was.
        ended: when the work was over, as `time.monotonic` has it.
        is_cancelled: whether the visitor has cancelled it.
    """

    job: Job
    upload: Upload
    visitor: Visitor
    id: str = field(default_factory=lambda: secrets.token_urlsafe(16))
    stage: Stage = field(default_factory=lambda: Stage("wait"))
    parsed: Parsed | None = None
    error: UserError | None = None
    ended: float | None = None
    is_cancelled: bool = False
    future: Future[None] | None = None

    @property
    def state(self) -> State:
        """How far the job is."""
        if self.ended is not None:
            return "done" if self.error is None else "failed"
        return "waiting" if self.stage.name == "wait" else "running"


class JobQueue:
    """All jobs, in the order in which they came; as many are worked on as there are workers.

    A visitor has at most `Limits.max_each` videos here, which bounds the jobs that are not over,
    and as many results; the oldest makes room for the next.

    Args:
        pool: does the work.

    Example:
        >>> jobs = JobQueue(pool)  # doctest: +SKIP
        >>> queued = jobs.submit(job, upload, visitor)  # doctest: +SKIP
        >>> jobs.find(queued.id, visitor).state  # doctest: +SKIP
        'waiting'
    """

    def __init__(self, pool: Pool) -> None:
        self._pool = pool
        self._jobs: dict[str, QueuedJob] = {}
        self._threads = ThreadPoolExecutor(max(1, len(pool.workers)), "job")
        self._lock = Lock()

    def __len__(self) -> int:
        return len(self._jobs)

    @property
    def num_waiting(self) -> int:
        """How many wait for their turn."""
        with self._lock:
            return sum(queued.state == "waiting" for queued in self._jobs.values())

    def check_room(self) -> None:
        """Check that there is room, before an upload is received.

        Raises:
            BusyError: if as many jobs as may are waiting or worked on.
        """
        with self._lock:
            self._make_room()

    def submit(self, job: Job, upload: Upload, visitor: Visitor) -> QueuedJob:
        """Put a job at the end of the queue, which releases the upload when it is over.

        Raises:
            BusyError: if as many jobs as may are waiting or worked on.
        """
        queued = QueuedJob(job, upload, visitor)
        with self._lock:
            self._make_room()
            self._jobs[queued.id] = queued
            queued.future = self._threads.submit(self._run, queued)
        return queued

    def find(self, id: str, visitor: Visitor) -> QueuedJob | None:  # noqa: A002
        """A job of a visitor; None if there is none, it has been forgotten, or is another's."""
        with self._lock:
            self._forget_old()
            queued = self._jobs.get(id)
            return queued if queued is not None and queued.visitor.id == visitor.id else None

    def position(self, queued: QueuedJob) -> int | None:
        """The place in the queue, from 1; None if the job does not wait."""
        with self._lock:
            waiting = [other for other in self._jobs.values() if other.state == "waiting"]
            return waiting.index(queued) + 1 if queued in waiting else None

    def kept_seconds(self, queued: QueuedJob) -> float | None:
        """For how many more seconds a finished job is kept."""
        if queued.ended is None:
            return None
        return max(0.0, queued.ended + 60 * self._pool.limits.keep_minutes - monotonic())

    def cancel(self, queued: QueuedJob) -> None:
        """Forget a job, and stop the work on it."""
        with self._lock:
            self._jobs.pop(queued.id, None)
            queued.is_cancelled = True
        # A job that runs ends with its next report, in its own thread.
        if queued.future is not None and queued.future.cancel():
            queued.upload.release()

    def sweep(self) -> None:
        """Forget the jobs that have been over for long enough."""
        with self._lock:
            self._forget_old()

    def close(self) -> None:
        """Accept no more jobs; `Pool.close` ends the workers."""
        self._threads.shutdown(wait=False, cancel_futures=True)

    def _run(self, queued: QueuedJob) -> None:
        def on_stage(stage: Stage) -> None:
            if queued.is_cancelled:
                raise _CancelledError
            queued.stage = stage

        parsed, error = None, None
        try:
            with queued.upload:
                parsed = self._pool.take_turn(queued.job, on_stage)
        except _CancelledError:
            return
        except UserError as mistake:
            error = mistake
        except Exception:
            log.exception("a job failed by a fault of the server")
            error = ServerFaultError("an internal error occurred on the server; send the job again")
        with self._lock:
            queued.parsed, queued.error, queued.ended = parsed, error, monotonic()
            own = [
                other
                for other in self._jobs.values()
                if other.ended is not None and other.visitor.address == queued.visitor.address
            ]
            for other in own[: -self._pool.limits.max_each]:
                del self._jobs[other.id]

    def _make_room(self) -> None:
        self._forget_old()
        if len(self._jobs) < self._pool.limits.max_jobs:
            return
        oldest = next((each for each in self._jobs.values() if each.ended is not None), None)
        if oldest is None:
            raise BusyError(
                f"{len(self._jobs)} jobs are waiting or worked on, which is as many as this server "
                "takes; try again in a minute"
            )
        del self._jobs[oldest.id]

    def _forget_old(self) -> None:
        for queued in list(self._jobs.values()):
            if self.kept_seconds(queued) == 0:
                del self._jobs[queued.id]


class _CancelledError(Exception):
    """Ends the work on a job that was cancelled."""
