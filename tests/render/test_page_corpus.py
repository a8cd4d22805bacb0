"""The table of a corpus."""

import re
from dataclasses import replace
from pathlib import Path

import pytest
from page_parts import in_browser
from PIL import Image
from playwright.sync_api import Page

from mmpyramid.core import Event, Modality, Timeline
from mmpyramid.render.page import Entry, Site, corpus_html, page_assets, to_html
from mmpyramid.render.page.corpus import sketch

EVIL = "</script><img src=x onerror=console.log(1)>&\"'"
LABELS = ("Dog", "Cat", "Frying_(food)")


def timeline(*labels: str) -> Timeline:
    events = tuple(Event(2.0, 7.0, label, Modality.AUDIO) for label in labels)
    return Timeline(events=events, duration=10.0, labels=LABELS)


def entry(name: str, type_av: float, **more: object) -> Entry:
    scores = {
        "segment": {"audio": 50.0, "type_av": type_av},
        "event": {"type_av": 100 - type_av},
    }
    fields = {"timeline": timeline("Dog"), "truth": timeline("Dog"), "scores": scores, **more}
    return Entry(**{"name": name, "page": f"videos/{name}.html", **fields})


ENTRIES = [entry("a", 90.0), entry("b", 9.5), entry("c", 30.0, truth=timeline("Cat"))]


def names(page: str) -> list[str]:
    return re.findall(r'<th scope="row"><a [^>]*>(.*?)</a>', page)


def test_the_lowest_come_first_and_means_last():
    page = corpus_html(ENTRIES, title="LLP", facts={"Model": "ours"})
    assert names(page) == ["b", "c", "a"]
    means = page.partition("<tfoot>")[2].partition("</tfoot>")[0]
    assert re.findall(r'"number"[^>]*>([\d.]+)', means) == ["50.0", "43.2", "56.8"]
    assert re.findall(r'"colgroup" colspan="(\d)">(.*?)<', page) == [
        ("2", "Segment level"),
        ("1", "Event level"),
    ]


def test_labels_are_right_missed_or_extra():
    both = entry("a", 1.0, timeline=timeline("Dog", "Frying_(food)"), truth=timeline("Dog", "Cat"))
    page = corpus_html([both], title="", facts={})
    spans = re.findall(
        r'<span class="(\w*)"[^>]*>(.*?)</span>', page.partition('class="labels"')[2]
    )
    assert spans == [("", "Dog"), ("missed", "Cat"), ("extra", "Frying (food)")]


def test_an_empty_corpus_has_an_empty_table():
    assert names(corpus_html([], title="LLP", facts={})) == []


def test_everything_foreign_is_escaped():
    evil = replace(timeline(), labels=(EVIL,), events=(Event(0.0, 1.0, EVIL, Modality.AUDIO),))
    foreign = entry(EVIL, 1.0, timeline=evil, truth=evil, thumbnail=EVIL)
    page = corpus_html([foreign], title=EVIL, facts={EVIL: EVIL})
    assert "<img src=x" not in page
    assert page.count("<script") == corpus_html([], title="", facts={}).count("<script")


def test_a_sketch_has_a_line_for_each_label_so_that_a_wrong_one_shows():
    found = Timeline(
        events=tuple(Event(1.0, 3.0, "Dog", modality) for modality in Modality),
        duration=10.0,
        labels=("Dog",),
    )

    def lines(truth: Timeline) -> dict[str, list[tuple[str, str]]]:
        paths = re.findall(r'class="(\w+)" d="(.*?)"', sketch(found, truth))
        return {name: re.findall(r"M(\d+) (\d+)h", steps) for name, steps in paths}

    right = {name: [("20", "0")] for name in ("audio", "visual", "audio_visual")}
    assert lines(timeline("Dog")) == {**right, "truth": [("40", "9")]}
    assert lines(timeline("Cat")) == {**right, "truth": [("40", "23")]}


