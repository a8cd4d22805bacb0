"""Vocabularies: labels, and the classes of AudioSet and ImageNet that each one stands for, as TOML.

A file has a `title` and tables of labels; the name of a table groups them for people:

    title = "pond"

    [birds]
    Duck = { heard = ["Duck"], seen = ["drake"] }

`heard` names classes of AudioSet, `seen` classes of ImageNet; "first .. last" means all from one to
the other, in the order of the list. A label without one of them is never heard, or never seen, but
for two: `face = true` is seen where it is heard and a face is seen; `seen_if_heard = 0.9` says that
in so many of the seconds in which it is heard it is seen as well, for those who ask to infer that.

What is known of the classes themselves, their kinds and how they score, is here as well.
"""

from __future__ import annotations

import re
import tomllib
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from difflib import get_close_matches
from functools import cache
from pathlib import Path
from typing import Annotated, Any

import msgspec
import numpy as np

from mmpyramid.core import Array, Modality
from mmpyramid.core.errors import UserError
from mmpyramid.core.text import LARGEST_DESCRIPTION, read_text, shorten

FOLDER = Path(__file__).with_name("vocabularies")
VOCABULARIES = ("everyday", "llp", "ave")
"""Those that come along, by the names that users type."""

SPAN = " .. "
LONGEST_NAME = 200
"""Characters of a label."""


