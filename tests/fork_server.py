"""Commands in forks of one process that has imported the libraries, which takes seconds.

Each command is a process with its own arguments, folder, environment and output, as it would be if
a shell had started it. A test puts `programs(folder)` first on the `PATH` of a shell.
"""

import gc
import json
import os
import socket
import subprocess
import sys
import traceback
from collections.abc import Iterator
from contextlib import contextmanager
from importlib import import_module
from multiprocessing import active_children, get_context
from pathlib import Path

PROGRAM = """#!{python} -ISE
import json, os, socket, sys
with socket.socket(socket.AF_UNIX) as line:
    line.connect({address!r})
    request = ["{name}", sys.argv[1:], os.getcwd(), dict(os.environ)]
    socket.send_fds(line, [json.dumps(request).encode()], [0, 1, 2])
    code = line.recv(1)
    line.recv(1)  # Until the process has ended.
sys.exit(code[0] if code else "the process died")
"""
LARGEST_REQUEST = 2**18
LIBRARIES = ("av", "h5py", "pytorch_lightning", "torchvision", "tyro")
"""Not the package itself, which looks at what `--code` registers when it is imported."""


@contextmanager
def programs(folder: Path) -> Iterator[Path]:
    """A folder with `mmpyramid`, and with `python` for `python -c CODE`."""
    address = folder / "socket"
    for name in ("mmpyramid", "python"):
        text = PROGRAM.format(python=sys.executable, address=str(address), name=name)
        (folder / name).write_text(text)
        (folder / name).chmod(0o755)
    server = subprocess.Popen(
        [sys.executable, __file__, str(address)], stdout=subprocess.PIPE, text=True
    )
    try:
        assert server.stdout is not None
        assert server.stdout.readline() == "ready\n"
        yield folder
    finally:
        server.terminate()
        server.communicate()


def main(address: str) -> None:
    """Fork for every request, for ever."""
    for library in LIBRARIES:
        import_module(library)
    # A fork that looked at what the libraries hold, or freed it at its end, would copy all of it.
    gc.freeze()
    sys.stdin = None  # Each fork gets its own.
    process = get_context("fork").Process
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(address)
        listener.listen()
        print("ready", flush=True)  # noqa: T201
        while True:
            line, _ = listener.accept()
            process(target=answer, args=(line, listener)).start()
            line.close()
            active_children()  # Lets those go that have ended.


def answer(line: socket.socket, listener: socket.socket) -> None:
    """Become the process that was asked for, and tell its exit code."""
    listener.close()
    request, descriptors, *_ = socket.recv_fds(line, LARGEST_REQUEST, 3)
    name, words, folder, environment = json.loads(request)
    for number, descriptor in enumerate(descriptors):
        os.dup2(descriptor, number)
        os.close(descriptor)
    sys.stdin = open(0)  # noqa: SIM115
    os.chdir(folder)
    os.environ.clear()
    os.environ.update(environment)
    try:
        code = run(name, words)
    except Exception:  # noqa: BLE001 - as Python itself does.
        traceback.print_exc()
        code = 1
    line.send(bytes([code]))


def run(name: str, words: list[str]) -> int:
    from mmpyramid.cli import main as command

    sys.argv = [name, *words]
    if name == "mmpyramid":
        try:
            return command(words)
        except SystemExit as stop:  # After `--help`.
            return int(stop.code or 0)
    option, code = words
    assert option == "-c", words
    sys.path.insert(0, "")
    exec(compile(code, "<string>", "exec"), {"__name__": "__main__"})
    return 0


if __name__ == "__main__":
    main(*sys.argv[1:])
