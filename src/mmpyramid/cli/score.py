"""`mmpyramid score`: what anybody's predictions are worth, and whether a difference is one."""

from __future__ import annotations

import logging
import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any, Literal

import numpy as np
import tyro

from mmpyramid.cli._options import (
    OptionalPath,
    check_output_files,
    console,
    simulated,
    write_file,
    write_json,
)
from mmpyramid.core.errors import UserError
from mmpyramid.core.runs import Mask
from mmpyramid.datasets import Dataset, open_dataset
from mmpyramid.problems import DetectionProblem, Gate, ParsingProblem
from mmpyramid.problems.dense.detections import (
    MEASURES,
    DetectionStudy,
    class_precision_table,
    precision_difference_table,
    precision_table,
    read_detections,
)
from mmpyramid.problems.parsing import Predictions, comparison_table, read_predictions
from mmpyramid.problems.parsing.study import (
    Study,
    class_table,
    confusion_table,
    detection_table,
    difference_dict,
    difference_table,
    exclusive_table,
    interval_dict,
    interval_table,
    length_table,
)
from mmpyramid.problems.parsing.tuning import Tuned, tune_thresholds, tuned_reports
from mmpyramid.problems.resampling import FEWEST_VIDEOS, RESAMPLES
from mmpyramid.render.report import report_html

logger = logging.getLogger(__name__)

FEW = 999
"""Resamples for detections; those of a large test split take a second for each dozen."""


@dataclass(frozen=True, kw_only=True)
class Rule:
    """How probabilities become decisions."""

    gate: Gate = "global"
    """Which video-level probability a segment also needs: `global` (HAN, MM-Pyramid),
    `per_modality` (MA) or `none`."""
    threshold: float = 0.5
    """Segments with at least this probability count as positive."""
    video_threshold: float = 0.5
    """The same for videos."""


@dataclass(frozen=True, kw_only=True)
class Outputs:
    """What is printed and written besides the ten numbers."""

    tables: bool = False
    """Also print F by class and by length of event, what is heard or seen only, how modalities are
    confused, and the measures of event detection: mAP, segment- and collar-based F, PSDS."""
    json: OptionalPath = None
    """Write all numbers here."""
    report: OptionalPath = None
    """Write a page with curves, bars and tables here (.html); with --against of both systems."""
    resamples: Annotated[
        int | None,
        tyro.conf.arg(
            metavar="INT", help_behavior_hint=f"(default: {RESAMPLES}, of detections {FEW})"
        ),
    ] = None
    """Number of resamples for intervals and tests; 0 omits them."""
    seed: int = 0
    """Seed of the resampling."""

    def check(self) -> None:
        """Check that all of it can be made.

        Raises:
            UserError: if it cannot.
        """
        for name in ("resamples", "seed"):
            value = getattr(self, name)
            if value is not None and value < 0:
                raise UserError(f"expected --{name} of 0 or more, got {value}")
        check_output_files(self.json, self.report)

    def draws(self, default: int) -> int:
        """Number of resamples: as asked for, or the default."""
        return default if self.resamples is None else self.resamples


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
    """Score predictions of any system with the official numbers of LLP, with confidence intervals.

    Detections of events with exact times, as in UnAV-100, get their mean average precision instead.
    The intervals are 95 % bootstrap intervals over videos. With `--against`, a second system is
    compared on the same videos: the difference, its interval, and the p-value of a paired test.

    Example: mmpyramid score ours.npz --labels LLP --against han.npz --report report.html

    Args:
        predictions: .npz with `ids` (N,), `audio` and `visual` (N, T, C), `video` (N, C), all
            probabilities, videos in any order; `video_audio` and `video_visual` (N, C) too for the
            gate `per_modality`, and `mask` (N, T), 0 beyond the end of a video. An id is that of
            the features, or the name `<id>_<start>_<end>`. Detections are a .json file in the form
            of ActivityNet: `results`, by id a list of `segment` (seconds), `label` and `score`.
        labels: Folder of the annotation files.
        split: Which split.
        rule: How probabilities become decisions.
        against: Predictions of another system for the same split.
        tune: Predictions of the first system for the split `val`. Thresholds of segments are chosen
            there: one, one for each stream, and one for each class and stream. Both sets of numbers
            are shown.
        outputs: What is printed and written.
    """
    outputs.check()
    if tune and split == "val":
        raise UserError("expected another split than --tune val to score, got --split val")
    paths = [predictions, *filter(None, [against])]
    if against and os.path.realpath(against) == os.path.realpath(predictions):
        raise UserError(f"expected --against to name another file, got {against} for both")
    if predictions.suffix.lower() == ".json":
        if rule != Rule() or tune or outputs.report:
            raise UserError(
                f"expected --against, --tables, --json, --resamples and --seed at most for the "
                f"detections in {predictions}; thresholds, --gate, --tune and --report are for "
                "probabilities in .npz files"
            )
        return _score_detections(paths, labels, split, outputs)
    dataset = _open(labels, split)
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
        page = report_html(
            named, title=title, resamples=outputs.draws(RESAMPLES), seed=outputs.seed
        )
        write_file(outputs.report, page.encode())
        console().print(f"\nreport  {outputs.report}   (open it in a browser)")
    return 0


