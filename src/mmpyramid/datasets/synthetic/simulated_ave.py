"""Simulated features in the published AVE layout, for training and benchmarks without any video.

Nothing here was seen or heard by a network, see `mmpyramid.datasets.synthetic.simulated`.

Shape letters: T segments, Y and X places of the picture, C classes, D stream width.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np

from mmpyramid.core import Array, Progress
from mmpyramid.datasets.ave_features import FILES, SEGMENT_SHAPES
from mmpyramid.datasets.ave_files import NUM_SEGMENTS, EventLines, Index
from mmpyramid.datasets.base import SPLITS
from mmpyramid.datasets.synthetic.ave_planting import (
    KEY,
    EventPlan,
    given_events,
    random_events,
    write_events,
)
from mmpyramid.datasets.synthetic.ave_scenes import draw_scene
from mmpyramid.datasets.synthetic.planting import claim_folder, video_rng
from mmpyramid.datasets.synthetic.simulation import (
    check_parameters,
    draw_latent,
    draw_patterns,
    draw_strengths,
    rectify,
)
from mmpyramid.store.hdf5 import write_rows
from mmpyramid.store.source import MARKER_FILE

SIMULATION_VERSION = 2
"""Raised whenever the same parameters would give other features."""

DEFAULT_SIZES = {"train": 300, "val": 60, "test": 60}
VISUAL_STREAM = "vgg19"


def simulate_ave(
    annotations: str | Path | None,
    out: str | Path,
    *,
    sizes: Mapping[str, int] | None = None,
    seed: int = 0,
    difficulty: float = 0.5,
    progress: Progress | None = None,
) -> Path:
    """Write annotations, label files and simulated features in the layout of AVE.

    The files have the names, keys and shapes of the published ones, in float32 instead of float64.
    Where the annotations have an event, its class is heard and seen at once, in a part of the
    picture (`ave_scenes`). Clips of background for weak training are added in AVE's
    proportion. A clip's features depend on its line, `seed` and `difficulty` only: any subset of
    the clips gets the same ones.

    Args:
        annotations: folder with `Annotations.txt` and the order files of AVE; None draws random
            annotations with the 28 classes of AVE.
        out: a new folder; it gets the annotations of the chosen clips as well, renumbered.
        sizes: at most so many clips per split, drawn at random; a split that is left out comes
            whole, or with 300, 60 or 60 random clips.
        seed: same seed, same features.
        difficulty: 0 (events stand out) to 1 (faint, noisy, confusable in pairs, and surrounded by
            what distracts from them).
        progress: called after each clip.

    Returns:
        The folder `out`.

    Raises:
        UserError: if `difficulty` is outside 0..1, `seed` is negative, annotations are missing or
            damaged, `out` holds anything else, or the disk is full.

    Example:
        >>> from mmpyramid.datasets.synthetic.simulated_ave import simulate_ave
        >>> folder = simulate_ave(None, "simulated", sizes={"train": 100})  # doctest: +SKIP
    """
    chosen = dict(sizes or {})
    check_parameters(chosen, SPLITS, seed, difficulty)
    if annotations is None:
        plan = random_events({**DEFAULT_SIZES, **chosen}, seed)
    else:
        plan = given_events(annotations, chosen, seed)
    folder = Path(out)
    parameters = {
        "what": "simulated features: planted by a program, not extracted from videos",
        "layout": "ave",
        "version": SIMULATION_VERSION,
        "annotations": "random" if annotations is None else str(annotations),
        "sizes": chosen,
        "seed": seed,
        "difficulty": difficulty,
    }
    claim_folder(folder, MARKER_FILE, parameters)
    clips = _clips(write_events(folder, plan), plan)
    simulator = _Simulator(len(plan.labels), seed, difficulty)
    for stream in SEGMENT_SHAPES:
        # Sound takes no time, so clips are counted when their pictures are done.
        told = progress if stream == VISUAL_STREAM else None
        _write_features(folder, stream, clips, simulator, told)
    return folder


class _Clip(NamedTuple):
    """What decides the features of a clip, and to which set of files they belong."""

    name: str
    category: int
    segment_T: Index
    suffix: str


def _clips(lines: EventLines, plan: EventPlan) -> list[_Clip]:
    """The clips with events in the order of their rows, then those of background."""
    background = len(lines.labels)
    nothing_T = np.full(lines.num_segments, background)
    events = zip(plan.lines, lines.category_L.tolist(), lines.segments(), strict=True)
    return [
        *(_Clip(line, category, segment_T, "") for line, category, segment_T in events),
        *(_Clip(f"noisy/{n}", background, nothing_T, "_noisy") for n in range(plan.num_noisy)),
    ]


class _Simulator:
    """Turns clips into features, see `mmpyramid.datasets.synthetic.simulation`."""

    def __init__(self, num_classes: int, seed: int, difficulty: float) -> None:
        self.num_classes = num_classes
        self.seed = seed
        self.difficulty = difficulty
        self._patterns = {
            stream: draw_patterns(num_classes, shape[-1], video_rng(seed, f"patterns/{stream}"))
            for stream, shape in SEGMENT_SHAPES.items()
        }

    def features(self, clip: _Clip, stream: str) -> Array:
        """One stream of a clip: `vggish` (T, D) or `vgg19` (T, Y, X, D)."""
        heard_TC, seen_TYXC = draw_scene(
            clip.category,
            clip.segment_T,
            self.num_classes,
            self.difficulty,
            video_rng(self.seed, f"{clip.name}/scene"),
        )
        rng = video_rng(self.seed, f"{clip.name}/{stream}")
        strength_TC = draw_strengths(np.ones_like(heard_TC), self.difficulty, rng)
        if stream == VISUAL_STREAM:
            planted = seen_TYXC * strength_TC[:, None, None, :]
        else:
            planted = heard_TC * strength_TC
        latent = draw_latent(planted, self.difficulty, rng)
        return rectify(latent, self._patterns[stream], rng)


def _write_features(
    folder: Path,
    stream: str,
    clips: Sequence[_Clip],
    simulator: _Simulator,
    progress: Progress | None,
) -> None:
    """Write one stream of all clips, a clip at a time: its file, and that of the noisy set."""
    completed = 0
    for suffix in ("", "_noisy"):
        chosen = [clip for clip in clips if clip.suffix == suffix]

        def rows(chosen: Sequence[_Clip] = chosen, before: int = completed) -> Iterator[Array]:
            for number, clip in enumerate(chosen, start=before + 1):
                yield simulator.features(clip, stream)
                if progress is not None:
                    progress(number, len(clips))

        shape = (len(chosen), NUM_SEGMENTS, *SEGMENT_SHAPES[stream])
        write_rows(folder / f"{FILES[stream]}{suffix}.h5", KEY, shape, np.float32, rows())
        completed += len(chosen)
