"""`mmpyramid info`: what something is."""

from __future__ import annotations

from collections.abc import Mapping
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, TypeAlias

import tyro

from mmpyramid.cli._options import OPTIONAL, OptionalPath, console, simulated
from mmpyramid.core import Modality
from mmpyramid.core.errors import UserError
from mmpyramid.core.files import MODEL_DESCRIPTION

if TYPE_CHECKING:
    from mmpyramid.datasets import Layout
    from mmpyramid.store.store import FeatureStore

OptionalWord: TypeAlias = Annotated[
    str | None, tyro.conf.arg(metavar="WORD", help_behavior_hint=OPTIONAL)
]

NUM_FAILURES = 20
"""That are shown; the file in the store has them all."""


def info(
    path: Annotated[
        Path | None, tyro.conf.Positional, tyro.conf.arg(metavar="[PATH]", help_behavior_hint="")
    ] = None,
    /,
    *,
    classes: OptionalWord = None,
    data: OptionalPath = None,
) -> int:
    """Show what a model, a feature store, a timeline or a video is, or which classes there are.

    Example: mmpyramid info --classes drum

    Args:
        path: A checkpoint folder, a store's folder, a timeline's JSON, or a media file.
        classes: Instead of a path: find the classes of AudioSet (heard) and ImageNet (seen) whose
            names have this word, to be written into a vocabulary of your own.
        data: Instead of a path: a corpus folder. Shows which data set it is, which of its files
            are missing or differ from the distributed ones, and how to get them.
    """
    if sum(each is not None for each in (path, classes, data)) > 1:
        raise UserError("expected a path, --data or --classes alone, got several of them")
    if classes is not None:
        return _classes(classes)
    if data is not None:
        return _data(data)
    if path is None:
        raise UserError(
            "expected a path, --data DIR or --classes WORD; `mmpyramid info --help` has an example"
        )
    if not path.exists():
        raise UserError(f"there is no file or folder {path}")
    _print(_folder(path) if path.is_dir() else _file(path))
    return 0


def _print(facts: Mapping[str, object]) -> None:
    width = max(map(len, facts))
    console().print("\n".join(f"{name:<{width}}  {value}" for name, value in facts.items()))


def _classes(word: str) -> int:
    """List the classes that a word is in, and for those that are heard their kinds.

    Raises:
        UserError: if there is none.
    """
    from mmpyramid.backbones import efficientnet, yamnet
    from mmpyramid.teachers.vocabulary import audioset, find_classes

    if not word.strip():
        raise UserError("expected --classes of a word, such as drum, got none")
    heard = find_classes(word, yamnet.class_names())
    seen = find_classes(word, efficientnet.class_names())
    if not heard and not seen:
        raise UserError(
            f"neither AudioSet's 521 classes (heard) nor ImageNet's 1000 (seen) have {word!r} in "
            "their names; try a shorter or a more general word"
        )
    lines = []
    for name in heard:
        kinds = sorted(audioset().kinds([name]) - {name})
        lines.append(
            f"heard  {name}" + (f"  (with its kinds: {'; '.join(kinds)})" if kinds else "")
        )
    lines += [f"seen   {name}" for name in seen]
    console().print("\n".join(lines))
    return 0


def _data(folder: Path) -> int:
    """What a corpus folder has and lacks.

    Raises:
        UserError: if it is no folder, or has annotations of no layout.
    """
    from mmpyramid.datasets.base import LAYOUTS, find_layout
    from mmpyramid.datasets.catalog import CATALOG, check_corpus, known_data

    if not folder.is_dir():
        raise UserError(f"expected a corpus folder, but {folder} is not a folder")
    layout = find_layout(folder)
    if not layout.is_in(folder):
        names = ", ".join(each.name for each in LAYOUTS.values())
        pages = "; ".join(f"{each.name}: {each.page}" for each in CATALOG)
        raise UserError(
            f"expected annotations in {folder}, in the layout of {names}, got none. The data sets "
            f"are distributed at {pages}; docs/data.md says which file goes where"
        )
    known = known_data(layout.name)
    facts: dict[str, object] = {"layout": layout.name}
    if known:
        facts["page"] = known.page
        facts |= {state.file.path: state for state in check_corpus(folder, known)}
    if layout.verify:
        try:
            compared = ", ".join(layout.verify(folder))
            facts["label files"] = f"agree with the annotations: {compared}" if compared else "none"
        except UserError as error:
            facts["label files"] = f"do not fit: {error}"
    _print(facts | _splits(folder, layout))
    return 0


