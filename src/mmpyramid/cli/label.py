"""`mmpyramid label`: what a teacher hears and sees in every segment, as labels to train on."""

from __future__ import annotations

import io
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

import numpy as np
import tyro
from numpy.typing import NDArray

from mmpyramid.cli._options import (
    OptionalName,
    OptionalPath,
    console,
    progress_bar,
    resolve_device,
    simulated,
)
from mmpyramid.core import Array, Modality
from mmpyramid.core.batch import Streams
from mmpyramid.core.errors import UserError
from mmpyramid.core.files import check_output_folder, only_writer, write_durably
from mmpyramid.datasets import open_dataset

if TYPE_CHECKING:
    from mmpyramid.models import Network
    from mmpyramid.teachers import Teacher

MOST = 12.0
"""Margins are kept within this: the logit of a probability of 0.999994."""
SIDES = (Modality.AUDIO, Modality.VISUAL)


def label(
    teacher: Annotated[str, tyro.conf.Positional, tyro.conf.arg(metavar="TEACHER")],
    /,
    *,
    data: Path,
    out: Path,
    features: OptionalPath = None,
    split: Literal["train", "val", "test"] = "train",
    vocabulary: OptionalName = None,
    device: str = "auto",
) -> int:
    """Let a teacher label the segments of a corpus, for `train --strategy valor` and others.

    For each video two NumPy files of margins are written, (segments, classes) in float16: the logit
    of what the teacher says, so that what is above 0 counts. NaN stands where the teacher does not
    know the class. Videos that are labelled already are passed over, so that an interrupted command
    goes on.

    Example: mmpyramid label teachers --data LLP --features store --out labels

    Args:
        teacher: `teachers`, which need the features of `mmpyramid extract --set open`, or a
            checkpoint folder or hub id.
        data: Corpus folder: annotations, with the features.
        out: Folder for `audio/ID.npy` and `visual/ID.npy`.
        features: Where the features are, if not in the corpus folder.
        split: Which videos.
        vocabulary: What the teachers look for: a name or a file; left out, `llp`.
        device: Where to compute, as PyTorch names it; `auto` is a GPU where there is one.
    """
    from mmpyramid.models import load_pretrained
    from mmpyramid.pipeline import TEACHERS
    from mmpyramid.teachers import load_teacher

    check_output_folder(out)
    device = resolve_device(device)
    if vocabulary and teacher != TEACHERS:
        raise UserError(
            f"--vocabulary is for `{TEACHERS}`; {teacher} has labels of its own, leave it out"
        )
    scorer: Teacher | Network[Any, Any]
    if teacher == TEACHERS:
        # The set `open`, which corpora are extracted with, has no faces.
        scorer = load_teacher(vocabulary or "llp", device=device, faces=False)
        inputs, never = _inputs(scorer), scorer.unmapped
    else:
        scorer = load_pretrained(teacher).to(device)
        inputs, never = scorer.inputs, {}
    dataset = open_dataset(data, split, inputs, problem="parsing", features=features)
    columns = _columns(scorer.labels, dataset.labels)
    with only_writer(out), progress_bar("label") as update:
        for completed, video_id in enumerate(dataset.ids, start=1):
            paths = [out / str(side) / f"{video_id}.npy" for side in SIDES]
            if not all(path.exists() for path in paths):
                scores = scorer.predict(dataset.item(video_id))
                for side, path, score_TC in zip(
                    SIDES, paths, (scores.audio, scores.visual), strict=True
                ):
                    unknown = {scorer.labels.index(name) for name in never.get(side, ())}
                    kept = [None if column in unknown else column for column in columns]
                    path.parent.mkdir(parents=True, exist_ok=True)
                    write_durably(path, _npy(margins(score_TC, kept)), outlast_power_cuts=False)
            update(completed, len(dataset.ids))
    missing = [name for name, column in zip(dataset.labels, columns, strict=True) if column is None]
    unknown_to = f"\nno say about {', '.join(missing)}" if missing else ""
    console().print(
        f"{simulated(data, features)}{len(dataset.ids)} videos of {len(dataset.labels)} classes in "
        f"{out}{unknown_to}\ntrain with      mmpyramid train llp --strategy valor --data {data} "
        f"--segment-labels {out} --out RUN"
    )
    return 0


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


def _inputs(teacher: Teacher) -> Streams:
    heard, seen = (
        {one.name: one.dim for one in teacher.extractors if one.modality == side} for side in SIDES
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
