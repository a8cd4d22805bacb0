"""How many threads PyTorch computes with in this process; ONNX Runtime always takes one."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from threading import Lock

_lock = Lock()
_num_alone = 0
"""How many `one_thread` there are at this moment, in any thread."""
_of_torch = 0
"""What PyTorch took before the first of them; 0 if it was not loaded."""


def use_threads(number: int) -> None:
    """Compute with so many threads from here on; call it once the networks are loaded.

    Loading PyTorch takes seconds, and parsing does without: it is told only if it was loaded.
    """
    if torch := sys.modules.get("torch"):
        torch.set_num_threads(number)


@contextmanager
def one_thread() -> Iterator[None]:
    """Keep networks to one thread for a while, whatever other threads begin and end meanwhile.

    Speed comes from processes. The number of threads decides in which order some kernels sum, so it
    must not depend on the machine.
    """
    global _num_alone, _of_torch
    torch = sys.modules.get("torch")
    with _lock:
        if _num_alone == 0:
            _of_torch = torch.get_num_threads() if torch else 0
        _num_alone += 1
        if torch:
            torch.set_num_threads(1)
    try:
        yield
    finally:
        with _lock:
            _num_alone -= 1
            if _num_alone == 0 and torch and _of_torch:
                torch.set_num_threads(_of_torch)
