"""The page decides exactly as `decode` does: its own modules, in the browser, on random scores."""

import json
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from page_parts import bars_of, data_of, in_browser, listed, random_scores
from playwright.sync_api import Page, Route

import mmpyramid.render.page
from decision_vectors import LABELS, Vector, localization_vectors, parsing_vectors, vector
from mmpyramid.core import Event, Timeline
from mmpyramid.core.wording import clock, perceived, title_of
from mmpyramid.problems import Decoder, decode
from mmpyramid.render import to_html
from mmpyramid.render.page.data import decoder_data

SCRIPTS = Path(mmpyramid.render.page.__file__).parent / "scripts"
DECIDE = """async (pages) => {
  const { Model } = await import("/model.js");
  const decided = [];
  for (const { data, decoder } of JSON.parse(pages)) {
    const model = new Model({ ...data, systems: [{ name: "", events: [], marks: [] }] });
    await model.addScores(data.scores);
    model.decide(decoder);
    decided.push(model.systems[0].events);
  }
  return JSON.stringify(decided);
}"""
"""From JSON to JSON, as Playwright takes many times longer to copy objects."""

pytestmark = in_browser


@pytest.fixture
def modules(context) -> Iterator[Page]:
    """A page that can import the scripts."""

    def serve(route: Route) -> None:
        name = route.request.url.rpartition("/")[2]
        kind = "text/javascript" if name else "text/html"
        body = (SCRIPTS / name).read_text() if name else "<!doctype html>"
        route.fulfill(body=body, content_type=kind)

    context.route("http://page.test/**", serve)
    page = context.new_page()
    page.goto("http://page.test/")
    return page


def javascript(data: dict[str, Any], events: list[dict[str, Any]]) -> list[tuple]:
    names = [modality["name"] for modality in data["modalities"]]
    return [
        (
            *(e["start"], e["end"], data["labels"][e["label"]], names[e["modality"]]),
            *(e["isInferred"], e["score"]),
        )
        for e in events
    ]


def python(timeline: Timeline) -> list[tuple]:
    return [
        (e.start, e.end, title_of(e.label), str(e.modality), e.inferred, e.score) for e in timeline
    ]


def check(modules: Page, vectors: list[Vector], atol: float) -> None:
    """Decide all cases in the browser; each page is made with one decoder and moved to another."""
    pages = [data_of(to_html(v.timeline, scores=v.scores, decoder=v.made)) for v in vectors]
    argument = [
        {"data": data, "decoder": decoder_data(v.moved)}
        for data, v in zip(pages, vectors, strict=True)
    ]
    num_events = 0
    decided = json.loads(modules.evaluate(DECIDE, json.dumps(argument)))
    for data, events, v in zip(pages, decided, vectors, strict=True):
        expected, got = sorted(python(v.expected)), sorted(javascript(data, events))
        assert [row[:5] for row in got] == [row[:5] for row in expected], v.moved
        difference = [a[5] - b[5] for a, b in zip(got, expected, strict=True)]
        np.testing.assert_allclose(difference, 0, atol=atol)
        num_events += len(events)
    assert num_events > len(vectors)


@pytest.mark.parametrize("vectors", [parsing_vectors, localization_vectors])
def test_the_page_decides_the_vectors_of_the_rules(modules, vectors):
    check(modules, list(vectors()), atol=1e-12)


def test_a_long_video_is_decided_alike_from_rounded_scores(modules):
    scores = random_scores(3600, 0)
    scores = replace(scores, audio=scores.audio**3, visual=scores.visual**3)
    made = Decoder(threshold=0.8321, video_threshold=0.7)
    data = data_of(to_html(decode(scores, made), scores=scores, decoder=made))
    assert data["scores"]["floor"] > 0
    stricter = replace(made, threshold=0.94, visual_threshold=0.9)
    check(modules, [vector(scores, made, moved) for moved in (made, stricter)], atol=0.005)


def test_the_sliders_decide_what_is_listed(show):
    scores = random_scores(20, 3, labels=LABELS)
    page = show(to_html(decode(scores), scores=scores))
    first = bars_of(decode(scores))
    page.get_by_text("More", exact=True).click()
    page.get_by_role("slider", name="In a second", exact=True).fill("0.3")
    page.get_by_role("slider", name="In the whole video").fill("0.1")
    page.get_by_label("another one for what is seen").check()
    page.get_by_role("slider", name="Seen in a second").fill("0.6")
    page.get_by_label("Fill gaps up to").fill("1")
    page.get_by_label("Drop events under").fill("2")
    moved = Decoder(
        threshold=0.3, visual_threshold=0.6, video_threshold=0.1, max_gap=1, min_length=2
    )
    expected = bars_of(decode(scores, moved))
    page.wait_for_function(
        "(count) => document.getElementById('count').textContent == count", arg=len(expected)
    )
    assert rows(page) == sorted(map(in_words, expected))
    page.get_by_role("button", name="Reset").click()
    page.wait_for_function(
        "(count) => document.getElementById('count').textContent == count", arg=len(first)
    )
    assert rows(page) == sorted(map(in_words, first))


def test_one_dial_moves_all_thresholds(show):
    scores = random_scores(20, 3, labels=LABELS)
    page = show(to_html(decode(scores), scores=scores))
    page.get_by_role("slider", name="Sensitivity").fill("0.8")
    expected = bars_of(decode(scores, Decoder().with_sensitivity(0.8)))
    assert len(expected) != len(bars_of(decode(scores)))
    page.wait_for_function(
        "(count) => document.getElementById('count').textContent == count", arg=len(expected)
    )
    assert rows(page) == sorted(map(in_words, expected))
    assert page.locator("#sensitivity-value").inner_text() == "0.80"
    page.get_by_text("More", exact=True).click()
    assert page.get_by_role("slider", name="In a second", exact=True).input_value() == "0.2"
    page.get_by_role("slider", name="In the whole video").fill("0.5")
    assert page.locator("#sensitivity-value").inner_text() == "mixed"


def test_what_is_inferred_is_listed_so(show):
    scores = random_scores(20, 3, labels=LABELS)
    seen = decode(scores).of("visual").events[0].label
    scores = replace(scores, inferred=(seen,))
    timeline = decode(scores)
    assert {event.inferred for event in timeline} == {True, False}
    expected = sorted(map(in_words, bars_of(timeline)))
    assert rows(show(to_html(timeline))) == expected, "as it is written"
    page = show(to_html(timeline, scores=scores))
    page.get_by_role("slider", name="Sensitivity").fill("0.5")
    assert rows(page) == expected, "as it is decided"


def in_words(event: Event) -> str:
    times = f"{clock(event.start)} to {clock(event.end)}"
    return f"{event.label}, {perceived(event)}, {times}"


def rows(page: Page) -> list[str]:
    """The rows without their scores."""
    return sorted(row.rpartition(", ")[0] for row in listed(page))
