"""`mmpyramid predict`: timelines of a corpus from precomputed features, beside the truth."""

from __future__ import annotations

import difflib
from collections import deque
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

import tyro

from mmpyramid.cli._options import (
    FormatList,
    OptionalPath,
    check_raw,
    console,
    raw_option,
    shows_progress,
    simulated,
    to_formats,
    write_file,
)
from mmpyramid.core import AnyScores, Features, Modality, Timeline
from mmpyramid.core.batch import Streams
from mmpyramid.core.device import resolve_device
from mmpyramid.core.errors import UserError
from mmpyramid.core.files import check_output_file, check_output_folder
from mmpyramid.core.progress import progress, report_written
from mmpyramid.datasets import Dataset, open_dataset
from mmpyramid.problems import Decoder, annotated, decode
from mmpyramid.render import encode

if TYPE_CHECKING:
    from mmpyramid.models import Network

NUM_CLOSE = 3
SIMULATED = "simulated features: no video is behind them"


@dataclass(frozen=True, kw_only=True)
class CorpusOptions:
    """Which corpus the videos are of."""

    data: Path
    """Corpus folder: annotations, with the features."""
    split: Literal["train", "val", "test"] = "test"
    """Which split the videos are in."""
    features: OptionalPath = None
    """Where the features are, if not in the corpus folder."""


@shows_progress
def predict(
    model: Annotated[str, tyro.conf.Positional, tyro.conf.arg(metavar="MODEL")],
    /,
    *,
    corpus: Annotated[CorpusOptions, tyro.conf.arg(name="")],
    ids: Annotated[tuple[str, ...], tyro.conf.arg(metavar="ID [ID ...]")],
    out: Path,
    formats: FormatList = "json",
    truth: bool = False,
    raw: bool = False,
    device: str = "auto",
) -> int:
    """Turn precomputed features of a corpus into timelines; no video is needed.

    Segments are decided by the official rule, with the gate of the network. To compare networks as
    in Figure 6 of the paper, predict with each and render all timelines of a video together.

    Example: mmpyramid predict runs/llp/model --data LLP --ids BjCEufrlXm4 --out predicted/ours

    Args:
        model: Checkpoint folder or hub id.
        corpus: Where the videos are known from.
        ids: Which videos, separated by spaces or commas. If the first one begins with a dash, write
            --ids=-4NLarMj4xU.
        out: Folder for the files, which are named by the ids.
        formats: Names of formats, separated by commas.
        truth: Also write the annotations, as `ID.truth.json` and into the pages.
        raw: Do not escape cells of tables that a spreadsheet would run as formulas; for other
            programs.
        device: Where to compute, as PyTorch names it; `auto` is a GPU where there is one.
    """
    from mmpyramid.models import load_pretrained

    chosen = to_formats(formats)
    check_raw(chosen, raw=raw)
    check_output_folder(out)
    network = load_pretrained(model).to(resolve_device(device))
    decoder = network.decoder
    dataset = open_dataset(
        corpus.data,
        corpus.split,
        network.inputs,
        problem=network.problem,
        features=corpus.features,
    )
    parts = [[part] if part in dataset.ids else part.split(",") for part in ids]
    chosen_ids = _known([item for part in parts for item in part if item], dataset)
    for item_id in chosen_ids:
        for name in ("truth.json", *chosen):
            check_output_file(out / f"{item_id}.{name}")
    notes = (SIMULATED,) if simulated(corpus.data, corpus.features) else ()
    files: dict[str, bytes] = {}
    with progress("predict") as update:
        predicted = predict_items(network, dataset, chosen_ids, decoder, model, notes)
        for completed, (item_id, timeline, scores) in enumerate(predicted, start=1):
            page: dict[str, Any] = {"scores": scores, "decoder": decoder}
            if truth:
                masks_TC = dataset.truth(item_id)
                page["truth"] = annotated(masks_TC, dataset.labels, source=item_id, notes=notes)
                files[f"{item_id}.truth.json"] = encode(page["truth"], "json")
            files |= {
                f"{item_id}.{name}": encode(
                    timeline, name, **(page if name == "html" else raw_option(name, raw=raw))
                )
                for name in chosen
            }
            update(completed, len(chosen_ids))
    for name, content in files.items():
        write_file(out / name, content)
        report_written(str(out / name))
    console().print("\n".join([*notes, *(str(out / name) for name in files)]))
    return 0


def predict_items(
    network: Network[Any, AnyScores],
    dataset: Dataset,
    ids: Iterable[str],
    decoder: Decoder,
    model: str,
    notes: Sequence[str],
) -> Iterator[tuple[str, Timeline, AnyScores]]:
    """Score items, several at once, and decide each; in their order, with their ids.

    Args:
        network: what scores.
        dataset: where their features are.
        ids: the items.
        decoder: how to decide.
        model: what timelines name as their model.
        notes: what timelines tell besides.

    Yields:
        The id of an item, its timeline, and the scores that it was decided from.

    Raises:
        UserError: if features are missing or damaged.
    """
    waiting: deque[tuple[str, list[Modality]]] = deque()

    def features() -> Iterator[Features]:
        for item_id in ids:
            found = dataset.item(item_id)
            waiting.append((item_id, _missing(network.inputs, found)))
            yield found

    for scores in network.predict_each(features()):
        item_id, missing = waiting.popleft()
        timeline = decode(
            scores,
            decoder,
            source=item_id,
            model=model,
            missing=missing,
            notes=(*notes, *network.notes),
        )
        yield item_id, timeline, scores


def _missing(inputs: Streams, features: Features) -> list[Modality]:
    """The modalities of which there is no stream."""
    sides = {Modality.AUDIO: inputs.audio, Modality.VISUAL: inputs.visual}
    return [modality for modality, side in sides.items() if not side.keys() & features.keys()]


def _known(ids: Sequence[str], dataset: Dataset) -> list[str]:
    """The ids, each once.

    Raises:
        UserError: if one is not in the split; those close to it are named.
    """
    known = dataset.ids
    unknown = [item_id for item_id in dict.fromkeys(ids) if item_id not in known]
    if unknown:
        close = difflib.get_close_matches(unknown[0], known, n=NUM_CLOSE)
        hint = f"did you mean {' or '.join(close)}?" if close else f"the first is {known[0]}"
        raise UserError(
            f"expected ids out of the {len(known)} of the split (--split), which has no "
            f"{', '.join(unknown)}; {hint}"
        )
    if not ids:
        raise UserError("expected one or more ids (--ids), got none")
    return list(dict.fromkeys(ids))
