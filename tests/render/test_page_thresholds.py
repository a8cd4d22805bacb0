"""The thresholds of the page: where they stand, and what becomes of a decision by other ones."""

import pytest
from page_parts import in_browser, listed
from playwright.sync_api import expect

from mmpyramid.problems import decode
from mmpyramid.render import to_html

pytestmark = in_browser


def test_the_thresholds_stay_in_their_panel_on_a_phone(show, short, scores_of):
    page = show(to_html(short, scores=scores_of(short)))
    page.set_viewport_size({"width": 320, "height": 700})
    page.locator("summary", has_text="More").click()
    rights = "all => all.map(each => each.getBoundingClientRect().right)"
    (panel,) = page.locator(".thresholds").evaluate_all(rights)
    assert panel < 320
    assert max(page.locator(".thresholds :is(output, select)").evaluate_all(rights)) < panel


@pytest.mark.parametrize("control", ["#reset", "#own-visual"])
def test_the_note_on_another_decision_goes_with_it(control, show, short, scores_of):
    page = show(to_html(short, scores=scores_of(short)))
    note = page.locator("#undecided")
    expect(note).to_be_visible()
    page.locator("summary", has_text="More").click()
    page.locator(control).click()
    expect(note).to_be_hidden()


def test_a_real_decision_is_shown_as_it_was_made(show, short, scores_of):
    scores = scores_of(short)
    page = show(to_html(decode(scores), scores=scores))
    assert listed(page) == [
        "Dog, audible, 0:02 to 0:09, score 0.81",
        "Dog, visible, 0:04 to 0:10, score 0.97",
    ]
