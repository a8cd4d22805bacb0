"""The page in Debian's Chromium, with real videos."""

import shutil
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

import av
import numpy as np
import pytest
from playwright.sync_api import Browser, Page, sync_playwright

from mmpyramid.render import to_html, to_vtt
from mmpyramid.types import Event, Modality, Timeline

CHROMIUM = "/usr/bin/chromium"
FLAGS = [
    "--headless",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
]
RATE, FPS, SECONDS = 48_000, 10, 10

pytestmark = [
    pytest.mark.browser,
    pytest.mark.skipif(not shutil.which(CHROMIUM), reason=f"needs Chromium in {CHROMIUM}"),
]
Opener = Callable[..., Page]


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


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    with sync_playwright() as playwright:
        started = playwright.chromium.launch(executable_path=CHROMIUM, args=FLAGS)
        yield started
        started.close()


@pytest.fixture(scope="module")
def video(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_video(tmp_path_factory.mktemp("video") / "clip.mp4")


@pytest.fixture
def show(browser: Browser, tmp_path: Path) -> Iterator[Opener]:
    """Open a page from its file; fails at the end if the console said anything."""
    context = browser.new_context(viewport={"width": 1280, "height": 860})
    complaints: list[str] = []

    def open_page(timeline: Timeline, **options: object) -> Page:
        file = tmp_path / "page.html"
        file.write_text(to_html(timeline, **options), encoding="utf-8")
        page = context.new_page()
        page.on("console", lambda message: complaints.append(message.text))
        page.on("pageerror", lambda error: complaints.append(str(error)))
        page.on("request", lambda r: r.url.startswith("http") and complaints.append(r.url))
        page.goto(file.as_uri())
        return page

    yield open_page
    context.close()
    assert complaints == []


def ready(page: Page) -> Page:
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


def point(page: Page, seconds: float, row: int = 0) -> tuple[float, float]:
    box = page.locator(".band").nth(row).bounding_box()
    return box["x"] + box["width"] * seconds / SECONDS, box["y"] + box["height"] / 2


def test_a_click_on_a_lane_seeks_and_a_drag_follows(show, short, video):
    page = ready(show(short, video=video))
    page.mouse.click(*point(page, 7.0))
    assert media_time(page) == pytest.approx(7, abs=0.05)
    assert cursor_fraction(page) == pytest.approx(0.7, abs=0.005)
    page.mouse.move(*point(page, 2.0, row=1))
    page.mouse.down()
    page.mouse.move(*point(page, 5.0, row=2))
    assert media_time(page) == pytest.approx(5, abs=0.05)
    page.mouse.up()
    page.mouse.move(*point(page, 1.0))
    assert media_time(page) == pytest.approx(5, abs=0.05)


def test_playback_moves_the_cursor_and_marks_what_happens(show, short, video):
    page = ready(show(short, video=video))
    page.evaluate("document.getElementById('media').currentTime = 1.5")
    assert page.locator("#events .on").all_inner_texts()[0].startswith("0:00 – 0:02")
    page.get_by_role("button", name="Play").click()
    page.wait_for_function("() => document.getElementById('media').currentTime > 2.3")
    page.get_by_role("button", name="Pause").click()
    assert cursor_fraction(page) == pytest.approx(media_time(page) / SECONDS, abs=0.005)
    assert page.locator(".event.on").count() == 1
    assert "Dog" in page.locator("#events .on").inner_text()


def test_the_keyboard_plays_and_moves(show, short, video):
    page = ready(show(short, video=video))
    for _ in range(3):
        page.keyboard.press("ArrowRight")
    page.keyboard.press("ArrowLeft")
    assert media_time(page) == pytest.approx(2, abs=0.01)
    page.keyboard.press("Shift+ArrowRight")
    assert media_time(page) == pytest.approx(SECONDS, abs=0.1)
    page.keyboard.press("Home")
    page.keyboard.press("Space")
    page.wait_for_function("() => document.getElementById('media').currentTime > 0.2")
    page.keyboard.press("Space")
    assert page.evaluate("document.getElementById('media').paused")


def test_a_row_of_the_list_seeks(show, short, video):
    page = ready(show(short, video=video))
    page.get_by_role("button", name="Dog, visible, 0:04 to 0:10, score 0.97").click()
    assert media_time(page) == pytest.approx(4, abs=0.05)


def test_lanes_tips_and_roles(show, short, scores_of):
    page = show(short, scores=scores_of(short))
    assert page.locator(".group").count() == 2
    assert page.get_by_role("list", name="Dog, audible and visible").count() == 1
    assert page.get_by_role("slider", name="Position").get_attribute("aria-valuemax") == "10"
    page.mouse.move(*point(page, 3.0, row=1))
    assert page.get_by_role("tooltip").inner_text().splitlines() == [
        "Dog, audible, 0:02 to 0:09, score 0.81",
        "probability 0.81 at 0:03",
    ]


def test_a_label_that_was_not_found_has_strips_without_bars(show, short, scores_of):
    scores = scores_of(short)
    scores.visual[3, short.labels.index("Cat")] = 0.4
    page = show(short, scores=scores)
    strip = page.locator(".weak .strip")
    assert not strip.is_visible()
    page.get_by_text("Too weak to count as found").click()
    assert page.locator(".weak .group").all_inner_texts() == ["Cat\nvisible"]
    assert not page.locator(".weak .band").is_visible()
    box = strip.bounding_box()
    assert box["height"] == 10
    page.mouse.move(box["x"] + 0.35 * box["width"], box["y"] + 5)
    assert page.get_by_role("tooltip").inner_text() == "0:03.5\nprobability 0.40 at 0:03.5"


def test_weak_labels_show_where_nothing_was_found(show, empty, scores_of):
    scores = scores_of(empty)
    assert page_strips(show(empty, scores=scores)) == 0
    scores.visual[3, empty.labels.index("Cat")] = 0.4
    page = show(empty, scores=scores)
    assert page_strips(page) == 1
    assert page.locator(".weak .strip").is_visible()


def page_strips(page: Page) -> int:
    return page.locator(".weak .strip").count()


def test_the_details_of_a_note_unfold(show, empty):
    page = show(replace(empty, notes=("Two labels are left out\nDog; Cat",)))
    details = page.get_by_text("Dog; Cat")
    assert not details.is_visible()
    page.get_by_text("Two labels are left out").focus()
    page.keyboard.press("Space")
    assert details.is_visible()
    assert clock_time(page) == 0


def test_the_three_patterns_differ(show, short):
    page = show(short)
    images = page.locator(".legend .swatch").evaluate_all(
        "swatches => swatches.map(swatch => getComputedStyle(swatch).backgroundImage.split('(')[0])"
    )
    assert images == ["repeating-linear-gradient", "radial-gradient", "none, none"]


def test_a_linked_video_plays(show, short, video, tmp_path):
    shutil.copy(video, tmp_path / "a b#1.mp4")
    page = ready(show(short, video="a b#1.mp4", embed=False))
    page.mouse.click(*point(page, 3.0))
    assert media_time(page) == pytest.approx(3, abs=0.05)


def test_without_a_video_the_lanes_keep_their_own_clock(show, short):
    page = show(short)
    page.mouse.click(*point(page, 6.0))
    assert clock_time(page) == pytest.approx(6, abs=0.05)
    page.keyboard.press("Space")
    page.wait_for_function("() => player.currentTime > 6.3")
    page.keyboard.press("Space")
    stopped = clock_time(page)
    assert cursor_fraction(page) == pytest.approx(stopped / SECONDS, abs=0.01)
    page.keyboard.press("End")
    assert clock_time(page) == SECONDS


def test_the_silent_clock_stops_at_the_end(show, single):
    page = show(single)
    page.keyboard.press("Space")
    page.wait_for_function("() => player.currentTime >= 0.4 && player.paused")
    assert page.get_by_role("button", name="Play").count() == 1


def test_a_file_that_browsers_cannot_play_leaves_the_lanes(show, short, tmp_path):
    path = write_video(tmp_path / "old.mp4", codec="mpeg4", sound=False)
    page = show(short, video=path)
    page.get_by_text("This browser cannot play the file").wait_for()
    page.mouse.click(*point(page, 6.0))
    assert clock_time(page) == pytest.approx(6, abs=0.05)
    assert not page.locator("#media").is_visible()


def test_pictures_that_browsers_cannot_show_are_said(show, short, tmp_path):
    path = write_video(tmp_path / "old.mp4", codec="mpeg4")
    page = ready(show(short, video=path))
    page.get_by_text("plays the sound of this file, but cannot show its pictures").wait_for()
    page.mouse.click(*point(page, 6.0))
    assert media_time(page) == pytest.approx(6, abs=0.05)


def test_an_hour_and_nothing(show, hour, empty, scores_of):
    page = show(hour, scores=scores_of(hour))
    assert page.locator(".event").count() == len(hour)
    assert page.locator(".tick").all_inner_texts()[-1] == "1:00:00"
    page = show(empty)
    assert page.get_by_text("Nothing found").is_visible()
    assert page.get_by_text("This file has no audio track").is_visible()
    assert not page.locator(".events").is_visible()


def test_foreign_text_does_not_run(show):
    evil = "</script><img src=x onerror=console.log(1)><b>"
    event = Event(0.0, 1.0, evil, Modality.AUDIO)
    page = show(Timeline(events=(event,), duration=2.0, labels=(evil,), source=evil, model=evil))
    page.locator(".event").hover()
    assert page.locator("img, b").count() == 0
    assert evil in page.get_by_role("heading", level=3).inner_text()


def test_the_browser_reads_the_captions(show, short, video):
    page = ready(show(short, video=video))
    cues = page.evaluate(
        """async (vtt) => {
          const track = document.createElement("track");
          track.src = URL.createObjectURL(new Blob([vtt], { type: "text/vtt" }));
          track.default = true;
          const loaded = new Promise((resolve) => { track.onload = resolve; });
          document.getElementById("media").append(track);
          await loaded;
          return Array.from(track.track.cues, (cue) => [cue.startTime, cue.endTime, cue.text]);
        }""",
        to_vtt(short),
    )
    assert [0, 2, "[visible] Frying (food)"] in cues
    assert [4, 9, "[audible and visible] Dog"] in cues
    assert len(cues) == len(short)
