"""Zoom and pan through an hour, and how smoothly they go."""

import pytest
from page_parts import bars_of, clock_time, cursor_fraction, in_browser, point, random_scores
from playwright.sync_api import Page

from mmpyramid.problems import Decoder, decode
from mmpyramid.render import to_html

pytestmark = in_browser

SMOOTH = 30
"""Frames a second, while every frame shows another stretch of an hour; 60 on an idle machine."""

TRIES = 3
"""Other programs may take the processor away meanwhile."""

MEASURE = """async ({ seconds, kind }) => {
  const lanes = document.getElementById("lanes");
  const box = document.getElementById("axis").getBoundingClientRect();
  const turn = (options) => lanes.dispatchEvent(new WheelEvent("wheel", {
    bubbles: true, cancelable: true, clientX: box.left + box.width / 3, ...options }));
  const act = {
    zoom: (frame) => turn({ deltaY: frame % 120 < 60 ? -30 : 30, ctrlKey: true }),
    pan: (frame) => turn({ deltaX: frame % 120 < 60 ? 12 : -12 }),
    scroll: (frame) => scrollBy(0, frame % 120 < 60 ? 25 : -25),
  }[kind];
  if (kind === "pan") for (let step = 0; step < 20; step++) turn({ deltaY: -60, ctrlKey: true });
  const times = [];
  await new Promise((finish) => {
    const frame = (time) => {
      times.push(time);
      act(times.length);
      if (time - times[0] < 1000 * seconds) requestAnimationFrame(frame);
      else finish();
    };
    requestAnimationFrame(frame);
  });
  return (1000 * (times.length - 1)) / (times.at(-1) - times[0]);
}"""


def ticks(page: Page) -> list[str]:
    return page.locator(".tick").all_inner_texts()


def shown(page: Page) -> str:
    return page.locator("#overview").get_attribute("aria-valuetext")


def test_an_hour_is_shown_whole_and_zoomed_by_keys_about_the_cursor(show, hour):
    page = show(to_html(hour))
    assert (ticks(page)[0], ticks(page)[-1]) == ("0:00", "1:00:00")
    page.mouse.click(*point(page, 1800))
    assert clock_time(page) == pytest.approx(1800, abs=3)
    page.keyboard.press("+")
    assert shown(page) == "10:00 to 50:00"
    assert cursor_fraction(page) == pytest.approx(0.5, abs=0.01)
    page.keyboard.press("-")
    assert shown(page) == "0:00 to 1:00:00"
    for _ in range(30):
        page.keyboard.press("+")
    assert ticks(page) == ["29:59", "30:00"], "decisions are whole seconds"
    page.get_by_role("button", name="Edit", exact=True).click()
    assert len(ticks(page)) > 5, "corrections are tenths"
    page.get_by_role("button", name="Show all of it").click()
    assert shown(page) == "0:00 to 1:00:00"


def test_the_wheel_zooms_about_the_pointer_and_pans(show, hour):
    page = show(to_html(hour))
    page.mouse.move(*point(page, 900))
    page.keyboard.down("Control")
    page.mouse.wheel(0, -600)
    page.keyboard.up("Control")
    page.wait_for_function(
        "() => document.getElementById('overview').ariaValueText != '0:00 to 1:00:00'"
    )
    x, y = page.locator("#axis").bounding_box()["x"], 0
    width = page.locator("#axis").bounding_box()["width"]
    page.mouse.click(x + width / 4, point(page, 0)[1] + y)
    assert clock_time(page) == pytest.approx(900, abs=3)
    before = shown(page)
    page.keyboard.down("Shift")
    page.mouse.wheel(0, 200)
    page.keyboard.up("Shift")
    page.wait_for_function(
        "(before) => document.getElementById('overview').ariaValueText != before", arg=before
    )


def test_the_window_above_the_axis_is_dragged_and_moved_by_keys(show, hour):
    page = show(to_html(hour))
    page.keyboard.press("+")
    assert shown(page) == "0:00 to 40:00"
    window = page.locator("#overview-window").bounding_box()
    x, y = window["x"] + window["width"] / 2, window["y"] + 5
    page.mouse.move(x, y)
    page.mouse.down()
    page.mouse.move(x + 1000, y)
    page.mouse.up()
    assert shown(page) == "20:00 to 1:00:00"
    page.get_by_role("scrollbar").press("ArrowLeft")
    assert shown(page) == "12:00 to 52:00"


def test_playback_stays_in_view(show, hour):
    page = show(to_html(hour))
    for _ in range(14):
        page.keyboard.press("+")
    page.keyboard.press("End")
    page.keyboard.press("Shift+ArrowLeft")
    assert not page.locator("#cursor").is_visible()
    page.keyboard.press("Space")
    page.locator("#cursor").wait_for()
    assert 0 <= cursor_fraction(page) < 0.6


def test_the_list_makes_rows_where_they_are_seen(show, hour):
    page = show(to_html(hour))
    rows, items = page.locator("#events li"), page.locator("#events")
    assert rows.count() == 120 < len(bars_of(hour))
    page.keyboard.press("End")
    page.keyboard.press("Shift+ArrowLeft")
    page.mouse.click(*point(page, 3001))
    page.locator("#events .on").first.wait_for()
    assert page.locator("#events .on").first.inner_text().startswith("50:00")
    for _ in range(len(bars_of(hour)) // 120 + 1):
        items.evaluate("(list) => { list.scrollTop = 0; }")
        page.wait_for_timeout(50)
    assert rows.first.inner_text().startswith("0:00")
    times = rows.locator(".time").all_inner_texts()
    assert len(times) == len(bars_of(hour))
    assert times.index("50:00 – 50:03") > times.index("40:00 – 40:03")


def test_two_fingers_zoom(show, hour):
    page = show(to_html(hour))
    touch = page.context.new_cdp_session(page)
    (left, y), (right, _) = point(page, 1500), point(page, 2100)

    def fingers(kind: str, *places: float) -> None:
        touches = [{"x": x, "y": y, "id": i} for i, x in enumerate(places)]
        touch.send("Input.dispatchTouchEvent", {"type": kind, "touchPoints": touches})

    fingers("touchStart", left)
    fingers("touchStart", left, right)
    for step in range(1, 11):
        fingers("touchMove", left - 10 * step, right + 10 * step)
    fingers("touchEnd")
    start, end = shown(page).split(" to ")
    assert (start, end) != ("0:00", "1:00:00")
    assert start < "25:00" < "35:00" < end


@pytest.mark.slow
@pytest.mark.alone
@pytest.mark.parametrize("kind", ["zoom", "pan", "scroll"])
def test_an_hour_of_25_labels_moves_smoothly(show, kind):
    scores = random_scores(3600, 0)
    scores.audio[:], scores.visual[:] = scores.audio**3, scores.visual**3
    decoder = Decoder(threshold=0.75)
    page = show(to_html(decode(scores, decoder), scores=scores, decoder=decoder))
    page.wait_for_timeout(1500)  # Until what is out of view is drawn.
    rates = []
    while not rates or (rates[-1] < SMOOTH and len(rates) < TRIES):
        rates.append(page.evaluate(MEASURE, {"seconds": 2, "kind": kind}))
    assert max(rates) >= SMOOTH
