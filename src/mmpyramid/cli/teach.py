"""`mmpyramid teach`: classes of one's own from corrected files."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import tyro
from rich.table import Table

from mmpyramid.cli._options import (
    OPTIONAL,
    OptionalName,
    OptionalPath,
    console,
    shows_progress,
)
from mmpyramid.core.device import resolve_device
from mmpyramid.core.progress import progress, report_failed
from mmpyramid.extract.corpus import ExtractionProgress

if TYPE_CHECKING:
    from mmpyramid.teaching import Taught


@shows_progress
def teach(  # noqa: PLR0913 - one for each flag
    corrections: Annotated[Path, tyro.conf.Positional, tyro.conf.arg(metavar="CORRECTIONS")],
    /,
    *,
    videos: str,
    out: Path,
    keep_vocabulary: OptionalName = None,
    classes: Annotated[
        tuple[str, ...], tyro.conf.arg(metavar="LABEL ...", help_behavior_hint=OPTIONAL)
    ] = (),
    only_corrected: bool = False,
    method: Literal["auto", "classifiers", "network"] = "auto",
    features: OptionalPath = None,
    seed: int = 0,
    device: str = "auto",
) -> int:
    """Learn classes of your own from corrected timelines.

    The result is a model for `mmpyramid parse VIDEO --model OUT`. Five to fifty examples of a class
    are enough to begin with; classes that cannot be learned are listed with the reason.

    Example: mmpyramid teach corrections --videos videos --out mine --keep-vocabulary everyday

    Args:
        corrections: A folder with a file for each video, named after the video, in any format that
            can be read (timelines of `parse`, ELAN, Audacity, CSV), or a table with the columns
            `file` and `label`, and `modality`, `start`, `end` where that is known.
        videos: The corrected videos: a folder, or a glob pattern. A video without corrections
            counts as one without these classes.
        out: Folder of the model; a model in it is replaced. Features of the videos stay in its
            folder `features`, so that more corrections do not read the videos again.
        keep_vocabulary: Find the labels of a vocabulary beside the new ones: `everyday`, `llp`,
            `ave`, or a TOML file of your own.
        classes: Learn only these; by default, all labels of the corrections.
        only_corrected: Leave out videos without corrections.
        method: `classifiers` of segments for few examples, the compact MM-Pyramid `network` for
            hundreds of clips; `auto` takes the better one on held-out clips.
        features: Where features are kept instead.
        seed: Seed of the folds and of the training.
        device: Where to compute, as PyTorch names it; `auto` is a GPU where there is one.
    """
    from mmpyramid.teaching import teach as teach_classes

    with progress("read") as update:

        def on_progress(done: ExtractionProgress) -> None:
            update(done.completed, done.total)

        taught = teach_classes(
            corrections,
            videos,
            out,
            keep_vocabulary=keep_vocabulary,
            classes=classes,
            only_corrected=only_corrected,
            method=method,
            features=features,
            seed=seed,
            device=resolve_device(device),
            on_progress=on_progress,
        )
    for name, reason in taught.failed.items():
        report_failed(name, reason, f"mmpyramid teach: {name} left out: {reason}")
    _report(taught)
    learned = {result.label for result in taught.results if not result.refused}
    requested = {result.label for result in taught.results}
    return 1 if taught.failed or requested - learned else 0


def _report(taught: Taught) -> None:
    """Print what was learned, how well, and what was not."""
    from mmpyramid.teaching.teach import HOW

    screen = console()
    screen.print(
        f"{taught.num_videos} videos, {taught.num_uncorrected} of them without corrections"
    )
    if taught.left_out:
        names = ", ".join(taught.left_out[:3]) + ", …" * (len(taught.left_out) > 3)
        screen.print(f"corrections left out, as no format reads them: {names}")
    screen.print(taught.method)
    table = Table("class", "", box=None, pad_edge=False)
    for name in ("videos", "F, videos", "F, seconds"):
        table.add_column(name, justify="right")
    for result in taught.results:
        if not result.refused and (measured := result.measured):
            scores = (str(measured.clips), str(measured.seconds or "-"))
            table.add_row(result.label, HOW[result.modality], str(result.num_clips), *scores)
    screen.print(table)
    screen.print("F: each video by what was learned without it, and 95 % of what chance would give")
    for result in taught.results:
        if result.refused:
            screen.print(f"{result.label}, {HOW[result.modality]}: not learned: {result.refused}")
    screen.print(f"{taught.model}: parse with `mmpyramid parse VIDEO --model {taught.model}`")
