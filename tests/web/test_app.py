"""The app in Debian's Chromium: real uploads, by several visitors at once."""

import os
import re
import signal
import time
from urllib.parse import urlsplit

import httpx
import pytest
from playwright.sync_api import Page, expect

import media_files
from kept_by_formats import is_refused
from mmpyramid.core import Timeline
from mmpyramid.render import FORMATS
from mmpyramid.render.page.timeline import WRITTEN_HERE

SEEK = "(v, to) => new Promise(ok => { v.onseeked = () => ok(v.currentTime); v.currentTime = to })"
FITS = """() => {
  const frame = document.querySelector("iframe.timeline");
  const { scrollHeight, clientHeight } = frame.contentDocument.documentElement;
  return frame.clientHeight > 600 && scrollHeight === clientHeight;
}"""
"""Whether nothing of the page in the frame has to be scrolled to."""
PATIENCE = 90_000
"""Milliseconds; other tests may keep the machine busy."""

pytestmark = [pytest.mark.slow, pytest.mark.browser, pytest.mark.network]


@pytest.fixture
def visit(browser, server):
    """Open the app as another visitor; fails at the end if a page complained."""
    contexts, complaints = [], []

    def open_app() -> Page:
        context = browser.new_context(viewport={"width": 1400, "height": 1000})
        context.set_default_timeout(PATIENCE)
        contexts.append(context)
        page = context.new_page()
        page.on("pageerror", lambda error: complaints.append(str(error)))
        page.on("console", lambda m: m.type == "error" and complaints.append(m.text))
        own = (server.url, "data:", "blob:")
        page.on("request", lambda r: r.url.startswith(own) or complaints.append(r.url))
        page.goto(server.url)
        return page

    yield open_app
    for context in contexts:
        context.close()
    assert complaints == []
    assert nothing_held(server), server.held()


def nothing_held(server) -> bool:
    """Whether all uploads are deleted, soon after the pages were closed."""
    deadline = time.monotonic() + 20
    while server.held() and time.monotonic() < deadline:
        time.sleep(0.1)
    return server.held() == []


def choose(page: Page, path) -> None:
    page.locator("input[type=file]").first.set_input_files(path)
    expect(page.get_by_role("button", name="Parse", exact=True)).to_be_enabled(timeout=PATIENCE)
    expect(page.get_by_text(path.stem)).to_have_count(1)


def parse(page: Page) -> None:
    page.get_by_role("button", name="Parse", exact=True).click()


def events(page: Page) -> list[str]:
    """The list of events in the frame, once it is loaded."""
    frame = page.frame_locator("iframe.timeline")
    frame.locator("#events").wait_for(state="attached", timeout=PATIENCE)
    return frame.locator("#events li").all_inner_texts()


def test_an_upload_is_parsed_shown_and_downloaded(visit, clip, server, tmp_path):
    page = visit()
    choose(page, clip)
    parse(page)
    expect(page.locator("iframe.timeline")).to_be_visible(timeout=PATIENCE)
    assert events(page) == []
    frame = page.frame_locator("iframe.timeline")
    (worker,) = server.workers()
    os.kill(worker, signal.SIGSTOP)  # Deciding again needs no worker.
    try:
        frame.get_by_role("slider", name="Sensitivity").fill("0.9")
        expect(frame.locator("#events li")).to_have_count(3, timeout=PATIENCE)
        for program, name in (
            ("mmpyramid", "json"),
            ("Terminals", "txt"),
            ("Browsers, VLC", "vtt"),
        ):
            if frame.locator("#save:not([open])").count():
                frame.get_by_text("Save as").click()
            item = frame.locator("#save").get_by_role("button" if name == "json" else "link")
            with page.expect_download() as download:
                item.filter(has_text=re.compile(rf"^{program} {name}$")).click()
            assert download.value.suggested_filename == f"Bell.{name}"
            download.value.save_as(tmp_path / f"Bell.{name}")
    finally:
        os.kill(worker, signal.SIGCONT)
    media = frame.locator("video")
    assert media.evaluate("async v => { await v.play(); v.pause(); return v.duration }") >= 10
    assert media.evaluate(SEEK, 8) == 8
    timeline = Timeline.load(tmp_path / "Bell.json")
    assert "Bell" in (tmp_path / "Bell.txt").read_text(), "what is shown, not what was parsed"
    assert len(re.findall("-->", (tmp_path / "Bell.vtt").read_text())) == len(timeline) == 4
    links = frame.locator("#save a").evaluate_all("all => all.map((link) => link.href)")
    formats = [urlsplit(link).path.rpartition("/")[2] for link in links]
    offered = {name for name in FORMATS if not is_refused(name, timeline)}
    assert {*formats, *WRITTEN_HERE} == offered < set(FORMATS)
    for link in links:
        assert "?threshold=0.1&" in link
        assert page.request.get(link).status == 200


def test_a_corrupt_file_is_told_and_deleted(visit, corrupt, server):
    page = visit()
    choose(page, corrupt)
    parse(page)
    alert = page.get_by_role("alert")
    expect(alert).to_contain_text("cannot open broken", timeout=PATIENCE)
    assert "\n\n\n" not in alert.inner_text()
    assert nothing_held(server)
    expect(page.get_by_role("button", name="Parse", exact=True)).to_be_disabled(timeout=PATIENCE)
    expect(page.get_by_text("broken.mp4, ")).to_have_count(0)
    expect(page.locator("video")).to_have_count(0)


