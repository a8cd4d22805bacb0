"""The messages of mistakes and missing packages in the source, for the page `troubleshooting.md`.

A section of the page names the files whose messages it explains: `<!-- messages: media/* -->`. The
build of the site lists them there, each as a heading, so that the search finds what a user saw.

Loaded by mkdocs as a hook (see mkdocs.yml).
"""

import ast
import re
from collections.abc import Collection, Iterable, Iterator, Mapping
from fnmatch import fnmatch
from functools import cache
from html import escape
from pathlib import Path

PACKAGE = Path(__file__).parents[2] / "src" / "mmpyramid"
MARK = re.compile(r"<!-- messages: (.*?) -->")
HOLE = "…"
"""What stands for a value in a message."""

REPORTED = {"describe_os_error", "_missing"}
"""Functions whose texts the command line prints as it prints those of a `UserError`."""


@cache
def messages() -> dict[str, tuple[str, ...]]:
    """The messages of every file, by its path within the package, each with holes for values."""
    modules = {
        path.relative_to(PACKAGE).as_posix(): ast.parse(path.read_text(encoding="utf-8"))
        for path in sorted(PACKAGE.rglob("*.py"))
    }
    constants = _constants(modules)
    errors = {"UserError", "ModuleNotFoundError", *_errors(modules.values())}
    found = {p: _Messages(module, constants[p], errors).all() for p, module in modules.items()}
    return {path: texts for path, texts in found.items() if texts}


def on_page_markdown(markdown: str, **_: object) -> str:
    """Put the messages of its files in place of each mark."""
    taken = set[str]()
    return MARK.sub(
        lambda mark: "".join(_heading(message, taken) for message in messages_of(mark[1])), markdown
    )


def messages_of(patterns: str) -> list[str]:
    """The messages of the files that match one of several patterns, separated by spaces."""
    return sorted(
        text
        for path, texts in messages().items()
        if any(fnmatch(path, pattern) for pattern in patterns.split())
        for text in texts
    )


def _heading(message: str, taken: set[str]) -> str:
    """What was expected and what came as a heading, what to do below it."""
    parts = re.split(r"; |\. ", message, maxsplit=1)
    if not re.search(r"\w{3}", parts[0]):
        parts = [message]
    slug = name = re.sub(r"\W+", "-", parts[0].lower()).strip("-")[:80] or "message"
    number = 2
    while slug in taken:
        slug, number = f"{name}-{number}", number + 1
    taken.add(slug)
    advice = f"<p>{escape(parts[1])}</p>\n" if len(parts) > 1 else ""
    return f'\n<h4 id="{slug}">{escape(parts[0])}</h4>\n{advice}'


def _errors(modules: Iterable[ast.Module]) -> Iterator[str]:
    """The kinds of `UserError`."""
    for statement in (each for module in modules for each in module.body):
        match statement:
            case ast.ClassDef(name=name, bases=[ast.Name(id="UserError"), *_]):
                yield name


def _constants(modules: Mapping[str, ast.Module]) -> dict[str, dict[str, str]]:
    """The named texts of every file: its own ones, and those that it imports."""
    own = {path: dict(_assigned(module)) for path, module in modules.items()}
    return {path: {**dict(_imported(module, own)), **own[path]} for path, module in modules.items()}


def _assigned(module: ast.Module) -> Iterator[tuple[str, str]]:
    for statement in module.body:
        match statement:
            case ast.Assign(targets=[ast.Tuple(elts=names)], value=ast.Tuple(elts=values)):
                pairs = list(zip(names, values, strict=False))
            case ast.Assign(targets=[name], value=value):
                pairs = [(name, value)]
            case _:
                continue
        for pair in pairs:
            match pair:
                case ast.Name(id=name), ast.Constant(value=str(text)):
                    yield name, text


def _imported(
    module: ast.Module, own: Mapping[str, Mapping[str, str]]
) -> Iterator[tuple[str, str]]:
    for node in ast.walk(module):
        match node:
            case ast.ImportFrom(module=str(source), names=names):
                path = source.removeprefix("mmpyramid").strip(".").replace(".", "/")
                known = own.get(f"{path}.py", {})
                yield from ((n.asname or n.name, known[n.name]) for n in names if n.name in known)


class _Messages:
    """Collects the messages of one file."""

    def __init__(
        self, module: ast.Module, constants: Mapping[str, str], errors: Collection[str]
    ) -> None:
        self.errors = errors
        self.nodes = list(ast.walk(module))
        self.constants = constants
        self.functions = {n.name: n for n in self.nodes if isinstance(n, ast.FunctionDef)}

    def all(self) -> tuple[str, ...]:
        """Every message once; none of those that repeat what another file says."""
        texts = (text for node in self.nodes for text in self.of(node))
        return tuple(dict.fromkeys(text for text in texts if re.search(r"\w{3}", text)))

    def of(self, node: ast.AST) -> Iterator[str]:
        match node:
            case ast.Call(func=ast.Attribute(attr="raise_if_any"), args=[expected, remedy, *_]):
                yield f"{self.text(expected)}, but found {HOLE}. {self.text(remedy)}"
            case ast.Call(func=ast.Name(id=name), args=[message, *_]) if name in self.errors:
                yield from self.values(message)
            case ast.FunctionDef(name=name) if name in REPORTED:
                yield from self.returned(node)

    def values(self, node: ast.expr) -> Iterator[str]:
        """The text of an expression; of a call of a function of the file, those that it returns."""
        match node:
            case ast.Call(func=ast.Name(id=name)) if name in self.functions:
                yield from self.returned(self.functions[name])
            case _:
                yield self.text(node)

    def returned(self, function: ast.FunctionDef) -> Iterator[str]:
        for each in ast.walk(function):
            if isinstance(each, ast.Return) and each.value is not None:
                yield self.text(each.value)

    def text(self, node: ast.expr) -> str:
        match node:
            case ast.Constant(value=str(text)):
                return text
            case ast.JoinedStr(values=parts):
                return "".join(map(self.text, parts))
            case ast.BinOp(left=left, op=ast.Add(), right=right):
                return self.text(left) + self.text(right)
            case ast.Name(id=name) | ast.FormattedValue(value=ast.Name(id=name)):
                return self.constants.get(name, HOLE)
            case _:
                return HOLE
