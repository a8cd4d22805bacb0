"""The page in Debian's Chromium, with real videos."""

import re
import shutil
from dataclasses import replace
from pathlib import Path

import pytest
from page_parts import (
    SECONDS,
    bars_of,
    clock_time,
    colors,
    cursor_fraction,
    in_browser,
    listed,
    media_time,
    opened,
    point,
    ready,
    write_video,
)
from playwright.sync_api import Page, expect

from mmpyramid.core import Event, Modality, Timeline, to_unit_weights
from mmpyramid.render import to_html, to_vtt
from mmpyramid.render.page import from_page

pytestmark = in_browser


def now(page: Page) -> list[str]:
    """The rows of the list that happen now."""
    return [" ".join(row.split()) for row in page.locator("#events .on").all_inner_texts()]


def test_a_click_on_a_lane_seeks_and_a_drag_follows(show, short, video):
    page = ready(show(to_html(short, video=video)))
    page.mouse.click(*point(page, 7.0))
    assert media_time(page) == pytest.approx(7, abs=0.05)
    expect(page.locator("#axis")).to_have_attribute("aria-valuenow", re.compile(r"7\.0|6\.9"))
    assert cursor_fraction(page) == pytest.approx(0.7, abs=0.005)
    page.mouse.move(*point(page, 2.0, group=1))
    page.mouse.down()
    page.mouse.move(*point(page, 5.0, group=1, down=30))
    assert media_time(page) == pytest.approx(5, abs=0.05)
    page.mouse.up()
    page.mouse.move(*point(page, 1.0))
    assert media_time(page) == pytest.approx(5, abs=0.05)


def test_playback_moves_the_cursor_and_marks_what_happens(show, short, video):
    page = ready(show(to_html(short, video=video)))
    page.evaluate("document.getElementById('media').currentTime = 1.5")
    page.wait_for_function("() => document.querySelector('#events .on')")
    assert now(page) == ["0:00 – 0:02 Frying (food) visible 0.44"]
    page.get_by_role("button", name="Play").click()
    page.wait_for_function("() => document.getElementById('media').currentTime > 2.3")
    page.get_by_role("button", name="Pause").click()
    expect(page.get_by_role("button", name="Play")).to_be_visible()
    assert cursor_fraction(page) == pytest.approx(media_time(page) / SECONDS, abs=0.005)
    assert now(page) == ["0:02 – 0:09 Dog audible 0.81"]


def test_the_keyboard_plays_and_moves(show, short, video):
    page = ready(show(to_html(short, video=video)))
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


def test_j_k_and_l_shuttle(show, short, video):
    page = ready(show(to_html(short, video=video)))
    page.keyboard.press("l")
    page.keyboard.press("l")
    assert page.evaluate("document.getElementById('media').playbackRate") == 2
    expect(page.locator("#speed")).to_have_text("2×")
    page.wait_for_function("() => document.getElementById('media').currentTime > 3")
    page.keyboard.press("j")
    page.wait_for_function("() => document.getElementById('media').currentTime < 2.8")
    expect(page.locator("#speed")).to_have_text("−1×")
    page.keyboard.press("k")
    assert page.evaluate("document.getElementById('media').paused")
    stopped = media_time(page)
    page.wait_for_timeout(100)
    assert media_time(page) == stopped
    expect(page.get_by_role("button", name="Play")).to_be_visible()


def test_letters_in_the_filter_do_not_play(show, short):
    page = show(to_html(short))
    page.get_by_role("searchbox", name="Filter labels").press_sequentially("l ")
    assert page.get_by_role("button", name="Play", exact=True).count() == 1
    assert clock_time(page) == 0


def test_a_row_of_the_list_seeks(show, short, video):
    page = ready(show(to_html(short, video=video)))
    page.get_by_role("button", name="Dog, visible, 0:04 to 0:10, score 0.97").click()
    assert media_time(page) == pytest.approx(4, abs=0.05)


