"""Every kind of file that people bring: a good one, and what reads it.

A subject makes a folder of good files, one of which is damaged, and reads the folder again by the
commands or functions that a user would call. Reading ends in a result or a `UserError`.
"""

import contextlib
import io
import shutil
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import h5py
import numpy as np
import torch
import yaml

import tiny_folder
import tiny_unav
from datasets.test_ovavel import make as make_ovavel
from mmpyramid.cli import main
from mmpyramid.cli._folders import Folders
from mmpyramid.core import Event, Modality, Timeline
from mmpyramid.core.errors import UserError
from mmpyramid.datasets import open_dataset
from mmpyramid.datasets.llp import read_llp
from mmpyramid.datasets.refined import read_refined, write_refined
from mmpyramid.library import Library
from mmpyramid.library.index import write_tables
from mmpyramid.models import (
    MMPyramid,
    MMPyramidAVE,
    MMPyramidAVEConfig,
    MMPyramidConfig,
    load_pretrained,
    save_pretrained,
)
from mmpyramid.problems.parsing.predictions import Predictions
from mmpyramid.render import FORMATS, encode, read_timeline
from mmpyramid.store.store import FeatureStore
from mmpyramid.store.writer import StoreWriter
from mmpyramid.teachers.vocabulary import record_vocabulary, recorded_vocabulary
from mmpyramid.training.module import AtomicCheckpointIO
from mmpyramid.training.run import read_config
from store import tiny_store
from training import tiny_corpus

AVE_LINES = ("Dog&aaaaaaaaaaa&good&2&5", "Cat&-bbbbbbbbbb&good&0&3", "Dog&-cccccccccc&good&2&10")
DURATION = 10.0
VOCABULARY = """title = "Ponds"

[animals]
Duck = { heard = ["Duck", "Quack"], seen = ["drake"] }
"Wild duck" = { heard = ["Quack"] }
"""
READABLE = tuple(name for name, form in FORMATS.items() if form.read)
SPLITS = ("train", "val", "test")


@dataclass(frozen=True, kw_only=True)
class Subject:
    """One file among good ones.

    Attributes:
        make: fills a folder with good files.
        file: which of them is damaged.
        read: reads the folder.
    """

    make: Callable[[Path], object]
    file: str
    read: Callable[[Path], object]


def command(*words: object) -> None:
    """Run a command in this process; a message with exit code 2 is a `UserError`."""
    told = io.StringIO()
    with contextlib.redirect_stdout(io.StringIO()), contextlib.redirect_stderr(told):
        code = main([str(word) for word in words])
    if code == 2:
        raise UserError(told.getvalue())
    assert code == 0, (code, told.getvalue())


def make_timeline(folder: Path) -> None:
    events = (
        Event(0.0, 2.5, "Dog", Modality.AUDIO, 0.9),
        Event(1.0, 3.0, "Cat, black", Modality.VISUAL, 0.8),
        Event(2.0, 9.0, 'A "quoted" café', Modality.AUDIO_VISUAL, 0.7),
    )
    labels = tuple(event.label for event in events)
    timeline = Timeline(
        events=events,
        duration=DURATION,
        labels=labels,
        source="clip.mp4",
        model="m",
        frame_rate="25",
    )
    for name in READABLE:
        (folder / f"clip.{name}").write_bytes(encode(timeline, name))


def read_and_write_timeline(folder: Path, name: str) -> None:
    """Read a timeline, and write it in every format."""
    path = folder / f"clip.{name}"
    command("render", path, "--to", "md", "--out", folder / "clip.md")
    timeline = read_timeline(path)
    for other, form in FORMATS.items():
        if form.package == "matplotlib" and timeline.duration == DURATION:
            continue  # A figure takes half a second; odd times are what could spoil it.
        with contextlib.suppress(UserError):  # Some formats have no place for some timelines.
            encode(timeline, other)


def read_splits(folder: Path) -> None:
    """Everything that the annotations of a corpus say."""
    refused = []
    for split in SPLITS:
        try:
            dataset = open_dataset(folder, split)
            assert len(dataset.weak) == len(dataset)
            if split == "test":
                assert dataset.masks[0].shape == dataset.masks[1].shape
        except UserError as error:
            refused.append(str(error))
    if refused:
        raise UserError(refused[0])


def make_llp(folder: Path) -> None:
    tiny_corpus.make(folder, num_train=4, num_val=3)