def _splits(folder: Path, layout: Layout) -> dict[str, object]:
    """How many videos each split has, and how many of these have features."""
    from mmpyramid.datasets import SPLITS, open_dataset

    source = None
    facts: dict[str, object] = {}
    try:
        source = layout.features(folder)
        facts["features"] = source.describe()
    except UserError as error:
        facts["features"] = f"none: {error}"
    for split in SPLITS:
        try:
            dataset = open_dataset(folder, split)
        except UserError as error:
            facts[split] = f"cannot be read: {error}"
            continue
        lacking = [] if source is None else [each for each in dataset.ids if each not in source]
        facts[split] = dataset.describe()
        if lacking:
            facts[f"{split}, without features"] = (
                f"{len(lacking):,} of them, such as {lacking[0]}; extract theirs by `mmpyramid "
                f"extract VIDEOS --out {folder / 'features'}`, or put their files there"
            )
    return facts


def _folder(path: Path) -> dict[str, object]:
    from mmpyramid.store.store import FeatureStore

    if FeatureStore.is_store(path):
        store = FeatureStore(path)
        what = f"{simulated(path)}{len(store)} video{'s' * (len(store) != 1)}"
        return {"store": what, **_store(store)}
    if not (path / MODEL_DESCRIPTION).exists():
        raise UserError(
            f"expected a model ({MODEL_DESCRIPTION} in it) or a feature store, and the folder "
            f"{path} is neither"
        )
    from mmpyramid.models.checkpoint import read_description  # Loads PyTorch.

    description = read_description(path)
    config, metrics = description["config"], description["metrics"]
    shown = {n: f"{v:g}" if isinstance(v, int | float) else v for n, v in metrics.items()}
    return {
        "model": f"{description['architecture']}, written by version {description['version']}",
        "streams": _streams({**config["audio_streams"], **config["visual_streams"]}),
        "labels": f"{len(config['labels'])}: {', '.join(config['labels'])}",
        **{name: value for name, value in config.items() if name in {"width", "windows"}},
        **shown,
    }


def _store(store: FeatureStore) -> dict[str, object]:
    from mmpyramid.store.store import FAILURES_FILE

    infos = [store.info(video_id) for video_id in store.ids]
    files = [path for path in store.folder.rglob("*.h5") if path.is_file()]
    failures = store.failures
    lacking = {f"without {name}": sum(name in info.missing for info in infos) for name in Modality}
    return {
        "hours": f"{sum(info.duration for info in infos) / 3600:.2f}",
        "size": f"{sum(path.stat().st_size for path in files) / 1e6:.1f} MB in {len(files)} files",
        "streams": _streams(store.streams),
        "made by": store.describe(),
        **{name: number for name, number in lacking.items() if number},
        "with notes": sum(bool(info.notes) for info in infos),
        "failures": len(failures),
        **{f"failed {name}": why for name, why in islice(failures.items(), NUM_FAILURES)},
        **({"more": f"in {store.folder / FAILURES_FILE}"} if len(failures) > NUM_FAILURES else {}),
    }


def _file(path: Path) -> dict[str, object]:
    if path.suffix == ".json":
        from mmpyramid.core import Timeline

        timeline = Timeline.load(path)
        return {
            "timeline": f"{len(timeline)} events in {timeline.duration:.2f} s",
            "source": timeline.source,
            "model": timeline.model,
            **({"no track": ", ".join(timeline.missing)} if timeline.missing else {}),
            "notes": "; ".join(note.partition("\n")[0] for note in timeline.notes) or "none",
        }
    from mmpyramid.extract.search import Inspector

    with Inspector() as inspector:
        media = inspector.probe(path)
    sound, picture = "none", "none"
    if media.has_audio:
        channels = "1 channel" if media.channels == 1 else f"{media.channels} channels"
        sound = f"{media.audio_codec}, {media.sample_rate} Hz, {channels}"
    if media.has_video:
        rate = f"{media.frame_rate:.2f} frames/s" if media.frame_rate else "unknown rate"
        picture = f"{media.video_codec}, {media.width}x{media.height}, {rate}"
    length = "unknown" if media.duration is None else f"{media.duration:.2f} s"
    return {"media": path, "duration": length, "sound": sound, "picture": picture}


def _streams(streams: Mapping[str, int]) -> str:
    return ", ".join(f"{name} ({width})" for name, width in streams.items())