def _score_detections(
    paths: Sequence[Path], labels: Path, split: Literal["val", "test"], outputs: Outputs
) -> int:
    """Mean average precision of one or two systems."""
    dataset = open_dataset(labels, split, problem=DetectionProblem.name)
    studies = {
        str(path): DetectionStudy.of(read_detections(path, dataset), dataset) for path in paths
    }
    first, *others = studies.values()
    title = f"{simulated(labels)}{split}, {len(dataset)} videos, per cent"
    draws = outputs.draws(FEW)
    has_intervals = draws > 0 and len(dataset) >= FEWEST_VIDEOS
    ends = {}
    if has_intervals:
        title += f", with 95 % intervals ({draws:,} draws of the videos)"
        ends = {name: study.intervals(draws, outputs.seed) for name, study in studies.items()}
    reports = {name: study.report for name, study in studies.items()}
    texts, numbers = [precision_table(reports, title, ends)], first.to_dict()
    if has_intervals:
        low, high = ends[str(paths[0])].tolist()
        pairs = map(list, zip(low, high, strict=True))
        numbers["intervals"] = dict(zip(MEASURES, pairs, strict=True))
    if others:
        numbers["other"] = others[0].to_dict()
    if others and has_intervals:
        test = first.against(others[0], draws, outputs.seed)
        texts.append(precision_difference_table(test, " minus ".join(studies)))
        numbers["difference"] = dict(zip(MEASURES, test.rows(), strict=True))
    if outputs.tables:
        texts += [
            class_precision_table(study, f"{name}: average precision by class, per cent")
            for name, study in studies.items()
        ]
    console().print("\n\n".join(texts))
    if outputs.json:
        write_json(outputs.json, numbers)
    return 0


def _short(paths: Sequence[Path]) -> list[str]:
    """What the page calls the systems: their files, or their paths if these are called alike."""
    stems = [path.stem for path in paths]
    return stems if len(set(stems)) == len(stems) else [str(path) for path in paths]


def _open(labels: Path, split: Literal["val", "test"]) -> Dataset:
    return open_dataset(labels, split, problem=ParsingProblem.name)


def _read(path: Path, dataset: Dataset) -> Predictions:
    shape = (dataset.num_segments, len(dataset.labels))
    found = read_predictions(
        path, dataset.ids, shape, names=dataset.names, may_be_longer=dataset.may_be_longer
    )
    if found.mask is not None:
        annotated_NT = np.logical_or(*_truth(found, dataset)).any(axis=2)
        left_out_NT = annotated_NT & ~found.mask
        if left_out_NT.any():
            logger.warning(
                "the `mask` of %s ends %d videos before their last annotated event; %d seconds "
                "with events do not count",
                *(path, left_out_NT.any(axis=1).sum(), left_out_NT.sum()),
            )
    return found


def _truth(predictions: Predictions, dataset: Dataset) -> tuple[Mask, Mask]:
    """What is heard and seen, (N, T, C) with as many segments as the predictions have."""
    num_more = predictions.audio.shape[1] - dataset.num_segments
    heard_NTC, seen_NTC = (
        np.pad(mask_NTC, ((0, 0), (0, num_more), (0, 0))) for mask_NTC in dataset.masks
    )
    return heard_NTC, seen_NTC


def _study(predictions: Predictions, dataset: Dataset, rule: Rule) -> Study:
    return Study(
        predictions=predictions,
        truth=_truth(predictions, dataset),
        labels=dataset.labels,
        gate=rule.gate,
        threshold=rule.threshold,
        video_threshold=rule.video_threshold,
    )


def _tuned(path: Path, labels: Path, rule: Rule) -> Tuned:
    """Thresholds chosen on the split `val`."""
    dataset = _open(labels, "val")
    predictions = _read(path, dataset)
    return tune_thresholds(
        predictions,
        *_truth(predictions, dataset),
        gate=rule.gate,
        video_threshold=rule.video_threshold,
    )


def _evaluated(
    studies: Mapping[str, Study], outputs: Outputs, title: str
) -> tuple[list[str], dict[str, Any]]:
    """The ten numbers of each system, and how two differ: as texts, and as JSON has them."""
    first, *others = studies.values()
    draws = outputs.draws(RESAMPLES)
    has_intervals = draws > 0 and len(first.truth[0]) >= FEWEST_VIDEOS
    if has_intervals:
        title += f", with 95 % intervals ({draws:,} draws of the videos)"
    texts: list[str] = []
    numbers: dict[str, Any] = {}
    for name, study in studies.items():
        ends = study.intervals(draws, outputs.seed) if has_intervals else None
        texts.append(interval_table(study.report, ends, f"{name}: {title}"))
        if ends is not None and study is first:
            numbers["intervals"] = interval_dict(ends)
    if others and has_intervals:
        test = first.against(others[0], draws, outputs.seed)
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
