"""Many faults in one message: counts, the first examples, and no memory for the others."""

import tracemalloc

import pytest

from mmpyramid.core.errors import NUM_EXAMPLES, Problems


@pytest.mark.parametrize("count", range(1, NUM_EXAMPLES + 3))
def test_the_first_examples_are_told_and_all_are_counted(count):
    problems = Problems()
    for number in range(count):
        problems.add("missing files", str(number))
    first = ", ".join(map(str, range(min(count, NUM_EXAMPLES))))
    more = ", …" if count > NUM_EXAMPLES else ""
    assert problems.summary() == f"missing files: {count} ({first}{more})"


def test_what_is_not_told_takes_no_memory():
    problems = Problems()
    problems.add("missing features", "0")
    tracemalloc.start()
    for number in range(100_000):
        problems.add("missing features", f"video {number}")
    size, _ = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert size < 10_000
    assert problems.summary().startswith("missing features: 100001 (0, video 0, video 1, …)")
