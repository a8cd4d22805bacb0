"""The two layouts of annotations, LLP's and AVE's, told apart by their files."""

from __future__ import annotations

from pathlib import Path
from typing import Literal, TypeAlias

from mmpyramid.core.errors import UserError

AnnotationLayout: TypeAlias = Literal["LLP", "AVE"]

PATTERNS: dict[AnnotationLayout, str] = {"LLP": "AVVP_*.csv", "AVE": "Annotations.txt"}
"""Files that only one layout has."""


def refuse_other_layout(folder: Path, layout: AnnotationLayout) -> None:
    """Tell that a folder was taken for one of the other layout.

    Args:
        folder: what holds the annotations, or a `data/` that does.
        layout: the one that is expected.

    Raises:
        UserError: if the folder has files of the other layout and none of this one.
    """
    found = [
        name
        for name, pattern in PATTERNS.items()
        if any(folder.glob(pattern)) or any(folder.glob(f"data/{pattern}"))
    ]
    if found and layout not in found:
        raise UserError(
            f"expected annotations in the layout of {layout} in {folder}, got files of "
            f"{found[0]} ({PATTERNS[found[0]]}); parsing networks need the layout of LLP, and "
            "localization networks that of AVE"
        )
