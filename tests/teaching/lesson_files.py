"""Small videos of two sounds and a picture that nothing else has, and corrections of them."""

from collections.abc import Callable
from pathlib import Path

import numpy as np

import media_files
from mmpyramid.core import Event, Modality, Timeline
from mmpyramid.formats import to_csv, to_elan

LENGTH = 4
BEEP, STRIPES, HISS = "Beep", "Stripes", "Hiss"
KINDS = (BEEP, STRIPES, HISS)
WRITERS: dict[str, Callable[[Timeline], str]] = {
    "json": Timeline.to_json,
    "eaf": to_elan,
    "csv": to_csv,
}


def events_of(number: int) -> list[Event]:
    """Each video has one of the kinds, in its seconds 1 to 3 or 2 to 4."""
    kind, start = KINDS[number % 3], 1.0 + number % 2
    modality = Modality.VISUAL if kind == STRIPES else Modality.AUDIO
    return [Event(start, start + 2, kind, modality)]


def write_video(path: Path, number: int) -> Path:
    """A gray picture and soft noise, but for what happens in it."""
    (event,) = events_of(number)
    inside = slice(int(event.start), int(event.end))
    rng = np.random.default_rng(number)
    sound = 0.002 * rng.normal(size=(1, LENGTH * 16000)).astype(np.float32)
    samples = slice(inside.start * 16000, inside.stop * 16000)
    if event.label == BEEP:
        sound[:, samples] += media_files.tone(1000 + 5 * number, 2.0)
    if event.label == HISS:
        sound[:, samples] += 0.3 * rng.normal(size=(1, 2 * 16000)).astype(np.float32)
    plain = np.full((96, 128, 3), 90 + 4 * number, np.uint8)
    stripes = np.where(np.arange(128) // 8 % 2, 255, 0).astype(np.uint8)[None, :, None] + 0 * plain
    frames = [
        (n / 5, stripes if event.label == STRIPES and event.start <= n / 5 < event.end else plain)
        for n in range(5 * LENGTH)
    ]
    return media_files.write_media(path, frames, sound, fps=5)


def timeline_of(number: int) -> Timeline:
    return Timeline(events=tuple(events_of(number)), duration=float(LENGTH), labels=KINDS)


def write_corrections(folder: Path, numbers: range) -> Path:
    """A file for each video, in one format after the other."""
    folder.mkdir(parents=True, exist_ok=True)
    for number in numbers:
        suffix = list(WRITERS)[number % 4 % 3]
        text = WRITERS[suffix](timeline_of(number))
        (folder / f"clip {number}.{suffix}").write_text(text, encoding="utf-8")
    return folder


def write_videos(folder: Path, numbers: range) -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    for number in numbers:
        write_video(folder / f"clip {number}.mp4", number)
    return folder