def test_a_thousand_videos_weigh_less_than_two_megabytes():
    page = corpus_html([entry(f"clip{k:07d}", k / 10) for k in range(1000)], title="", facts={})
    assert len(page.encode()) < 2_000_000


class TestInTheBrowser:
    pytestmark = in_browser

    @pytest.fixture
    def site(self, tmp_path: Path) -> Path:
        """A table, and the page of the first video, with what it shares with others."""
        for name in ("assets", "videos"):
            (tmp_path / name).mkdir()
        for name, content in page_assets().items():
            (tmp_path / "assets" / name).write_text(content)
        shared = Site(assets="../assets", home="../index.html")
        (tmp_path / "videos" / "a.html").write_text(to_html(timeline("Dog"), site=shared))
        (tmp_path / "index.html").write_text(corpus_html(ENTRIES, title="LLP", facts={}))
        return tmp_path / "index.html"

    def rows(self, page: Page) -> list[str]:
        return page.locator("tbody tr:visible th").all_inner_texts()

    def test_headings_sort(self, show, site):
        page = show(site)
        heading = page.get_by_role("columnheader", name="Type@AV, segment level")
        assert heading.get_attribute("aria-sort") == "ascending"
        heading.get_by_role("button").click()
        assert self.rows(page) == ["a", "c", "b"]
        assert heading.get_attribute("aria-sort") == "descending"
        page.get_by_role("button", name="Type@AV, event level").click()
        assert self.rows(page) == ["a", "c", "b"]
        page.get_by_role("button", name="Video", exact=True).press("Enter")
        assert self.rows(page) == ["a", "b", "c"]
        assert page.locator("[aria-sort]").all_inner_texts() == ["Video"]

    def test_videos_and_labels_are_filtered(self, show, site):
        page = show(site)
        page.get_by_role("searchbox").fill("cAt")
        assert self.rows(page) == ["c"]
        assert page.get_by_text("1 of 3 videos").is_visible()

    def test_a_modality_that_is_switched_off_takes_its_labels_along(self, show, tmp_path):
        seen = replace(timeline(), events=(Event(0.0, 1.0, "Cat", Modality.VISUAL),))
        found = [entry("a", 1.0), entry("b", 2.0, timeline=seen, truth=None)]
        (tmp_path / "index.html").write_text(corpus_html(found, title="", facts={}))
        page = show(tmp_path / "index.html")
        page.get_by_role("button", name="audible").click()
        assert self.rows(page) == ["b"]
        assert page.locator("svg .audio:visible").count() == 0
        page.get_by_role("button", name="visible").click()
        assert self.rows(page) == []
        page.get_by_role("button", name="audible").click()
        assert self.rows(page) == ["a"]
        assert page.get_by_text("1 of 2 videos").is_visible()

    def test_a_phone_shows_videos_and_labels_without_scrolling_sideways(self, show, tmp_path):
        Image.new("RGB", (96, 54)).save(tmp_path / "picture.jpg")
        found = [entry("0f0Rq7e5yX8", 1.0, scores={}, thumbnail="picture.jpg")]
        (tmp_path / "index.html").write_text(corpus_html(found, title="", facts={}))
        page = show(tmp_path / "index.html")
        page.set_viewport_size({"width": 390, "height": 844})
        table = page.locator(".scroll")
        assert table.evaluate("table => table.scrollWidth - table.clientWidth") == 0

    def test_a_video_has_a_page_and_the_page_a_way_back(self, show, site):
        page = show(site)
        page.get_by_role("link", name="a", exact=True).click()
        page.wait_for_function("() => document.querySelector('#groups canvas')")
        assert page.locator("#groups h2").all_inner_texts() == ["Dog"]
        assert len((site.parent / "videos" / "a.html").read_bytes()) < 10_000
        page.get_by_role("link", name="All videos").click()
        page.wait_for_function("() => document.getElementById('now').textContent === '3 videos'")
