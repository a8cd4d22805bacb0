"""Reading one item ahead."""

import threading

import pytest

from mmpyramid.core.prefetch import prefetch


def test_the_next_item_is_made_while_the_current_one_is_used():
    made = [threading.Event() for _ in range(3)]

    def items():
        for number, event in enumerate(made):
            event.set()
            yield number

    for number in prefetch(items()):
        assert made[min(number + 1, 2)].wait(5)


def test_an_error_comes_in_its_place():
    def items():
        yield 1
        raise ValueError("broken")

    ahead = prefetch(items())
    assert next(ahead) == 1
    with pytest.raises(ValueError, match="broken"):
        next(ahead)


def test_nothing_and_falsy_items_are_items_like_others():
    assert list(prefetch([])) == []
    assert list(prefetch([0, None, ""])) == [0, None, ""]


def test_stopping_early_leaves_no_thread_behind():
    ahead = prefetch(iter(range(100)))
    next(ahead)
    ahead.close()
    assert not [thread for thread in threading.enumerate() if thread.name.startswith("prefetch")]
