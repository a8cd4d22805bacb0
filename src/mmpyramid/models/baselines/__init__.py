"""The systems of Tables 1 and 2 that MM-Pyramid is compared with, one per file.

`BASELINES` holds them all. HAN, on which MM-Pyramid builds, is beside it in `mmpyramid.models`.
"""

from typing import Any

from mmpyramid.models.baselines.avel import AVEL, AVELConfig, AVELParser, AVELParserConfig
from mmpyramid.models.baselines.avin import AVIN, AVINConfig
from mmpyramid.models.baselines.avrb import AVRB, AVRBConfig
from mmpyramid.models.baselines.avsdn import AVSDN, AVSDNConfig, AVSDNParser, AVSDNParserConfig
from mmpyramid.models.baselines.avt import AVT, AVTConfig
from mmpyramid.models.baselines.cman import CMAN, CMANConfig
from mmpyramid.models.baselines.cmcs import CMCS, CMCSConfig
from mmpyramid.models.baselines.cmran import CMRAN, CMRANConfig
from mmpyramid.models.baselines.dam import DAM, DAMConfig
from mmpyramid.models.baselines.kong import Kong, KongConfig
from mmpyramid.models.baselines.mpn import MPN, MPNConfig
from mmpyramid.models.baselines.psp import PSP, PSPConfig
from mmpyramid.models.baselines.stpn import STPN, STPNConfig
from mmpyramid.models.baselines.talnet import TALNet, TALNetConfig
from mmpyramid.models.network import Network

__all__ = [
    "AVEL",
    "AVIN",
    "AVRB",
    "AVSDN",
    "AVT",
    "BASELINES",
    "CMAN",
    "CMCS",
    "CMRAN",
    "DAM",
    "MPN",
    "PSP",
    "STPN",
    "AVELConfig",
    "AVELParser",
    "AVELParserConfig",
    "AVINConfig",
    "AVRBConfig",
    "AVSDNConfig",
    "AVSDNParser",
    "AVSDNParserConfig",
    "AVTConfig",
    "CMANConfig",
    "CMCSConfig",
    "CMRANConfig",
    "DAMConfig",
    "Kong",
    "KongConfig",
    "MPNConfig",
    "PSPConfig",
    "STPNConfig",
    "TALNet",
    "TALNetConfig",
]

BASELINES: tuple[type[Network[Any, Any]], ...] = (
    *(AVEL, AVSDN, DAM, AVRB, AVIN, CMAN, AVT, MPN, CMRAN, PSP),
    *(Kong, TALNet, STPN, CMCS, AVELParser, AVSDNParser),
)
"""Those of event localization, then those of parsing."""
