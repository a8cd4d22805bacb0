"""Where everything of the visitors is, and how Gradio is told before it is imported."""

from __future__ import annotations

import os
import signal
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory


@contextmanager
def working_folder() -> Iterator[Path]:
    """A folder for uploads and examples, which is deleted at the end, however the process ends.

    Gradio reads its environment when it is imported, so that belongs into the block: it receives
    into `received`, and does not call home. `SIGKILL` is the one end that leaves the folder.

    Example:
        >>> with working_folder() as folder:
        ...     folder.is_dir()
        True
    """
    with TemporaryDirectory(prefix="mmpyramid-serve-") as name:
        os.environ["GRADIO_TEMP_DIR"] = str(Path(name) / RECEIVED)
        os.environ["GRADIO_ANALYTICS_ENABLED"] = "False"
        before = signal.signal(signal.SIGTERM, signal.default_int_handler)
        try:
            yield Path(name)
        finally:
            signal.signal(signal.SIGTERM, before)


RECEIVED = "received"
"""The part of it into which Gradio receives uploads."""
