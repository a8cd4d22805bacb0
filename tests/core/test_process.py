"""A worker process answers with data only, can always be ended, and never outlives its parent."""

import os
import pickle
import resource
import signal
import socket
import struct
import subprocess
import sys
import time
from functools import partial
from pathlib import Path

import numpy as np
import psutil
import pytest

from mmpyramid.core import sandbox
from mmpyramid.core.errors import UserError
from mmpyramid.core.process import (
    Answer,
    BrokenAnswerError,
    Worker,
    WorkerDiedError,
    WorkerTimeoutError,
)

PATIENCE = 30.0


def echo(channel):
    """Send each request back; exit, fail, hang or run for ever on demand."""
    while True:
        request = channel.requests.get()
        if isinstance(request, np.ndarray):
            channel.send(Answer({"pid": os.getpid()}, {"array": request}))
            continue
        if request == "return":
            return
        if request == "fail":
            raise ValueError("a mistake of the worker")
        if request == "run":
            while True:
                pass
        channel.send(Answer({"pid": os.getpid(), "request": request}))


def send_bytes(content, channel):
    """Answer with anything."""
    channel.requests.get()
    channel._line.sendall(content)
    time.sleep(PATIENCE)


def allocate(channel):
    channel.requests.get()
    try:
        bytearray(2**30)
        channel.send(Answer({"got": "a gibibyte"}))
    except MemoryError:
        channel.send(Answer({"got": "an error"}))


def frame(content):
    return struct.pack(">I", len(content)) + content


@pytest.fixture
def start():
    """Start workers that are stopped after the test."""
    started = []

    def start(serve, memory=None):
        worker = Worker(serve, "test", memory)
        started.append(worker)
        worker.start()
        return worker

    yield start
    for worker in started:
        worker.stop()


def test_requests_are_answered_in_order_several_ahead(start):
    worker = start(echo)
    requests = ["one", {"two": 2}, None, "bad\udcff", "\U0001f600"]
    for request in requests:
        worker.send(request)
    assert [worker.receive(PATIENCE).content["request"] for _ in requests] == requests


@pytest.mark.parametrize("dtype", ["float32", "uint8", "int64", "bool"])
@pytest.mark.parametrize("shape", [(), (3,), (0, 4), (2, 3, 500, 700)])
def test_arrays_come_as_they_were_sent(start, dtype, shape):
    array = np.random.default_rng(0).normal(scale=50, size=shape).astype(dtype)
    worker = start(echo)
    worker.send(array.T)
    found = worker.receive(PATIENCE).arrays["array"]
    assert (found.dtype, found.shape) == (array.dtype, array.T.shape)
    np.testing.assert_array_equal(found, array.T)


@pytest.mark.slow
def test_how_a_worker_ended_is_told_and_it_starts_again(start):
    worker = start(echo)
    for request, told in (("return", "exit code 0"), ("fail", "exit code 1")):
        worker.send(request)
        with pytest.raises(WorkerDiedError, match=told):
            worker.receive(PATIENCE)
        assert not worker.is_started
        worker.start()
    worker.send("hello")
    os.kill(worker.receive(PATIENCE).content["pid"], signal.SIGSEGV)
    with pytest.raises(WorkerDiedError, match="signal 11"):
        worker.receive(PATIENCE)


def test_a_worker_that_the_system_could_not_start_can_be_started_again(monkeypatch):
    worker = Worker(echo, "test")
    with monkeypatch.context() as lacking:
        lacking.setattr(sys, "executable", "/nowhere/python")
        with pytest.raises(FileNotFoundError):
            worker.start()
    assert not worker.is_started
    worker.start()
    worker.send("hello")
    assert worker.receive(PATIENCE).content["request"] == "hello"
    worker.stop()


def test_the_last_answer_comes_before_the_end(start):
    worker = start(echo)
    for request in ("hello", "return"):
        worker.send(request)
    assert worker.receive(PATIENCE).content["request"] == "hello"


