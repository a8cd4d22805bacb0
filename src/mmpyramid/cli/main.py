"""Dispatch: find the command, load only what it needs, turn mistakes into messages."""

from __future__ import annotations

import difflib
import inspect
import os
import re
import select
import sys
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import is_dataclass
from importlib import import_module
from itertools import takewhile
from pathlib import Path
from typing import Any, TypeVar, get_type_hints

from mmpyramid.core.code import load_code
from mmpyramid.core.errors import UserError, describe_os_error, missing_package
from mmpyramid.core.interrupts import interrupts_kept
from mmpyramid.core.progress import INTERRUPTED, Display, kind_of_display, shown
from mmpyramid.version import __version__

Result = TypeVar("Result")

COMMANDS = {
    "demo": "make a corpus, train on it, evaluate, parse a clip and show the page",
    "parse": "turn videos into timelines",
    "listen": "report the events of a microphone, a camera, a pipe or a stream as they end",
    "teach": "learn classes of your own from corrected timelines",
    "extract": "turn videos into a store of features",
    "library": "parse many videos once, and search them",
    "store": "bring existing features into a store, and out of it",
    "train": "train a network by a recipe",
    "label": "let a teacher label segments, for strategies that learn from them",
    "refine": "train with modality-aware labels: the MA strategy",
    "evaluate": "score a trained network with the official numbers",
    "score": "score the predictions of any system, and test whether two differ",
    "agree": "compare what two or more people or programs annotated",
    "tables": "reproduce a table of the paper",
    "predict": "turn precomputed features of a corpus into timelines, beside the truth",
    "simulate": "make a corpus of simulated features in the layout of LLP or AVE",
    "export": "write a network or a backbone as an ONNX file",
    "convert": "convert an official checkpoint",
    "render": "write a timeline in another format",
    "serve": "open the web app, with an HTTP interface",
    "info": "show what a model, a store, a timeline or a video is",
}
"""Name and one line of help of every command, which is a function of this name."""

FIRST_STEPS = {
    "with videos": {
        "mmpyramid parse clip.mp4": "what is heard and seen, as a page",
        "mmpyramid parse clip.mp4 --markers-for premiere": "markers for an editor",
        "mmpyramid serve": "the same in a browser",
        "mmpyramid listen microphone": "events as they end",
    },
    "in research": {
        "mmpyramid demo": "everything on rendered videos, in minutes",
        "mmpyramid train llp --data LLP --out runs/llp": "the released recipe",
        "mmpyramid evaluate runs/llp/model --data LLP": "the official numbers",
    },
    "with a corpus": {
        "mmpyramid extract videos/ --out features": "features of many videos, resumable",
        "mmpyramid info features": "what is in a store",
        "mmpyramid library add videos/ --out lib": "a library to search",
    },
}
"""Commands to begin with, by user."""

FILES = {"convert": "export", "refine": "train"}
"""Commands that are in the file of another; all others have a file of their own."""

WITH_OWN_PARSER = {"library", "refine", "store", "train"}
"""Commands whose flags depend on the argument before them."""

POSIX_MODULES = {"fcntl", "resource"}
"""Modules of the standard library that Windows lacks."""

EXTRAS: Mapping[str, set[str]] = {
    "torch": {"torch"},
    "train": {"torch", "pytorch_lightning", "torchmetrics", "tensorboard", "yaml"},
    "app": {"gradio", "fastapi", "fastapi_offline", "uvicorn"},
    "parquet": {"pyarrow"},
    "library": {"duckdb", "pyarrow"},
    "export": {"torch", "onnx", "onnxscript"},
    "plots": {"matplotlib"},
    "pandas": {"pandas"},
    "published": {"torch", "torchvision"},
    "text": {"torch", "transformers"},
    "elan": {"pympi", "defusedxml"},
    "scale": {"ray"},
}
"""What is not installed for everybody: extras, and the packages that each brings."""

OWN_EXTRAS = {
    **dict.fromkeys(("demo", "evaluate", "refine", "tables", "train"), "train"),
    "export": "export",
    "library": "library",
}
"""The extra of a command, which is named whichever of its packages is missing."""

REPEATABLE = {"--text"}
"""Flags whose values add up; of all others the parser would take the last one."""

UNREAD = 141
"""The exit code where nobody reads the standard output, as a shell gives it for SIGPIPE."""


