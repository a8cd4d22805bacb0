"""Standard input, output and error of a process that was started without them, or not read."""

from __future__ import annotations

import os
import select
import sys

UNREAD = 141
"""The exit code where nobody reads the standard output, as a shell gives it for SIGPIPE."""


def replace_closed() -> None:
    """Open the null device for each standard stream that is closed.

    Otherwise Python has no object to write to, and the next file that is opened takes the number of
    the stream, so that what child processes print would go into it.
    """
    while (descriptor := os.open(os.devnull, os.O_RDWR)) <= 2:
        os.set_inheritable(descriptor, True)
    os.close(descriptor)
    sys.stdin = sys.stdin or open(0)  # noqa: SIM115 - open until the process ends
    sys.stdout = sys.stdout or open(1, "w")  # noqa: SIM115
    sys.stderr = sys.stderr or open(2, "w")  # noqa: SIM115


def is_unread() -> bool:
    """Whether the reader of the standard output has gone, as `head` does after some lines."""
    if not hasattr(select, "poll"):  # Windows cannot tell.
        return False
    try:
        descriptor = sys.stdout.fileno()
    except (OSError, ValueError):  # It is no file, or closed.
        return False
    poll = select.poll()
    poll.register(descriptor, 0)
    return any(events & (select.POLLERR | select.POLLHUP) for _, events in poll.poll(0))


def drop_output() -> None:
    """Discard buffered output, so that Python does not fail to write it at its end."""
    null = os.open(os.devnull, os.O_WRONLY)
    os.dup2(null, sys.stdout.fileno())
    os.close(null)
