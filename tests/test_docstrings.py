"""The examples in docstrings give what they say."""

import doctest
import inspect
from enum import Enum
from importlib import import_module
from pathlib import Path

import pytest

import mmpyramid

NAMES = Path(__file__).with_name("public_names.txt").read_text().split()
PACKAGE = Path(mmpyramid.__file__).parent


def has_examples(path: Path) -> bool:
    lines = path.read_text(encoding="utf-8").splitlines()
    return any(">>> " in line and "+SKIP" not in line for line in lines)


def module_name(path: Path) -> str:
    parts = path.relative_to(PACKAGE.parent).with_suffix("").parts
    return ".".join(parts).removesuffix(".__init__")


@pytest.mark.slow
@pytest.mark.parametrize(
    "name", [module_name(path) for path in sorted(PACKAGE.rglob("*.py")) if has_examples(path)]
)
def test_examples_in_docstrings(name):
    result = doctest.testmod(import_module(name), optionflags=doctest.ELLIPSIS)
    assert result.attempted > 0
    assert result.failed == 0


def test_whatever_users_import_has_an_example():
    for path in NAMES:
        room, name = path.rsplit(".", 1)
        public = getattr(import_module(room), name)
        if inspect.isclass(public) and issubclass(public, Exception | Enum):
            continue
        if inspect.isclass(public) or inspect.isfunction(public):
            assert ">>>" in (inspect.getdoc(public) or ""), path
