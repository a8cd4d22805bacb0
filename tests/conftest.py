"""Fixtures shared by all tests."""

import os
from pathlib import Path

import pytest

pytest_plugins = ["timeline_fixtures"]

# Tiny tensors gain nothing from threads, which on a busy machine wait for one another.
os.environ.setdefault("OMP_NUM_THREADS", "1")

SHARED = Path(__file__).resolve().parents[2] / "shared"


@pytest.fixture(scope="session", autouse=True)
def feature_cache(tmp_path_factory: pytest.TempPathFactory) -> None:
    """Features of tests are packed where tests keep their files."""
    os.environ["MMPYRAMID_FEATURE_CACHE"] = str(tmp_path_factory.mktemp("packed"))


@pytest.fixture(scope="session")
def shared() -> Path:
    """Real annotations and clips that may not be shipped; a test that needs them skips without."""
    if not SHARED.is_dir():
        pytest.skip(f"needs the real annotations and clips in {SHARED}, which are not distributed")
    return SHARED
