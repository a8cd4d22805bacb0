"""Classes of one's own: corrected files in, a checkpoint that `parse --model` takes out.

A lesson of hundreds of clips trains the compact MM-Pyramid; a fifth of the clips measures it.
"""

from __future__ import annotations

import shutil
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from mmpyramid.core import Modality
from mmpyramid.core.errors import Problems, UserError, how_to_install
from mmpyramid.core.files import only_writer
from mmpyramid.datasets.base import LABELS_FILE
from mmpyramid.datasets.folder_files import TABLES
from mmpyramid.extract.corpus import ExtractionProgress
from mmpyramid.formats.tables import to_table
from mmpyramid.models import Network, save_pretrained
from mmpyramid.teachers import Teacher, load_teacher, record_vocabulary, recorded_vocabulary
from mmpyramid.teaching.classifier import NUM_FOLDS, folds_of
from mmpyramid.teaching.examples import Lesson, read_lesson
from mmpyramid.teaching.learning import SIDES, Found, Result, find, learn_classifiers, measure_found

HOW = {Modality.AUDIO: "heard", Modality.VISUAL: "seen"}

FEATURES = "features"
"""The folder of the store beside the checkpoint."""

Method = Literal["auto", "classifiers", "network"]


@dataclass(frozen=True, kw_only=True)
class Taught:
    """What `teach` did.

    Attributes:
        model: the checkpoint folder.
        method: what was fitted, and why that.
        results: of every class and modality that the corrections name.
        num_videos: how many videos it was learned from.
        num_uncorrected: how many of these have no corrections: nothing happens in them.
        left_out: files of the corrections that no format reads.
        failed: why videos could not be read, by id.

    Example:
        >>> taught = teach("corrected/", "videos/", "runs/mine")  # doctest: +SKIP
        >>> [result.label for result in taught.results if not result.refused]  # doctest: +SKIP
        ['Dog']
    """

    model: Path
    method: str
    results: Sequence[Result]
    num_videos: int
    num_uncorrected: int
    left_out: Sequence[str]
    failed: Mapping[str, str]


def teach(  # noqa: PLR0913 - what is learned, from what, and how
    corrections: str | Path,
    videos: str | Path,
    out: str | Path,
    *,
    keep_vocabulary: str | Path | None = None,
    classes: Sequence[str] | None = None,
    only_corrected: bool = False,
    method: Method = "auto",
    features: str | Path | None = None,
    seed: int = 0,
    device: str = "cpu",
    on_progress: Callable[[ExtractionProgress], None] | None = None,
) -> Taught:
    """Learn classes of your own from corrected timelines, and save a model.

    With few examples, linear classifiers of one-second segments are trained, one for each class and
    modality, on the features of the frozen open backbones; with hundreds of clips, the compact
    MM-Pyramid. All numbers are from clips that were not used for training.

    Args:
        corrections: a folder with a file for each video, in any format that can be read, or a
            table.
        videos: a folder, a file, or a glob pattern.
        out: folder of the checkpoint; one that is there is replaced.
        keep_vocabulary: a vocabulary whose labels are found as well; if it has a label that is
            taught too, the one that does better is used.
        classes: learn only these; None takes all labels that occur.
        only_corrected: leave out videos without corrections; otherwise they count as videos without
            the classes.
        method: `classifiers`, `network`, or `auto` for the one that does better.
        features: folder for the features; None takes `features` in `out`. Unchanged videos are not
            read again.
        seed: seed of the folds and of the training; equal inputs give equal weights.
        device: where backbones and networks run.
        on_progress: called after each video that is read.

    Returns:
        What was learned and how well, and what was not learned and why.

    Raises:
        UserError: if corrections cannot be read or have no video, or nothing can be learned from
            them; an older checkpoint in `out` is then kept.

    Example:
        >>> taught = teach("corrections", "videos", "mine")  # doctest: +SKIP
        >>> for result in taught.results:  # doctest: +SKIP
        ...     print(result.label, result.modality, result.measured.clips)
        Fireworks audio 0.92 [0.75, 1.00]
        >>> Pipeline(taught.model)("holiday.mp4")  # doctest: +SKIP
    """
    vocabulary = record_vocabulary(keep_vocabulary) if keep_vocabulary is not None else ""
    out = Path(out)
    with only_writer(out):
        _delete_left_behind(out)
        lesson = read_lesson(
            Path(corrections),
            videos,
            Path(features or out / FEATURES),
            classes=classes,
            only_corrected=only_corrected,
            device=device,
            on_progress=on_progress,
        )
        kept = recorded_vocabulary(vocabulary) if vocabulary else None
        rival = load_teacher(kept, device=device, faces=False) if kept else None
        network, results, reason = _learn(lesson, rival, method, seed, device, out)
        network.vocabulary = vocabulary
        save_pretrained(network, out, {**_numbers(results), "taught": reason})
    return Taught(
        model=out,
        method=reason,
        results=results,
        num_videos=len(lesson.videos),
        num_uncorrected=len(lesson.videos) - len(lesson.corrected),
        left_out=lesson.left_out,
        failed=lesson.failed,
    )


