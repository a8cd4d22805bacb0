"""Show the section `Example:` of docstrings as code, as griffe does with `Examples:`.

Loaded by mkdocstrings (see mkdocs.yml).
"""

from typing import Any

import griffe


class Examples(griffe.Extension):
    """Calls the section by the name that griffe knows."""

    def on_object(self, *, obj: griffe.Object, **_: Any) -> None:
        """Rename the section of one object."""
        if obj.docstring:
            obj.docstring.value = obj.docstring.value.replace("\nExample:\n", "\nExamples:\n")
