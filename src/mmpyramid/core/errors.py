"""The one exception that users see: what was expected, what came, what to do.

`Problems` reports many faults in one such message, with counts and the first examples.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager

NUM_EXAMPLES = 3
LONGEST_EXAMPLE = 500
REPOSITORY = "https://github.com/mmpyramid/mmpyramid"


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


def how_to_install(extra: str) -> str:
    """The commands that install an extra.

    Example:
        >>> how_to_install("elan").partition(",")[0]
        "`pip install -e '.[elan]'` in a clone of the repository"
    """
    return (
        f"`pip install -e '.[{extra}]'` in a clone of the repository, or "
        f"`pip install 'mmpyramid[{extra}] @ git+{REPOSITORY}'`"
    )


@contextmanager
def extra(name: str, what: str) -> Iterator[None]:
    """Name the extra that installs a package, where the block fails to import it.

    Args:
        name: of the extra.
        what: needs it, as a sentence begins.

    Raises:
        ModuleNotFoundError: in place of the one that was raised.
    """
    try:
        yield
    except ModuleNotFoundError as error:
        raise missing_package((error.name or "").partition(".")[0], name, what) from error


def missing_package(package: str, extra: str, what: str) -> ModuleNotFoundError:
    """The exception for a missing package that an extra installs."""
    return ModuleNotFoundError(
        f"{what} needs the package `{package}`, which is not installed here; install it with "
        f"{how_to_install(extra)}",
        name=package,
    )


class Problems:
    """Collects faults by kind, so that a user can fix all of them at once.

    Example:
        >>> problems = Problems()
        >>> for name in "abcd":
        ...     problems.add("missing files", name)
        >>> problems.summary()
        'missing files: 4 (a, b, c, …)'
    """

    def __init__(self) -> None:
        self._counts: Counter[str] = Counter()
        self._examples: dict[str, list[str]] = {}

    def __bool__(self) -> bool:
        return bool(self._counts)

    def add(self, kind: str, example: str) -> None:
        """Note one fault."""
        self._counts[kind] += 1
        examples = self._examples.setdefault(kind, [])
        if len(examples) < NUM_EXAMPLES:
            is_short = len(example) <= LONGEST_EXAMPLE
            examples.append(example if is_short else f"{example[:LONGEST_EXAMPLE]}…")
        elif len(examples) == NUM_EXAMPLES:
            examples.append("…")

    def summary(self) -> str:
        """Every kind with its count and first examples, on one line."""
        return "; ".join(
            f"{kind}: {count} ({', '.join(self._examples[kind])})"
            for kind, count in self._counts.items()
        )

    def raise_if_any(self, expected: str, remedy: str) -> None:
        """Raise one error that lists all faults.

        Args:
            expected: a clause that says what was expected.
            remedy: a sentence that says what to do.

        Raises:
            UserError: if anything was noted.
        """
        if self:
            raise UserError(f"{expected}, but found {self.summary()}. {remedy}")
