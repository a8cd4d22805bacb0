"""Any video in, a timeline out: what can be heard, what can be seen, and what is both.

Importing this package loads numpy at most; everything heavier is loaded by what needs it.
"""

import os
from importlib import import_module
from importlib.util import find_spec
from typing import TYPE_CHECKING, Any

from mmpyramid.core import Event, Features, Modality, Scores, Timeline
from mmpyramid.core.errors import UserError, extra
from mmpyramid.core.timeline import Renderers, set_renderers
from mmpyramid.version import __version__

# ONNX Runtime otherwise reports over the network what it computes, and leaves files.
os.environ.setdefault("ORT_DISABLE_TELEMETRY", "1")

if TYPE_CHECKING:
    from mmpyramid.models import HAN, HANConfig, MMPyramid, MMPyramidConfig, load_pretrained
    from mmpyramid.pipeline import Pipeline, parse
    from mmpyramid.teaching import teach

__all__ = [
    "Event",
    "Features",
    "Modality",
    "Pipeline",
    "Scores",
    "Timeline",
    "UserError",
    "__version__",
    "parse",
]
if find_spec("torch") is not None:  # Else `from mmpyramid import *` would fail at the others.
    __all__ += ["HAN", "HANConfig", "MMPyramid", "MMPyramidConfig", "load_pretrained", "teach"]

_LAZY = {
    "HAN": "mmpyramid.models",
    "HANConfig": "mmpyramid.models",
    "MMPyramid": "mmpyramid.models",
    "MMPyramidConfig": "mmpyramid.models",
    "load_pretrained": "mmpyramid.models",
    "Pipeline": "mmpyramid.pipeline",
    "parse": "mmpyramid.pipeline",
    "teach": "mmpyramid.teaching",
}


def _renderers() -> Renderers:
    from mmpyramid.render import notebook

    return notebook


set_renderers(_renderers)


def __getattr__(name: str) -> Any:
    if name not in _LAZY:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    if _LAZY[name] == "mmpyramid.pipeline":
        return getattr(import_module(_LAZY[name]), name)
    with extra("torch", f"`mmpyramid.{name}`"):
        return getattr(import_module(_LAZY[name]), name)
