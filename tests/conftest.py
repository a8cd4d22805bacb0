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
    *("test_docs", "experiments/test_own_tables", "models/test_plain_pytorch", "web/test_app"),
    *("fuzz/test_damaged_files", "test_export", "accelerate/test_step", "training/test_run"),
    *("training/test_modality_aware", "extract/test_killed_extraction"),
    *("backbones/test_picture_backbones", "extract/test_decoding", "media/test_clock"),
    *("cli/test_commands", "models/test_parity", "cli/test_mistakes", "web/test_api"),
    *("training/test_recipes", "web/test_attacks", "render/test_page_edit", "extract/test_ray"),
    *("test_gpu_benchmark", "render/test_page_access", "training/test_event_training"),
    *("experiments/test_run_tables", "render/test_page", "teaching/test_compact"),
    *("core/test_process", "backbones/test_runtime", "test_site", "test_library"),
    *("render/test_figures", "web/test_jobs", "datasets/test_simulated_ave"),
    *("web/test_route_filter", "problems/test_parsing_metrics"),
    *("problems/toy_problem/test_toy_problem", "store/test_mapped", "cli/test_conversions"),
    *("models/test_mm_pyramid", "extract/test_engines", "cli/test_parse_folder"),
    *("cli/test_listen", "test_gpu", "test_readme", "teaching/test_teach"),
    *("render/test_page_zoom", "test_stream", "training/test_strategies", "extract/test_live"),
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
