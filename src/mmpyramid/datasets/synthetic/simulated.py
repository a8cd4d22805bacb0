"""Simulated features in the published LLP layout, for training and benchmarks without any video.

Nothing here was seen or heard by a network: class patterns are planted where the annotations say.
A folder that holds such features is marked (`mmpyramid.datasets.is_simulated`); whoever prints a
number from it says so.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from io import StringIO
from pathlib import Path

import msgspec
import numpy as np
from numpy.typing import NDArray

from mmpyramid.core import Array, Modality, Progress
from mmpyramid.core.files import write_durably
from mmpyramid.core.labels import LLP_LABELS
from mmpyramid.core.text import read_json, read_text
from mmpyramid.datasets.base import LABELS_FILE, SPLITS
from mmpyramid.datasets.llp import WEAK_FILES, Annotations, read_llp
from mmpyramid.datasets.synthetic.planting import (
    EVENT_FILES,
    FULL_FILE,
    LLP_LIKE,
    check_parameters,
    claim_folder,
    draw_events,
    draw_latent,
    draw_patterns,
    draw_strengths,
    plan_corpus,
    rectify,
    video_rng,
    write_annotations,
)
from mmpyramid.store.npy import DIMS, FOLDERS, FRAMES_PER_SEGMENT, PER_FRAME
from mmpyramid.store.source import MARKER_FILE

SIMULATION_VERSION = 1
"""Raised whenever the same parameters would give other features."""

DEFAULT_SIZES = {"train": 1000, "val": 100, "test": 200}
AUDIO_STREAM = "vggish"


def simulate_features(
    annotations: str | Path | None,
    out: str | Path,
    *,
    sizes: Mapping[str, int] | None = None,
    seed: int = 0,
    difficulty: float = 0.5,
    per_frame: bool = False,
    progress: Progress | None = None,
) -> Path:
    """Write annotations and simulated features `feats/{vggish,res152,r2plus1d_18}/<id>.npy`.

    Validation and test features follow the dense annotations. Training videos have none, so when
    their weak labels are heard and seen is drawn from `LLP_LIKE`, the statistics of LLP's test
    videos, and kept nowhere. A video's features depend on its name, its labels, `seed`,
    `difficulty` and `per_frame` only: any subset of the videos gets the same ones.

    Args:
        annotations: folder with the `AVVP_*.csv` files of LLP; None draws random annotations with
            the 25 classes of LLP.
        out: a new folder; it gets the annotations of the chosen videos as well.
        sizes: at most so many videos per split, the first ones; a split that is left out comes
            whole, or with 1000, 100 or 200 random videos.
        seed: same seed, same features.
        difficulty: 0 (classes stand out) to 1 (faint, noisy, and confusable in pairs).
        per_frame: store `res152` per frame, (8T, 2048), as published, instead of pooled, (T, 2048).
        progress: called after each video.

    Returns:
        The folder `out`.

    Raises:
        UserError: if `difficulty` is outside 0..1, `seed` is negative, annotations are missing or
            damaged, or `out` holds anything else.

    Example:
        >>> from mmpyramid.datasets.synthetic.simulated import simulate_features
        >>> folder = simulate_features(None, "simulated", sizes={"train": 100})  # doctest: +SKIP
    """
    chosen = dict(sizes or {})
    check_parameters(chosen, SPLITS, seed, difficulty)
    surplus = set() if annotations is None else _surplus(Path(annotations), chosen)
    folder = Path(out)
    parameters = {
        "what": "simulated features: planted by a program, not extracted from videos",
        "version": SIMULATION_VERSION,
        "annotations": "random" if annotations is None else str(annotations),
        "sizes": chosen,
        "seed": seed,
        "difficulty": difficulty,
        "per_frame": per_frame,
    }
    claim_folder(folder, MARKER_FILE, parameters)
    if annotations is None:
        plans = plan_corpus({**DEFAULT_SIZES, **chosen}, LLP_LABELS, LLP_LIKE, seed=seed)
        write_annotations(folder, plans, LLP_LABELS)
    else:
        _copy_annotations(Path(annotations), folder, surplus)
    splits = [read_llp(folder, split) for split in SPLITS]
    simulator = _Simulator(len(splits[0].labels), seed, difficulty, per_frame)
    _write_features(folder / "feats", splits, simulator, progress)
    return folder


def planted_truth(
    annotations: Annotations, row: int, seed: int
) -> tuple[NDArray[np.bool_], NDArray[np.bool_]]:
    """When each class of one video is heard and seen.

    Args:
        annotations: a split; without dense annotations the extents are drawn from `LLP_LIKE`.
        row: which video.
        seed: the corpus seed.

    Returns:
        Two (T, C) masks: heard, seen.
    """
    if annotations.audio is not None and annotations.visual is not None:
        return annotations.audio[row], annotations.visual[row]
    present = [annotations.labels[index] for index in np.flatnonzero(annotations.weak[row])]
    rng = video_rng(seed, annotations.names[row])
    truth = np.zeros((2, annotations.num_segments, len(annotations.labels)), np.bool_)
    for event in draw_events(present, LLP_LIKE, annotations.num_segments, rng):
        modality = 0 if event.modality is Modality.AUDIO else 1
        label = annotations.labels.index(event.label)
        truth[modality, int(event.start) : int(event.end), label] = True
    return truth[0], truth[1]


@dataclass(frozen=True, kw_only=True, slots=True)
class Removals:
    """Labels removed from one modality.

    Attributes:
        removed: how many.
        right: how many of these classes really do not occur in the modality.
        wrong_labels: how many labels should have been removed.
    """

    removed: int
    right: int
    wrong_labels: int

    def __str__(self) -> str:
        precision = f"{100 * self.right / self.removed:.1f} %" if self.removed else "none"
        recall = f"{100 * self.right / self.wrong_labels:.1f} %" if self.wrong_labels else "none"
        return (
            f"{self.removed} labels removed, {precision} of them rightly; "
            f"{recall} of the {self.wrong_labels} wrong labels found"
        )


class Seed(msgspec.Struct, frozen=True):
    """What is read again of the file that marks simulated features."""

    seed: int


def planted_modalities(folder: Path, annotations: Annotations) -> NDArray[np.bool_]:
    """Which classes were planted in which modality, (N, M, C), anywhere in the video.

    Args:
        folder: a corpus of simulated features.
        annotations: one of its splits.
    """
    what = "the parameters of simulated features"
    seed = read_json(folder / MARKER_FILE, Seed, what).seed
    truth = [planted_truth(annotations, row, seed) for row in range(len(annotations))]
    return np.array([[heard.any(0), seen.any(0)] for heard, seen in truth])


def judge_removals(
    weak_NC: Array, modality_NMC: Array, planted_NMC: NDArray[np.bool_]
) -> tuple[Removals, Removals]:
    """Compare removed labels with what was planted, for audio and for visual.

    Args:
        weak_NC: the labels before.
        modality_NMC: the labels after.
        planted_NMC: the truth.
    """
    weak_NMC = np.broadcast_to(weak_NC[:, None] > 0, planted_NMC.shape)
    removed_NMC, wrong_NMC = weak_NMC & (modality_NMC == 0), weak_NMC & ~planted_NMC

    def judge(modality: int) -> Removals:
        removed, wrong = removed_NMC[:, modality], wrong_NMC[:, modality]
        return Removals(
            removed=int(removed.sum()),
            right=int((removed & wrong).sum()),
            wrong_labels=int(wrong.sum()),
        )

    return judge(0), judge(1)


class _Simulator:
    """Turns truth masks into the streams of one video, see `planting`."""

    def __init__(self, num_classes: int, seed: int, difficulty: float, per_frame: bool) -> None:
        self.seed = seed
        self.difficulty = difficulty
        self.per_frame = per_frame
        self._patterns = {
            stream: draw_patterns(num_classes, dim, video_rng(seed, f"patterns/{stream}"))
            for stream, dim in DIMS.items()
        }

    def features(self, annotations: Annotations, row: int) -> dict[str, Array]:
        """Every stream of one video, (T, D) or per frame (8T, D)."""
        heard, seen = planted_truth(annotations, row, self.seed)
        streams = {}
        for stream, patterns_KD in self._patterns.items():
            truth_TC = heard if stream == AUDIO_STREAM else seen
            if stream == PER_FRAME and self.per_frame:
                truth_TC = truth_TC.repeat(FRAMES_PER_SEGMENT, axis=0)
            rng = video_rng(self.seed, f"{annotations.names[row]}/{stream}")
            planted_TC = draw_strengths(truth_TC, self.difficulty, rng)
            latent_TK = draw_latent(planted_TC, self.difficulty, rng)
            streams[stream] = rectify(latent_TK, patterns_KD, rng)
        return streams


def _surplus(source: Path, sizes: Mapping[str, int]) -> set[str]:
    """The names of the videos beyond the sizes."""
    names: dict[str, tuple[str, ...]] = {s: read_llp(source, s).names for s in SPLITS}
    return {name for split, size in sizes.items() for name in names[split][size:]}


def _copy_annotations(source: Path, out: Path, surplus: Collection[str]) -> None:
    """Copy annotation files without the rows of surplus videos; all dirt stays."""
    for name in (*WEAK_FILES.values(), *EVENT_FILES.values(), FULL_FILE, LABELS_FILE):
        if (source / name).is_file():
            lines = StringIO(read_text(source / name), newline="")
            kept = "".join(line for line in lines if line.strip().split("\t")[0] not in surplus)
            write_durably(out / name, kept.encode(), outlast_power_cuts=False)


def _write_features(
    folder: Path,
    splits: Sequence[Annotations],
    simulator: _Simulator,
    progress: Progress | None,
) -> None:
    videos = [(split, row) for split in splits for row in range(len(split))]
    for name in FOLDERS.values():
        (folder / name).mkdir(parents=True, exist_ok=True)
    for completed, (split, row) in enumerate(videos, start=1):
        for stream, values in simulator.features(split, row).items():
            np.save(folder / FOLDERS[stream] / f"{split.ids[row]}.npy", values)
        if progress is not None:
            progress(completed, len(videos))
