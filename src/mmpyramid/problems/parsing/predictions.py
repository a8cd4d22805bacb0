"""Anybody's predictions in one file, checked and scored with the official numbers."""

from __future__ import annotations

import io
import zipfile
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from mmpyramid.core import Gate
from mmpyramid.core.errors import UserError
from mmpyramid.core.files import write_durably
from mmpyramid.core.runs import Mask
from mmpyramid.core.text import shorten
from mmpyramid.problems.parsing.decisions import Probabilities, Threshold, llp_masks
from mmpyramid.problems.parsing.metrics import ParsingReport, parsing_report

_REQUIRED = ("ids", "audio", "visual", "video")
_OPTIONAL = ("video_audio", "video_visual")
_MASK = "mask"
_NAMES_SHOWN = 3
LARGEST_UNPACKED = 16 * 2**30
"""Bytes; the predictions of LLP's test split take 2 MB."""


@dataclass(frozen=True, kw_only=True, eq=False)
class Predictions:
    """Probabilities for N videos of T segments and C classes, checked.

    Attributes:
        ids: the N video ids.
        audio: (N, T, C) probability that a class is heard in a segment.
        visual: (N, T, C) probability that a class is seen in a segment.
        video: (N, C) probability that a class occurs in the video.
        video_audio: (N, C) the same of the audio stream alone, if known.
        video_visual: (N, C) the same of the visual stream alone, if known.
        mask: (N, T) bool, True where a segment exists; None if all do.
    """

    ids: tuple[str, ...]
    audio: Probabilities
    visual: Probabilities
    video: Probabilities
    video_audio: Probabilities | None = None
    video_visual: Probabilities | None = None
    mask: Mask | None = None

    def save(self, path: str | Path) -> None:
        """Write `PREDICTIONS.npz` as a whole, with its folder; `read_predictions` reads it.

        Raises:
            UserError: if the disk is full.
        """
        present = {name: getattr(self, name) for name in (*_REQUIRED[1:], *_OPTIONAL, _MASK)}
        arrays = {name: array for name, array in present.items() if array is not None}
        content = io.BytesIO()
        np.savez_compressed(content, ids=np.array(self.ids, dtype=np.str_), **arrays)
        Path(path).parent.mkdir(parents=True, exist_ok=True)
        write_durably(Path(path), content.getvalue(), outlast_power_cuts=False)

    def masks(
        self,
        *,
        gate: Gate = "global",
        threshold: Threshold = 0.5,
        video_threshold: Threshold = 0.5,
    ) -> tuple[Mask, Mask]:
        """What is heard and what is seen, two (N, T, C); see `llp_masks`.

        Raises:
            UserError: if a setting is wrong.
        """
        return llp_masks(
            self.audio,
            self.visual,
            self.video,
            gate=gate,
            threshold=threshold,
            video_threshold=video_threshold,
            video_audio=self.video_audio,
            video_visual=self.video_visual,
        )

    def report(
        self,
        truth_audio: Mask,
        truth_visual: Mask,
        *,
        gate: Gate = "global",
        threshold: Threshold = 0.5,
        video_threshold: Threshold = 0.5,
        iou_threshold: float = 0.5,
    ) -> ParsingReport:
        """The ten official numbers; only segments that exist count.

        Args:
            truth_audio: (N, T, C) what is heard, in the order of `ids`.
            truth_visual: (N, T, C) what is seen.
            gate: what decides that a video has a class, see `llp_masks`.
            threshold: for segments.
            video_threshold: for videos.
            iou_threshold: overlap that makes two events one.

        Raises:
            UserError: if shapes disagree, or a setting is wrong.
        """
        masks_NTC = self.masks(gate=gate, threshold=threshold, video_threshold=video_threshold)
        return parsing_report(
            *masks_NTC, truth_audio, truth_visual, mask_NT=self.mask, iou_threshold=iou_threshold
        )


