"""The two tasks: what a run needs to know of each beside its network and its objective."""

from __future__ import annotations

from typing import Any

from mmpyramid.training.tasks.base import Task
from mmpyramid.training.tasks.localization import LocalizationTask
from mmpyramid.training.tasks.parsing import ParsingTask

__all__ = ["TASKS", "LocalizationTask", "ParsingTask", "Task"]

TASKS: dict[str, Task[Any, Any]] = {
    "parsing": ParsingTask(),
    "localization": LocalizationTask(),
}
"""Name to task; the name is the `task` of networks and objectives."""
