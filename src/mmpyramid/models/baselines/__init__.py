"""The systems of Tables 1 and 2 that MM-Pyramid is compared with, one per file.

`BASELINES` holds them all. HAN, on which MM-Pyramid builds, is beside it in `mmpyramid.models`.
"""

from typing import Any

from mmpyramid.models.baselines.avel import AVEL, AVELConfig, AVELParser, AVELParserConfig
from mmpyramid.models.baselines.avsdn import AVSDN, AVSDNConfig, AVSDNParser, AVSDNParserConfig
from mmpyramid.models.baselines.cmcs import CMCS, CMCSConfig
from mmpyramid.models.baselines.cmran import CMRAN, CMRANConfig
from mmpyramid.models.baselines.kong import Kong, KongConfig
from mmpyramid.models.baselines.psp import PSP, PSPConfig
from mmpyramid.models.baselines.stpn import STPN, STPNConfig
from mmpyramid.models.baselines.talnet import TALNet, TALNetConfig
from mmpyramid.models.network import Network

__all__ = [
    "AVEL",
    "AVSDN",
    "BASELINES",
    "CMCS",
    "CMRAN",
    "PSP",
    "STPN",
    "AVELConfig",
    "AVELParser",
    "AVELParserConfig",
    "AVSDNConfig",
    "AVSDNParser",
    "AVSDNParserConfig",
    "CMCSConfig",
    "CMRANConfig",
    "Kong",
    "KongConfig",
    "PSPConfig",
    "STPNConfig",
    "TALNet",
    "TALNetConfig",
]

BASELINES: tuple[type[Network[Any, Any]], ...] = (
    *(AVEL, AVSDN, CMRAN, PSP),
    *(Kong, TALNet, STPN, CMCS, AVELParser, AVSDNParser),
)
"""Those of event localization, then those of parsing."""
