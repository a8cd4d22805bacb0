"""Interrupts that are never lost."""

from __future__ import annotations

import signal
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager

PAUSE = 0.01
"""Seconds after which a lost interrupt is sent again."""


@contextmanager
def interrupts_kept() -> Iterator[None]:
    """Send an interrupt again that Python had to drop.

    `KeyboardInterrupt` is raised wherever the main thread happens to be. In a destructor or the
    callback of a weak reference it cannot go anywhere: Python prints it and goes on. h5py has such
    a callback for every object, so that one Ctrl-C in twenty was lost while small videos were
    added to a store.

    Raises:
        KeyboardInterrupt: in the main thread, at the end at the latest, if there was an interrupt.

    Example:
        >>> with interrupts_kept():
        ...     print("A long run that Ctrl-C always ends.")
        A long run that Ctrl-C always ends.
    """
    report = sys.unraisablehook
    main = threading.main_thread().ident
    timer: threading.Timer | None = None

    def send_again(dropped: sys.UnraisableHookArgs) -> None:
        nonlocal timer
        if not issubclass(dropped.exc_type, KeyboardInterrupt):
            report(dropped)
            return
        if timer:
            timer.cancel()
        pause = PAUSE
        while True:
            timer = threading.Timer(pause, signal.pthread_kill, (main, signal.SIGINT))
            try:
                timer.start()
            except KeyboardInterrupt:  # on a busy machine it may arrive before `start` returns
                pause *= 10
            else:
                return

    sys.unraisablehook = send_again
    try:
        yield
    finally:
        sys.unraisablehook = report
        if timer:
            timer.join()