def make_ave(folder: Path) -> None:
    rng = np.random.default_rng(0)
    (folder / "labels.txt").write_text("Dog\nCat\n")
    (folder / "Annotations.txt").write_text("".join(f"{line}\n" for line in AVE_LINES))
    for name, shape in {"audio_feature": (10, 128), "visual_feature": (10, 7, 7, 512)}.items():
        with h5py.File(folder / f"{name}.h5", "w") as file:
            file["avadataset"] = rng.random((3, *shape), np.float32)
    for split, row in zip(SPLITS, range(3), strict=True):
        with h5py.File(folder / f"{split}_order.h5", "w") as file:
            file["order"] = np.array([row])
    torch.manual_seed(0)
    config = MMPyramidAVEConfig(labels=("Dog", "Cat"), width=16)
    save_pretrained(MMPyramidAVE(config), folder / "model")


def read_ave_features(folder: Path) -> None:
    dataset = open_dataset(folder, "test", load_pretrained(folder / "model").config.inputs)
    dataset.check().batch(range(len(dataset)))


def make_unav(folder: Path) -> None:
    tiny_unav.make(folder)
    shutil.rmtree(folder / "av_features")


def make_folder_table(folder: Path, name: str) -> None:
    tiny_folder.write_table(folder / name, tiny_folder.rows_of(12))


def make_predictions(folder: Path) -> None:
    make_llp(folder)
    test = open_dataset(folder, "test")
    shape = (*test.masks[0].shape[:2], len(test.labels))
    probabilities = np.random.default_rng(0).random((2, *shape), np.float32)
    video = probabilities.max((0, 2))
    Predictions(ids=test.ids, audio=probabilities[0], visual=probabilities[1], video=video).save(
        folder / "predictions.npz"
    )


def make_model(folder: Path) -> None:
    torch.manual_seed(0)
    config = MMPyramidConfig(labels=("Dog", "Cat"), width=16, audio_streams={"ear": 3})
    save_pretrained(MMPyramid(config), folder)


def read_model(folder: Path) -> None:
    command("info", folder)
    load_pretrained(folder)


def make_store(folder: Path) -> None:
    tiny_store.add_all(folder, {"a": tiny_store.video(0), "b": tiny_store.video(1)})
    with contextlib.suppress(KeyboardInterrupt):
        tiny_store.add_and_stop(folder, {"c": tiny_store.video(2)})
    (pending,) = tiny_store.pending(folder)
    pending.rename(folder / "pending" / "c.h5")
    (folder / "failures.jsonl").write_text('{"id": "d", "reason": "mute"}\n' * 2)


def read_store(folder: Path) -> None:
    """Read all of a store, then go on writing to it."""
    command("info", folder)
    store = FeatureStore(folder)
    for video_id in store.ids:
        store.read(video_id)
    store.table(store.ids, store.streams).read(range(len(store)), 5)
    with StoreWriter(folder, tiny_store.PROVENANCE) as writer:
        writer.add("new", tiny_store.video(3))


def make_arrays(folder: Path) -> None:
    tiny_folder.write_features(folder, 12)
    make_folder_table(folder, "annotations.csv")


def read_arrays(folder: Path) -> None:
    for split in SPLITS:
        dataset = open_dataset(folder, split, tiny_folder.STREAMS)
        dataset.check()
        dataset.batch(range(len(dataset)))


def make_vocabulary(folder: Path) -> None:
    (folder / "own.toml").write_text(VOCABULARY)


def read_vocabulary(folder: Path) -> None:
    vocabulary = recorded_vocabulary(record_vocabulary(folder / "own.toml"))
    for modality in (Modality.AUDIO, Modality.VISUAL):
        vocabulary.columns(modality, ("Duck", "Quack", "drake"))


def make_library(folder: Path) -> None:
    Library(folder).create()
    columns = ("video", "label", "modality", "start", "end", "score")
    events = [("a", "Dog", "audio", 1.0, 4.0, 0.9), ("b", "Cat", "visual", 0.0, 2.0, 0.8)]
    videos = [("a", DURATION), ("b", DURATION)]
    tables = {"events": (columns, events), "videos": (("video", "duration"), videos)}
    write_tables(folder / "events-0001", tables)
    write_tables(folder / "paths", {"part": (("video", "path"), [("a", "a.mp4")])})
    for path in [*folder.rglob("*.parquet")]:  # As of earlier versions, without a checksum.
        path.rename(path.with_name(path.name.rpartition("-")[0] + ".parquet"))


def read_library(folder: Path) -> None:
    command("library", "search", folder, "dog within 5 s of cat", "--to", "csv")


