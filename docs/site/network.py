"""The figures of `how-it-works.md`, drawn from the network's configuration.

python docs/site/network.py    # writes docs/network.svg and docs/units.svg
"""

from collections.abc import Iterable
from html import escape
from pathlib import Path

from mmpyramid.core import Modality
from mmpyramid.core.palette import PALETTE
from mmpyramid.models import PyramidConfig

DOCS = Path(__file__).parents[1]
AUDIO, VISUAL, BOTH = (PALETTE[modality].light for modality in Modality)
INK, GREY = "#1b2430", "#c9d1d9"
CELL, NUM_SEGMENTS = 20, 21


def main() -> None:
    """Write both figures."""
    for name, content in figures().items():
        (DOCS / name).write_text(content, encoding="utf-8")


def figures() -> dict[str, str]:
    """The content of each file."""
    config = PyramidConfig()
    return {"network.svg": network(config), "units.svg": units(config)}


def network(config: PyramidConfig) -> str:
    """From the two streams to the events, block by block."""
    sizes = ", ".join(map(str, config.windows))
    blocks = (
        (0, 24, AUDIO, "sound", "1 s each"),
        (0, 104, VISUAL, "pictures", "1 s each"),
        (130, 24, AUDIO, "audio network", "frozen, pretrained"),
        (130, 104, VISUAL, "visual networks", "frozen, pretrained"),
        (260, 64, INK, "pyramid", f"{len(config.windows)} units: {sizes} s"),
        (390, 64, INK, "selective fusion", "weighs the units"),
        (520, 64, INK, "classifier", "second by second"),
        (650, 24, AUDIO, "heard", "per second, label"),
        (650, 104, VISUAL, "seen", "per second, label"),
        (780, 64, BOTH, "events", "thresholds, gate"),
    )
    arrows = (
        (110, 49, 130, 49),
        (110, 129, 130, 129),
        (240, 49, 260, 80),
        (240, 129, 260, 98),
        (370, 89, 390, 89),
        (500, 89, 520, 89),
        (630, 80, 650, 49),
        (630, 98, 650, 129),
        (760, 49, 780, 80),
        (760, 129, 780, 98),
    )
    drawn = [line for block in blocks for line in _block(*block)]
    drawn += [
        f'<path d="M{x0} {y0}L{x1} {y1}" stroke="{INK}" marker-end="url(#tip)"/>'
        for x0, y0, x1, y1 in arrows
    ]
    return _svg(890, 178, "The network, from sound and pictures to events", drawn)


def units(config: PyramidConfig) -> str:
    """Which seconds each unit of the pyramid combines for the second in the middle."""
    middle, left = NUM_SEGMENTS // 2, 130
    drawn = []
    for row, size in enumerate(config.windows):
        y = 34 + 34 * row
        drawn.append(f'<text x="0" y="{y + 12}">unit {row + 1}: ±{size} s</text>')
        for segment in range(NUM_SEGMENTS):
            distance = abs(segment - middle)
            fill = BOTH if distance <= size else GREY
            opacity = 1 if distance <= size else 0.35
            x = left + CELL * segment
            drawn.append(
                f'<rect x="{x}" y="{y}" width="{CELL - 2}" height="16" fill="{fill}"'
                f' opacity="{opacity}"/>'
            )
            if distance in {0, size}:
                drawn.append(f'<circle cx="{x + 9}" cy="{y + 8}" r="3.5" fill="#fff"/>')
    centre = left + CELL * middle + 9
    drawn.append(f'<text x="{centre}" y="22" text-anchor="middle">one second</text>')
    width, height = left + CELL * NUM_SEGMENTS, 34 + 34 * len(config.windows)
    return _svg(width, height, "The seconds that each unit of the pyramid combines", drawn)


def _block(x: int, y: int, colour: str, name: str, detail: str) -> list[str]:
    return [
        f'<rect x="{x + 1}" y="{y}" width="109" height="50" rx="6" fill="{colour}"/>',
        f'<text x="{x + 55}" y="{y + 22}" text-anchor="middle" fill="#fff" font-weight="600">'
        f"{escape(name)}</text>",
        f'<text x="{x + 55}" y="{y + 39}" text-anchor="middle" fill="#fff" font-size="10">'
        f"{escape(detail)}</text>",
    ]


def _svg(width: int, height: int, title: str, drawn: Iterable[str]) -> str:
    lines = "\n".join(drawn)
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="-10 -6 {width + 20} {height + 12}" '
        f'width="{width + 20}" font-family="sans-serif" font-size="11.5" fill="{INK}">\n'
        f"<title>{title}</title>\n"
        '<defs><marker id="tip" viewBox="0 0 6 6" refX="6" refY="3" markerWidth="6" '
        f'markerHeight="6" orient="auto"><path d="M0 0L6 3L0 6z" fill="{INK}"/></marker></defs>\n'
        f'<rect x="-10" y="-6" width="{width + 20}" height="{height + 12}" fill="#fff"/>\n'
        f"{lines}\n</svg>\n"
    )


if __name__ == "__main__":
    main()
