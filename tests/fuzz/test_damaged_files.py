"""Damaged files of every kind end in a result or in one clear paragraph, in time and in memory.

Each file is read by a process that is watched: an exception that is no `UserError`, a death, ten
seconds of work, or a gibibyte more than good files need fails the test.
"""

import os
import shutil
import sys
import time
import traceback
from pathlib import Path

import psutil
import pytest

from fuzz.mutations import mutants, number_of_cases
from fuzz.subjects import SUBJECTS
from mmpyramid.core.errors import UserError
from mmpyramid.core.process import (
    Answer,
    Channel,
    Worker,
    WorkerDiedError,
    WorkerTimeoutError,
    limit_memory,
)

SECONDS = 10.0
PATIENCE = 60.0
"""Seconds until a process that works, or waits, is given up; the machine may be busy."""
MEMORY = 2**30
LONGEST_MESSAGE = 3_000


def read_folders(channel: Channel) -> None:
    """Answer each subject and folder with what reading it ended in; the first of all is good."""
    sys.stderr = open(os.devnull, "w")  # noqa: PTH123, SIM115 - what libraries say meanwhile.
    name, folder = channel.requests.get()
    channel.send(outcome(name, folder))
    limit_memory(psutil.Process().memory_info().vms + MEMORY)
    while True:
        name, folder = channel.requests.get()
        channel.send(outcome(name, folder))


def outcome(name: str, folder: Path) -> Answer:
    """What reading ended in, and how many seconds of the processor it took."""
    begun = time.process_time()
    ended = end_of(name, folder)
    return Answer({"outcome": ended, "seconds": time.process_time() - begun})


def end_of(name: str, folder: Path) -> str:
    """`read`, `refused`, or what is wrong."""
    try:
        SUBJECTS[name].read(folder)
    except UserError as error:
        message = str(error).strip()
        if not message or "\n\n" in message or "Traceback" in message:
            return f"not one paragraph: {message!r}"
        return "refused" if len(message) <= LONGEST_MESSAGE else f"too long: {message[:300]}"
    except BaseException:  # noqa: BLE001 - also what ends a process.
        return traceback.format_exc()
    return "read"


@pytest.fixture(scope="module")
def outcome_of(tmp_path_factory):
    """Read a folder in the watched process, which is started anew when it has ended."""
    worker = Worker(read_folders, "fuzz")
    good = tmp_path_factory.mktemp("good")
    first = "model config.json"
    SUBJECTS[first].make(good)

    def read(name: str, folder: Path) -> str:
        if not worker.is_started:
            worker.start()
            worker.send((first, good))
            assert worker.receive(2 * PATIENCE).content["outcome"] == "read"
        worker.send((name, folder))
        try:
            answer = worker.receive(PATIENCE).content
            return answer["outcome"] if answer["seconds"] < SECONDS else f"slow: {answer}"
        except (WorkerTimeoutError, WorkerDiedError) as error:
            return f"{type(error).__name__}: {error}"

    yield read
    worker.stop()


@pytest.mark.slow
@pytest.mark.parametrize("name", SUBJECTS)
def test_a_damaged_file_is_read_or_refused(name, outcome_of, tmp_path):
    subject = SUBJECTS[name]
    good, damaged = tmp_path / "good", tmp_path / "damaged"
    good.mkdir()
    subject.make(good)
    shutil.copytree(good, damaged)
    assert outcome_of(name, damaged) == "read"
    original, wrong = (good / subject.file).read_bytes(), {}
    for number, content in enumerate(mutants(original, number_of_cases(30, of=500))):
        shutil.rmtree(damaged)
        shutil.copytree(good, damaged)
        (damaged / subject.file).write_bytes(content)
        found = outcome_of(name, damaged)
        if found not in {"read", "refused"}:
            wrong.setdefault(found.splitlines()[-1][:200], []).append((number, found))
    for kind, cases in wrong.items():
        print(f"{len(cases)} × {kind}; the first, number {cases[0][0]}:\n{cases[0][1]}")  # noqa: T201
    assert not wrong
