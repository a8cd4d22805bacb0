"""Simulated features in the published AVE layout, for training and benchmarks without any video.

Nothing here was seen or heard by a network, see `mmpyramid.datasets.synthetic.simulated`.

An event is heard and seen at once. Around it, what makes the task hard is planted as well: the
event's sound goes on unseen or its picture unheard, something else is seen silently elsewhere in
the picture, something else is heard that is not in it.

Shape letters: T segments, Y and X places of the picture, C classes, D stream width.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

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
from mmpyramid.datasets.synthetic.planting import claim_folder, video_rng
from mmpyramid.datasets.synthetic.simulation import (
    Activations,
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
GRID = 7
MIDDLE = 4
"""Where the quarters of the picture begin that hold the event and what distracts from it."""


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
    picture (`draw_scene`). Clips of background for weak training are added in AVE's
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
        report = progress if stream == VISUAL_STREAM else None
        _write_features(folder, stream, clips, simulator, report)
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


def draw_scene(
    category: int,
    segment_T: NDArray[np.int64],
    num_classes: int,
    difficulty: float,
    rng: np.random.Generator,
) -> tuple[Activations, Activations]:
    """Draw a clip.

    With difficulty h, the event goes on unseen in h / 2 of the clips, and unheard in h / 2. Another
    class is seen in most clips and a third one heard in some, 0.3 + 0.6 h as strong as an event. A
    clip without an event has one class heard and another one seen, both at full strength.

    Args:
        category: class of the event, C if there is none.
        segment_T: class of each segment, C where there is background.
        num_classes: C.
        difficulty: 0 to 1.
        rng: source of randomness.

    Returns:
        How much is heard, (T, C), and seen, (T, Y, X, C), 0 to 1.
    """
    T = len(segment_T)
    heard_TC, seen_TC = np.zeros((2, T, num_classes))
    others = [other for other in rng.permutation(num_classes) if other != category]
    silent, unseen = others[:1], others[1:2]
    places_2TYX = _draw_places(T, rng)
    which_C = np.zeros(num_classes, np.int64)
    which_C[silent] = 1
    if category == num_classes:
        seen_TC[:, silent] = heard_TC[:, unseen] = 1
    else:
        strength = 0.3 + 0.6 * difficulty
        seen_TC[_draw_span(T, rng, chance=0.8), silent] = strength
        heard_TC[_draw_span(T, rng, chance=0.4), unseen] = strength
        goes_on = rng.random()
        heard_TC[(segment_T == category) | (goes_on < difficulty / 2), category] = 1
        seen_TC[(segment_T == category) | (goes_on > 1 - difficulty / 2), category] = 1
    places_TYXC = np.moveaxis(places_2TYX[which_C], 0, -1)
    return heard_TC, seen_TC[:, None, None, :] * places_TYXC


def _draw_span(num_segments: int, rng: np.random.Generator, chance: float) -> slice:
    """A stretch of time, empty in some clips."""
    onset, offset = sorted(rng.integers(0, num_segments + 1, 2))
    return slice(onset, offset if rng.random() < chance else onset)


def _draw_places(num_segments: int, rng: np.random.Generator) -> NDArray[np.bool_]:
    """(2, T, Y, X): two rectangles that move within different quarters of the picture."""
    places_2TYX = np.zeros((2, num_segments, GRID, GRID), np.bool_)
    for place_TYX, quarter in zip(places_2TYX, rng.permutation(4)[:2], strict=True):
        inside_TYX = np.ones_like(place_TYX)
        for axis, low in ((1, quarter // 2), (2, quarter % 2)):
            inside_TYX &= np.expand_dims(_draw_side(num_segments, bool(low), rng), 3 - axis)
        place_TYX[:] = inside_TYX
    return places_2TYX


def _draw_side(num_segments: int, low: bool, rng: np.random.Generator) -> NDArray[np.bool_]:
    """(T, GRID): one side of a rectangle, two or three places long, drifting along an axis."""
    begin, room = (0, MIDDLE) if low else (MIDDLE, GRID - MIDDLE)
    length = rng.integers(2, 4)
    steps_T = rng.choice([-1, 0, 1], size=num_segments, p=[0.1, 0.8, 0.1])
    start_T = begin + np.clip(rng.integers(room) + steps_T.cumsum(), 0, room - length)
    place = np.arange(GRID)
    covered: NDArray[np.bool_] = (start_T[:, None] <= place) & (place < start_T[:, None] + length)
    return covered
