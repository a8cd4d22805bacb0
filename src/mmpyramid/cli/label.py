"""`mmpyramid label`: what a teacher hears and sees in every segment, as labels to train on."""

from __future__ import annotations

import csv
import hashlib
import io
from collections.abc import Callable, Iterable, Mapping
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

import numpy as np
import tyro
from numpy.typing import NDArray

from mmpyramid.backbones.base import Extractor
from mmpyramid.backbones.registry import BackboneOptions
from mmpyramid.cli._options import (
    Checkpoints,
    OptionalName,
    OptionalPath,
    console,
    content_of,
    files_of,
    parse_checkpoints,
    shows_progress,
    simulated,
    write_file,
)
from mmpyramid.core import Array, Features, Modality
from mmpyramid.core.batch import Streams
from mmpyramid.core.device import resolve_device
from mmpyramid.core.errors import UserError
from mmpyramid.core.files import check_output_folder, only_writer
from mmpyramid.core.labels import LLP_LABELS
from mmpyramid.core.progress import progress
from mmpyramid.datasets import Dataset, open_dataset
from mmpyramid.datasets.segment_labels import THRESHOLDS

if TYPE_CHECKING:
    from mmpyramid.models import Network
    from mmpyramid.teachers import Teacher

ScoreVideo = Callable[[Features], Mapping[Modality, NDArray[np.float16]]]
"""What a teacher says of a video: (T, C) by modality."""
OpenCorpus = Callable[..., Dataset]
MOST = 12.0
"""Margins are kept within this: the logit of a probability of 0.999994."""
MADE_BY = "made-by.sha256"
"""In the folder of labels: a digest of what made them."""
SIDES = (Modality.AUDIO, Modality.VISUAL)


@shows_progress
def label(
    teacher: Annotated[str, tyro.conf.Positional, tyro.conf.arg(metavar="TEACHER")],
    /,
    *,
    data: Path,
    out: Path,
    features: OptionalPath = None,
    split: Literal["train", "val", "test"] = "train",
    vocabulary: OptionalName = None,
    checkpoints: Checkpoints = (),
    device: str = "auto",
) -> int:
    """Let a teacher label the segments of a corpus, for `train --strategy valor` and others.

    For each video two NumPy files are written, (segments, classes) in float16: the logits of the
    teacher, where values above 0 count as positive, and NaN for classes that the teacher does not
    know. With `text`, `thresholds.csv` has the value from which on the logits of each class count;
    you can change it. Videos that are already labelled are skipped, so an interrupted
    command can be repeated.

    Example: mmpyramid label teachers --data LLP --features store --out labels

    Args:
        teacher: `teachers`, which need the features of `mmpyramid extract --set open`; `text`, CLAP
            and CLIP, which need those of `--set text`; or a checkpoint folder or hub id.
        data: Corpus folder: annotations, with the features.
        out: Folder for `audio/ID.npy` and `visual/ID.npy`.
        features: Where the features are, if not in the corpus folder.
        split: Which videos.
        vocabulary: What the teachers look for: a name or a file; left out, `llp`. For `text` a file
            of prompts; left out, VALOR's for the classes of LLP, and sentences with the names of
            the classes for others.
        checkpoints: Of `text`: other checkpoints of `clap` and `clip` than the usual ones.
        device: Where to compute, as PyTorch names it; `auto` is a GPU where there is one.
    """
    from mmpyramid.pipeline import TEACHERS
    from mmpyramid.teachers.text import TEXT

    check_output_folder(out)
    device = resolve_device(device)
    if vocabulary is not None and teacher not in {TEACHERS, TEXT}:
        raise UserError(
            f"--vocabulary is for `{TEACHERS}` and `{TEXT}`; {teacher} has labels of its own, "
            "leave it out"
        )
    weights = parse_checkpoints(checkpoints)
    if weights and teacher != TEXT:
        raise UserError(f"--checkpoints applies to `{TEXT}` only; leave it out")

    open_corpus = partial(open_dataset, data, split, problem="parsing", features=features)
    if teacher == TEXT:
        options = BackboneOptions(device=device, weights=weights)
        dataset, score, thresholds = _by_words(vocabulary, options, features, open_corpus)
        missing: list[str] = []
    else:
        dataset, score, missing = _by_scores(teacher, vocabulary, device, open_corpus)
        thresholds = ""
    with only_writer(out), progress("label") as update:
        _begin(out, thresholds, _digest(teacher, vocabulary, weights, dataset.labels))
        for completed, video_id in enumerate(dataset.ids, start=1):
            paths = {side: out / str(side) / f"{video_id}.npy" for side in SIDES}
            if not all(path.exists() for path in paths.values()):
                scores = score(dataset.item(video_id))
                for side, path in paths.items():
                    write_file(path, _npy(scores[side]))
            update(completed, len(dataset.ids))
    unknown_to = f"\nnot known to the teachers: {', '.join(missing)}" if missing else ""
    found_in = f" --features {features}" if features else ""
    console().print(
        f"{simulated(data, features)}{len(dataset.ids)} videos of {len(dataset.labels)} classes in "
        f"{out}{unknown_to}\ntrain with      mmpyramid train RECIPE --strategy valor --data {data}"
        f"{found_in} --segment-labels {out} --out RUN"
    )
    return 0


def _digest(
    teacher: str,
    vocabulary: str | None,
    weights: Mapping[str, Path],
    labels: tuple[str, ...],
) -> str:
    """What tells labels apart: who made them, by which words or network, of which classes."""
    settings = (teacher, content_of(vocabulary), sorted(weights.items()), files_of(teacher), labels)
    return hashlib.sha256(repr(settings).encode()).hexdigest()


