"""The authors' released MM_Pyramid code, from a checkout of yours, made to run.

Nothing of it is kept here: its files are read, a few words are replaced in memory, and the result
is executed. The network, the losses and the evaluator stay what they are.
"""

from __future__ import annotations

import re
import sys
import types
from dataclasses import dataclass
from pathlib import Path

ORDER = (
    "nets",
    "nets.Transformer",
    "nets.MPAM",
    "utils",
    "utils.eval_metrics",
    "main_network",
    "dataloader_avvp",
    "main_avvp",
)
"""Modules of the release, each after those that it imports."""

FOR_A_CPU = (
    (r"\.to\(\s*'cuda'\s*\)", ".to('cpu')"),
    (r"\.cuda\(\)", ""),
    (r"num_workers=\d+", "num_workers=0"),
    (r"pin_memory=True", "pin_memory=False"),
)
"""What a CPU needs."""

FOR_PANDAS = (
    (r"\.ix\[", ".iloc["),
    (r"\brow\[(-?\d)\]", r"row.iloc[\1]"),
    (r"(df\.loc\[batch_idx, :\])\[0\]", r"\1.iloc[0]"),
)
"""What a pandas of today needs."""


@dataclass(frozen=True)
class Official:
    """The released modules that benchmarks call."""

    network: types.ModuleType
    data: types.ModuleType
    main: types.ModuleType

    def make(self):
        """The released network with the sizes of its released recipe."""
        return self.network.AVVPNet(8, 512, 512, [512] * 4)

    def corpus(self, data: Path, annotations: str):
        """The released data set over published features."""
        folders = [f"{data}/feats/{name}" for name in ("vggish", "res152", "r2plus1d_18")]
        return self.data.LLP_dataset(
            str(data / annotations), *folders, transform=self.data.ToTensor()
        )


def load_official(checkout: Path, device: str = "cpu") -> Official:
    """Execute the released code of a checkout, patched in memory: for a GPU only for pandas."""
    replacements = (*FOR_PANDAS, *(FOR_A_CPU if device == "cpu" else ()))
    for name in ORDER:
        path = checkout / (name.replace(".", "/") + ".py")
        module = sys.modules[name] = types.ModuleType(name)
        if path.is_file():
            source = path.read_text(encoding="utf-8")
            exec(compile(patched(source, replacements), str(path), "exec"), module.__dict__)
        elif (checkout / name).is_dir():
            module.__path__ = [str(checkout / name)]
        else:
            sys.exit(f"{checkout} is no checkout of MM_Pyramid: there is no {name}")
    chosen = ("main_network", "dataloader_avvp", "main_avvp")
    return Official(*(sys.modules[name] for name in chosen))


def patched(source: str, replacements: tuple[tuple[str, str], ...]) -> str:
    """The source with the replacements."""
    for pattern, replacement in replacements:
        source = re.sub(pattern, replacement, source)
    return source
