"""Timelines to look at: short, an hour long, a single segment, with nothing in it."""

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import page_parts
import pytest
from playwright.sync_api import Browser, BrowserContext, Page, sync_playwright

from mmpyramid.core import Modality, Scores, Timeline


@pytest.fixture(scope="session")
def scores_of():
    """Make scores that fit a timeline: 0.05, and the event's score where there is one."""

    def make(timeline: Timeline) -> Scores:
        shape = (max(1, int(np.ceil(timeline.duration))), len(timeline.labels))
        probs = {m: np.full(shape, 0.05, np.float32) for m in (Modality.AUDIO, Modality.VISUAL)}
        for event in timeline:
            rows = slice(int(event.start), int(np.ceil(event.end)))
            for modality in probs:
                if event.modality == modality:
                    probs[modality][rows, timeline.labels.index(event.label)] = event.score
        audio, visual = probs.values()
        video = np.maximum(audio, visual).max(axis=0)
        return Scores(audio=audio, visual=visual, video=video, labels=timeline.labels)

    return make


FLAGS = [
    "--headless",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
]


@pytest.fixture(scope="module")  # Its event loop runs as long as it does.
def browser() -> Iterator[Browser]:
    with sync_playwright() as playwright:
        started = playwright.chromium.launch(executable_path=page_parts.CHROMIUM, args=FLAGS)
        yield started
        started.close()


@pytest.fixture
def context(browser: Browser) -> Iterator[BrowserContext]:
    made = browser.new_context(viewport={"width": 1280, "height": 860})
    yield made
    made.close()


@pytest.fixture(scope="session")
def video(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return page_parts.write_video(tmp_path_factory.mktemp("video") / "clip.mp4")


@pytest.fixture
def show(context: BrowserContext, tmp_path: Path) -> Iterator[page_parts.Opener]:
    """Open a page, or its text; fails at the end if the console said anything."""
    complaints: list[str] = []

    def open_page(content: str | Path) -> Page:
        file = content if isinstance(content, Path) else tmp_path / "page.html"
        if isinstance(content, str):
            file.write_text(content, encoding="utf-8")
        page = context.new_page()
        page.on("console", lambda message: complaints.append(message.text))
        page.on("pageerror", lambda error: complaints.append(str(error)))
        page.on("request", lambda r: r.url.startswith("http") and complaints.append(r.url))
        page.goto(file.as_uri())
        page.wait_for_function("() => document.getElementById('now').textContent")
        return page

    yield open_page
    assert complaints == []