def main(argv: list[str] | None = None) -> int:
    """Run one command.

    Args:
        argv: the arguments after `mmpyramid`; left out, those of the process.

    Returns:
        The exit code: 0 done, 1 done in part, 2 a mistake in the input, 130 interrupted, 141 if the
        reader of the standard output has gone.
    """
    _replace_closed()
    try:
        code = _main(list(sys.argv[1:] if argv is None else argv))
        sys.stdout.flush()
    except OSError as error:  # Of the standard streams: all others have been told.
        if is_unread():
            code = UNREAD
        else:
            code = 2
            with suppress(OSError):
                sys.stderr.write(f"mmpyramid: {describe_os_error(error)}\n")
        _drop_output()
    return code


def _replace_closed() -> None:
    """Open the null device for each standard stream that is closed.

    Otherwise Python has no object to write to, and the next file that is opened takes the number of
    the stream, so that what child processes print would go into it.
    """
    while (descriptor := os.open(os.devnull, os.O_RDWR)) <= 2:
        os.set_inheritable(descriptor, True)
    os.close(descriptor)
    sys.stdin = sys.stdin or open(0)  # noqa: SIM115 - open until the process ends
    sys.stdout = sys.stdout or open(1, "w")  # noqa: SIM115
    sys.stderr = sys.stderr or open(2, "w")  # noqa: SIM115


def is_unread() -> bool:
    """Whether the reader of the standard output has gone, as `head` does after some lines."""
    if not hasattr(select, "poll"):  # Windows cannot tell.
        return False
    try:
        descriptor = sys.stdout.fileno()
    except (OSError, ValueError):  # It is no file, or closed.
        return False
    poll = select.poll()
    poll.register(descriptor, 0)
    return any(events & (select.POLLERR | select.POLLHUP) for _, events in poll.poll(0))


def _drop_output() -> None:
    """Discard buffered output, so that Python does not fail to write it at its end."""
    null = os.open(os.devnull, os.O_WRONLY)
    os.dup2(null, sys.stdout.fileno())
    os.close(null)


def _main(args: list[str]) -> int:
    try:
        while args and args[0] == "--code":
            args = _load_code(args)
    except UserError as error:
        sys.stderr.write(f"mmpyramid: {error}\n")
        return 2
    if not args or args[0] in {"-h", "--help"}:
        sys.stdout.write(overview())
        return 0
    if args[0] == "--version":
        sys.stdout.write(f"mmpyramid {__version__}\n")
        return 0
    name, *rest = args
    display = Display(kind=kind_of_display(), name=f"mmpyramid {name}")
    with shown(display):
        code, problem = _outcome(name, rest)
        display.end(code, problem)
    return code


def _outcome(name: str, rest: list[str]) -> tuple[int, str]:
    """Run a command; its exit code, and what went wrong."""
    try:
        if name not in COMMANDS:
            close = difflib.get_close_matches(name, COMMANDS, n=1)
            hint = f"did you mean `{close[0]}`? " if close else ""
            raise UserError(f"there is no such command; {hint}known are {', '.join(COMMANDS)}")
        return _run(name, rest), ""
    except UserError as error:
        problem = str(error)
    except ModuleNotFoundError as error:
        problem = _missing(error, name)
    except OSError as error:
        if isinstance(error, BrokenPipeError) and is_unread():
            raise
        problem = describe_os_error(error)
    except KeyboardInterrupt:
        return INTERRUPTED, "interrupted; what was finished is kept"
    return 2, problem


def overview() -> str:
    """The help of the program as a whole."""
    width = max(map(len, COMMANDS))
    commands = "\n".join(f"  {name:<{width}}  {text}" for name, text in COMMANDS.items())
    return (
        "usage: mmpyramid COMMAND ... | --help | --version\n\n"
        "Any video in, a timeline out: what can be heard, what can be seen, and what is both.\n\n"
        f"{_first_steps()}\ncommands:\n{commands}\n\n"
        "`mmpyramid COMMAND --help` lists what a command takes, with an example.\n"
        "`mmpyramid --code FILE.py COMMAND ...` first imports a file with code of your own.\n"
        "exit codes: 0 done, 1 done in part, 2 a mistake in what was given, 130 interrupted.\n"
    )


def _first_steps() -> str:
    width = max(len(command) for steps in FIRST_STEPS.values() for command in steps)
    return "".join(
        f"{user}:\n" + "".join(f"  {command:<{width}}  {text}\n" for command, text in steps.items())
        for user, steps in FIRST_STEPS.items()
    )


def _load_code(args: list[str]) -> list[str]:
    """Import the file after a leading `--code`, and return the arguments after it."""
    path = Path(args[1]) if len(args) > 1 else None
    if path is None or not path.is_file():
        raise UserError(
            f"--code should be followed by a Python file, got {path or 'nothing'}; for instance "
            "`mmpyramid --code network.py train my-recipe --data LLP --out runs/mine`"
        )
    load_code(path)
    return args[2:]


