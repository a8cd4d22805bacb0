"""The two tasks: what a run needs to know of each beside its network and its objective."""

from __future__ import annotations

from typing import Any

from mmpyramid.training.tasks.base import Task
from mmpyramid.training.tasks.parsing import ParsingTask

__all__ = ["TASKS", "ParsingTask", "Task"]

TASKS: dict[str, Task[Any, Any]] = {
    "parsing": ParsingTask(),
}
"""Name to task; the name is the `task` of networks and objectives."""
