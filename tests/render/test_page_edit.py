"""Corrections in the page: what each action does to what is saved, read back by our readers."""

from collections.abc import Callable
from dataclasses import replace

import pytest
from page_parts import in_browser, listed, point
from playwright.sync_api import Page, expect

from mmpyramid.core import Event, Modality, Timeline
from mmpyramid.formats import encode, read_timeline
from mmpyramid.problems import decode
from mmpyramid.render import to_html

pytestmark = in_browser

HEARD, SEEN, BOTH = Modality.AUDIO, Modality.VISUAL, Modality.AUDIO_VISUAL
FRYING = Event(0.0, 2.0, "Frying_(food)", SEEN, 0.44)


@pytest.fixture
def exact(short) -> Timeline:
    """Scores with all their digits."""
    events = tuple(replace(event, score=event.score / 3) for event in short)
    return replace(short, events=events)


@pytest.fixture
def save(tmp_path) -> Callable[..., Timeline]:
    """Save what a page shows, and read it."""

    def download(page: Page, kind: str = "json", original: Timeline | None = None) -> Timeline:
        page.get_by_text("Save as").click()
        with page.expect_download() as saved:
            page.locator(f"#save-{kind}").click()
        path = tmp_path / "saved" / saved.value.suggested_filename
        saved.value.save_as(path)
        return read_timeline(path, original=original)

    return download


def edit(page: Page, row: str = "") -> Page:
    """Begin to edit, at the event of a row."""
    page.get_by_role("button", name="Edit", exact=True).click()
    if row:
        page.locator("#events").get_by_role("button", name=row).click()
    return page


def drag(page: Page, start: tuple[float, float], stop: tuple[float, float]) -> None:
    page.mouse.move(*start)
    page.mouse.down()
    page.mouse.move((start[0] + stop[0]) / 2, stop[1])
    page.mouse.move(*stop)
    page.mouse.up()


def said(page: Page) -> str:
    return page.locator("#said").inner_text()


def times(timeline: Timeline, label: str, modality: Modality) -> list[tuple[float, float]]:
    return [(e.start, e.end) for e in timeline.of(modality) if e.label == label]


@pytest.mark.parametrize("kind", ["json", "eaf", "csv"])
@pytest.mark.parametrize("is_inferred", [False, True], ids=["seen", "inferred"])
def test_what_nobody_changed_is_saved_as_python_writes_it(
    kind, is_inferred, show, exact, save, tmp_path
):
    events = (replace(e, inferred=is_inferred and e.modality != HEARD) for e in exact)
    exact = replace(exact, events=tuple(events))
    saved = save(show(to_html(exact)), kind)
    (tmp_path / f"dog.{kind}").write_bytes(encode(exact, kind))
    read = read_timeline(tmp_path / f"dog.{kind}")
    if kind == "csv":
        content = (tmp_path / "saved" / "dog.csv").read_bytes()
        assert content == (tmp_path / "dog.csv").read_bytes()
    assert saved == read
    assert kind != "json" or saved == exact


HARD = '=1+1;\u2028 "a",<b>&\x07é🐕'


@pytest.mark.parametrize("kind", ["json", "eaf", "csv"])
def test_labels_and_notes_of_any_text_are_saved(kind, show, save, tmp_path):
    timeline = Timeline(
        events=(Event(1 / 3, 2.0, HARD, BOTH, 0.123456789), Event(0.5, 1.0, HARD, BOTH, 0.5)),
        duration=3.5,
        labels=(HARD, "Dog"),
        source="a b#1.mp4",
        model=HARD,
        missing=(HEARD,),
        notes=("damaged\nafter 0:02 é",),
    )
    (tmp_path / f"clip.{kind}").write_bytes(encode(timeline, kind))
    saved = save(show(to_html(timeline)), kind)
    assert saved == read_timeline(tmp_path / f"clip.{kind}")


def test_the_path_of_the_source_is_in_no_page(show, short, save, video):
    private = replace(short, source="/home/ada/private/dog.mp4")
    page = to_html(private, video="dog.mp4", embed=False)
    assert "/home/ada" not in page
    assert save(show(to_html(private))) == replace(short, source="dog.mp4")


