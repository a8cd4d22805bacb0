"""The site is built without a warning, holds the whole API, and makes its gallery."""

import functools
import http.server
import inspect
import os
import re
import subprocess
import sys
import threading
from collections.abc import Iterator
from importlib import import_module
from pathlib import Path

import pytest
from playwright.sync_api import Request, expect, sync_playwright

from test_imports import RANKS

ROOT = Path(__file__).parents[1]
CHROMIUM = "/usr/bin/chromium"
ROOMS = sorted(RANKS.keys() - {"__init__", "__main__", "cli", "files", "version", "web"})
pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def site(tmp_path_factory) -> Path:
    folder = tmp_path_factory.mktemp("site")
    command = [sys.executable, "-m", "mkdocs", "build", "--site-dir", str(folder)]
    quiet = {**os.environ, "NO_MKDOCS_2_WARNING": "1"}
    done = subprocess.run(command, cwd=ROOT, env=quiet, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert "WARNING" not in done.stderr
    return folder


@pytest.mark.parametrize("room", ROOMS)
def test_everything_public_is_in_the_api(site, room):
    module = import_module(f"mmpyramid.{room}")
    page = (site / "api" / room / "index.html").read_text()
    explained = [
        name
        for name in getattr(module, "__all__", ())
        if inspect.isclass(getattr(module, name)) or inspect.isfunction(getattr(module, name))
    ]
    anchors = {anchor.split(".")[-1] for anchor in re.findall(r' id="(mmpyramid[\w.]+)"', page)}
    assert set(explained) - anchors == set()


def test_examples_are_shown_as_code(site):
    assert "&gt;&gt;&gt;" in (site / "api" / "core" / "index.html").read_text()
    for page in (site / "api").rglob("index.html"):
        assert "<p>Example:" not in page.read_text()


def test_the_gallery_is_called_simulated(site):
    files = [path for path in (site / "gallery").rglob("*") if path.suffix in {".html", ".svg"}]
    names = {path.name for path in files}
    assert names > {"clip.html", "comparison.html", "hour.html", "comparison.svg", "units.svg"}
    assert len(list((site / "gallery" / "corpus").glob("*.jpg"))) == 8
    assert all("imulated" in path.read_text() for path in files)


def test_the_tour_and_the_changes_are_pages(site):
    tour = (site / "contributing" / "index.html").read_text()
    assert "A tour of the code" in tour
    assert 'href="../new-network/"' in tour
    assert "blob/main/src/mmpyramid/models" in tour
    assert "0.2.0" in (site / "changelog" / "index.html").read_text()


@pytest.fixture
def address(site) -> Iterator[str]:
    class Quiet(http.server.SimpleHTTPRequestHandler):
        def log_message(self, *_: object) -> None:
            pass

    handler = functools.partial(Quiet, directory=str(site))
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield f"http://127.0.0.1:{server.server_port}/"
    server.shutdown()


@pytest.mark.browser
@pytest.mark.skipif(not Path(CHROMIUM).exists(), reason=f"needs Chromium in {CHROMIUM}")
def test_pages_open_without_complaint_and_fetch_nothing_from_elsewhere(address):
    complaints: list[str] = []
    flags = ["--headless", "--no-sandbox", "--disable-gpu"]
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=flags)
        page = browser.new_page()
        page.on("console", lambda message: complaints.append(message.text))
        page.on("pageerror", lambda error: complaints.append(str(error)))
        page.on("requestfailed", lambda r: was_aborted(r) or complaints.append(r.url))
        page.on("request", lambda r: is_elsewhere(r.url, address) and complaints.append(r.url))
        for path in ("", "person/", "gallery/", "api/core/"):
            page.goto(address + path, wait_until="networkidle")
        page.goto(f"{address}gallery/", wait_until="networkidle")
        clip = page.frame_locator("iframe").first
        clip.locator("#axis").press("ArrowRight")
        expect(clip.locator("#axis")).to_have_attribute("aria-valuenow", "1.0")
        browser.close()
    assert complaints == []


def was_aborted(request: Request) -> bool:
    """Whether the browser gave it up itself, as it does with what is open when a page is left."""
    return request.failure == "net::ERR_ABORTED"


def is_elsewhere(url: str, address: str) -> bool:
    return url.startswith("http") and not url.startswith(address)
