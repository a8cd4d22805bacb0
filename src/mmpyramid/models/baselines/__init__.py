"""The systems of Tables 1 and 2 that MM-Pyramid is compared with, one per file.

`BASELINES` holds them all. HAN, on which MM-Pyramid builds, is beside it in `mmpyramid.models`.
"""

from typing import Any

from mmpyramid.models.baselines.avel import AVEL, AVELConfig
from mmpyramid.models.baselines.avsdn import AVSDN, AVSDNConfig
from mmpyramid.models.baselines.cmran import CMRAN, CMRANConfig
from mmpyramid.models.baselines.psp import PSP, PSPConfig
from mmpyramid.models.network import Network

__all__ = [
    "AVEL",
    "AVSDN",
    "BASELINES",
    "CMRAN",
    "PSP",
    "AVELConfig",
    "AVSDNConfig",
    "CMRANConfig",
    "PSPConfig",
]

BASELINES: tuple[type[Network[Any, Any]], ...] = (CMRAN, PSP, AVEL, AVSDN)
