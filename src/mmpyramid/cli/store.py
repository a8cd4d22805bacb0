"""`mmpyramid store`: features from other layouts into a store, and back."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Annotated, Literal

import tyro

from mmpyramid.cli._options import console, shows_progress
from mmpyramid.cli.main import run_one
from mmpyramid.core import Modality
from mmpyramid.core.errors import UserError
from mmpyramid.core.files import check_output_folder
from mmpyramid.core.progress import progress, report_failed

OVERVIEW = """usage: mmpyramid store {import,export} FOLDER --out FOLDER [options]
       mmpyramid store check FOLDER

Exchange the features of a store with other layouts, without a change of values, or look for damage.

Example: mmpyramid store import LLP/feats --out corpus/features

`npy`: a folder per stream, in it `<id>.npy`, as LLP is published;
`h5`:  a file per stream with a row per video, and their ids in `ids.txt`, as AVE is.
"""


def store(args: list[str]) -> int:
    """Run `mmpyramid store` with the arguments after it: one of its commands."""
    commands: dict[str, Callable[..., int]] = {"import": import_, "export": export, "check": check}
    return run_one(commands, "store", OVERVIEW, args)


@shows_progress
def import_(
    features: Annotated[Path, tyro.conf.Positional, tyro.conf.arg(metavar="FOLDER")],
    /,
    *,
    out: Path,
    audio: tuple[str, ...] = (),
    visual: tuple[str, ...] = (),
    pool: bool = False,
) -> int:
    """Put existing features into a store.

    Args:
        features: Folder of `.npy` folders, or of `.h5` files with `ids.txt`; or the store of an
            earlier version.
        out: The store's folder.
        audio: Names of streams that are heard; published ones are known.
        visual: Names of streams that are seen.
        pool: Average streams with several rows per segment, as networks do first.
    """
    from mmpyramid.store.exchange import import_features

    check_output_folder(out)
    if both := sorted({*audio} & {*visual}):
        raise UserError(f"expected a stream to be heard or seen, got both for {', '.join(both)}")
    modalities = {**dict.fromkeys(audio, Modality.AUDIO), **dict.fromkeys(visual, Modality.VISUAL)}
    with progress("import") as update:
        store = import_features(features, out, modalities, pool=pool, progress=update)
    failures = store.failures
    for video_id, reason in list(failures.items()):
        report_failed(video_id, reason, f"mmpyramid store import: {video_id} skipped: {reason}")
    console().print(f"{out}: {len(store)} videos, {len(failures)} failed")
    return 1 if failures else 0


@shows_progress
def export(
    store: Annotated[Path, tyro.conf.Positional, tyro.conf.arg(metavar="STORE")],
    /,
    *,
    out: Path,
    layout: Literal["npy", "h5"] = "npy",
) -> int:
    """Write the features of a store in another layout.

    Args:
        store: The store's folder.
        out: The new folder.
        layout: One `.npy` per stream and video, or one `.h5` per stream.
    """
    from mmpyramid.store.exchange import export_features
    from mmpyramid.store.store import FeatureStore

    check_output_folder(out)
    opened = FeatureStore(store)
    with progress("export") as update:
        export_features(opened, out, layout, update)
    console().print(f"{out}: {len(opened)} videos, {', '.join(opened.streams)}")
    return 0


@shows_progress
def check(store: Annotated[Path, tyro.conf.Positional, tyro.conf.arg(metavar="STORE")], /) -> int:
    """Read every file of a store, compare it with its checksum, and look for NaN and infinity.

    Files of an export are compared with its `SHA256SUMS`. The exit code is 1 if something is
    damaged.

    Args:
        store: The folder of a store or of an export.
    """
    from mmpyramid.store.store import FeatureStore, check_files
    from mmpyramid.store.sums import SUMS_FILE, check_sums, read_sums

    with progress("check") as update:
        if (store / SUMS_FILE).is_file() and not FeatureStore.is_store(store):
            damaged: Mapping[str, str] = check_sums(store, update)
            read = f"{len(read_sums(store))} files of {SUMS_FILE}"
        else:
            report = check_files(store, update)
            damaged = report.damaged
            read = f"{report.num_videos} videos in {report.num_files} files"
    for name, why in damaged.items():
        report_failed(name, why, f"mmpyramid store check: {name}: {why}")
    console().print(f"{store}: {read}, {len(damaged)} damaged")
    return 1 if damaged else 0