class Entry(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What stands for one label.

    Attributes:
        heard: names of AudioSet's classes, or spans of them.
        seen: names of ImageNet's classes, or spans of them.
        face: whether it is seen where it is heard and a face is seen.
        seen_if_heard: in which share of the seconds in which it is heard it is seen, if that is
            known.
    """

    heard: tuple[str, ...] = ()
    seen: tuple[str, ...] = ()
    face: bool = False
    seen_if_heard: Annotated[float, msgspec.Meta(ge=0, le=1)] = 0.0

    def classes(self, modality: Modality) -> tuple[str, ...]:
        """The names for one modality."""
        return self.heard if modality == Modality.AUDIO else self.seen


@dataclass(frozen=True)
class Vocabulary:
    """Labels, and what stands for them.

    Attributes:
        title: what people call it.
        entries: by label, in the order of the scores.
        groups: the labels of each group, by its name.
        source: where it stands, for messages.
        text: the file, in which a message looks for the line of a label.

    Example:
        >>> vocabulary = Vocabulary("pets", {"Dog": Entry(heard=("Bark",)), "Fish": Entry()})
        >>> vocabulary.unmapped(Modality.AUDIO)
        ('Fish',)
    """

    title: str
    entries: Mapping[str, Entry]
    groups: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    source: str = "the vocabulary"
    text: str = ""

    @property
    def labels(self) -> tuple[str, ...]:
        """The C labels."""
        return tuple(self.entries)

    @property
    def sought(self) -> str:
        """What is looked and listened for, in words.

        Example:
            >>> load_vocabulary("llp").sought
            '25 LLP sounds and things'
        """
        count = len(self.entries)
        return f"{count} {self.title} {'sounds and things' if count > 1 else 'sound or thing'}"

    def unmapped(self, modality: Modality) -> tuple[str, ...]:
        """The labels that nothing stands for: they are never heard, or never seen."""
        return tuple(name for name, entry in self.entries.items() if not entry.classes(modality))

    def columns(self, modality: Modality, class_names: Sequence[str]) -> list[list[int]]:
        """Where the classes of each label are in a backbone's list.

        Raises:
            UserError: if the list lacks one; names the label, its line, and what is spelled alike.

        Example:
            >>> pets = Vocabulary("pets", {"Dog": Entry(seen=("beagle .. pug", "wolf"))})
            >>> pets.columns(Modality.VISUAL, ("cat", "beagle", "collie", "pug", "wolf"))
            [[1, 2, 3, 4]]
        """
        index = {name: column for column, name in reversed(list(enumerate(class_names)))}
        return [
            [
                column
                for name in entry.classes(modality)
                for column in self._span(label, name, index)
            ]
            for label, entry in self.entries.items()
        ]

    def _span(self, label: str, span: str, index: Mapping[str, int]) -> range:
        ends = span.split(SPAN) if span not in index else [span]
        for name in ends:
            if name not in index:
                name = shorten(name, LONGEST_NAME)
                alike = get_close_matches(name, index, n=3, cutoff=0.5)
                hint = f"; spelled alike are {', '.join(map(repr, alike))}" if alike else ""
                raise UserError(
                    f"{self._place(label)}: the label {label!r} names {name!r}, which is not a "
                    f"class of its list{hint}; `mmpyramid info --classes WORD` finds classes"
                )
        first, last = index[ends[0]], index[ends[-1]]
        if len(ends) > 2 or last < first:
            raise UserError(
                f"{self._place(label)}: the label {label!r} names "
                f"{shorten(span, LONGEST_NAME)!r}; expected `first .. last` in the order of the "
                "list"
            )
        return range(first, last + 1)

    def _place(self, label: str) -> str:
        return f"{self.source}, line {_line(self.text, label)}" if self.text else self.source


def load_vocabulary(name: str | Path) -> Vocabulary:
    """Read one that comes along, by its name, or a file of one's own.

    Whether its classes exist is known when it meets the lists, see `Vocabulary.columns`.

    Raises:
        UserError: if there is no such vocabulary or file, or it is not one; tells the line.

    Example:
        >>> load_vocabulary("llp").labels[:3]
        ('Speech', 'Car', 'Cheering')
    """
    if name == "":
        raise UserError(
            f"expected a vocabulary out of {', '.join(VOCABULARIES)}, or a TOML file of your own; "
            "got an empty name"
        )
    path = FOLDER / f"{name}.toml" if name in VOCABULARIES else Path(name)
    try:
        is_there = path.exists()
    except (OSError, ValueError) as error:
        raise UserError(f"cannot read the vocabulary {name}: {error}") from error
    if not is_there:
        raise UserError(
            f"expected a vocabulary out of {', '.join(VOCABULARIES)}, or a TOML file of your own; "
            f"there is no file {name}"
        )
    return parse_vocabulary(read_text(path, LARGEST_DESCRIPTION), str(name))


def record_vocabulary(name: str | Path) -> str:
    """What a checkpoint notes of a vocabulary, for `recorded_vocabulary`.

    Returns:
        The name of one that comes along, the text of another one.

    Raises:
        UserError: as `load_vocabulary`.

    Example:
        >>> record_vocabulary("everyday")
        'everyday'
    """
    vocabulary = load_vocabulary(name)
    return str(name) if name in VOCABULARIES else read_text(Path(vocabulary.source))


def recorded_vocabulary(record: str) -> Vocabulary:
    """The vocabulary that a checkpoint notes.

    Raises:
        UserError: if it is none.

    Example:
        >>> recorded_vocabulary("ave").title
        'AVE'
    """
    if record in VOCABULARIES:
        return load_vocabulary(record)
    return parse_vocabulary(record, "the vocabulary of the checkpoint")


def parse_vocabulary(text: str, source: str) -> Vocabulary:
    """Read the text of a file.

    Args:
        text: TOML, see the head of this module.
        source: its name, for messages.

    Raises:
        UserError: if it is not a vocabulary.
    """
    try:
        tables = tomllib.loads(text)
    except (tomllib.TOMLDecodeError, ValueError, RecursionError) as error:
        reason = shorten(str(error), 200)
        raise UserError(f"expected {source} to be a vocabulary in TOML: {reason}") from error
    title = tables.pop("title", None)
    if not isinstance(title, str) or not title:
        raise UserError(f'{source}: expected a line `title = "..."` before the tables of labels')
    entries: dict[str, Entry] = {}
    groups: dict[str, tuple[str, ...]] = {}
    for group, table in tables.items():
        if not isinstance(table, dict) or table.keys() & {*Entry.__struct_fields__}:
            raise UserError(
                f"{source}, line {_line(text, group)}: expected a table of labels such as "
                f"`[animals]`, got {shorten(group)!r} outside of one"
            )
        for label, value in table.items():
            try:
                if len(label) > LONGEST_NAME:
                    raise UserError(
                        f"expected names of at most {LONGEST_NAME} characters, got "
                        f"{shorten(label)!r}"
                    )
                if label in entries:
                    raise UserError(f"the label {label!r} is there twice; keep one of the two")
                entries[label] = _entry(value, label)
            except UserError as error:
                raise UserError(f"{source}, line {_line(text, label)}: {error}") from error
        groups[group] = tuple(table)
    if not entries:
        raise UserError(f"{source}: expected labels in tables such as `[animals]`, found none")
    return Vocabulary(title, entries, groups, source, text)


def _entry(value: Any, label: str) -> Entry:
    try:
        entry = msgspec.convert(value, Entry)
    except msgspec.ValidationError as error:
        raise UserError(
            f'expected {label!r} to be like `{{ heard = ["Duck"], seen = ["drake"] }}`, '
            f"lists of class names: {shorten(str(error), 200)}"
        ) from error
    if (entry.face or entry.seen_if_heard) and not entry.heard:
        raise UserError(
            f"{label!r} is never heard, so `face` and `seen_if_heard` mean nothing for "
            'it; add `heard = ["..."]`'
        )
    if entry.seen_if_heard and entry.seen:
        raise UserError(
            f"{label!r} has both `seen` and `seen_if_heard`; what can be seen need not be "
            "inferred, so leave one of them out"
        )
    return entry


def _line(text: str, key: str) -> int:
    r"""The line on which a key stands, in or out of quotes, at its start or in the name of a table.

    Example:
        >>> _line('[a]\n"My dog".heard = []\n', "My dog")
        2
    """
    pattern = rf"""^[ \t]*(\[[^\]]*\.)?["']?{re.escape(key)}["']?\s*[.=\]]"""
    found = re.search(pattern, text, re.MULTILINE)
    return text.count("\n", 0, found.start() if found else 0) + 1


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
