"""Recipes: functions that return a complete training configuration."""

from collections.abc import Callable

from mmpyramid.training.config import TrainConfig
from mmpyramid.training.recipes import ave, compared, llp

Recipe = Callable[[], TrainConfig]

RECIPES: dict[str, Recipe] = {
    "llp": llp.llp,
    "llp-open": llp.llp_open,
    "compact": llp.compact,
    "folder": llp.folder,
    "han": llp.han,
    "han-ma": llp.han_ma,
    "llp-ma": llp.llp_ma,
    "llp-last": llp.last,
    "llp-unpyramid": llp.unpyramid,
    "llp-hybrid-transformer": llp.hybrid_transformer,
    "llp-without-conv": llp.without_conv,
    "llp-without-residual": llp.without_residual,
    "llp-without-ula": llp.without_ula,
    "llp-without-sf": llp.without_sf,
    "llp-non-sharing": llp.non_sharing,
    "ave": ave.ave,
    "ave-weak": ave.ave_weak,
    "ave-proportion": ave.ave_proportion,
    "ave-open": ave.ave_open,
    "cmran": compared.cmran,
    "cmran-weak": compared.cmran_weak,
    "psp": compared.psp,
    "psp-proportion": compared.psp_proportion,
    "avel": compared.avel,
    "avel-weak": compared.avel_weak,
    "dmrn": compared.dmrn,
    "avsdn": compared.avsdn,
    "avsdn-weak": compared.avsdn_weak,
    "kong": compared.kong,
    "talnet": compared.talnet,
    "stpn": compared.stpn,
    "cmcs": compared.cmcs,
    "avel-llp": compared.avel_llp,
    "avsdn-llp": compared.avsdn_llp,
}
"""Name to recipe, as the command line knows them."""
