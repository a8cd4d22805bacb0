"""The file that marks features as simulated, and what is made of them."""

from __future__ import annotations

from pathlib import Path

from mmpyramid.core.files import write_durably

MARKER_FILE = "SIMULATED.json"
"""Marks a folder of simulated features and holds their parameters."""


def find_marker(folder: Path) -> Path | None:
    """The file that marks a corpus, its features or a store of such as simulated, if there is one.

    Example:
        >>> find_marker(Path("LLP")) is None
        True
    """
    above = [folder.parent] if folder.name == "feats" else []
    candidates = (folder, *above, folder / "features", folder / "feats")
    markers = (candidate / MARKER_FILE for candidate in candidates)
    return next((marker for marker in markers if marker.is_file()), None)


def carry_marker(source: Path, out: Path) -> None:
    """Mark what was made of simulated features as such."""
    if marker := find_marker(source):
        out.mkdir(parents=True, exist_ok=True)
        write_durably(out / MARKER_FILE, marker.read_bytes())
