"""The command line: a command is a typed function in its own file, its docstring the help."""

from mmpyramid.cli.main import main

__all__ = ["main"]
