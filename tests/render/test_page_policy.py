"""What stands in a page and is not ours does not run, and what is ours breaks no rule."""

import html
import re

import pytest
from page_parts import bars_of, in_browser

from mmpyramid.core import Timeline
from mmpyramid.render import comparison_html, to_html
from mmpyramid.render.page import Entry, Site, corpus_html, page_assets

pytestmark = in_browser

INJECTED = """
<script>document.title = "hacked"</script>
<script src="data:text/javascript,document.title='hacked'"></script>
<img src="data:," onerror="document.title = 'hacked'">
<style>h1 { display: none }</style>
<b style="position: fixed">style</b>
"""
NUM_BLOCKED = 5


@pytest.fixture
def pages(short, scores_of, video) -> dict[str, str]:
    entry = Entry(
        name="dog",
        page="dog.html",
        timeline=short,
        truth=short,
        scores={"segment": {"type_av": 50.0}, "event": {"type_av": 40.0}},
    )
    return {
        "timeline": to_html(short, scores=scores_of(short), truth=short, video=video),
        "comparison": comparison_html({"truth": short, "ours": Timeline(duration=10.0)}),
        "corpus": corpus_html([entry], title="LLP, test", facts={}),
    }


@pytest.mark.parametrize("name", ["timeline", "comparison", "corpus"])
def test_nothing_injected_runs(name, pages, context, tmp_path):
    policy = re.search(r'Security-Policy" content="(.*?)"', pages[name])[1]
    assert "unsafe" not in policy
    assert len(re.findall(r"(?:style|script)-src 'sha256-[\w+/]{43}='", policy)) == 2
    file = tmp_path / "page.html"
    file.write_text(pages[name].replace("<main>", f"<main>{INJECTED}"), encoding="utf-8")
    page = context.new_page()
    blocked: list[str] = []
    page.on("console", lambda message: blocked.append(message.text))
    page.goto(file.as_uri())
    page.wait_for_function("() => document.getElementById('now').textContent")
    page.wait_for_timeout(200)
    assert page.title() != "hacked"
    assert page.locator("h1").is_visible()
    assert page.locator("b", has_text="style").evaluate("b => getComputedStyle(b).position") != (
        "fixed"
    )
    assert len(blocked) == NUM_BLOCKED, blocked
    assert all("Content Security Policy" in message for message in blocked)


def test_the_pages_of_a_site_share_their_script(show, short, tmp_path):
    for name, content in page_assets().items():
        (tmp_path / "assets").mkdir(exist_ok=True)
        (tmp_path / "assets" / name).write_text(content, encoding="utf-8")
    (tmp_path / "videos").mkdir()
    file = tmp_path / "videos" / "a.html"
    file.write_text(to_html(short, site=Site(assets="../assets")), encoding="utf-8")
    assert "unsafe" not in file.read_text()
    assert show(file).locator("#events button").count() == len(bars_of(short))


def test_a_frame_of_a_notebook_runs_the_page(context, short, tmp_path):
    page = context.new_page()
    said: list[str] = []
    page.on("console", lambda message: said.append(message.text))
    page.set_content(f'<iframe srcdoc="{html.escape(to_html(short))}"></iframe>')
    page.frame_locator("iframe").locator("#events button").first.wait_for()
    assert said == []


def test_bars_of_a_corpus_are_drawn(show, pages):
    cell = show(pages["corpus"]).locator("#videos td.number").first
    assert cell.evaluate("td => getComputedStyle(td).getPropertyValue('--share')") == "0.5"
