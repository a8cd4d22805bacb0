"""What the tests of the pages share: reading them, a video to play, and places on them."""

import base64
import json
import re
import zlib
from collections.abc import Callable
from pathlib import Path

import av
import numpy as np
import pytest
from playwright.sync_api import Page

from mmpyramid.core import Event, Modality, Scores, Timeline
from mmpyramid.core.labels import LLP_LABELS

CHROMIUM = "/usr/bin/chromium"
RATE, FPS, SECONDS = 48_000, 10, 10

Opener = Callable[..., Page]

in_browser = [
    pytest.mark.browser,
    pytest.mark.skipif(not Path(CHROMIUM).exists(), reason=f"needs Chromium in {CHROMIUM}"),
]


def data_of(page: str) -> dict:
    """What a page's script reads, unpacked."""
    data = json.loads(re.search(r'<script id="data"[^>]*>(.*?)</script>', page)[1])
    for system in data["systems"]:
        for name in ("events", "marks"):
            system[name] = json.loads(zlib.decompress(base64.b64decode(system[name])))
    return data


def random_scores(
    num_segments: int, seed: int, *, labels: tuple[str, ...] = LLP_LABELS, **more: object
) -> Scores:
    """Independent probabilities of half a hundredth each, so that many lie on a threshold."""
    generator = np.random.default_rng(seed)

    def draw(*shape: int) -> np.ndarray:
        return (generator.integers(0, 201, shape) / 200).astype(np.float32)

    shape = (num_segments, len(labels))
    optional = {
        "video_audio": draw(len(labels)),
        "video_visual": draw(len(labels)),
        "local_video": draw(*shape),
    }
    wanted = {name: optional[name] for name, is_wanted in more.items() if is_wanted}
    return Scores(
        audio=draw(*shape), visual=draw(*shape), video=draw(len(labels)), labels=labels, **wanted
    )


def write_video(path: Path, codec: str = "libx264", sound: bool = True) -> Path:
    """A square that moves to the right for ten seconds, and a tone."""
    with av.open(str(path), "w") as file:
        video = file.add_stream(codec, rate=FPS, width=160, height=90, pix_fmt="yuv420p")
        audio = file.add_stream("aac", rate=RATE, layout="mono") if sound else None
        for index in range(FPS * SECONDS):
            picture = np.full((90, 160, 3), 40, np.uint8)
            picture[30:60, index : index + 30] = 220
            file.mux(video.encode(av.VideoFrame.from_ndarray(picture, "rgb24")))
            if audio:
                wave = np.sin(np.arange(RATE // FPS) * 0.06).astype(np.float32)[None]
                frame = av.AudioFrame.from_ndarray(wave, "fltp", "mono")
                frame.rate = RATE
                file.mux(audio.encode(frame))
        for stream in filter(None, (video, audio)):
            file.mux(stream.encode())
    return path


def ready(page: Page) -> Page:
    """Wait until the media can play."""
    page.wait_for_function("() => document.getElementById('media').readyState >= 3")
    return page


def media_time(page: Page) -> float:
    return page.evaluate("document.getElementById('media').currentTime")


def clock_time(page: Page) -> float:
    return float(page.locator("#axis").get_attribute("aria-valuenow"))


def cursor_fraction(page: Page) -> float:
    """Where the cursor stands on the axis, 0..1, as drawn."""
    axis = page.locator("#axis").bounding_box()
    return (page.locator("#cursor").bounding_box()["x"] - axis["x"]) / axis["width"]


def point(page: Page, seconds: float, group: int = 0, down: float = 8) -> tuple[float, float]:
    """A point of a group of lanes, so many pixels under its upper edge, with all of it in view."""
    box = page.locator("#groups canvas").nth(group).bounding_box()
    duration = float(page.locator("#axis").get_attribute("aria-valuemax"))
    return box["x"] + box["width"] * seconds / duration, box["y"] + down


def colors(page: Page, start: tuple[float, float], stop: tuple[float, float]) -> set[tuple]:
    """What a canvas shows between two points of one height, RGB."""
    pixels = page.evaluate(
        """([[x, y], [end]]) => {
          const canvas = document.elementFromPoint(x, y);
          const box = canvas.getBoundingClientRect();
          const copy = new OffscreenCanvas(canvas.width, canvas.height).getContext("2d");
          copy.drawImage(canvas, 0, 0);
          const scale = canvas.width / box.width;
          const place = [(x - box.left) * scale, (y - box.top) * scale, (end - x) * scale, 1];
          return Array.from(copy.getImageData(...place.map(Math.round)).data);
        }""",
        [start, stop],
    )
    return {tuple(pixels[i : i + 3]) for i in range(0, len(pixels), 4)}


def opened(page: Page) -> Page:
    """With a lane for each modality."""
    page.get_by_role("button", name="Modalities apart").click()
    return page


def bars_of(timeline: Timeline) -> list[Event]:
    """What a page lists: without what is both because it is heard and seen, unless all begin and
    end together, which is one bar then.
    """
    left = set(timeline)
    for heard in timeline.of(Modality.AUDIO):
        for seen in timeline.of(Modality.VISUAL):
            start, end = max(heard.start, seen.start), min(heard.end, seen.end)
            if heard.label != seen.label or start >= end:
                continue
            is_alike = (heard.start, heard.end) == (seen.start, seen.end)
            both = next(
                e
                for e in timeline.of(Modality.AUDIO_VISUAL)
                if e.label == heard.label and (e.start, e.end) == (start, end)
            )
            left -= {heard, seen} if is_alike else {both}
    return sorted(left)


def listed(page: Page) -> list[str]:
    """The rows of the list, in words."""
    return page.locator("#events button").evaluate_all(
        "buttons => buttons.map((button) => button.getAttribute('aria-label'))"
    )
