"""`mmpyramid score`: what anybody's predictions are worth, and whether a difference is one."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any, Literal

import numpy as np
import tyro

from mmpyramid.cli._options import OptionalPath, console, simulated, write_file, write_json
from mmpyramid.core.errors import UserError
from mmpyramid.core.files import check_output_file
from mmpyramid.datasets import Dataset, open_dataset
from mmpyramid.problems import Gate, ParsingProblem
from mmpyramid.problems.parsing import Predictions, comparison_table, read_predictions
from mmpyramid.problems.parsing.study import Study, difference_dict, interval_dict
from mmpyramid.problems.parsing.tables import (
    class_table,
    confusion_table,
    detection_table,
    difference_table,
    exclusive_table,
    interval_table,
    length_table,
)
from mmpyramid.problems.parsing.tuning import Tuned, tune_thresholds, tuned_reports
from mmpyramid.problems.resampling import FEWEST_VIDEOS, RESAMPLES
from mmpyramid.render.report import report_html


@dataclass(frozen=True, kw_only=True)
class Rule:
    """How probabilities become decisions."""

    gate: Gate = "global"
    """Which video-level probability a segment also needs: `global` (HAN, MM-Pyramid),
    `per_modality` (MA) or `none`."""
    threshold: float = 0.5
    """Segments from this probability on count as positive."""
    video_threshold: float = 0.5
    """The same for videos."""


@dataclass(frozen=True, kw_only=True)
class Outputs:
    """What is told and written beside the ten numbers."""

    tables: bool = False
    """Also print F by class and by length of event, what is heard or seen only, how modalities are
    confused, and the measures of event detection: mAP, segment- and collar-based F, PSDS."""
    json: OptionalPath = None
    """Write all numbers here."""
    report: OptionalPath = None
    """Write a page with curves, bars and tables here (.html); with --against of both systems."""
    resamples: int = RESAMPLES
    """Draws of the videos for intervals and tests; 0 leaves them out."""
    seed: int = 0
    """Of the draws."""

    def check(self) -> None:
        """Check that all of it can be made.

        Raises:
            UserError: if it cannot.
        """
        if self.resamples < 0 or self.seed < 0:
            raise UserError(
                "expected --resamples and --seed of 0 or more, got "
                f"{self.resamples} and {self.seed}"
            )
        for path in filter(None, (self.json, self.report)):
            check_output_file(path)


def score(
    predictions: Annotated[Path, tyro.conf.Positional],
    /,
    *,
    labels: Path,
    split: Literal["val", "test"] = "test",
    rule: Annotated[Rule, tyro.conf.arg(name="")] = Rule(),
    against: OptionalPath = None,
    tune: OptionalPath = None,
    outputs: Annotated[Outputs, tyro.conf.arg(name="")] = Outputs(),
) -> int:
    """Score predictions of any system with the official numbers of LLP, and tell how sure they are.

    The intervals are 95 % bootstrap intervals over videos. With `--against` a second system is
    compared on the same videos: the difference, its interval, and p of a paired test.

    Example: mmpyramid score ours.npz --labels LLP --against han.npz --report report.html

    Args:
        predictions: .npz with `ids` (N,), `audio` and `visual` (N, T, C), `video` (N, C), all
            probabilities, videos in any order; `video_audio` and `video_visual` (N, C) too for the
            gate `per_modality`, and `mask` (N, T), 0 beyond the end of a video. An id is that of
            the features, or the name `<id>_<start>_<end>`.
        labels: Folder of the annotation files.
        split: Which split.
        rule: How probabilities become decisions.
        against: Predictions of another system for the same split.
        tune: Predictions of the first system for the split `val`. Thresholds of segments are chosen
            there: one, one for each stream, and one for each class and stream. The numbers with
            them stand beside those without.
        outputs: What is told and written.
    """
    outputs.check()
    dataset = _open(labels, split)
    paths = [predictions, *filter(None, [against])]
    if against and against.resolve() == predictions.resolve():
        raise UserError(f"expected --against to name another file, got {against} for both")
    studies = {str(path): _study(_read(path, dataset), dataset, rule) for path in paths}
    tuned = None if tune is None else _tuned(tune, labels, rule)
    title = f"{simulated(labels)}{split}, {len(dataset)} videos, F-scores in per cent"
    texts, numbers = _evaluated(studies, outputs, title)
    if tuned:
        text, numbers["tuned"] = _with_thresholds(
            studies[str(predictions)], tuned, str(predictions)
        )
        texts.append(text)
    if outputs.tables:
        texts += [text for name, study in studies.items() for text in (name, *_tables(study))]
    console().print("\n\n".join(texts))
    if outputs.json:
        first, *others = (study.to_dict() for study in studies.values())
        write_json(outputs.json, {**first, **numbers, **({"other": others[0]} if others else {})})
    if outputs.report:
        named = dict(zip(_short(paths), studies.values(), strict=True))
        page = report_html(named, title=title, resamples=outputs.resamples, seed=outputs.seed)
        write_file(outputs.report, page.encode())
        console().print(f"\nreport  {outputs.report}   (open it in a browser)")
    return 0


def _short(paths: Sequence[Path]) -> list[str]:
    """What the page calls the systems: their files, or their paths if these are called alike."""
    stems = [path.stem for path in paths]
    return stems if len(set(stems)) == len(stems) else [str(path) for path in paths]


def _open(labels: Path, split: Literal["val", "test"]) -> Dataset:
    return open_dataset(labels, split, problem=ParsingProblem.name)


def _read(path: Path, dataset: Dataset) -> Predictions:
    shape = (dataset.num_segments, len(dataset.labels))
    return read_predictions(path, dataset.ids, shape, names=dataset.names)


def _study(predictions: Predictions, dataset: Dataset, rule: Rule) -> Study:
    return Study(
        predictions=predictions,
        truth=dataset.masks,
        labels=dataset.labels,
        gate=rule.gate,
        threshold=rule.threshold,
        video_threshold=rule.video_threshold,
    )


def _tuned(path: Path, labels: Path, rule: Rule) -> Tuned:
    """Thresholds chosen on the split `val`."""
    dataset = _open(labels, "val")
    return tune_thresholds(
        _read(path, dataset),
        *dataset.masks,
        gate=rule.gate,
        video_threshold=rule.video_threshold,
    )


def _evaluated(
    studies: Mapping[str, Study], outputs: Outputs, title: str
) -> tuple[list[str], dict[str, Any]]:
    """The ten numbers of each system, and how two differ: as texts, and as JSON has them."""
    first, *others = studies.values()
    has_intervals = outputs.resamples > 0 and len(first.truth[0]) >= FEWEST_VIDEOS
    if has_intervals:
        title += f", with 95 % intervals ({outputs.resamples:,} draws of the videos)"
    texts: list[str] = []
    numbers: dict[str, Any] = {}
    for name, study in studies.items():
        ends = study.intervals(outputs.resamples, outputs.seed) if has_intervals else None
        texts.append(interval_table(study.report, ends, f"{name}: {title}"))
        if ends is not None and study is first:
            numbers["intervals"] = interval_dict(ends)
    if others and has_intervals:
        test = first.against(others[0], outputs.resamples, outputs.seed)
        texts.append(difference_table(test, " minus ".join(studies)))
        numbers["difference"] = difference_dict(test)
    elif others:
        reports = {name: study.report for name, study in studies.items()}
        texts.append(comparison_table(reports, "side by side, without intervals"))
    return texts, numbers


def _with_thresholds(study: Study, tuned: Tuned, name: str) -> tuple[str, dict[str, Any]]:
    """The numbers with tuned thresholds below those without, as text and as JSON has them."""
    reports = tuned_reports(
        tuned,
        study.predictions,
        *study.truth,
        gate=study.gate,
        video_threshold=study.video_threshold,
    )
    text = comparison_table({name: study.report, **reports}, "thresholds tuned on val")
    ways = zip(tuned.thresholds.items(), reports.values(), strict=True)
    return text, {
        way: {"threshold": np.array(threshold).tolist(), **report.to_dict()}
        for (way, threshold), report in ways
    }


def _tables(study: Study) -> list[str]:
    return [
        exclusive_table(study.exclusive),
        class_table(study),
        length_table(study),
        confusion_table(study),
        detection_table(study),
    ]
