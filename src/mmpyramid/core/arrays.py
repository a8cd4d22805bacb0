"""Arrays, and the features of one video."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray

Array: TypeAlias = NDArray[np.float32]
Features: TypeAlias = Mapping[str, Array]
"""One video's features by stream name, each (T, D) or (T, H, W, D).

A stream whose modality the file lacks has no entry.
"""

Progress: TypeAlias = Callable[[int, int], None]
"""Called with (videos completed, videos in total) after each video."""