def test_lanes_cards_and_roles(show, short, scores_of):
    page = show(to_html(short, scores=scores_of(short)))
    assert page.locator("#groups .group").count() == 2
    assert page.get_by_role("img", name="audible 0:02 to 0:09; visible 0:04 to 0:10").count() == 1
    assert page.locator("#groups .name").count() == 0
    page.mouse.move(*point(page, 5.0, group=1))
    assert page.get_by_role("tooltip").inner_text().split("\n\n") == [
        "Dog",
        "audible: 0:02 to 0:09, score 0.81",
        "audible: probability 0.81",
        "visible: 0:04 to 0:10, score 0.97",
        "visible: probability 0.97",
        "both: 0:04 to 0:09, score 0.81",
        "both: probability 0.81",
        "0:05",
    ]
    opened(page)
    assert page.get_by_role("slider", name="Position").get_attribute("aria-valuemax") == "10"
    assert page.locator("#groups .name").all_inner_texts() == [
        "visible",
        *("audible", "visible", "both"),
    ]
    page.mouse.move(*point(page, 3.0, group=1))
    assert page.get_by_role("tooltip").inner_text().split("\n\n") == [
        "Dog, audible",
        "0:02 to 0:09, score 0.81",
        "probability 0.81 at 0:03",
    ]


def test_bars_are_drawn_where_the_events_are_in_color_and_pattern(show, short):
    page = show(to_html(short))

    def closed(start: float, end: float) -> set[tuple]:
        return colors(page, point(page, start, 1), point(page, end, 1))

    assert len(closed(0.1, 1.9)) == 1, "an empty lane is plain"
    assert {(217, 130, 0)} < closed(2.1, 3.9), "heard only, in stripes"
    assert closed(4.1, 8.9) == {(0, 131, 95)}, "both"
    assert (0, 114, 178) in closed(9.1, 9.9), "seen only"
    opened(page)

    def between(start: float, end: float, down: int) -> set[tuple]:
        return colors(page, point(page, start, 1, down), point(page, end, 1, down))

    heard, both = between(2.1, 3.9, 8), between(4.1, 8.9, 56)
    assert len(between(0.1, 1.9, 8)) == 1, "an empty lane is plain"
    assert both == {(0, 131, 95)}, "plain"
    assert (217, 130, 0) in heard
    assert len(heard) > 2, "stripes"
    assert len(between(4.1, 5.0, 28)) > 2, "dots"


def test_a_label_that_was_not_found_has_strips_without_bars(show, short, scores_of):
    scores = scores_of(short)
    scores.visual[3, short.labels.index("Cat")] = 0.4
    page = show(to_html(short, scores=scores))
    strip = page.locator("#weak canvas")
    assert not strip.is_visible()
    page.get_by_text("Too weak to count as found").click()
    page.get_by_role("button", name="Cat", exact=True).click()
    assert page.locator("#weak .group").all_inner_texts() == ["Cat\nvisible"]
    box = strip.bounding_box()
    page.mouse.move(box["x"] + 0.35 * box["width"], box["y"] + 5)
    assert page.get_by_role("tooltip").inner_text().endswith("probability 0.40 at 0:03.5")


def test_weak_labels_show_where_nothing_was_found(show, empty, scores_of):
    scores = scores_of(empty)
    assert show(to_html(empty, scores=scores)).locator("#weak .group").count() == 0
    scores.visual[3, empty.labels.index("Cat")] = 0.4
    page = show(to_html(empty, scores=scores))
    assert page.locator("#weak canvas").is_visible()


def test_labels_and_modalities_are_filtered(show, short):
    page = show(to_html(short))
    page.get_by_role("searchbox", name="Filter labels").fill("dO")
    assert page.locator("#groups h2").all_inner_texts() == ["Dog"]
    page.get_by_role("button", name="audible", exact=True).click()
    assert [row.split(", ")[1] for row in listed(page)] == ["visible"]
    page.get_by_role("searchbox", name="Filter labels").fill("zebra")
    assert page.get_by_text("No label that was found matches the filter.").is_visible()
    page.get_by_role("searchbox", name="Filter labels").fill("")
    page.get_by_role("button", name="audible", exact=True).click()
    assert len(listed(page)) == len(bars_of(short))