def _begin(out: Path, thresholds: str, digest: str) -> None:
    """Write the digest and the table of thresholds, if there is one, unless they are there already.

    Labels of earlier versions have no digest.

    Raises:
        UserError: if the folder has labels of the other kind, or of another teacher.
    """
    has_labels = any(out.glob("audio/*.npy"))
    has_table = (out / THRESHOLDS).exists()
    if has_table != bool(thresholds) and (has_labels or has_table):
        kinds = "logits of `text`", "margins"
        found, ours = kinds if has_table else kinds[::-1]
        raise UserError(
            f"{out} has {found}, which cannot be mixed with {ours}; choose another --out"
        )
    made_by = out / MADE_BY
    if not has_labels:
        write_file(made_by, f"{digest}\n".encode())
    elif made_by.exists() and made_by.read_text().strip() != digest:
        raise UserError(
            f"{out} has labels of another teacher, vocabulary, checkpoint or classes, which cannot "
            "be mixed with these; choose another --out"
        )
    if thresholds and not has_table:
        write_file(out / THRESHOLDS, thresholds.encode())


def _by_scores(
    teacher: str, vocabulary: str | None, device: str, open_corpus: OpenCorpus
) -> tuple[Dataset, ScoreVideo, list[str]]:
    """The corpus, what a scorer says of it, and the classes that the scorer does not know."""
    from mmpyramid.models import load_pretrained
    from mmpyramid.pipeline import TEACHERS
    from mmpyramid.teachers import load_teacher

    scorer: Teacher | Network[Any, Any]
    if teacher == TEACHERS:
        # The set `open`, which corpora are extracted with, has no faces.
        name = "llp" if vocabulary is None else vocabulary
        scorer = load_teacher(name, device=device, faces=False)
        inputs, never = _inputs(scorer.extractors), scorer.unmapped
    else:
        scorer = load_pretrained(teacher).to(device)
        inputs, never = scorer.inputs, {}
    dataset = open_corpus(inputs)
    columns = _columns(scorer.labels, dataset.labels)
    unknown = {side: {scorer.labels.index(name) for name in never.get(side, ())} for side in SIDES}
    kept = {
        side: [None if column in unknown[side] else column for column in columns] for side in SIDES
    }

    def score(features: Features) -> Mapping[Modality, NDArray[np.float16]]:
        scores = scorer.predict(features)
        return {
            Modality.AUDIO: margins(scores.audio, kept[Modality.AUDIO]),
            Modality.VISUAL: margins(scores.visual, kept[Modality.VISUAL]),
        }

    named = zip(dataset.labels, columns, strict=True)
    return dataset, score, [name for name, column in named if column is None]


def _by_words(
    prompts: str | None,
    options: BackboneOptions,
    features: Path | None,
    open_corpus: OpenCorpus,
) -> tuple[Dataset, ScoreVideo, str]:
    """The corpus, the logits of CLAP and CLIP, and a table of the thresholds."""
    from mmpyramid.store.store import FeatureStore
    from mmpyramid.teachers.text import load_prompts, load_text_teacher, prompts_for

    labels = open_corpus(None).labels
    if prompts or set(labels) <= set(LLP_LABELS):
        chosen = load_prompts(prompts or "llp", labels)
    else:
        words = [label.replace("_", " ") for label in labels]
        chosen = dict(zip(labels, prompts_for(words).values(), strict=True))
    teacher = load_text_teacher(chosen, options)
    if features and FeatureStore.is_store(features):
        FeatureStore(features).provenance.check_weights(teacher.extractors)
    table = io.StringIO()
    writer = csv.writer(table, lineterminator="\n")
    writer.writerow(("label", *map(str, SIDES)))
    above = [teacher.thresholds()[side].tolist() for side in SIDES]
    writer.writerows(zip(labels, *above, strict=True))

    def score(features: Features) -> Mapping[Modality, NDArray[np.float16]]:
        return {side: x.astype(np.float16) for side, x in teacher.logits(features).items()}

    return open_corpus(_inputs(teacher.extractors)), score, table.getvalue()


def margins(score_TC: Array, columns: list[int | None]) -> NDArray[np.float16]:
    """The logits of some columns in float16; NaN for those that a teacher does not have.

    Example:
        >>> margins(np.array([[0.5, 1.0]]), [1, None, 0]).tolist()
        [[12.0, nan, 0.0]]
    """
    logit_TC = np.full((len(score_TC), len(columns)), np.nan, np.float32)
    with np.errstate(divide="ignore"):
        known_TC = np.log(score_TC) - np.log1p(-score_TC)
    for place, column in enumerate(columns):
        if column is not None:
            logit_TC[:, place] = known_TC[:, column].clip(-MOST, MOST)
    return logit_TC.astype(np.float16)


def _npy(values: NDArray[np.float16]) -> bytes:
    file = io.BytesIO()
    np.save(file, values)
    return file.getvalue()


def _inputs(extractors: Iterable[Extractor]) -> Streams:
    heard, seen = (
        {one.name: one.dim for one in extractors if one.modality == side} for side in SIDES
    )
    return Streams(audio=heard, visual=seen)


def _columns(known: tuple[str, ...], labels: tuple[str, ...]) -> list[int | None]:
    """Where each label of the corpus is among those of the teacher."""
    columns = [known.index(name) if name in known else None for name in labels]
    if not any(column is not None for column in columns):
        raise UserError(
            f"the teacher knows none of the {len(labels)} classes of the corpus ({labels[0]} and "
            f"others), but {known[0]} and others; choose another teacher or --vocabulary"
        )
    return columns
