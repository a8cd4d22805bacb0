"""Python files of the user (`--code`): imported by path, here and in every worker process.

A file is the module `mmpyramid.core.code.NAME_HASH`, a name that shadows no other module. Pickles
can refer to it: processes inherit the paths of the files in an environment variable, in which the
import system looks for modules of such names.
"""

from __future__ import annotations

import hashlib
import json
import os
import re
import sys
from collections.abc import Sequence
from importlib import import_module
from importlib.abc import MetaPathFinder
from importlib.machinery import ModuleSpec
from importlib.util import spec_from_file_location
from pathlib import Path
from types import ModuleType

from mmpyramid.core.errors import UserError

VARIABLE = "MMPYRAMID_CODE"
"""Environment variable with the absolute paths, a JSON list."""

__path__: list[str] = []  # A module that has submodules.


def load_code(path: Path) -> ModuleType:
    """Import a file, once; child processes can import it too.

    Raises:
        UserError: if there is no such file, or it is not called `.py`.

    Example:
        >>> load_code(Path("my_network.py"))  # doctest: +SKIP
    """
    path = path.resolve()
    if not path.is_file() or path.suffix != ".py":
        raise UserError(
            f"expected a file with Python code whose name ends in .py, got {path}; check --code"
        )
    before = code_files()
    os.environ[VARIABLE] = json.dumps(list(dict.fromkeys([*before, str(path)])))
    try:
        return import_module(_module_name(path))
    except BaseException:
        os.environ[VARIABLE] = json.dumps(before)
        raise


def load_inherited_code() -> None:
    """Import the files that the parent process has imported, for what they register.

    Every worker process that makes networks or backbones begins with it.
    """
    for path in code_files():
        load_code(Path(path))


def code_files() -> list[str]:
    """The absolute paths of the files that this process, or one it descends from, has imported."""
    paths: list[str] = json.loads(os.environ.get(VARIABLE, "[]"))
    return paths


class _Finder(MetaPathFinder):
    """Finds the modules of the files."""

    def find_spec(
        self, fullname: str, path: Sequence[str] | None, target: ModuleType | None = None
    ) -> ModuleSpec | None:
        del path, target
        if fullname.startswith(f"{__name__}."):
            for file in map(Path, code_files()):
                if _module_name(file) == fullname:
                    return spec_from_file_location(fullname, file)
        return None


def _module_name(path: Path) -> str:
    digest = hashlib.sha256(os.fsencode(path)).hexdigest()[:12]
    return f"{__name__}.{re.sub(r'[^a-zA-Z0-9]', '_', path.stem)}_{digest}"


sys.meta_path.append(_Finder())