def test_truth_and_units_have_rows(show, short):
    weights = [[[0.25] * 10, [1.0] * 10]] * 2
    truth = Timeline(
        events=(Event(3.0, 8.0, "Dog", Modality.AUDIO),), duration=10.0, labels=("Dog",)
    )
    page = show(to_html(replace(short, unit_weights=to_unit_weights(weights)), truth=truth))
    page.mouse.move(*point(page, 4.0, group=1))
    assert "truth: 0:03 to 0:08" in page.get_by_role("tooltip").inner_text()
    units = page.locator("#units canvas")
    assert units.count() == 2
    units.first.hover(position={"x": 100, "y": 20})
    assert (
        page.get_by_role("tooltip").inner_text().startswith("Unit 2, audio features\n\nweight 1.00")
    )


def test_the_details_of_a_note_unfold(show, empty):
    page = show(to_html(replace(empty, notes=("Two labels are left out\nDog; Cat",))))
    details = page.get_by_text("Dog; Cat")
    assert not details.is_visible()
    page.get_by_text("Two labels are left out").focus()
    page.keyboard.press("Space")
    assert details.is_visible()
    assert clock_time(page) == 0


def test_a_linked_video_plays(show, short, video, tmp_path):
    shutil.copy(video, tmp_path / "a b#1.mp4")
    page = ready(show(to_html(short, video="a b#1.mp4", embed=False)))
    page.mouse.click(*point(page, 3.0))
    assert media_time(page) == pytest.approx(3, abs=0.05)


def test_without_a_video_the_lanes_keep_their_own_clock(show, short):
    page = show(to_html(short))
    page.mouse.click(*point(page, 6.0))
    assert clock_time(page) == pytest.approx(6, abs=0.05)
    page.keyboard.press("Space")
    page.wait_for_function("() => document.getElementById('axis').ariaValueNow > 6.3")
    page.keyboard.press("Space")
    stopped = clock_time(page)
    assert cursor_fraction(page) == pytest.approx(stopped / SECONDS, abs=0.01)
    page.keyboard.press("End")
    assert clock_time(page) == SECONDS


TWO_LABELS = """() => {
  const button = document.getElementById("play");
  const labels = [];
  window.twoLabels = new Promise(resolve => {
    new MutationObserver(() => {
      const label = button.getAttribute("aria-label");
      if (label !== labels.at(-1)) labels.push(label);
      if (labels.length === 2) resolve(labels);
    }).observe(button, { attributeFilter: ["aria-label"] });
  });
}"""
"""Promises the next two labels of the button, of which one may be there for a moment only."""


def test_the_silent_clock_stops_at_the_end(show, single):
    page = show(to_html(single))
    page.evaluate(TWO_LABELS)
    page.keyboard.press("Space")
    assert page.evaluate("twoLabels") == ["Pause", "Play"]
    assert clock_time(page) == 0.4


def test_a_file_that_browsers_cannot_play_leaves_the_lanes(show, short, tmp_path):
    path = write_video(tmp_path / "old.mp4", codec="mpeg4", sound=False)
    page = show(to_html(short, video=path))
    page.get_by_text("This browser cannot play dog.mp4.").wait_for()
    page.mouse.click(*point(page, 6.0))
    assert clock_time(page) == pytest.approx(6, abs=0.05)
    assert not page.locator("#media").is_visible()


def test_a_video_that_has_gone_is_chosen_from_a_file(context, short, video, tmp_path):
    (tmp_path / "page.html").write_text(to_html(short, video="../away/a b.mp4", embed=False))
    page = context.new_page()
    page.goto((tmp_path / "page.html").as_uri())
    reason = page.locator("#lost-reason")
    reason.wait_for()
    assert reason.inner_text().startswith(
        "dog.mp4 is not where this page looks for it (../away/a b.mp4), or this browser cannot play"
    )
    assert not page.locator("#media").is_visible()
    page.locator("#pick").set_input_files({"name": "x.mp4", "mimeType": "", "buffer": b"no video"})
    page.get_by_text("This browser cannot play x.mp4.").wait_for()
    page.locator("#pick").set_input_files(video)
    ready(page)
    assert page.locator("#media").is_visible()
    assert not reason.is_visible()
    page.mouse.click(*point(page, 3.0))
    assert media_time(page) == pytest.approx(3, abs=0.05)
    (tmp_path / "page.html").write_text(to_html(short, video="dog.mp4", embed=False))
    page.reload()
    page.get_by_text("dog.mp4 is not in the folder of this page, or this browser").wait_for()