def test_an_end_is_dragged_to_a_tenth_and_both_follows(show, short, save):
    page = edit(show(to_html(short)))
    y = 8
    drag(page, point(page, 8.97, 1, y), point(page, 7.03, 1, y))
    saved = save(page)
    assert times(saved, "Dog", HEARD) == [(2.0, 7.0)]
    assert times(saved, "Dog", SEEN) == [(4.0, 10.0)]
    assert times(saved, "Dog", BOTH) == [(4.0, 7.0)]
    assert FRYING in saved.events
    assert [e.score for e in saved.of(HEARD)] == [1.0]
    assert [e.score for e in saved.of(SEEN)] == [0.44, 0.97]
    assert saved.notes == (
        "Corrected by hand: 1 event changed\n"
        "changed: Dog, audible, 0:02 to 0:09 (score 0.81), now Dog, audible, 0:02 to 0:07",
    )
    assert replace(saved, events=(), notes=()) == replace(short, events=())


def test_a_start_is_dragged_freely_with_alt(show, short, save):
    page = edit(show(to_html(short)))
    page.keyboard.down("Alt")
    drag(page, point(page, 2.03, 1), point(page, 3.137, 1))
    page.keyboard.up("Alt")
    ((start, end),) = times(save(page), "Dog", HEARD)
    assert start == pytest.approx(3.11, abs=0.04)
    assert start * 10 != pytest.approx(round(start * 10), abs=1e-6)
    assert end == 9


def test_an_event_is_dragged_and_stays_as_long_and_within_the_video(show, short, save):
    page = edit(show(to_html(short)))
    drag(page, point(page, 5, 1), point(page, 4.2, 1))
    assert times(save(page), "Dog", HEARD) == [(1.2, 8.2)]
    drag(page, point(page, 5, 1), point(page, 9.9, 1))
    assert times(save(page), "Dog", HEARD) == [(3.0, 10.0)]


def test_escape_and_a_press_change_nothing(show, short, save):
    page = edit(show(to_html(short)))
    page.mouse.move(*point(page, 5, 1))
    page.mouse.down()
    page.mouse.move(*point(page, 7, 1))
    page.keyboard.press("Escape")
    page.mouse.up()
    page.mouse.click(*point(page, 6, 1))
    assert page.locator("#bar-label").input_value() == "Dog"
    assert float(page.locator("#axis").get_attribute("aria-valuenow")) == pytest.approx(6, abs=0.1)
    assert save(page) == short


def test_an_event_is_cut_at_the_playhead(show, short, save):
    page = edit(show(to_html(short)), "Dog, audible, 0:02")
    for _ in range(3):
        page.keyboard.press("ArrowRight")
    page.keyboard.press("c")
    assert said(page).startswith("Cut: Dog, audible, 0:02 to 0:05")
    saved = save(page)
    assert times(saved, "Dog", HEARD) == [(2.0, 5.0), (5.0, 9.0)]
    assert times(saved, "Dog", BOTH) == [(4.0, 5.0), (5.0, 9.0)]
    page.keyboard.press("c")
    assert "move the playhead into it" in said(page)
    assert save(page) == saved


def test_an_event_is_deleted_and_the_next_one_chosen(show, short, save):
    page = edit(show(to_html(short)), "Dog, audible, 0:02")
    page.get_by_role("button", name="Delete", exact=True).click()
    assert said(page) == "Deleted. Chosen now: Dog, audible and visible, 0:04 to 0:10".replace(
        "audible and visible", "visible"
    )
    saved = save(page)
    assert times(saved, "Dog", HEARD) == times(saved, "Dog", BOTH) == []
    assert saved.notes == (
        "Corrected by hand: 1 event deleted\ndeleted: Dog, audible, 0:02 to 0:09 (score 0.81)",
    )
    page.keyboard.press("Delete")
    page.keyboard.press("Delete")
    assert len(save(page)) == 0
    page.keyboard.press("Delete")
    assert said(page) == "No event is chosen."


