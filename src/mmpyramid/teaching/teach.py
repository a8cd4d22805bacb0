"""Classes of one's own: corrected files in, a checkpoint that `parse --model` takes out."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from typing import Any, Literal

from mmpyramid.core import Modality
from mmpyramid.core.errors import Problems, UserError
from mmpyramid.core.files import only_writer
from mmpyramid.extract.corpus import ExtractionProgress
from mmpyramid.models import Network, save_pretrained
from mmpyramid.teachers import Teacher, load_teacher, record_vocabulary, recorded_vocabulary
from mmpyramid.teaching.compact import ENOUGH, train_compact
from mmpyramid.teaching.examples import Lesson, read_lesson
from mmpyramid.teaching.learning import SIDES, Found, Result, learn_classifiers, measure_found

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
    """Learn classes of one's own from corrected timelines, and save a model.

    Few examples teach linear classifiers of one-second segments, one for each class and modality,
    on the features of the frozen open backbones. Hundreds of clips teach the compact MM-Pyramid.
    All numbers are of clips that were not learned from.

    Args:
        corrections: a folder with a file for each video, in any format that is read, or a table.
        videos: a folder, a file, or a glob pattern.
        out: folder of the checkpoint; one that is there is replaced.
        keep_vocabulary: a vocabulary whose labels are found beside the new ones; where it has a
            label that is taught as well, whichever finds it better is taken.
        classes: learn these alone; None takes all labels that occur.
        only_corrected: leave out videos without corrections; else nothing happens in them.
        method: `classifiers`, `network`, or `auto`, which takes whichever does better.
        features: folder in which features are kept; None takes `features` in `out`. Videos that
            have not changed since are not read again.
        seed: of the folds and of the training; all else being equal, the weights are the same.
        device: where backbones and networks run.
        on_progress: called after each video that is read.

    Returns:
        What was learned, how well, and what was not and why.

    Raises:
        UserError: if corrections cannot be read or have no video, or nothing can be learned of
            them; an older checkpoint in `out` is then still there.

    Example:
        >>> taught = teach("corrections", "videos", "mine")  # doctest: +SKIP
        >>> for result in taught.results:  # doctest: +SKIP
        ...     print(result.label, result.modality, result.measured.clips)
        Fireworks audio 0.92 [0.75, 1.00]
        >>> Pipeline(taught.model)("holiday.mp4")  # doctest: +SKIP
    """
    vocabulary = record_vocabulary(keep_vocabulary) if keep_vocabulary else ""
    out = Path(out)
    with only_writer(out):
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
            "more, but training needs `pip install 'mmpyramid[train]'`"
        )
    else:
        network, found_by_network = train_compact(lesson, folder, seed, device)
        rows = {row for row, _ in found_by_network}
        same = [(row, masks) for row, masks in found if row in rows]
        theirs, ours = (_mean_f(_results(lesson, each, seed)) for each in (found_by_network, same))
        told = (
            f"on {len(rows)} videos kept aside the mean F of the network is {theirs:.2f}, that of "
            f"the classifiers {ours:.2f}"
        )
        if theirs > ours:
            results = _results(lesson, found_by_network, seed)
            return network, results, f"the compact MM-Pyramid: {told}"
        reason = f"linear classifiers of seconds: {told}"
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
