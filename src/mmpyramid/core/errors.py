"""The one exception that users see: what was expected, what came, what to do.

`Problems` reports many faults in one such message, with counts and the first examples.
"""

from __future__ import annotations

NUM_EXAMPLES = 3
LONGEST_EXAMPLE = 500


class UserError(ValueError):
    """A mistake in the input, explained in one paragraph.

    Library users catch it as a `ValueError`; the command line prints its message without a
    traceback and exits with code 2.

    Example:
        >>> raise UserError("expected a threshold within 0..1, got 1.5; try 0.5")
        Traceback (most recent call last):
        ...
        mmpyramid.core.errors.UserError: expected a threshold within 0..1, got 1.5; try 0.5
    """


def describe_os_error(error: OSError) -> str:
    """The message for what the operating system refused, worded like that of a `UserError`.

    Example:
        >>> describe_os_error(PermissionError(13, "Permission denied", "a.json")).partition(";")[0]
        'a file or folder could not be read or written (a.json: Permission denied)'
    """
    path = error.filename2 or error.filename  # Where a file was renamed, its new name.
    reason = f"{path}: {error.strerror}" if path and error.strerror else error
    return (
        f"a file or folder could not be read or written ({reason}); check the path, its "
        "permissions and the space left on the disk"
    )


class Problems:
    """Collects faults by kind, so that a user mends them in one go.

    Example:
        >>> problems = Problems()
        >>> for name in "abcd":
        ...     problems.add("missing files", name)
        >>> problems.summary()
        'missing files: 4 (a, b, c, …)'
    """

    def __init__(self) -> None:
        self._examples: dict[str, list[str]] = {}

    def __bool__(self) -> bool:
        return bool(self._examples)

    def add(self, kind: str, example: str) -> None:
        """Note one fault."""
        cut = example if len(example) <= LONGEST_EXAMPLE else f"{example[:LONGEST_EXAMPLE]}…"
        self._examples.setdefault(kind, []).append(cut)

    def summary(self) -> str:
        """Every kind with its count and first examples, on one line."""
        return "; ".join(
            f"{kind}: {len(examples)} ({', '.join(_first(examples))})"
            for kind, examples in self._examples.items()
        )

    def raise_if_any(self, expected: str, remedy: str) -> None:
        """Raise one error about everything noted.

        Args:
            expected: a clause that says what was expected.
            remedy: a sentence that says what to do.

        Raises:
            UserError: if anything was noted.
        """
        if self:
            raise UserError(f"{expected}, but found {self.summary()}. {remedy}")


def _first(examples: list[str]) -> list[str]:
    return examples if len(examples) <= NUM_EXAMPLES else [*examples[:NUM_EXAMPLES], "…"]
