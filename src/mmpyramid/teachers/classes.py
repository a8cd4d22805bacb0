"""What is known of the classes of AudioSet and ImageNet: their kinds, and how they score."""

from __future__ import annotations

import tomllib
from collections.abc import Callable, Iterable, Mapping, Sequence
from functools import cache

import numpy as np

from mmpyramid.core import Array, Modality
from mmpyramid.teachers.vocabulary import FOLDER


class Ontology:
    """Which class is a kind of which, for those of one list.

    Args:
        children: by class, what is a kind of it.

    Example:
        >>> ontology = Ontology({"Animal": ["Dog"], "Dog": ["Bark", "Howl"], "Wolf": ["Howl"]})
        >>> sorted(ontology.kinds(["Dog"])), sorted(ontology.implying(["Dog"]))
        (['Bark', 'Dog', 'Howl'], ['Bark', 'Dog'])
    """

    def __init__(self, children: Mapping[str, Sequence[str]]) -> None:
        self._children = children
        self._parents: dict[str, set[str]] = {}
        for parent, kinds in children.items():
            for kind in kinds:
                self._parents.setdefault(kind, set()).add(parent)

    @property
    def classes(self) -> set[str]:
        """All that are a kind of something, or have kinds."""
        return {*self._children, *self._parents}

    def kinds(self, names: Iterable[str]) -> set[str]:
        """The classes themselves and all that is a kind of one of them."""
        return _closure(names, lambda name: self._children.get(name, ()))

    def parents(self, names: Iterable[str]) -> set[str]:
        """The classes themselves and all that one of them is a kind of."""
        return _closure(names, lambda name: self._parents.get(name, ()))

    def implying(self, names: Iterable[str]) -> set[str]:
        """The classes themselves and what is a kind of them and of nothing else.

        A howl may be a wolf's, so it does not tell that there is a dog.
        """
        found = set(names)
        while more := {
            kind
            for name in found
            for kind in self._children.get(name, ())
            if kind not in found and self._parents[kind] <= found
        }:
            found |= more
        return found


def _closure(names: Iterable[str], step: Callable[[str], Iterable[str]]) -> set[str]:
    found, waiting = set(names), list(names)
    while waiting:
        new = set(step(waiting.pop())) - found
        found |= new
        waiting += new
    return found


@cache
def audioset() -> Ontology:
    """The ontology of AudioSet's 521 classes that YAMNet knows."""
    return Ontology(tomllib.loads((FOLDER / "audioset.toml").read_text(encoding="utf-8")))


def background(modality: Modality, class_names: Sequence[str]) -> Array:
    """How high each class scores in one of ten videos, (K,): what it takes for granted.

    It is the 90th percentile, over mixed clips, of the mean over the best three seconds. Where it
    is high, as for Speech or Music, a video may well score high without the thing.
    `benchmarks/vocabulary.py --calibrate` measures it.
    """
    table = _background()[modality]
    others = table["others"]
    return np.array([table.get(name, others) for name in class_names], np.float32)


@cache
def _background() -> Mapping[str, Mapping[str, float]]:
    return tomllib.loads((FOLDER / "background.toml").read_text(encoding="utf-8"))


def find_classes(word: str, class_names: Iterable[str]) -> list[str]:
    """The classes whose name has a word, or a part of one, whatever its case.

    Example:
        >>> find_classes("dog", ("Dog", "Hot dog", "Cat"))
        ['Dog', 'Hot dog']
    """
    return [name for name in class_names if word.casefold() in name.casefold()]
