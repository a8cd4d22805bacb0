"""The command line: a command is a typed function, its docstring the help."""

from mmpyramid.cli.main import main

__all__ = ["main"]
