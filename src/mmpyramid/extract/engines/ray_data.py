"""The engine of a cluster, or of a laptop that plays one: Ray Data with a pool of actors."""

from __future__ import annotations

import json
import logging
import os
import pickle
import socket
import warnings
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any, TypeAlias

import numpy as np
import ray
import ray.data
from numpy.typing import NDArray

from mmpyramid.backbones.base import Extractor
from mmpyramid.core import code
from mmpyramid.core.errors import UserError
from mmpyramid.extract.decoding import Limits
from mmpyramid.extract.engines.base import Engine, Job, Results
from mmpyramid.extract.workers import num_cores, work

PATIENCE = 10.0
"""Seconds for a cluster to answer."""

VIDEOS_PER_TASK = 16
OBJECT_STORE = 2**28
"""Bytes of shared memory on a laptop: only results pass through it."""

Rows: TypeAlias = dict[str, NDArray[Any]]


@dataclass(frozen=True, kw_only=True)
class RayEngine(Engine):
    """Works on a Ray cluster; this process, the only one that writes the store, gathers results.

    Each actor is what a worker of `LocalEngine` is. Every machine must see the videos under the
    same paths, and have this package installed. Videos whose actor died are tried again by workers
    of this machine.

    Attributes:
        address: of a running cluster, `auto` or `host:6379`; None starts one on this machine, which
            ends with the run.

    Example:
        >>> extract_corpus("videos/", "out/", engine=RayEngine(address="auto"))  # doctest: +SKIP
    """

    address: str | None = None

    def run(self, job: Job, paths: Sequence[Path], made: Sequence[Extractor]) -> Results:
        """Extract the features of files, and yield them as they come.

        Raises:
            UserError: if there is no cluster at the address.
        """
        del made  # Every actor makes its own.
        if not paths:
            return
        with _cluster(self.address, self.workers or num_cores()):
            resources: dict[str, float] = ray.cluster_resources()  # type: ignore[no-untyped-call]
            cores = int(resources.get("CPU", 1))
            num_workers = min(self.workers or cores, cores, len(paths))
            per_task = min(VIDEOS_PER_TASK, max(1, len(paths) // (4 * num_workers)))
            left = dict.fromkeys(paths)
            for path, result in _stream(job, self.limits, paths, num_workers, per_task):
                if path in left:
                    del left[path]
                    yield path, result
        # An actor that dies takes along the videos that wait for it; here a death costs one video.
        num_here = min(self.workers or num_cores(), num_cores())
        yield from work(partial(job.start, self.limits), left, num_here)


class _Actor:
    """Has the networks, and works through the videos of one task after the other."""

    def __init__(self, job: Job, limits: Limits) -> None:
        self._extractor = job.start(limits)

    def __call__(self, rows: Rows) -> Iterator[Rows]:
        paths = [pickle.loads(path) for path in rows["path"]]
        for answer in self._extractor.each(paths):
            yield {"answer": _cell(answer)}


def _stream(
    job: Job, limits: Limits, paths: Sequence[Path], num_workers: int, per_task: int
) -> Results:
    """Results as they come; none for tasks whose actor died twice."""
    context = ray.data.DataContext.get_current()
    context.enable_progress_bars = False
    context.max_errored_blocks = -1
    tasks = ray.data.from_items(
        [{"path": pickle.dumps(path)} for path in paths],
        override_num_blocks=-(-len(paths) // per_task),
    )
    with warnings.catch_warnings():
        # Ray 2.60 announces another way to say how often a task is tried; it has none yet.
        warnings.simplefilter("ignore", DeprecationWarning)
        answers = tasks.map_batches(
            _Actor,
            fn_constructor_args=(job, limits),
            batch_size=None,
            batch_format="numpy",
            concurrency=min(num_workers, -(-len(paths) // per_task)),
            num_cpus=1,
            max_restarts=-1,
            max_task_retries=1,
            runtime_env={"env_vars": {code.VARIABLE: json.dumps(code.code_files())}},
        )
    for row in answers.iter_rows():
        yield pickle.loads(row["answer"])


def _cell(value: object) -> NDArray[Any]:
    cell = np.empty(1, object)
    cell[0] = pickle.dumps(value, pickle.HIGHEST_PROTOCOL)
    return cell


@contextmanager
def _cluster(address: str | None, num_cpus: int) -> Iterator[None]:
    """Be connected to a cluster: the one this process is connected to, one elsewhere, a new one.

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
        _knock(address)
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


def _knock(address: str | None) -> None:
    """Fail at once where nobody listens; Ray itself would go on trying for minutes."""
    host, colon, port = (address or "").removeprefix("ray://").rpartition(":")
    if colon:
        socket.create_connection((host, int(port)), PATIENCE).close()
