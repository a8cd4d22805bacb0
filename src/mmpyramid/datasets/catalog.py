"""The files of the public data sets: which there are, how large, and what we have seen in them.

Nothing is downloaded here. `check_corpus` compares a folder with the list, and says what is missing
and what that would take; docs/data.md has the pages that distribute the files.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from mmpyramid.core.errors import UserError
from mmpyramid.core.text import read_bytes


@dataclass(frozen=True, kw_only=True)
class KnownFile:
    """A file of a data set.

    Attributes:
        path: in the folder or one of the `places` of its data set; a pattern for many files.
        size: bytes of the whole; None where we have not seen it.
        sha256: of the content that we have seen; empty for files that we have not.
        note: what it is for.
    """

    path: str
    size: int | None = None
    sha256: str = ""
    note: str = ""


@dataclass(frozen=True, kw_only=True)
class KnownData:
    """A data set that is distributed as files.

    Attributes:
        name: of its layout, as `open_dataset` finds it.
        page: where it is distributed.
        places: folders in the corpus folder where its files may be.
        files: of annotations, then of features.
    """

    name: str
    page: str
    places: tuple[str, ...]
    files: tuple[KnownFile, ...]


CATALOG = (
    KnownData(
        name="LLP",
        page="https://github.com/YapengTian/AVVP-ECCV20",
        places=("", "data"),
        files=(
            KnownFile(
                path="AVVP_train.csv",
                size=341_164,
                sha256="bbeb83e8af46a85075216b213d3464f92dd4ab71468c852ae454b82cc745c0a4",
            ),
            KnownFile(
                path="AVVP_val_pd.csv",
                size=23_349,
                sha256="1811813b54c5f43c3be0a97bd0971cfb8a93818ca7b3ab96cdc7f4ac37ef37a6",
            ),
            KnownFile(
                path="AVVP_test_pd.csv",
                size=43_014,
                sha256="3f7a2b040e3b67c15d08efef25002bf8c5b2320f11049eb99ae0eb2d62f8eb9b",
            ),
            KnownFile(
                path="AVVP_eval_audio.csv",
                size=134_355,
                sha256="d5435664668bec6e7eafb39059d2f424ed2682f6b55395262fc3cb691b7d0778",
                note="corrected in April 2024; the file before that has 134,360 bytes",
            ),
            KnownFile(
                path="AVVP_eval_visual.csv",
                size=83_874,
                sha256="e2274af694f3f27e38b840e0cd91a9d8d9ac85280f193e90828d26b22db69abe",
            ),
            KnownFile(path="feats/vggish/*.npy", note="published: 11,849 files of (10, 128)"),
            KnownFile(
                path="feats/res152/*.npy", note="published: 11,849 files of (80, 2048), 7.8 GB"
            ),
            KnownFile(path="feats/r2plus1d_18/*.npy", note="published: 11,849 files of (10, 512)"),
        ),
    ),
    KnownData(
        name="AVE",
        page="https://github.com/YapengTian/AVE-ECCV18",
        places=("", "data"),
        files=(
            KnownFile(
                path="Annotations.txt",
                size=144_287,
                sha256="0d24a9ec5cd4ceb779ebd83d74e83ec8e55c5e468cede3f320fb57346c9dd321",
                note="the copy beside the features; that beside the videos has a header",
            ),
            KnownFile(
                path="train_order.h5",
                size=28_856,
                sha256="a216fcdd02782ba9d10c9ea79116120eb3be467740e58290e1b340d42a590456",
            ),
            KnownFile(
                path="val_order.h5",
                size=5_360,
                sha256="5692aec0efb30e4efa49a867a902c1993b4c88a7d3ec19879349e540e7a5d9ca",
            ),
            KnownFile(
                path="test_order.h5",
                size=5_360,
                sha256="f9bb79defc1f784ca5dda9cdd3ee52af6d24ccb399a1cfab6bf0d373f5681076",
            ),
            KnownFile(path="audio_feature.h5", note="published: (4143, 10, 128), 42 MB"),
            KnownFile(path="visual_feature.h5", note="published: (4143, 10, 7, 7, 512), 8.3 GB"),
            KnownFile(
                path="labels_noisy.h5",
                size=22_792,
                sha256="1cc2b29e7104d4da26be06b6ff2260d9392cd1d93a096c77efd938843b4ebde1",
                note="weak training",
            ),
            KnownFile(
                path="audio_feature_noisy.h5",
                size=1_824_864,
                sha256="d29b6efa4c985746a1d5205423c6f01bf02cf475af40c2620e4df9260d84c5f4",
                note="weak training",
            ),
            KnownFile(path="visual_feature_noisy.h5", note="weak training; published: 0.4 GB"),
        ),
    ),
    KnownData(
        name="UnAV-100",
        page="https://unav100.github.io",
        places=(
            "",
            "annotations",
            "unav100",
            "unav100/annotations",
            "data/unav100",
            "data/unav100/annotations",
        ),
        files=(
            KnownFile(
                path="unav100_annotations.json",
                size=2_991_422,
                sha256="2fdfc587ad36fc405496b5520d967b5df54b2d82027d16d69e968b5cf04d3dba",
            ),
            KnownFile(path="av_features/*_rgb.npy", note="published: 10,790 files of (rows, 1024)"),
            KnownFile(
                path="av_features/*_flow.npy", note="published: 10,790 files of (rows, 1024)"
            ),
            KnownFile(
                path="av_features/*_vggish.npy", note="published: 10,790 files of (rows, 128)"
            ),
        ),
    ),
    KnownData(
        name="OV-AVEL",
        page="https://github.com/jasongief/OV-AVEL",
        places=("", "meta_anno_files"),
        files=(
            KnownFile(
                path="released_ovavel_dataset_anno.json",
                size=2_900_238,
                sha256="c6d4c368958a1ed7595ac59e5d371dff52cf144a1f88b1e0269ac9b59f025b34",
            ),
            KnownFile(
                path="ovave_dataset_meta.csv",
                size=964_949,
                sha256="be11b74e67ffcfe4eaabd8ea0f6959bc0c4c359c23030face76895b62437b477",
            ),
            KnownFile(
                path="ovave_total_close_open_categories.csv",
                size=1_152,
                sha256="4806afcc687d727af36f965e12ad88c7d43869d9258e413da8d560917aeeddf3",
            ),
            KnownFile(
                path="features", note="none are published; a store or .npy folders of your own"
            ),
        ),
    ),
)


@dataclass(frozen=True, kw_only=True, slots=True)
class FileState:
    """The state of a known file in a folder.

    Attributes:
        file: which one.
        num_found: how many files of its pattern are there.
        is_as_seen: whether the content is the one that we have seen; None where we have seen none.
    """

    file: KnownFile
    num_found: int
    is_as_seen: bool | None

    def __str__(self) -> str:
        note = f" ({self.file.note})" if self.file.note else ""
        if not self.num_found:
            size = "" if self.file.size is None else f", {self.file.size:,} bytes"
            return f"missing{size}{note}"
        if self.is_as_seen is None:
            counted = "found" if self.num_found == 1 else f"{self.num_found:,} files"
            return f"{counted}{note}"
        seen = "as distributed" if self.is_as_seen else "differs from the published file"
        return f"{seen}{note if not self.is_as_seen else ''}"


def known_data(name: str) -> KnownData | None:
    """The data set of a layout; None if it is not a public one."""
    return next((each for each in CATALOG if each.name == name), None)


def check_corpus(folder: Path, known: KnownData) -> Iterator[FileState]:
    """Compare a folder with the files of a data set.

    Args:
        folder: the corpus folder.
        known: which data set.

    Raises:
        UserError: if there is no such folder, or a file cannot be read.
    """
    if not folder.is_dir():
        raise UserError(f"expected a corpus folder, but {folder} is not a folder")
    for file in known.files:
        found = _find(folder, known.places, file.path)
        is_as_seen = None
        if found and file.sha256:
            content = read_bytes(found[0])
            is_as_seen = hashlib.sha256(content).hexdigest() == file.sha256
        yield FileState(file=file, num_found=len(found), is_as_seen=is_as_seen)


def _find(folder: Path, places: tuple[str, ...], pattern: str) -> list[Path]:
    """The files of a pattern in the first place that has some."""
    for place in places:
        if found := sorted((folder / place).glob(pattern)):
            return found
    return []
