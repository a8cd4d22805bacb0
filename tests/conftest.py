"""Fixtures shared by all tests."""

import gc
import os
from pathlib import Path

import hypothesis
import pytest

pytest_plugins = ["timeline_fixtures"]

# Tiny tensors gain nothing from threads, which on a busy machine wait for one another.
os.environ.setdefault("OMP_NUM_THREADS", "1")
# Ray's workers give way to all other processes, and tests beside them would make them wait.
os.environ.setdefault("RAY_worker_niceness", "0")

# Modules and tests stay: looking through them for garbage was a third of collecting.
gc.disable()

# The same examples in every run, however slow the machine is.
hypothesis.settings.register_profile(
    "mmpyramid",
    max_examples=30,
    deadline=None,
    derandomize=True,
    suppress_health_check=[hypothesis.HealthCheck.too_slow],
)
hypothesis.settings.load_profile("mmpyramid")

LONGEST = (
    *("test_docs", "extract/test_ray", "models/test_plain_pytorch", "teaching/test_teach"),
    *("web/test_api", "test_export", "training/test_run", "web/test_jobs"),
    *("render/test_page_edit", "test_site", "test_pipeline", "test_library"),
    *("cli/test_commands", "fuzz/test_damaged_files", "web/test_soak", "web/test_app"),
    *("render/test_page_access", "web/test_attacks", "web/test_pool", "training/test_graphs"),
    *("web/test_proxy", "extract/test_decoding", "render/test_page"),
    *("extract/test_killed_extraction", "extract/test_engines", "teaching/test_compact"),
    *("models/test_mm_pyramid", "test_readme", "web/test_serve_code", "test_gpu"),
    *("web/test_route_filter", "render/test_page_decode", "models/test_parity"),
    *("problems/test_dense_events", "accelerate/test_step", "store/test_mapped"),
    *("media/test_clock", "cli/test_parse_folder", "experiments/test_run_tables"),
    *("web/test_mutated_uploads", "core/test_process", "experiments/test_own_tables"),
    *("problems/test_parsing_metrics", "cli/test_mistakes", "training/test_modality_aware"),
    *("backbones/test_picture_backbones", "training/test_recipes", "test_gpu_benchmark"),
    "training/test_event_training",
)
"""Files of tests that take longest, as measured in a whole check: begun early, by several
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


def pytest_collection_finish() -> None:
    """Look for garbage from now on, in what tests make alone."""
    gc.freeze()
    gc.enable()