def _run(name: str, rest: list[str]) -> int:
    with interrupts_kept():
        command = getattr(import_module(f"mmpyramid.cli.{FILES.get(name, name)}"), name)
        code: int = command(rest) if name in WITH_OWN_PARSER else run(command, name, rest)
    return code


def run(function: Callable[..., Result], name: str, args: list[str]) -> Result:
    """Call a typed function with arguments of the command line; wrong ones exit with code 2.

    Raises:
        UserError: as `check_given_once`.
    """
    import tyro

    check_given_once(args)
    # Tyro would keep the line breaks inside the description of an argument.
    function.__doc__ = re.sub(r"\n {8}", " ", inspect.cleandoc(function.__doc__ or ""))
    with lines_joined(args, *filter(is_dataclass, get_type_hints(function).values())):
        return tyro.cli(function, prog=f"mmpyramid {name}", args=args)


def check_given_once(args: list[str]) -> None:
    """Check that no flag is given twice, nor with its opposite (`--embed --no-embed`).

    Raises:
        UserError: if one is.
    """
    given: dict[str, list[str]] = {}
    for arg in takewhile(lambda arg: arg != "--", args):
        if arg.startswith("--"):
            flag = arg.partition("=")[0].replace("_", "-")
            given.setdefault(flag.replace("--no-", "--"), []).append(flag)
    for flags in given.values():
        if len(flags) > 1 and flags[0] not in REPEATABLE:
            raise UserError(
                f"expected {flags[0]} once, got {' and '.join(flags)}; give it once, with all of "
                "its values after it"
            )


@contextmanager
def lines_joined(args: list[str], *classes: Any) -> Iterator[None]:
    """Have Tyro show the descriptions of fields without their line breaks, if help is asked for.

    Args:
        args: of the command line.
        classes: dataclasses, whose docstrings have a line for each field meanwhile.
    """
    if not {"-h", "--help"} & {*args}:
        yield
        return
    import docstring_parser

    bases = {base for kind in classes for base in kind.__mro__ if is_dataclass(base)}
    written = {kind: kind.__doc__ for kind in bases}
    for kind in bases:
        parsed = docstring_parser.parse_from_object(kind)
        fields = [
            f"    {p.arg_name}: {' '.join((p.description or '').split())}" for p in parsed.params
        ]
        kind.__doc__ = "\n".join((parsed.description or "", "", "Attributes:", *fields))
    try:
        yield
    finally:
        for kind, text in written.items():
            kind.__doc__ = text


def run_one(
    commands: Mapping[str, Callable[..., int]], name: str, overview: str, args: list[str]
) -> int:
    """Run one of the commands that a command consists of; without arguments, show the overview.

    Args:
        commands: by name.
        name: of the command that they are parts of.
        overview: what `--help` shows before the help of each.
        args: the arguments after `name`.

    Raises:
        UserError: if there is no such command.
    """
    if not args:
        sys.stderr.write(overview)
        return 2
    if args[0] in {"-h", "--help"}:
        sys.stdout.write(overview)
        for part, command in commands.items():
            with suppress(SystemExit):
                run(command, f"{name} {part}", ["--help"])
        raise SystemExit(0)  # As Tyro ends the program where it shows help.
    if args[0] not in commands:
        known = ", ".join(f"`{name} {part}`" for part in commands)
        raise UserError(f"expected one of {known}, got `{name} {args[0]}`")
    return run(commands[args[0]], f"{name} {args[0]}", args[1:])


def _missing(error: ModuleNotFoundError, command: str) -> str:
    """Name the extra that installs a package; an unknown package is our own mistake."""
    # Lightning raises it without a name for TensorBoard.
    names = [error.name] if error.name else re.findall(r"\w+", str(error))
    if names and names[0] in POSIX_MODULES:
        return (
            f"this command needs Linux or macOS: this Python has no `{names[0]}`; on Windows, run "
            "mmpyramid in WSL"
        )
    packages = [name.partition(".")[0] for name in names]
    extras = [extra for extra, brought in EXTRAS.items() if not brought.isdisjoint(packages)]
    if not extras:
        raise error
    extra = OWN_EXTRAS[command] if OWN_EXTRAS.get(command) in extras else extras[0]
    package = next(name for name in packages if name in EXTRAS[extra])
    return str(missing_package(package, extra, "this command"))
