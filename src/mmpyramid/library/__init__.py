"""Many parsed videos: their features in a store, their events in tables that are searched."""

from mmpyramid.library.index import Library
from mmpyramid.library.query import Query, search

__all__ = ["Library", "Query", "search"]