def make_run(folder: Path) -> None:
    settings = {"recipe": "llp", "model": {"width": 16, "labels": ["Dog"]}, "data": {"train": "x"}}
    (folder / "config.yaml").write_text(yaml.safe_dump(settings))
    AtomicCheckpointIO().save_checkpoint({"epoch": 3, "w": torch.ones(9)}, folder / "last.ckpt")


def make_journal(folder: Path) -> None:
    folders = Folders(videos=(), inside={folder / "a.mp4": Path("a.mp4")})
    (folder / "a.mp4").write_bytes(b"video")
    folders.open(folder, ("settings",))
    for _ in range(3):
        folders.note(folder / "a.mp4")


def read_journal(folder: Path) -> None:
    folders = Folders(videos=(), inside={folder / "a.mp4": Path("a.mp4")})
    folders.open(folder, ("settings",))
    folders.is_done(folder / "a.mp4", ())


def make_refined(folder: Path) -> None:
    make_llp(folder)
    annotations = read_llp(folder, "train")
    write_refined(folder / "refined.tsv", annotations, np.stack([annotations.weak] * 2, axis=1))


TIMELINES = {
    f"timeline {name}": Subject(
        make=make_timeline,
        file=f"clip.{name}",
        read=lambda folder, name=name: read_and_write_timeline(folder, name),
    )
    for name in READABLE
}
LLP = {
    f"LLP {file}": Subject(make=make_llp, file=file, read=read_splits)
    for file in ("AVVP_train.csv", "AVVP_test_pd.csv", "AVVP_eval_audio.csv", "labels.txt")
}
AVE = {
    f"AVE {file}": Subject(make=make_ave, file=file, read=read)
    for file, read in {
        "Annotations.txt": read_splits,
        "test_order.h5": read_splits,
        "audio_feature.h5": read_ave_features,
    }.items()
}
DENSE = {
    "UnAV": Subject(make=make_unav, file="annotations/unav100_annotations.json", read=read_splits),
    **{
        f"OV-AVEL {file}": Subject(
            make=make_ovavel, file=f"meta_anno_files/{file}", read=read_splits
        )
        for file in (
            "released_ovavel_dataset_anno.json",
            "ovave_dataset_meta.csv",
            "ovave_total_close_open_categories.csv",
        )
    },
}
TABLES = {
    f"folder {name}": Subject(
        make=lambda folder, name=name: make_folder_table(folder, name), file=name, read=read_splits
    )
    for name in ("annotations.csv", "annotations.tsv")
}
STORE = {
    f"store {file}": Subject(make=make_store, file=file, read=read_store)
    for file in ("store.json", "failures.jsonl", "shard-00000.h5", "pending/c.h5")
}
MODEL = {
    f"model {file}": Subject(make=make_model, file=file, read=read_model)
    for file in ("config.json", "model.safetensors")
}
ARRAYS = {
    "predictions": Subject(
        make=make_predictions,
        file="predictions.npz",
        read=lambda folder: command("score", folder / "predictions.npz", "--labels", folder),
    ),
    "features npy": Subject(
        make=make_arrays, file=f"features/yamnet/{tiny_folder.name_of(0)}.npy", read=read_arrays
    ),
}
LIBRARY = {
    f"library {file}": Subject(make=make_library, file=file, read=read_library)
    for file in (
        "library.json",
        "events-0001/events-000001.parquet",
        "paths/part-000001.parquet",
    )
}
RUNS = {
    "run config.yaml": Subject(
        make=make_run, file="config.yaml", read=lambda folder: read_config(folder / "config.yaml")
    ),
    "run last.ckpt": Subject(
        make=make_run,
        file="last.ckpt",
        read=lambda folder: AtomicCheckpointIO().load_checkpoint(folder / "last.ckpt"),
    ),
    "journal of parse": Subject(make=make_journal, file="parsed.jsonl", read=read_journal),
    "refined labels": Subject(
        make=make_refined,
        file="refined.tsv",
        read=lambda folder: read_refined(folder / "refined.tsv", read_llp(folder, "train")),
    ),
    "vocabulary": Subject(make=make_vocabulary, file="own.toml", read=read_vocabulary),
}
SUBJECTS = {
    **TIMELINES,
    **LLP,
    **AVE,
    **DENSE,
    **TABLES,
    **STORE,
    **MODEL,
    **ARRAYS,
    **LIBRARY,
    **RUNS,
}
"""By name."""
