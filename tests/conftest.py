"""Fixtures shared by all tests."""

from pathlib import Path

import pytest

SHARED = Path(__file__).resolve().parents[2] / "shared"


@pytest.fixture(scope="session")
def shared() -> Path:
    """Real annotations and clips that may not be shipped; a test that needs them skips without."""
    if not SHARED.is_dir():
        pytest.skip(f"needs the real annotations and clips in {SHARED}, which are not distributed")
    return SHARED