def read_predictions(
    source: str | Path | Mapping[str, NDArray[Any]],
    ids: Sequence[str],
    shape: tuple[int, int],
    *,
    names: Sequence[str] = (),
    may_be_longer: bool = False,
) -> Predictions:
    """Read predictions and put them in the order of the labels.

    Args:
        source: an `.npz` file, or the same arrays by name: `ids` (N,), `audio` and `visual`
            (N, T, C), `video` (N, C), optionally `video_audio` and `video_visual` (N, C), and
            `mask` (N, T), which is 0 beyond a video's end; in any order of ids. Other names in the
            file are ignored.
        ids: the ids of the labeled videos, whose order the result has.
        shape: (T, C) of the labels.
        names: longer names of the same videos, which stand for the ids if the predictions use one.
        may_be_longer: whether the predictions may have more segments than the labels, since these
            end with the last event.

    Raises:
        UserError: with all problems at once, if arrays are missing or have wrong shapes, values are
            not probabilities, or the ids are not exactly those of the labels.
    """
    if isinstance(source, Mapping):
        arrays, origin = _known(source), "predictions"
    else:
        arrays, origin = _load(source), str(source)
    if not set(names).isdisjoint(_as_text(arrays.get("ids", np.array([], np.str_)))):
        ids = names
    if may_be_longer and "audio" in arrays:
        shape = (max((shape[0], *arrays["audio"].shape[1:2])), shape[1])
    problems = [f"`{name}` is missing" for name in _REQUIRED if name not in arrays]
    given, id_problems = _check_ids(arrays["ids"], ids) if "ids" in arrays else (list(ids), [])
    problems += id_problems
    for name in (*_REQUIRED[1:], *_OPTIONAL):
        if name in arrays:
            trailing = shape if name in {"audio", "visual"} else shape[1:]
            problems += _check_values(name, arrays[name], given, trailing)
    if _MASK in arrays:
        problems += _check_mask(arrays[_MASK], given, shape[0])
    if problems:
        listed = "\n".join(f"  - {problem}" for problem in problems)
        raise UserError(
            f"{origin}: expected `ids` (N,), `audio` and `visual` (N, {shape[0]}, {shape[1]}) and "
            f"`video` (N, {shape[1]}) with probabilities of the {len(ids)} labeled videos; "
            f"to be put right:\n{listed}"
        )
    row_of = {video_id: row for row, video_id in enumerate(given)}
    order = [row_of[video_id] for video_id in ids]
    values = {name: arrays[name][order] for name in (*_REQUIRED[1:], *_OPTIONAL) if name in arrays}
    mask = arrays[_MASK][order].astype(bool) if _MASK in arrays else None
    return Predictions(ids=tuple(ids), mask=mask, **values)


def _load(path: str | Path) -> dict[str, NDArray[Any]]:
    """Read the arrays that we know from an `.npz` file, without running pickled code."""
    expected = "expected an .npz file as `numpy.savez` writes it, without pickled objects"
    try:
        _check_members(path)
        archive = np.load(path, allow_pickle=False)
        if isinstance(archive, np.ndarray):
            raise UserError(f"{path}: {expected}, got a single array")
        with archive:
            return _known(archive)
    except UserError:
        raise
    except FileNotFoundError as error:
        raise UserError(f"{path}: {expected}, but there is no such file") from error
    # zipfile and numpy, which parses headers as Python, report damage by many kinds of exception.
    except Exception as error:
        raise UserError(
            f"{path}: {expected}; reading failed with: {shorten(str(error), 200)}. Ids of dtype "
            f"object are pickled: save them as `np.array(ids, dtype=str)`"
        ) from error


def _check_members(path: str | Path) -> None:
    """Check that an archive is a file and unpacks to what predictions can take.

    Raises:
        ValueError: if it does not.
        FileNotFoundError: if there is none.
    """
    if not Path(path).exists():
        raise FileNotFoundError(path)
    if not Path(path).is_file():
        raise ValueError("it is no file")
    if zipfile.is_zipfile(path):
        with zipfile.ZipFile(path) as archive:
            size = sum(member.file_size for member in archive.infolist())
        if size > LARGEST_UNPACKED:
            raise ValueError(f"it unpacks to {size / 2**30:.0f} GiB")


def _known(source: Mapping[str, NDArray[Any]]) -> dict[str, NDArray[Any]]:
    names = (*_REQUIRED, *_OPTIONAL, _MASK)
    return {name: np.asarray(source[name]) for name in names if name in source}


def _as_text(ids: NDArray[Any]) -> list[str]:
    """Ids as text; none if they are anything else."""
    if ids.dtype.kind == "S":
        ids = np.char.decode(ids, "utf-8", "replace")
    texts: list[str] = ids.ravel().tolist() if ids.dtype.kind == "U" else []
    return texts