@pytest.mark.parametrize("name", ["cat", "Kettle"])
def test_an_event_gets_another_label_known_or_new(name, show, short, save):
    page = edit(show(to_html(short)), "Frying")
    field = page.get_by_label("Label", exact=True)
    field.fill(name)
    field.press("Enter")
    saved = save(page)
    label = {"cat": "Cat"}.get(name, name)
    assert times(saved, label, SEEN) == [(0.0, 2.0)]
    assert times(saved, "Frying_(food)", SEEN) == []
    assert saved.labels == (*short.labels, *([] if label == "Cat" else [label]))
    assert page.locator("#groups h2").all_inner_texts() == ["Dog", label]
    field.fill(" ")
    field.press("Enter")
    assert said(page) == "An event needs a label."
    assert field.input_value() == label


def test_an_event_is_added_heard_and_seen_at_the_playhead(show, short, save):
    page = edit(show(to_html(short)))
    for _ in range(5):
        page.keyboard.press("ArrowRight")
    page.keyboard.press("a")
    page.keyboard.type("Cat")
    page.keyboard.press("Enter")
    saved = save(page)
    for modality in (HEARD, SEEN, BOTH):
        assert times(saved, "Cat", modality) == [(5.0, 6.0)]
    assert saved.notes[0].startswith("Corrected by hand: 1 event added")


def test_a_double_click_adds_where_nothing_is(show, short, save):
    page = edit(show(to_html(short)))
    page.mouse.dblclick(*point(page, 6, 0))
    assert times(save(page), "Frying_(food)", SEEN) == [(0.0, 2.0), (6.0, 7.0)]


def test_how_an_event_is_perceived_is_changed(show, short, save):
    page = edit(show(to_html(short)), "Frying")
    page.get_by_role("radio", name="both").check()
    saved = save(page)
    for modality in (HEARD, SEEN, BOTH):
        assert times(saved, "Frying_(food)", modality) == [(0.0, 2.0)]
    page.get_by_role("radio", name="both").blur()
    page.keyboard.press("1")
    saved = save(page)
    assert times(saved, "Frying_(food)", HEARD) == [(0.0, 2.0)]
    assert times(saved, "Frying_(food)", SEEN) == times(saved, "Frying_(food)", BOTH) == []


def test_what_is_heard_and_seen_alike_is_one_event_that_comes_apart(show, save):
    events = [
        Event(1.0, 5.0, "Dog", each, score)
        for each, score in zip(Modality, (0.9, 0.8, 0.7), strict=True)
    ]
    timeline = Timeline(events=tuple(events), duration=10.0, labels=("Dog",), source="dog.mp4")
    page = edit(show(to_html(timeline)))
    assert listed(page) == ["Dog, audible and visible, 0:01 to 0:05, score 0.70"]
    page.get_by_role("button", name="Dog, audible and visible").click()
    page.get_by_role("button", name="Separate").click()
    assert [row.partition(", 0")[0] for row in listed(page)] == ["Dog, audible", "Dog, visible"]
    assert save(page).events == timeline.events
    page.keyboard.press(",")
    saved = save(page)
    assert times(saved, "Dog", HEARD) == [(0.9, 4.9)]
    assert times(saved, "Dog", SEEN) == [(1.0, 5.0)]
    assert times(saved, "Dog", BOTH) == [(1.0, 4.9)]
    assert [e.score for e in saved.of(SEEN)] == [0.8]


def test_events_that_are_told_as_both_alone_stay_so(show, save):
    events = (Event(1.0, 5.0, "Dog", BOTH, 0.9), Event(7.0, 8.0, "Dog", BOTH, 0.6))
    timeline = Timeline(events=events, duration=10.0, labels=("Dog",), source="dog.mp4")
    page = edit(show(to_html(timeline)), "Dog, audible and visible, 0:01")
    page.keyboard.press(".")
    saved = save(page)
    assert saved.events == (Event(1.1, 5.1, "Dog", BOTH, 1.0), events[1])


def test_two_events_of_a_person_that_overlap_are_one(show, short, save):
    page = edit(show(to_html(short)), "Frying")
    page.keyboard.press("a")
    page.keyboard.press("Escape")
    page.get_by_label("Start", exact=True).blur()
    page.get_by_role("radio", name="visible", exact=True).check()
    page.get_by_label("Start", exact=True).fill("1.5")
    page.get_by_label("End", exact=True).fill("0:03,25")
    page.get_by_label("End", exact=True).press("Enter")
    assert times(save(page), "Frying_(food)", SEEN) == [(0.0, 3.25)]