def _learn(
    lesson: Lesson, rival: Teacher | None, method: Method, seed: int, device: str, folder: Path
) -> tuple[Network[Any, Any], Sequence[Result], str]:
    """The network, what it learned, and why it is that kind of network."""
    if method == "network":
        network, found = train_compact(lesson, folder, seed, device)
        return network, _results(lesson, found, seed), "the compact MM-Pyramid, as was asked"
    classifier, results, found = learn_classifiers(lesson, rival, seed)
    num_corrected = len(lesson.corrected)
    if method == "classifiers":
        reason = "linear classifiers of seconds, as was asked"
    elif num_corrected < ENOUGH:
        reason = (
            f"linear classifiers of seconds: of {num_corrected} corrected videos they learn more "
            f"than a network, which takes {ENOUGH}"
        )
    elif find_spec("pytorch_lightning") is None:
        reason = (
            f"linear classifiers of seconds: {num_corrected} corrected videos may teach a network "
            f"more, but training needs the extra `train`: {how_to_install('train')}"
        )
    else:
        network, found_by_network = train_compact(lesson, folder, seed, device)
        rows = {row for row, _ in found_by_network}
        same = [(row, masks) for row, masks in found if row in rows]
        theirs, ours = (_mean_f(_results(lesson, each, seed)) for each in (found_by_network, same))
        measured = (
            f"on {len(rows)} videos kept aside the mean F of the network is {theirs:.2f}, that of "
            f"the classifiers {ours:.2f}"
        )
        if theirs > ours:
            results = _results(lesson, found_by_network, seed)
            return network, results, f"the compact MM-Pyramid: {measured}"
        reason = f"linear classifiers of seconds: {measured}"
    if classifier is None:
        raise _nothing_learned(results)
    return classifier, results, reason


def _results(lesson: Lesson, found: Found, seed: int) -> list[Result]:
    """What is measured of all classes that the corrections name, where any clip has them."""
    results = []
    for modality in SIDES:
        num_clips = lesson.annotated(modality).sum(axis=0).tolist()
        measured = measure_found(lesson, modality, found, lesson.labels, seed)
        results += [
            Result(
                label=label,
                modality=modality,
                num_clips=number,
                measured=measured[label] if measured[label].is_known else None,
            )
            for label, number in zip(lesson.labels, num_clips, strict=True)
            if number
        ]
    return results


def _mean_f(results: Sequence[Result]) -> float:
    found = [result.measured.deciding for result in results if result.measured]
    return sum(found) / len(found) if found else 0.0


def _nothing_learned(results: Sequence[Result]) -> UserError:
    problems = Problems()
    for result in results:
        problems.add(result.refused, f"{result.label}, {HOW[result.modality]}")
    return UserError(
        f"nothing can be learned of these corrections: {problems.summary()}. Add examples, and "
        "videos without these classes"
    )