def _check_ids(array: NDArray[Any], expected: Sequence[str]) -> tuple[list[str], list[str]]:
    """Compare ids with those of the labels; returns them as text, and what is wrong."""
    if array.ndim != 1 or array.dtype.kind not in "US":
        problem = f"`ids` must be a row of text, got {array.dtype} of shape {array.shape}"
        return list(expected), [problem]
    given = _as_text(array)
    known, present = set(expected), set(given)
    found = {
        "ids occur more than once": [name for name, count in Counter(given).items() if count > 1],
        "ids are not among the labels": [
            name for name in dict.fromkeys(given) if name not in known
        ],
        "labeled videos have no prediction": [name for name in expected if name not in present],
    }
    return given, [_named(what, names) for what, names in found.items() if names]


def _check_values(
    name: str, array: NDArray[Any], ids: Sequence[str], trailing: tuple[int, ...]
) -> list[str]:
    """Say what is wrong with one array of probabilities."""
    shape = (len(ids), *trailing)
    if array.shape != shape:
        return [f"`{name}` must have shape {shape}, got {array.shape}"]
    if array.dtype.kind != "f":
        return [f"`{name}` must be floating point, got {array.dtype}: use `.astype('float32')`"]
    axes = tuple(range(1, array.ndim))
    not_numbers = np.isnan(array).any(axis=axes)
    outside = ((array < 0) | (array > 1)).any(axis=axes)
    found = {
        f"videos have NaN in `{name}`": not_numbers,
        f"videos have values outside 0..1 in `{name}`; apply the sigmoid to logits": outside,
    }
    return [
        _named(what, [video_id for video_id, is_wrong in zip(ids, rows, strict=True) if is_wrong])
        for what, rows in found.items()
        if rows.any()
    ]


def _check_mask(array: NDArray[Any], given: Sequence[str], num_segments: int) -> list[str]:
    """Say what is wrong with the mask of existing segments.

    It tells where videos end, and so cannot leave out what a system got wrong within one.
    """
    shape = (len(given), num_segments)
    if array.shape != shape:
        return [f"`{_MASK}` must have shape {shape}, got {array.shape}"]
    if not np.isin(array, (0, 1)).all():
        return [f"`{_MASK}` must be 0 or 1"]
    mask_NT = array.astype(bool)
    wrong_N = ~mask_NT[:, :1].all(axis=1) | (mask_NT[:, 1:] & ~mask_NT[:, :-1]).any(axis=1)
    videos = [video for video, is_wrong in zip(given, wrong_N, strict=True) if is_wrong]
    what = f"videos have a `{_MASK}` that is not 1 up to their end and 0 beyond"
    return [_named(what, videos)] if videos else []


def _named(what: str, names: Sequence[str]) -> str:
    """A count, and the first names."""
    more = ", ..." if len(names) > _NAMES_SHOWN else ""
    return f"{len(names)} {what} ({', '.join(names[:_NAMES_SHOWN])}{more})"


def score_predictions(
    source: str | Path | Mapping[str, NDArray[Any]],
    ids: Sequence[str],
    truth_audio: Mask,
    truth_visual: Mask,
    *,
    gate: Gate = "global",
    threshold: Threshold = 0.5,
    video_threshold: Threshold = 0.5,
    iou_threshold: float = 0.5,
) -> ParsingReport:
    """The official numbers of a file of predictions.

    Args:
        source: an `.npz` file or arrays, see `read_predictions`.
        ids: the N ids of the labeled videos.
        truth_audio: (N, T, C) what is heard, in the order of `ids`.
        truth_visual: (N, T, C) what is seen.
        gate: what decides that a video has a class, see `llp_masks`.
        threshold: for segments.
        video_threshold: for videos.
        iou_threshold: overlap that makes two events one.

    Raises:
        UserError: if the predictions do not fit the labels or a setting is wrong.

    Example:
        >>> truth_NTC = np.array([[[True], [False]]])
        >>> arrays = {"ids": np.array(["clip"]), "video": np.array([[0.9]])}
        >>> arrays |= dict.fromkeys(("audio", "visual"), np.array([[[0.8], [0.1]]]))
        >>> score_predictions(arrays, ["clip"], truth_NTC, truth_NTC).event.type_av
        100.0
    """
    num_segments, num_classes = truth_audio.shape[1:]
    predictions = read_predictions(source, ids, (num_segments, num_classes))
    return predictions.report(
        truth_audio,
        truth_visual,
        gate=gate,
        threshold=threshold,
        video_threshold=video_threshold,
        iou_threshold=iou_threshold,
    )
