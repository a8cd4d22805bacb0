"""Every page by the rules of axe (WCAG 2.1 AA), light and dark, and on paper."""

from dataclasses import replace

import pytest
from axe_playwright_python.sync_playwright import Axe
from page_parts import bars_of, in_browser

from mmpyramid.core import to_unit_weights
from mmpyramid.problems import decode
from mmpyramid.render import comparison_html, to_html
from mmpyramid.render.page import Entry, corpus_html

pytestmark = in_browser

RULES = {"runOnly": ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "best-practice"]}


@pytest.fixture
def pages(short, empty, single, scores_of, video) -> dict[str, str]:
    scores = scores_of(short)
    scores.visual[3, short.labels.index("Cat")] = 0.4
    weights = to_unit_weights([[[0.25] * 10] * 4] * 2)
    full = replace(short, unit_weights=weights, notes=("damaged after 3 s", "left out\nDog"))
    entry = Entry(
        name="dog",
        page="dog.html",
        timeline=decode(scores),
        truth=short,
        scores={"segment": {"type_av": 50.0}, "event": {"type_av": 40.0}},
    )
    return {
        "timeline": to_html(full, scores=scores, truth=short, video=video),
        "sound": to_html(single),
        "empty": to_html(empty, scores=scores_of(empty)),
        "comparison": comparison_html({"truth": short, "ours": decode(scores)}),
        "corpus": corpus_html([entry], title="LLP, test", facts={"Model": "ours"}),
    }


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("name", ["timeline", "edited", "sound", "empty", "comparison", "corpus"])
def test_no_rule_is_broken(show, pages, name, scheme):
    page = show(pages["timeline" if name == "edited" else name])
    page.emulate_media(color_scheme=scheme)
    if name == "edited":
        page.keyboard.press("e")
        page.keyboard.press("n")
        page.keyboard.press(".")
    for summary in page.locator("summary:visible").all():
        summary.click()
    found = Axe().run(page, options=RULES).response["violations"]
    assert {rule["id"]: [node["html"] for node in rule["nodes"]] for rule in found} == {}


def test_everything_can_be_reached_by_the_keyboard(show, pages):
    page = show(pages["timeline"])
    page.locator(".thresholds details").evaluate("(more) => { more.open = true; }")
    reached = set()
    page.get_by_role("button", name="Edit", exact=True).press("Space")
    page.keyboard.press("n")
    page.locator("body").press("Tab")
    for _ in range(90):
        page.keyboard.press("Tab")
        reached.add(page.evaluate("document.activeElement.id || document.activeElement.tagName"))
    wanted = {"theme", "play", "filter", "sensitivity", "reset"}
    wanted |= {"threshold", "video_threshold"}
    wanted |= {"edit", "add", "cut", "delete"}
    wanted |= {"bar-label", "bar-modality-1", "bar-start", "bar-end"}
    assert wanted | {"zoom-in", "zoom-out", "fit", "overview", "axis", "SUMMARY"} <= reached


PRINTED = """() => {
  const isBlank = (canvas) => {
    const copy = new OffscreenCanvas(canvas.width, canvas.height).getContext("2d");
    copy.drawImage(canvas, 0, 0);
    return new Set(copy.getImageData(0, 8, canvas.width, 1).data).size < 3;
  };
  const canvases = document.querySelectorAll("#groups canvas");
  window.printed = new Promise((tell) => {
    matchMedia("print").addEventListener("change", () => tell({
      blank: Array.from(canvases).filter(isBlank).length,
      rows: document.getElementById("events").childElementCount,
    }));
  });
}"""


def test_all_of_it_is_printed(show, hour):
    page = show(to_html(hour))
    page.evaluate(PRINTED)
    page.emulate_media(media="print", color_scheme="dark")
    assert page.evaluate("printed") == {"blank": 0, "rows": len(bars_of(hour))}
    assert not page.locator("#play").is_visible()
    assert page.evaluate("getComputedStyle(document.body).color") == "rgb(28, 36, 48)"
