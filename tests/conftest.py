"""Fixtures shared by all tests."""

import os
from pathlib import Path

import pytest

pytest_plugins = ["timeline_fixtures"]

# Tiny tensors gain nothing from threads, which on a busy machine wait for one another.
os.environ.setdefault("OMP_NUM_THREADS", "1")

SHARED = Path(__file__).resolve().parents[2] / "shared"


@pytest.fixture(scope="session")
def shared() -> Path:
    """Real annotations and clips that may not be shipped; a test that needs them skips without."""
    if not SHARED.is_dir():
        pytest.skip(f"needs the real annotations and clips in {SHARED}, which are not distributed")
    return SHARED
