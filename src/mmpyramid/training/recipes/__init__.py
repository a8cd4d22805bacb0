"""Recipes: functions that return a complete training configuration."""

from collections.abc import Callable

from mmpyramid.training.config import TrainConfig
from mmpyramid.training.recipes import compared, mm_pyramid, reconstructed

Recipe = Callable[[], TrainConfig]

RECIPES: dict[str, Recipe] = {
    "llp": mm_pyramid.llp,
    "llp-open": mm_pyramid.llp_open,
    "compact": mm_pyramid.compact,
    "folder": mm_pyramid.folder,
    "han": compared.han,
    "han-ma": compared.han_ma,
    "llp-ma": mm_pyramid.llp_ma,
    "llp-last": mm_pyramid.last,
    "llp-unpyramid": mm_pyramid.unpyramid,
    "llp-hybrid-transformer": mm_pyramid.hybrid_transformer,
    "llp-without-conv": mm_pyramid.without_conv,
    "llp-without-residual": mm_pyramid.without_residual,
    "llp-without-ula": mm_pyramid.without_ula,
    "llp-without-sf": mm_pyramid.without_sf,
    "llp-non-sharing": mm_pyramid.non_sharing,
    "ave": mm_pyramid.ave,
    "ave-weak": mm_pyramid.ave_weak,
    "ave-proportion": mm_pyramid.ave_proportion,
    "ave-open": mm_pyramid.ave_open,
    "cmran": compared.cmran,
    "cmran-weak": compared.cmran_weak,
    "psp": compared.psp,
    "psp-proportion": compared.psp_proportion,
    "avel": compared.avel,
    "avel-weak": compared.avel_weak,
    "dmrn": compared.dmrn,
    "avsdn": compared.avsdn,
    "avsdn-weak": compared.avsdn_weak,
    "dam": reconstructed.dam,
    "avrb": reconstructed.avrb,
    "avrb-weak": reconstructed.avrb_weak,
    "avin": reconstructed.avin,
    "avin-weak": reconstructed.avin_weak,
    "cman": reconstructed.cman,
    "cman-weak": reconstructed.cman_weak,
    "avt": reconstructed.avt,
    "avt-weak": reconstructed.avt_weak,
    "mpn": reconstructed.mpn,
    "mpn-weak": reconstructed.mpn_weak,
    "kong": compared.kong,
    "talnet": compared.talnet,
    "stpn": compared.stpn,
    "cmcs": compared.cmcs,
    "avel-llp": compared.avel_llp,
    "avsdn-llp": compared.avsdn_llp,
    "han-pyramid": compared.han_pyramid,
    "cmran-pyramid": compared.cmran_pyramid,
    "psp-pyramid": compared.psp_pyramid,
}
"""Name to recipe, as the command line knows them."""