def test_times_are_typed_and_mistakes_are_told(show, short, save):
    page = edit(show(to_html(short)), "Dog, visible, 0:04")
    start, end = page.get_by_label("Start", exact=True), page.get_by_label("End", exact=True)
    start.fill("soon")
    start.press("Enter")
    assert said(page) == "A time is written as 2.5 or 1:02.5."
    assert start.input_value() == "0:04"
    start.fill("0:05.125")
    start.press("Enter")
    end.press("ArrowDown")
    end.press("Shift+ArrowDown")
    assert times(save(page), "Dog", SEEN) == [(5.125, 8.9)]
    end.fill("99")
    end.press("Enter")
    assert times(save(page), "Dog", SEEN) == [(5.125, 10.0)]
    assert end.input_value() == "0:10"


def test_start_and_end_are_put_at_the_playhead(show, short, save):
    page = edit(show(to_html(short)), "Dog, audible, 0:02")
    page.keyboard.press("ArrowRight")
    page.keyboard.press("i")
    for _ in range(3):
        page.keyboard.press("ArrowRight")
    page.get_by_role("button", name="Here").last.click()
    assert times(save(page), "Dog", HEARD) == [(3.0, 6.0)]


def test_corrections_are_undone_done_again_and_discarded(show, short, save):
    page = edit(show(to_html(short)), "Dog, audible, 0:02")
    page.keyboard.press(".")
    page.keyboard.press(">")
    assert times(save(page), "Dog", HEARD) == [(3.0, 10.0)]
    page.keyboard.press("Control+z")
    assert times(save(page), "Dog", HEARD) == [(2.1, 9.1)]
    page.keyboard.press("Control+z")
    assert save(page) == short
    page.keyboard.press("Control+Shift+Z")
    page.get_by_role("button", name="Redo").click()
    assert times(save(page), "Dog", HEARD) == [(3.0, 10.0)]
    page.get_by_role("button", name="Discard").click()
    assert save(page) == short
    page.keyboard.press("Control+y")
    assert times(save(page), "Dog", HEARD) == [(2.1, 9.1)]
    page.keyboard.press("<")
    page.keyboard.press(">")
    page.keyboard.press(",")
    expect(page.locator("#corrections")).to_be_hidden()


def test_a_bar_moved_back_is_as_it_was(show, short, save):
    page = edit(show(to_html(short)), "Dog, audible, 0:02")
    page.keyboard.press(".")
    page.keyboard.press(",")
    assert save(page) == short


def test_thresholds_rest_while_there_are_corrections(show, short, scores_of, save):
    scores = scores_of(short)
    found = decode(scores)
    page = edit(show(to_html(found, scores=scores)), "Dog, audible, 0:02")
    slider = page.get_by_role("slider", name="Sensitivity")
    page.keyboard.press("Delete")
    expect(slider).to_be_disabled()
    expect(page.get_by_text("The thresholds rest")).to_be_visible()
    page.get_by_role("button", name="Discard").click()
    expect(slider).to_be_enabled()
    slider.fill("0.97")
    expect(page.locator("#events li")).not_to_have_count(2)
    page.locator("#events button").first.click()
    page.keyboard.press("Delete")
    assert "deleted" in save(page).notes[0]


def test_corrections_outlast_a_reload_until_they_are_discarded(show, short, save):
    page = edit(show(to_html(short)), "Frying")
    page.get_by_label("Label", exact=True).fill("Kettle")
    page.get_by_label("Label", exact=True).press("Enter")
    page.on("dialog", lambda dialog: dialog.accept())
    page.reload()
    expect(page.locator("#corrections")).to_have_text("1 event changed, not saved")
    assert said(page) == "Your corrections of this timeline are here again."
    saved = save(page)
    assert times(saved, "Kettle", SEEN) == [(0.0, 2.0)]
    assert "changed: Frying (food), visible, 0:00 to 0:02 (score 0.44)" in saved.notes[0]
    page.reload()
    expect(page.locator("#corrections")).to_have_text("1 event changed, saved")
    page.get_by_role("button", name="Discard").click()
    page.reload()
    expect(page.locator("#corrections")).to_be_hidden()
    assert save(page) == short


