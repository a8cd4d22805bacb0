"""Recipes: functions that return a complete training configuration."""

from __future__ import annotations

import ast
from collections.abc import Callable
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from mmpyramid.training.config import TrainConfig

Recipe = Callable[[], "TrainConfig"]


class RecipeFile:
    """A file of recipes, which is imported when one of them is called.

    So a list of all recipes needs no torch: their descriptions are read from the source.
    """

    def __init__(self, name: str) -> None:
        tree = ast.parse(Path(__file__).with_name(f"{name}.py").read_text(encoding="utf-8"))
        functions = [node for node in tree.body if isinstance(node, ast.FunctionDef)]
        self._descriptions = {each.name: ast.get_docstring(each) for each in functions}
        self._name = f"{__name__}.{name}"

    def __getattr__(self, function: str) -> Recipe:
        if function not in self._descriptions:
            raise AttributeError(f"{self._name} has no recipe `{function}`")

        def recipe() -> TrainConfig:
            config: TrainConfig = getattr(import_module(self._name), function)()
            return config

        recipe.__name__, recipe.__doc__ = function, self._descriptions[function]
        return recipe


compared = RecipeFile("compared")
dense = RecipeFile("dense")
mm_pyramid = RecipeFile("mm_pyramid")

RECIPES: dict[str, Recipe] = {
    "llp": mm_pyramid.llp,
    "llp-open": mm_pyramid.llp_open,
    "llp-clip": mm_pyramid.llp_clip,
    "compact": mm_pyramid.compact,
    "folder": mm_pyramid.folder,
    "han": compared.han,
    "han-clip": compared.han_clip,
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
    "unav": dense.unav,
    "unav-plain": dense.unav_plain,
    "ov-avel": dense.ov_avel,
    "cmran": compared.cmran,
    "cmran-weak": compared.cmran_weak,
    "psp": compared.psp,
    "psp-proportion": compared.psp_proportion,
    "avel": compared.avel,
    "avel-weak": compared.avel_weak,
    "dmrn": compared.dmrn,
    "avsdn": compared.avsdn,
    "avsdn-weak": compared.avsdn_weak,
    "dam": compared.dam,
    "avrb": compared.avrb,
    "avrb-weak": compared.avrb_weak,
    "avin": compared.avin,
    "avin-weak": compared.avin_weak,
    "cman": compared.cman,
    "cman-weak": compared.cman_weak,
    "avt": compared.avt,
    "avt-weak": compared.avt_weak,
    "mpn": compared.mpn,
    "mpn-weak": compared.mpn_weak,
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
