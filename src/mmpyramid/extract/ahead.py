"""Prepare the next item while the current one is worked on."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from itertools import islice
from typing import TypeVar

Item = TypeVar("Item")


def one_ahead(items: Iterable[Item]) -> Iterator[Item]:
    """Iterate with the next item always in the making, in a thread of its own.

    Decoding and networks leave Python's lock alone most of the time, so both cores are busy. What
    the items raise is raised here, in its place.

    Example:
        >>> list(one_ahead(range(3)))
        [0, 1, 2]
    """
    iterator = iter(items)
    with ThreadPoolExecutor(1, thread_name_prefix="one-ahead") as pool:
        coming = pool.submit(_next, iterator)
        while item := coming.result():
            coming = pool.submit(_next, iterator)
            yield from item


def _next(iterator: Iterator[Item]) -> tuple[Item, ...]:
    """The next item, or nothing at the end."""
    return tuple(islice(iterator, 1))
