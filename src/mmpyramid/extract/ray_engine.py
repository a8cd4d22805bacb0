"""The engine of a cluster, or of a laptop that plays one: Ray Data with a pool of actors."""

from __future__ import annotations

import json
import logging
import os
import pickle
import socket
import warnings
from collections.abc import Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, TypeAlias

import numpy as np
import ray
import ray.data
from numpy.typing import NDArray

from mmpyramid.core import code
from mmpyramid.core.errors import UserError
from mmpyramid.core.process import num_cores
from mmpyramid.extract.decoding import Limits
from mmpyramid.extract.embedding import FileExtractor, Results
from mmpyramid.extract.engines import Engine, Job, work
from mmpyramid.store.store import Provenance

PATIENCE = 10.0
"""Seconds for a cluster to answer."""

VIDEOS_PER_TASK = 16
OBJECT_STORE = 2**28
"""Bytes of shared memory on a laptop: only results pass through it."""

Rows: TypeAlias = dict[str, NDArray[Any]]


@dataclass(frozen=True, kw_only=True)
class RayEngine(Engine):
    """Works on a Ray cluster; this process, the only one that writes the store, gathers results.

    Each actor is what a worker of `LocalEngine` is; one with a GPU has its share of the cores to
    decode for it. Every machine must see the videos under the
    same paths, and have this package installed. Videos whose actor died are tried again by workers
    of this machine.

    Attributes:
        address: of a running cluster, `auto` or `host:6379`; None starts one on this machine, which
            ends with the run.
        gpus: how many of them each actor has for itself, in which it is `cuda`; parts of one are
            possible.

    Example:
        >>> extract_corpus("videos/", "out/", engine=RayEngine(address="auto"))  # doctest: +SKIP
    """

    address: str | None = None
    gpus: float = 0.0

    def prepare(self, job: Job) -> Job:
        """Find out what the features will be made by: on a machine with a GPU, if one is needed."""
        if not self.gpus:
            return job.prepare()
        with self._cluster():
            self._num_workers()
            describe = ray.remote(num_gpus=self.gpus, num_cpus=1, runtime_env=_user_code())
            provenance, mistake = ray.get(describe(_describe).remote(job))
        if mistake is not None:
            raise UserError(mistake)
        return replace(job, provenance=provenance)

    def run(self, job: Job, paths: Sequence[Path]) -> Results:
        """Extract the features of files, and yield them as they come.

        Raises:
            UserError: if there is no cluster at the address, or no GPU in it although one is
                needed, or backbones differ between machines.
        """
        if not paths:
            return
        left = dict.fromkeys(paths)
        if self.gpus:
            job = job.for_gpus()
        with self._cluster():
            num_workers = min(self._num_workers(), len(paths))
            for path, result in self._stream(job, paths, num_workers):
                if path in left:
                    del left[path]
                    yield path, result
        # An actor that dies takes along the videos that wait for it; here a death costs one video.
        num_here = min(self.workers or num_cores(), num_cores())
        yield from work(job, self.limits, list(left), [None] * num_here)

    def _cluster(self) -> AbstractContextManager[None]:
        return _cluster(self.address, self.workers or num_cores())

    def _num_workers(self) -> int:
        """How many actors there can be.

        Raises:
            UserError: if they need GPUs and there are none.
        """
        resources: dict[str, float] = ray.cluster_resources()  # type: ignore[no-untyped-call]
        most = int(resources.get("CPU", 1))
        if self.gpus:
            most = min(most, int(resources.get("GPU", 0) / self.gpus))
        if not most:
            raise UserError(
                f"expected a Ray cluster with {self.gpus:g} GPU for each worker, but it has "
                f"{resources.get('GPU', 0):g}; start its machines with `ray start --num-gpus`, or "
                "use --device cpu"
            )
        return min(self.workers or most, most)

    def _decoders(self, num_workers: int) -> int:
        """How many processes decode for an actor: with a GPU, its share of the cores."""
        resources: dict[str, float] = ray.cluster_resources()  # type: ignore[no-untyped-call]
        return max(1, int(resources.get("CPU", 1)) // num_workers) if self.gpus else 1

    def _stream(self, job: Job, paths: Sequence[Path], num_workers: int) -> Results:
        """Results as they come; none for tasks whose actor died twice."""
        context = ray.data.DataContext.get_current()
        context.enable_progress_bars = False
        context.max_errored_blocks = -1
        per_task = min(VIDEOS_PER_TASK, max(1, len(paths) // (4 * num_workers)))
        num_tasks = -(-len(paths) // per_task)
        tasks = ray.data.from_items(
            [{"path": pickle.dumps(path)} for path in paths], override_num_blocks=num_tasks
        )
        with warnings.catch_warnings():
            # Ray 2.60 announces another way to say how often a task is tried; it has none yet.
            warnings.simplefilter("ignore", DeprecationWarning)
            answers = tasks.map_batches(
                _Actor,
                fn_constructor_args=(job, self.limits, self._decoders(num_workers)),
                batch_size=per_task if self.gpus else None,  # Ray insists on one with GPUs.
                batch_format="numpy",
                concurrency=min(num_workers, num_tasks),
                num_cpus=1,
                num_gpus=self.gpus or None,
                max_restarts=-1,
                max_task_retries=1,
                runtime_env=_user_code(),
            )
        for row in answers.iter_rows():
            answer = pickle.loads(row["answer"])
            if isinstance(answer, UserError):
                raise answer
            yield answer


class _Actor:
    """Has the networks, and works through the videos of one task after the other."""

    def __init__(self, job: Job, limits: Limits, decoders: int) -> None:
        self._extractor: FileExtractor | UserError
        try:
            self._extractor = job.start(limits, decoders)
        except UserError as error:  # Ray would restart an actor that cannot be made without end.
            self._extractor = error

    def __call__(self, rows: Rows) -> Iterator[Rows]:
        if isinstance(self._extractor, UserError):
            yield {"answer": _cell(self._extractor)}
            return
        paths = [pickle.loads(path) for path in rows["path"]]
        for answer in self._extractor.each(paths):
            yield {"answer": _cell(answer)}


def _describe(job: Job) -> tuple[Provenance | None, str | None]:
    """The provenance of a job on a machine of the cluster, or why there is none."""
    try:
        return job.prepare().provenance, None
    except UserError as error:
        return None, str(error)


def _user_code() -> dict[str, Any]:
    """What lets processes of the cluster import the files of `--code`."""
    return {"env_vars": {code.VARIABLE: json.dumps(code.code_files())}}


def _cell(value: object) -> NDArray[Any]:
    cell = np.empty(1, object)
    cell[0] = pickle.dumps(value, pickle.HIGHEST_PROTOCOL)
    return cell


@contextmanager
def _cluster(address: str | None, num_cpus: int) -> Iterator[None]:
    """Connect to a cluster: the one this process is connected to, one elsewhere, or a new one.

    Raises:
        UserError: if there is none at the address.
    """
    if ray.is_initialized():
        yield
        return
    os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")
    logging.getLogger("ray.data").setLevel(logging.ERROR)
    here: dict[str, Any] = {} if address else {"num_cpus": num_cpus}
    if not address:
        here |= {"object_store_memory": OBJECT_STORE, "include_dashboard": False}
    try:
        _check_port(address)
        ray.init(address or "local", log_to_driver=False, logging_level=logging.ERROR, **here)
    except (OSError, ValueError) as error:
        raise UserError(
            f"expected a Ray cluster at {address}, but connecting failed with: {error}; start one "
            f"with `ray start --head`, or leave --address out to work on this machine"
        ) from error
    try:
        yield
    finally:
        ray.shutdown()


def _check_port(address: str | None) -> None:
    """Fail at once if no process listens; Ray itself would retry for minutes."""
    host, colon, port = (address or "").removeprefix("ray://").rpartition(":")
    if colon:
        socket.create_connection((host, int(port)), PATIENCE).close()
