"""The systems of Tables 1 and 2 that MM-Pyramid is compared with, one file each.

HAN, on which MM-Pyramid builds, is beside this folder.
"""

from mmpyramid.models.baselines import (  # noqa: F401 - importing registers
    avel,
    avin,
    avrb,
    avsdn,
    avt,
    cman,
    cmcs,
    cmran,
    dam,
    kong,
    mpn,
    psp,
    stpn,
    talnet,
)
