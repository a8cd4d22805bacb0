"""Rendering a whole corpus: plans, annotations, and one MP4 file per video."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import asdict
from fractions import Fraction
from functools import partial
from multiprocessing import get_context
from pathlib import Path

import av
import numpy as np
from numpy.typing import NDArray

from mmpyramid.core import Array, Progress
from mmpyramid.core.errors import UserError
from mmpyramid.core.process import num_cores
from mmpyramid.datasets.synthetic.planting import (
    BALANCED,
    ClipPlan,
    claim_folder,
    plan_corpus,
    video_rng,
    write_annotations,
)
from mmpyramid.datasets.synthetic.rendered.scene import ClipFormat, render_frames
from mmpyramid.datasets.synthetic.rendered.sounds import SOUNDS, render_soundtrack

RENDERED_LABELS: tuple[str, ...] = tuple(SOUNDS)
"""The classes of the rendered corpus, in order."""

MARKER_FILE = "rendered.json"
"""Parameters of the corpus, so that readers can tell what it is."""

DEFAULT_FORMAT = ClipFormat()
CORPUS_VERSION = 1
"""Raised whenever the same seed would give other clips."""

AUDIO_BIT_RATE = 64_000
# One thread and no version strings: the same input gives the same bytes.
_VIDEO_OPTIONS = {"preset": "ultrafast", "crf": "23", "threads": "1"}
_AUDIO_OPTIONS = {"aac_coder": "fast"}
_CONTAINER_OPTIONS = {"fflags": "+bitexact", "movflags": "+faststart"}


def render_corpus(
    out: str | Path,
    *,
    num_train: int = 360,
    num_val: int = 60,
    num_test: int = 100,
    seed: int = 0,
    workers: int | None = None,
    clip: ClipFormat = DEFAULT_FORMAT,
    progress: Progress | None = None,
) -> Path:
    """Render MP4 files with planted events, annotated in the LLP layout.

    A call with the parameters of an unfinished corpus continues where that one stopped.

    Args:
        out: folder to write: `videos/<id>.mp4`, the `AVVP_*.csv` files, `labels.txt`.
        num_train: number of training videos (weak labels only).
        num_val: number of validation videos.
        num_test: number of test videos.
        seed: same seed, same bytes; a smaller corpus is a subset of a larger one.
        workers: processes; by default one per available core.
        clip: size, rates and length of the files.
        progress: called after each video.

    Returns:
        The folder.

    Raises:
        UserError: if a number is out of range or `out` holds another corpus.

    Example:
        >>> from mmpyramid.datasets.synthetic.rendered import render_corpus
        >>> folder = render_corpus("corpus", num_train=8, num_val=2, num_test=2)  # doctest: +SKIP
    """
    num_workers = num_cores() if workers is None else workers
    if num_workers < 1:
        raise UserError(f"expected at least 1 worker, got {workers}")
    sizes = {"train": num_train, "val": num_val, "test": num_test}
    splits = plan_corpus(
        sizes, RENDERED_LABELS, BALANCED, num_segments=clip.num_segments, seed=seed
    )
    folder = Path(out)
    parameters = {"version": CORPUS_VERSION, "seed": seed, "sizes": sizes, "clip": asdict(clip)}
    claim_folder(folder, MARKER_FILE, parameters)
    write_annotations(folder, splits, RENDERED_LABELS)
    plans = [plan for split in splits.values() for plan in split]
    videos = folder / "videos"
    videos.mkdir(exist_ok=True)
    rendered = _render(
        partial(render_clip, folder=videos, clip=clip, seed=seed), plans, num_workers
    )
    for completed, _ in enumerate(rendered, start=1):
        if progress is not None:
            progress(completed, len(plans))
    return folder


def render_clip(plan: ClipPlan, *, folder: Path, clip: ClipFormat, seed: int) -> Path:
    """Render one video, unless its file is there already.

    Args:
        plan: name and events of the video.
        folder: where to write `<id>.mp4`.
        clip: size and rates.
        seed: the corpus seed.

    Returns:
        The file.
    """
    path = folder / f"{plan.video_id}.mp4"
    if not path.exists():
        rng = video_rng(seed, plan.filename)
        frames = render_frames(plan.events, clip, rng)
        wave = render_soundtrack(plan.events, clip.num_samples, clip.sample_rate, rng)
        write_mp4(
            path,
            frames,
            wave,
            frames_per_second=clip.frames_per_second,
            sample_rate=clip.sample_rate,
        )
    return path


def _render(
    render: Callable[[ClipPlan], Path], plans: Sequence[ClipPlan], num_workers: int
) -> Iterator[Path]:
    if num_workers == 1:
        yield from map(render, plans)
        return
    with ProcessPoolExecutor(num_workers, mp_context=get_context("spawn")) as pool:
        yield from pool.map(render, plans, chunksize=4)


def write_mp4(
    path: Path,
    frames: NDArray[np.uint8],
    wave: Array,
    *,
    frames_per_second: int,
    sample_rate: int,
) -> None:
    """Encode pictures and sound; the file appears under its name only when it is complete.

    Args:
        path: the file to write; it is replaced if it exists.
        frames: (N, height, width, 3) RGB pictures.
        wave: (samples,) mono waveform in -1..1.
        frames_per_second: pictures per second.
        sample_rate: samples per second.
    """
    partial = path.with_name(f".{path.name}.partial")
    with av.open(
        str(partial), "w", format="mp4", container_options=_CONTAINER_OPTIONS
    ) as container:
        video = container.add_stream("libx264", rate=frames_per_second, options=_VIDEO_OPTIONS)
        video.height, video.width = frames.shape[1:3]
        video.pix_fmt = "yuv420p"
        video.gop_size = frames_per_second
        audio = container.add_stream("aac", rate=sample_rate, layout="mono", options=_AUDIO_OPTIONS)
        audio.bit_rate = AUDIO_BIT_RATE
        for index, picture in enumerate(frames):
            frame = av.VideoFrame.from_ndarray(picture, format="rgb24")
            frame.pts, frame.time_base = index, Fraction(1, frames_per_second)
            container.mux(video.encode(frame))
        container.mux(video.encode(None))
        sound = av.AudioFrame.from_ndarray(wave[None], format="fltp", layout="mono")
        sound.sample_rate, sound.pts, sound.time_base = sample_rate, 0, Fraction(1, sample_rate)
        container.mux(audio.encode(sound))
        container.mux(audio.encode(None))
    partial.replace(path)
