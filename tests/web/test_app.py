"""The app in Debian's Chromium: real uploads, by several visitors at once."""

import os
import re
import signal
import time
from urllib.parse import urlsplit

import httpx
import pytest
from playwright.sync_api import Page, expect

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
    expect(page.get_by_text(f"{path.name}, ")).to_be_visible(timeout=PATIENCE)


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
        for name in ("JSON", "TXT", "VTT"):  # Chromium refuses more than ten at once.
            if frame.locator("#save:not([open])").count():
                frame.get_by_text("Save as").click()
            item = frame.locator("#save").get_by_role("button" if name == "JSON" else "link")
            with page.expect_download() as download:
                item.filter(has_text=re.compile(rf"^{name} ")).click()
            assert download.value.suggested_filename == f"Bell.{name.lower()}"
            download.value.save_as(tmp_path / f"Bell.{name.lower()}")
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
    assert {*formats, *WRITTEN_HERE} == set(FORMATS)
    for name, link in zip(formats, links, strict=True):
        assert "&threshold=0.1&" in link
        assert page.request.get(link).status == (422 if is_refused(name, timeline) else 200)


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


def test_a_video_whose_worker_died_can_be_parsed_again(visit, clip, server):
    page = visit()
    choose(page, clip)
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


def test_an_example_fills_the_form_in(visit):
    page = visit()
    page.get_by_role("button", name="Bell").click()
    expect(page.get_by_text("Bell.mp4, ")).to_be_visible(timeout=PATIENCE)
    parse(page)
    assert len(events(page)) == 3
    page.wait_for_function(FITS)
    page.frame_locator("iframe.timeline").locator("summary", has_text="More").click()
    page.wait_for_function(FITS)


def test_a_closed_page_takes_its_timeline_along(visit, server):
    page = visit()
    page.get_by_role("button", name="Bell").click()
    expect(page.get_by_text("Bell.mp4, ")).to_be_visible(timeout=PATIENCE)
    parse(page)
    address = f"{server.url}/{page.locator('iframe.timeline').get_attribute('src')}"
    assert httpx.get(address).status_code == 404, "it is nobody else's"
    assert page.request.get(address).status == 200
    other = page.context.new_page()
    page.close()
    deadline = time.monotonic() + 20
    while other.request.get(address).status == 200 and time.monotonic() < deadline:
        time.sleep(0.1)
    assert other.request.get(address).status == 404


def test_a_recording_is_parsed(visit):
    page = visit()
    page.get_by_label("Capture from camera").click()
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


def test_the_description_of_the_interface_needs_no_network(visit, server):
    page = visit()
    page.goto(f"{server.url}/docs")
    expect(page.get_by_text("/api/parse")).to_be_visible(timeout=PATIENCE)