def test_a_video_whose_worker_died_can_be_parsed_again(visit, brief, server):
    page = visit()
    choose(page, brief)
    (worker,) = server.workers()
    os.kill(worker, signal.SIGSTOP)
    parse(page)
    expect(page.get_by_text("Loading the models")).to_be_visible(timeout=PATIENCE)
    os.kill(worker, signal.SIGKILL)
    expect(page.get_by_role("alert")).to_contain_text("died", timeout=PATIENCE)
    parse(page)
    expect(page.locator("iframe.timeline")).to_be_visible(timeout=PATIENCE)


def test_two_visitors_at_once_do_not_see_each_other(visit, clip, corrupt):
    mine, theirs, third = visit(), visit(), visit()
    for page, path in ((mine, clip), (theirs, clip), (third, corrupt)):
        choose(page, path)
    for page in (third, mine, theirs):
        parse(page)
    expect(third.get_by_role("alert")).to_be_visible(timeout=PATIENCE)
    for page in (mine, theirs):
        expect(page.locator("iframe.timeline")).to_be_visible(timeout=PATIENCE)
    frames = [page.locator("iframe.timeline").get_attribute("src") for page in (mine, theirs)]
    assert frames[0] != frames[1]
    mine.context.close()
    frame = theirs.frame_locator("iframe.timeline")
    assert frame.locator("video").evaluate(SEEK, 8) == 8


def try_the_film(page: Page) -> None:
    page.get_by_role("button", name="Try a film").click()
    expect(page.get_by_role("button", name="Parse", exact=True)).to_be_enabled(timeout=PATIENCE)
    parse(page)


def test_the_film_to_try_is_recognised_at_the_thresholds_of_every_video(visit):
    page = visit()
    try_the_film(page)
    (event,) = events(page)
    assert re.search(r"Clock\b", event), "the one label of AVE that is in the film"
    page.wait_for_function(FITS)
    page.frame_locator("iframe.timeline").locator("summary", has_text="More").click()
    page.wait_for_function(FITS)


def test_a_closed_page_takes_its_timeline_along(visit, server):
    page = visit()
    try_the_film(page)
    address = f"{server.url}/{page.locator('iframe.timeline').get_attribute('src')}"
    assert httpx.get(address).status_code == 404, "it is nobody else's"
    assert page.request.get(address).status == 200
    other = page.context.new_page()
    page.close()
    deadline = time.monotonic() + 20
    while other.request.get(address).status == 200 and time.monotonic() < deadline:
        time.sleep(0.1)
    assert other.request.get(address).status == 404


def test_a_recording_of_the_camera_is_parsed(visit):
    page = visit()
    page.get_by_role("tab", name="Camera").click()
    page.get_by_text("Click to Access Webcam").click()
    page.get_by_label("start recording").click()
    time.sleep(3)
    page.get_by_role("button").get_by_text("Stop").click()
    button = page.get_by_role("button", name="Parse", exact=True)
    expect(button).to_be_enabled(timeout=PATIENCE)
    parse(page)
    assert events(page) is not None
    frame = page.frame_locator("iframe.timeline")
    assert frame.get_by_text("0:0").first.is_visible()


def test_a_recording_of_the_microphone_is_parsed(visit):
    page = visit()
    page.get_by_role("tab", name="Microphone").click()
    page.get_by_role("button", name="Record").click()
    time.sleep(3)
    page.get_by_role("button", name="Stop", exact=True).click()
    expect(page.get_by_role("button", name="Parse", exact=True)).to_be_enabled(timeout=PATIENCE)
    parse(page)
    assert events(page) is not None
    frame = page.frame_locator("iframe.timeline")
    expect(frame.locator("audio")).to_be_visible()
    expect(frame.get_by_text("0:0").first).to_be_visible()


def test_several_files_of_any_name_and_type_are_parsed_in_turn(
    visit, clip, corrupt, server, tmp_path
):
    """A sound, a film of a telephone whose type no system tells, and one that is broken."""
    flac = media_files.write_media(
        tmp_path / "a.flac", sound=media_files.tone(440, 2.0), audio_codec="flac"
    )
    page = visit()
    files = [
        {"name": "sound.flac", "mimeType": "", "buffer": flac.read_bytes()},
        {"name": "IMG_0042.MOV", "mimeType": "", "buffer": clip.read_bytes()},
        {"name": "broken.mp4", "mimeType": "video/mp4", "buffer": corrupt.read_bytes()},
    ]
    page.locator("input[type=file]").first.set_input_files(files)
    expect(page.get_by_text("3 files, ")).to_be_visible(timeout=PATIENCE)
    assert len(server.held()) == 3
    parse(page)
    listed = page.get_by_role("navigation", name="Results")
    expect(listed.get_by_text("Cannot open broken.mp4")).to_be_visible(timeout=PATIENCE)
    expect(listed.get_by_text("2 of 3 parsed")).to_be_visible()
    frame = page.frame_locator("iframe.timeline")
    expect(frame.get_by_role("heading", name="sound.flac")).to_be_visible(timeout=PATIENCE)
    listed.get_by_role("link", name="IMG_0042.MOV").click()
    expect(frame.get_by_role("heading", name="IMG_0042.MOV")).to_be_visible(timeout=PATIENCE)
    media = frame.locator("video")
    assert media.evaluate("async v => { await v.play(); v.pause(); return v.duration }") >= 10
    page.wait_for_function(FITS)
    expect(page.get_by_text("2 files, ")).to_be_visible(timeout=PATIENCE)
    assert len(server.held()) == 2, "the broken one is deleted"


def test_the_description_of_the_interface_needs_no_network(visit, server):
    page = visit()
    page.goto(f"{server.url}/docs")
    expect(page.get_by_text("/api/parse")).to_be_visible(timeout=PATIENCE)
