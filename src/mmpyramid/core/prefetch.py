"""The next item is made while the current one is used."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from itertools import islice
from typing import TypeVar

Item = TypeVar("Item")


def prefetch(items: Iterable[Item]) -> Iterator[Item]:
    """Iterate while the next item is made in a thread.

    Decoding, reading and networks release the interpreter lock most of the time, so that both cores
    are busy. An exception of the items is raised in its place.

    Example:
        >>> list(prefetch(range(3)))
        [0, 1, 2]
    """
    iterator = iter(items)

    def take() -> tuple[Item, ...]:
        return tuple(islice(iterator, 1))

    with ThreadPoolExecutor(1, thread_name_prefix="prefetch") as pool:
        coming = pool.submit(take)
        while item := coming.result():
            coming = pool.submit(take)
            yield from item
