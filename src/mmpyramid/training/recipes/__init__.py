"""Recipes: functions that return a complete training configuration."""

from collections.abc import Callable

from mmpyramid.training.config import TrainConfig
from mmpyramid.training.recipes import ablations, compared
from mmpyramid.training.recipes.ave import ave, ave_open, ave_proportion, ave_weak
from mmpyramid.training.recipes.llp import compact, folder, han, han_ma, llp, llp_ma, llp_open

Recipe = Callable[[], TrainConfig]

RECIPES: dict[str, Recipe] = {
    "llp": llp,
    "llp-open": llp_open,
    "compact": compact,
    "folder": folder,
    "han": han,
    "han-ma": han_ma,
    "llp-ma": llp_ma,
    "llp-last": ablations.last,
    "llp-unpyramid": ablations.unpyramid,
    "llp-hybrid-transformer": ablations.hybrid_transformer,
    "llp-without-conv": ablations.without_conv,
    "llp-without-residual": ablations.without_residual,
    "llp-without-ula": ablations.without_ula,
    "llp-without-sf": ablations.without_sf,
    "llp-non-sharing": ablations.non_sharing,
    "ave": ave,
    "ave-weak": ave_weak,
    "ave-proportion": ave_proportion,
    "ave-open": ave_open,
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
