"""The classes of the open backbones, which come with the package as text files."""

from __future__ import annotations

from functools import cache
from importlib.resources import files


@cache
def class_list(name: str) -> tuple[str, ...]:
    """The classes of a list in the order of the outputs; sources are in `classes/README.md`.

    Args:
        name: `audioset-521` or `imagenet-1k`.

    Example:
        >>> class_list("audioset-521")[:2], len(class_list("imagenet-1k"))
        (('Speech', 'Child speech, kid speaking'), 1000)
    """
    text = files("mmpyramid.backbones").joinpath("classes", f"{name}.txt").read_text("utf-8")
    return tuple(text.splitlines())