def read_descriptors(channel):
    while True:
        channel.requests.get()
        descriptor = channel.descriptors.get()
        channel.send(Answer({"read": os.pread(descriptor, 9, 0).decode()}))


def test_open_files_come_with_their_requests(start, tmp_path):
    worker = start(read_descriptors)
    for number in range(3):
        (tmp_path / "file").write_text(f"file {number}")
        with (tmp_path / "file").open() as file:
            worker.send("x" * 10**number * 1000, file.fileno())
        (tmp_path / "file").unlink()
    assert [worker.receive(PATIENCE).content["read"] for _ in range(3)] == [
        "file 0",
        "file 1",
        "file 2",
    ]


LIMITED_PARENT = """
import sys
sys.path.insert(0, sys.argv[1])
import test_process
from mmpyramid.core.process import Worker
for _ in range(2):
    worker = Worker(test_process.echo, "test", 2**32, prepare=test_process.on_another_system)
    worker.start()
    worker.send("hello")
    print(worker.receive(30.0).content["request"])
    worker.stop()
"""


def on_another_system():
    """What a process prepares with before it finds that it runs on a Mac."""
    sys.platform = "darwin"


@pytest.mark.slow
def test_what_a_system_cannot_limit_is_said_once():
    done = subprocess.run(
        [sys.executable, "-c", LIMITED_PARENT, str(Path(__file__).parent)],
        capture_output=True,
        text=True,
        check=True,
    )
    assert done.stdout.split() == ["hello", "hello"]
    assert done.stderr.count("mmpyramid: ") == 1
    assert "only Linux" in done.stderr


@pytest.mark.slow
def test_a_worker_that_takes_too_long_is_killed(start):
    worker = start(echo)
    worker.send("run")
    pid, begun = worker.pid, time.monotonic()
    with pytest.raises(WorkerTimeoutError):
        worker.receive(1.0)
    assert time.monotonic() < begun + 5
    assert not psutil.pid_exists(pid)


@pytest.mark.slow
def test_a_worker_that_stops_in_the_middle_of_an_answer_is_killed(start):
    worker = start(partial(send_bytes, struct.pack(">I", 100) + b"{"))
    worker.send(None)
    with pytest.raises(WorkerTimeoutError):
        worker.receive(2.0)
    assert not worker.is_started


def test_killing_from_another_thread_is_noticed(start):
    worker = start(echo)
    worker.send("hello")
    worker.receive(PATIENCE)
    worker.kill()
    assert not worker.is_running
    with pytest.raises(WorkerDiedError, match="signal 9"):
        worker.receive(PATIENCE)


@pytest.mark.parametrize("interrupt", [signal.SIGINT, signal.SIGTERM])
def test_interrupts_are_for_the_parent(start, interrupt):
    worker = start(echo)
    worker.send("hello")
    os.kill(worker.receive(PATIENCE).content["pid"], interrupt)
    worker.send("still there")
    assert worker.receive(PATIENCE).content["request"] == "still there"


class Malicious:
    """Unpickling it makes a folder."""

    def __init__(self, folder):
        self.folder = folder

    def __reduce__(self):
        return os.mkdir, (str(self.folder),)


def test_a_pickle_is_a_broken_answer_and_its_code_does_not_run(start, tmp_path):
    harmful = pickle.dumps(Malicious(tmp_path / "harm"))
    for content in (frame(harmful), harmful):
        worker = start(partial(send_bytes, content + bytes(2**20)))
        worker.send(None)
        with pytest.raises((BrokenAnswerError, WorkerTimeoutError)):
            worker.receive(3.0)
        assert not worker.is_started
    assert list(tmp_path.iterdir()) == []
    pickle.loads(harmful)
    assert list(tmp_path.iterdir()) == [tmp_path / "harm"], "it would have harmed"