def test_other_timelines_know_nothing_of_it(show, short, tmp_path):
    page = edit(show(to_html(short)), "Frying")
    page.keyboard.press("Delete")
    other = replace(short, duration=11.0)
    (tmp_path / "other.html").write_text(to_html(other), encoding="utf-8")
    assert len(listed(show(tmp_path / "other.html"))) == 3


def test_leaving_with_unsaved_corrections_is_asked_about(show, short, save):
    page = edit(show(to_html(short)), "Frying")
    asked: list[str] = []
    page.on("dialog", lambda dialog: (asked.append(dialog.type), dialog.accept()))
    page.reload()
    assert asked == []
    edit(page, "Frying")
    page.keyboard.press("Delete")
    page.reload()
    assert asked == ["beforeunload"]
    save(page)
    page.reload()
    assert asked == ["beforeunload"]


def test_what_a_person_changes_is_inferred_no_longer(show, save):
    blender = Event(0.0, 5.0, "Blender", SEEN, 0.5, inferred=True)
    other = replace(blender, label="Helicopter")
    timeline = Timeline(
        events=(blender, other), duration=10.0, labels=("Blender", "Helicopter"), source="dog.mp4"
    )
    page = edit(show(to_html(timeline)), "Blender")
    page.keyboard.press(">")
    saved = save(page)
    found = {event.label: event.inferred for event in saved}
    assert saved.events != timeline.events
    assert found == {"Blender": False, "Helicopter": True}


def test_events_are_chosen_by_the_keyboard_and_shown_in_lanes_and_list(show, hour, save):
    page = edit(show(to_html(hour)))
    page.keyboard.press("n")
    assert said(page) == "Speech, audible and visible, 0:00 to 0:03"
    page.keyboard.press("n")
    page.keyboard.press("n")
    page.keyboard.press("p")
    assert said(page) == "Car, audible and visible, 0:07 to 0:10"
    assert page.locator("#events [aria-current]").count() == 1
    assert page.locator("#events [aria-current]").inner_text().startswith("0:07")
    for _ in range(200):
        page.keyboard.press("n")
    assert page.locator("#bar-place").inner_text() == "150 of 150, 0:03 long"
    assert page.locator("#events [aria-current]").is_visible()


def test_letters_in_a_field_are_letters(show, short, save):
    page = edit(show(to_html(short)), "Dog, audible, 0:02")
    page.keyboard.press("r")
    page.keyboard.type("acd,.1")
    page.get_by_role("searchbox").press_sequentially("do")
    page.get_by_role("searchbox").fill("")
    assert {e.label for e in save(page)} == {"Frying_(food)", "Dog", "acd,.1"}


def test_a_finger_chooses_then_drags(browser, short, save, tmp_path):
    context = browser.new_context(
        viewport={"width": 390, "height": 844}, has_touch=True, is_mobile=True
    )
    (tmp_path / "page.html").write_text(to_html(short), encoding="utf-8")
    page = context.new_page()
    page.goto((tmp_path / "page.html").as_uri())
    page.get_by_role("button", name="Edit", exact=True).tap()
    page.locator("#groups canvas").nth(1).scroll_into_view_if_needed()
    touch = context.new_cdp_session(page)

    def swipe(start: float, stop: float) -> None:
        (x, y), (end, _) = point(page, start, 1), point(page, stop, 1)
        for kind, place in [("touchStart", x), ("touchMove", (x + end) / 2), ("touchMove", end)]:
            points = [{"x": place, "y": y, "id": 0}]
            touch.send("Input.dispatchTouchEvent", {"type": kind, "touchPoints": points})
        touch.send("Input.dispatchTouchEvent", {"type": "touchEnd", "touchPoints": []})

    swipe(8.9, 6.0)
    expect(page.locator("#bar-label")).to_have_value("Dog")
    expect(page.locator("#corrections")).to_be_hidden()
    swipe(8.9, 6.9)
    expect(page.locator("#corrections")).to_have_text("1 event changed, not saved")
    ((start, end),) = times(save(page), "Dog", HEARD)
    assert start == 2
    assert end == pytest.approx(7, abs=0.2)
    assert not page.locator(".keys").first.is_visible()
    assert page.get_by_text("two fingers zoom.").first.is_visible()
    context.close()