@pytest.mark.parametrize(
    ("name", "told"),
    [
        ("caf\udce9.mp4", "where this page looks for it (caf%E9.mp4)"),
        ("dog #1?.mp4", "in the folder of this page"),
    ],
)
def test_a_video_of_any_name_that_has_gone_is_told(name, told, context, short, tmp_path):
    timeline = replace(short, source=name)
    (tmp_path / "page.html").write_text(to_html(timeline, video=Path(name), embed=False))
    page = context.new_page()
    page.goto((tmp_path / "page.html").as_uri())
    page.locator("#lost-reason").wait_for()
    assert f"is not {told}, or this browser" in page.locator("#lost-reason").inner_text()


def test_a_page_and_its_video_can_be_moved_together(show, short, video, tmp_path):
    before, after = tmp_path / "before", tmp_path / "after"
    (before / "clips").mkdir(parents=True)
    (before / "pages").mkdir()
    shutil.copy(video, before / "clips" / "a b.mp4")
    page = before / "pages" / "a.html"
    linked = from_page(page, before / "clips" / "a b.mp4")
    page.write_text(to_html(short, video=linked, embed=False), encoding="utf-8")
    before.rename(after)
    ready(show(after / "pages" / "a.html"))


def test_pictures_that_browsers_cannot_show_are_said(show, short, tmp_path):
    path = write_video(tmp_path / "old.mp4", codec="mpeg4")
    page = ready(show(to_html(short, video=path)))
    page.get_by_text("plays the sound of this file, but cannot show its pictures").wait_for()
    page.mouse.click(*point(page, 6.0))
    assert media_time(page) == pytest.approx(6, abs=0.05)


def test_an_empty_timeline_says_so(show, empty):
    page = show(to_html(empty))
    assert page.get_by_text("Nothing found").is_visible()
    assert page.get_by_text("This file has no audio track").is_visible()
    assert not page.locator(".events").is_visible()


def test_foreign_text_does_not_run(show):
    evil = "</script><img src=x onerror=console.log(1)><b>"
    event = Event(0.0, 1.0, evil, Modality.AUDIO)
    timeline = Timeline(events=(event,), duration=2.0, labels=(evil,), source=evil, model=evil)
    page = show(to_html(timeline, truth=timeline))
    page.mouse.move(*point(page, 0.5))
    assert evil in page.get_by_role("tooltip").inner_text()
    assert page.locator("img, b").count() == 0
    assert evil in page.locator("#groups h2").inner_text()


def test_the_theme_can_be_changed(show, short):
    page = opened(show(to_html(short)))
    ground = "getComputedStyle(document.body).backgroundColor"
    where = [point(page, 5.0, group=1, down=56), point(page, 6.0, group=1, down=56)]
    light, bar = page.evaluate(ground), colors(page, *where)
    page.get_by_role("button", name="Dark colors").click()
    assert page.evaluate(ground) != light
    assert colors(page, *where) != bar


def test_the_browser_reads_the_captions(show, short, video):
    page = ready(show(to_html(short, video=video)))
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


@pytest.mark.parametrize(("width", "num_rows"), [(1280, 1), (1000, 1), (960, 2)])
def test_the_buttons_of_the_bar_end_at_its_right(show, short, video, width, num_rows):
    page = ready(show(to_html(short, video=video)))
    page.set_viewport_size({"width": width, "height": 800})
    (bar,) = (each.bounding_box() for each in page.locator(".bar").all())
    last = page.locator("summary", has_text="Save as").bounding_box()
    play = page.locator("#play").bounding_box()
    assert last["x"] + last["width"] == pytest.approx(bar["x"] + bar["width"], abs=2)
    assert (last["y"] < play["y"] + play["height"]) == (num_rows == 1)