@pytest.mark.parametrize(
    "header",
    [
        b"no JSON",
        b"\xff\xfe",
        b"[" * 100_000,
        b"[]",
        b'{"content": {}}',
        b'{"content": [], "arrays": []}',
        b'{"content": {}, "arrays": [["a", "object", [1]]]}',
        b'{"content": {}, "arrays": [["a", "float32", [-1]]]}',
        b'{"content": {}, "arrays": [["a", "float32", [1.5]]]}',
        b'{"content": {}, "arrays": [["a", "float32", 7]]}',
        b'{"content": {}, "arrays": [["a", ["float32"], [7]]]}',
        b'{"content": {}, "arrays": [["a", "float32", [1000000000000]]]}',
        b'{"content": {}, "arrays": [["a", "float32", [4294967296, 4294967296, 4294967296]]]}',
        b'{"content": {}, "arrays": [["a", "uint8", [' + b",".join([b"1"] * 200) + b"]]]}",
    ],
)
def test_what_is_no_answer_ends_the_worker(start, header):
    worker = start(partial(send_bytes, frame(header)), memory=2**32)
    worker.send(None)
    with pytest.raises(BrokenAnswerError):
        worker.receive(PATIENCE)
    assert not worker.is_started


@pytest.mark.slow
def test_memory_is_limited(start):
    for memory, got in ((2**32, "a gibibyte"), (2**30, "an error")):
        worker = start(allocate, memory)
        worker.send(None)
        assert worker.receive(PATIENCE).content["got"] == got


@pytest.mark.parametrize("error", [ValueError("macOS on ARM"), OSError(22, "Invalid argument")])
def test_a_system_that_cannot_limit_memory_is_noticed(monkeypatch, error):
    def refuse(*_):
        raise error

    monkeypatch.setattr(resource, "setrlimit", refuse)
    assert not sandbox.limit_memory(2**32)


def test_macos_ignores_the_limit(monkeypatch):
    monkeypatch.setattr(sys, "platform", "darwin")
    monkeypatch.setattr(resource, "setrlimit", None)
    assert not sandbox.limit_memory(2**32)


PARENT = """
import sys
sys.path.insert(0, sys.argv[1])
from test_process import PATIENCE, Worker, echo
import time
worker = Worker(echo, "test")
worker.start()
worker.send("hello")
print(worker.receive(PATIENCE).content["pid"], flush=True)
worker.send(sys.argv[2])
time.sleep(PATIENCE)
"""


@pytest.mark.parametrize("state", ["run", "idle"])
@pytest.mark.slow
def test_no_worker_outlives_a_parent_that_was_killed(state):
    parent = subprocess.Popen(
        [sys.executable, "-c", PARENT, str(Path(__file__).parent), state], stdout=subprocess.PIPE
    )
    worker = psutil.Process(int(parent.stdout.readline()))
    time.sleep(0.2)
    parent.kill()
    parent.communicate()
    worker.wait(PATIENCE)


SCRIPT = """
import sys
from mmpyramid.core.process import Answer, Worker

def serve(channel):
    channel.send(Answer({"json": "here" in str(sys.modules["json"])}))

if __name__ == "__main__":
    worker = Worker(serve, "test")
    worker.start()
    print(worker.receive(30.0).content)
"""


def test_a_function_of_the_program_itself_can_serve(tmp_path):
    """And files that happen to lie in the current folder replace no module."""
    (tmp_path / "program").mkdir()
    (tmp_path / "here").mkdir()
    (tmp_path / "here" / "json.py").write_text("raise ImportError('not the standard module')")
    script = tmp_path / "program" / "script.py"
    script.write_text(SCRIPT)
    done = subprocess.run(
        [sys.executable, str(script)],
        cwd=tmp_path / "here",
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.stdout == "{'json': False}\n", done.stderr


def test_a_system_that_hands_over_no_files_is_told(monkeypatch):
    monkeypatch.delattr(socket, "send_fds")
    worker = Worker(echo, "test")
    with pytest.raises(UserError, match=r"expected Linux or macOS: .* WSL"):
        worker.start()
    assert not worker.is_started
