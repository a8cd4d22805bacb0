"""Fixtures shared by all tests."""

import os
from pathlib import Path

import pytest

pytest_plugins = ["timeline_fixtures"]

# Tiny tensors gain nothing from threads, which on a busy machine wait for one another.
os.environ.setdefault("OMP_NUM_THREADS", "1")

LONGEST = (
    *("web/test_api", "test_docs", "test_readme", "models/test_plain_pytorch", "web/test_attacks"),
    *("training/test_run", "web/test_app", "test_export", "extract/test_ray", "models/test_parity"),
    *("extract/test_killed_extraction", "web/test_mutated_uploads", "web/test_uploads"),
    *("training/test_modality_aware", "test_gpu_benchmark", "web/test_visits", "fuzz/test_media"),
    *("training/test_strategies", "cli/test_commands", "render/test_page_edit", "render/test_page"),
    *("training/test_event_training", "web/test_views", "web/test_connections"),
    *("extract/test_decoding", "fuzz/test_damaged_files", "backbones/test_picture_backbones"),
)
"""Files of tests that take ten seconds or more, the longest first: begun early, by several
processes, they end together."""

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


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Let several processes begin with the longest files; one keeps the order of the names."""
    if hasattr(config, "workerinput"):
        rank = {Path(__file__).parent / f"{name}.py": place for place, name in enumerate(LONGEST)}
        items.sort(key=lambda item: rank.get(item.path, len(LONGEST)))