def _numbers(results: Sequence[Result]) -> dict[str, float]:
    """What `config.json` and `mmpyramid info` tell."""
    return {
        f"F of {result.label}, {HOW[result.modality]}": round(result.measured.deciding, 3)
        for result in results
        if result.measured and not result.refused
    }


ENOUGH = 200
"""Corrected videos from which on a network is tried."""

PREFIX = "mmpyramid-training-"
"""Of the folder for the files of a training, in that of the checkpoint."""

TEST_FOLDS, VAL_FOLD = (0, 1), 2
"""Of ten folds: what the network is measured on, and what its epoch is chosen on."""


def train_compact(
    lesson: Lesson, folder: Path, seed: int = 0, device: str = "cpu"
) -> tuple[Network[Any, Any], Found]:
    """Train the recipe `folder` on a lesson.

    Args:
        lesson: clips, and what is said of them.
        folder: where the files of the training are meanwhile.
        seed: of the folds and of the training.
        device: where to train.

    Returns:
        The network, and what it finds in a fifth of the clips, which it was not trained on.

    Raises:
        UserError: if too few clips have times to choose the best epoch on.
    """
    from mmpyramid.training.recipes import RECIPES
    from mmpyramid.training.run import fit

    split_N = _splits(lesson, seed)
    config = RECIPES["folder"]()
    config.seed, config.device = seed, device
    with TemporaryDirectory(prefix=PREFIX, dir=folder) as name:
        data = Path(name, "data")
        _write_folder(lesson, split_N, data)
        network = fit(config, data, Path(name, "run")).load_network().to("cpu")
    features = list(lesson.features.values())
    rows = np.flatnonzero(split_N == "test").tolist()
    return network, [(row, find(network, features[row])) for row in rows]


def _delete_left_behind(folder: Path) -> None:
    """Delete what a training that was killed has left, where no other one is running."""
    for left in folder.glob(f"{PREFIX}*"):
        shutil.rmtree(left)


def _splits(lesson: Lesson, seed: int) -> NDArray[np.str_]:
    """The split of each clip; the epoch is chosen on clips whose times are known."""
    annotated_NC = np.logical_or(*(lesson.annotated(modality) for modality in SIDES))
    fold_N = folds_of(annotated_NC, NUM_FOLDS, seed)
    has_times_N = np.array([not video.weak for video in lesson.videos.values()])
    split_N = np.where(np.isin(fold_N, TEST_FOLDS), "test", "train")
    split_N[(fold_N == VAL_FOLD) & has_times_N] = "val"
    if not (annotated_NC[split_N == "val"]).any():
        raise UserError(
            "expected corrections with times to choose the best epoch of a network on, got hardly "
            "any; add the start and end of events, or take --method classifiers"
        )
    return split_N


def _write_folder(lesson: Lesson, split_N: NDArray[np.str_], folder: Path) -> None:
    """Write a lesson as a folder of own videos, see `mmpyramid.datasets.folder`."""
    rows: list[tuple[object, ...]] = []
    for (name, video), split in zip(lesson.videos.items(), split_N.tolist(), strict=True):
        file = f"{name}.mp4"  # As a name alone could lose what looks like a suffix.
        rows.append((file, "", "", "", "", split))
        rows += [
            (file, event.label, event.modality.value, event.start, event.end, split)
            for event, _ in video.events
            if event.label in lesson.labels
        ]
        rows += [
            (file, label, modality.value, "", "", split)
            for label, modality, _ in video.weak
            if label in lesson.labels
        ]
        for stream, values in lesson.features[name].items():
            path = folder / "features" / stream / f"{name}.npy"
            path.parent.mkdir(parents=True, exist_ok=True)
            np.save(path, values)
    columns = ("video", "label", "modality", "onset", "offset", "split")
    (folder / TABLES[0]).write_text(to_table(columns, rows), encoding="utf-8")
    (folder / LABELS_FILE).write_text("\n".join(lesson.labels) + "\n", encoding="utf-8")
