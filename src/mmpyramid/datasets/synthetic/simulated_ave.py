"""Simulated features in the published AVE layout, for training and benchmarks without any video.

Nothing here was seen or heard by a network, see `mmpyramid.datasets.synthetic.simulated`.

An event is heard and seen at once. Around it, what makes the task hard is planted as well: the
event's sound goes on unseen or its picture unheard, something else is seen silently elsewhere in
the picture, something else is heard that is not in it. Which events a corpus has is drawn or given.
Every draw is seeded by the corpus seed and the clip's place: a smaller corpus is a subset of a
larger one.

Shape letters: T segments, Y and X places of the picture, C classes, D stream width.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from mmpyramid.core import Array, Progress
from mmpyramid.core.errors import Problems
from mmpyramid.core.files import write_durably
from mmpyramid.core.labels import AVE_LABELS
from mmpyramid.datasets.ave import read_ave
from mmpyramid.datasets.ave_files import (
    ANNOTATIONS_FILE,
    FILES,
    NOISY_LABELS_FILE,
    NUM_SEGMENTS,
    ORDER_FILES,
    SEGMENT_SHAPES,
    EventLines,
    Index,
    label_files,
    raw_lines,
    read_lines,
)
from mmpyramid.datasets.base import LABELS_FILE, SPLITS, Split, folder_of_files, read_labels
from mmpyramid.datasets.synthetic.planting import (
    Activations,
    check_parameters,
    claim_folder,
    draw_latent,
    draw_patterns,
    draw_strengths,
    draw_video_id,
    rectify,
    video_rng,
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
    """Turns clips into features, see `mmpyramid.datasets.synthetic.planting`."""

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


NUM_TRAIN, NUM_NOISY = 3339, 178
"""AVE's training clips, and the clips of background beside them; smaller corpora keep the ratio."""

SECONDS = (0, 0, 172, 174, 169, 152, 165, 114, 90, 71, 2231)
"""How many of AVE's training clips have an event of 0, 1, … 10 seconds, but for one of 0."""

KEY = "avadataset"
"""Name of the dataset in feature and label files."""


@dataclass(frozen=True, kw_only=True, eq=False)
class EventPlan:
    """The clips of a corpus.

    Attributes:
        lines: those of `Annotations.txt`.
        orders: (N,) by split, which clips it has.
        labels: the class names in order.
    """

    lines: list[str]
    orders: dict[Split, Index]
    labels: tuple[str, ...]

    @property
    def num_noisy(self) -> int:
        """How many clips of background go with them, in AVE's proportion."""
        return -(-len(self.orders["train"]) * NUM_NOISY // NUM_TRAIN)


def given_events(annotations: Path | str, sizes: Mapping[str, int], seed: int) -> EventPlan:
    """Random clips of each split of an annotation folder, in the order of their lines.

    AVE's lines are sorted by class: the first ones would lack most classes.

    Raises:
        UserError: if annotations are missing or damaged.
    """
    source = folder_of_files(Path(annotations), (ANNOTATIONS_FILE,))
    orders = {split: _drawn(read_ave(source, split).rows, sizes, split, seed) for split in SPLITS}
    rows = np.unique(np.concatenate(list(orders.values())))
    texts = [text for _, text in raw_lines(source)]
    return EventPlan(
        lines=[texts[row] for row in rows],
        orders={split: np.searchsorted(rows, order) for split, order in orders.items()},
        labels=read_labels(source, AVE_LABELS),
    )


def _drawn(row_N: Index, sizes: Mapping[str, int], split: Split, seed: int) -> Index:
    place_N = video_rng(seed, f"{split}/chosen").permutation(len(row_N))
    return row_N[np.sort(place_N[: sizes.get(split)])]


def random_events(sizes: Mapping[str, int], seed: int) -> EventPlan:
    """Random clips with AVE's classes and lengths of events, sorted by class as there."""
    lines = {
        split: [_random_line(video_rng(seed, f"{split}/{index}")) for index in range(sizes[split])]
        for split in SPLITS
    }
    everything = sorted(line for split in SPLITS for line in lines[split])
    row = {line: index for index, line in enumerate(everything)}
    orders = {split: np.array([row[line] for line in lines[split]], np.int64) for split in SPLITS}
    return EventPlan(lines=everything, orders=orders, labels=AVE_LABELS)


def _random_line(rng: np.random.Generator) -> str:
    label = AVE_LABELS[rng.integers(len(AVE_LABELS))]
    length = rng.choice(len(SECONDS), p=np.array(SECONDS) / sum(SECONDS))
    onset = rng.integers(NUM_SEGMENTS - length + 1)
    return f"{label}&{draw_video_id(rng)}&good&{onset}&{onset + length}"


def write_events(folder: Path, plan: EventPlan) -> EventLines:
    """Write the annotations, order files and label files of AVE; give the first as they are read.

    Raises:
        UserError: if the disk is full.
    """
    text = "".join(f"{line}\n" for line in plan.lines)
    write_durably(folder / ANNOTATIONS_FILE, text.encode())
    if plan.labels != AVE_LABELS:
        names = "".join(f"{label}\n" for label in plan.labels)
        write_durably(folder / LABELS_FILE, names.encode())
    for split, order in plan.orders.items():
        _write_array(folder / ORDER_FILES[split], "order", order)
    lines = read_lines(folder, plan.labels, NUM_SEGMENTS, Problems())
    for name, labels in label_files(lines).items():
        _write_array(folder / name, KEY, labels)
    background = len(plan.labels)
    noisy = np.eye(1, background + 1, background, dtype=np.float32).repeat(plan.num_noisy, axis=0)
    _write_array(folder / NOISY_LABELS_FILE, KEY, noisy)
    return lines


def _write_array(path: Path, key: str, array: NDArray[Any]) -> None:
    write_rows(path, key, array.shape, array.dtype, array)
