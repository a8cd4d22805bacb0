"""Several timelines of one video as one page."""

import re
from dataclasses import replace

import pytest
from page_parts import colors, data_of, in_browser, listed, point

from mmpyramid.core import Event, Modality, Timeline
from mmpyramid.core.errors import UserError
from mmpyramid.render import comparison_html
from mmpyramid.render.page.comparison import Disagreement, disagreement

EVIL = "</script><img src=x onerror=console.log(1)>&\"'"
HEARD, SEEN = Modality.AUDIO, Modality.VISUAL


def dog(*events: tuple, **more: object) -> Timeline:
    events = tuple(Event(start, end, "Dog", modality) for start, end, modality in events)
    return Timeline(events=events, labels=("Dog",), **{"duration": 10.0, "source": "a.mp4"} | more)


TRUTH = dog((2.0, 9.0, HEARD), (4.0, 10.0, SEEN))
OURS = dog((2.0, 6.0, HEARD), (7.0, 8.0, HEARD), (3.0, 10.0, SEEN))


def test_seconds_are_counted_and_their_runs_marked():
    found = disagreement(TRUTH, OURS)
    assert (found.shared, found.missed, found.extra) == (4 + 1 + 6, 2, 1)
    assert [(m.modality, m.start, m.end, m.is_extra) for m in found.marks] == [
        (HEARD, 6, 7, False),
        (HEARD, 8, 9, False),
        (SEEN, 3, 4, True),
    ]


def test_a_timeline_does_not_differ_from_itself(hour):
    num_seconds = 3 * len(hour)
    assert disagreement(hour, hour) == Disagreement(num_seconds, 0, 0, ())


def test_labels_of_one_timeline_alone_differ_everywhere():
    cat = Timeline(events=(Event(0.0, 1.5, "Cat", HEARD),), duration=1.5, labels=("Cat",))
    found = disagreement(cat, replace(cat, events=(), labels=("Dog",)))
    assert (found.shared, found.missed, found.extra) == (0, 2, 0)
    assert found.marks[0].end == 1.5


def test_the_page_counts_and_carries_all_timelines(hour):
    page = comparison_html({"truth": TRUTH, "ours": OURS})
    rows = [re.findall(r">([^<]*)</t[hd]>", row) for row in re.findall(r"<tr>.*?</tr>", page)]
    assert rows[1:] == [["truth", "2", "", "", ""], ["ours", "3", "11", "2", "1"]]
    assert [system["name"] for system in data_of(page)["systems"]] == ["truth", "ours"]
    busy = comparison_html(dict.fromkeys(("truth", "HAN", "ours", "teachers"), hour))
    assert len(busy.encode()) < 100_000


def test_remarks_say_whom_they_are_about():
    page = comparison_html({"truth": TRUTH, "ours": replace(OURS, notes=("damaged",)), "HAN": OURS})
    assert "<li>ours: damaged</li>" in page


def test_names_are_escaped(hour):
    page = comparison_html({EVIL: dog(source=EVIL, model=EVIL), "b": TRUTH})
    assert "<img" not in page
    assert page.count("<script") == comparison_html({"a": hour, "b": hour}).count("<script")


def test_one_timeline_is_not_compared():
    with pytest.raises(UserError, match="expected two or more timelines"):
        comparison_html({"truth": TRUTH})


class TestInTheBrowser:
    pytestmark = in_browser

    def test_every_timeline_has_a_row_in_every_lane(self, show):
        page = show(comparison_html({"truth": TRUTH, "HAN": OURS, "ours": OURS}))
        names = page.locator("#groups .name").all_inner_texts()
        words = [name.split() for name in names]
        assert words == [
            *(["audible", "truth"], ["HAN"], ["ours"]),
            *(["visible", "truth"], ["HAN"], ["ours"]),
        ]

    def test_disagreements_are_listed_told_and_drawn(self, show):
        page = show(comparison_html({"truth": TRUTH, "ours": OURS}))
        assert listed(page) == [
            "Dog, visible, 0:03 to 0:04, only ours",
            "Dog, audible, 0:06 to 0:07, missed by ours",
            "Dog, audible, 0:08 to 0:09, missed by ours",
        ]
        second_row = 19 + 8
        page.mouse.move(*point(page, 6.5, down=second_row))
        assert page.get_by_role("tooltip").inner_text().split("\n\n") == [
            "Dog, audible",
            "truth: 0:02 to 0:09",
            "ours: missed 0:06 to 0:07",
            "0:06.5",
        ]
        edge = 19 + 1
        missed = colors(page, point(page, 6.1, down=edge), point(page, 6.9, down=edge))
        nothing = colors(page, point(page, 0.1, down=edge), point(page, 0.9, down=edge))
        assert len(nothing) == 1
        assert len(missed) > 2, "a dashed frame"

    def test_a_row_seeks(self, show, video):
        page = show(comparison_html({"truth": TRUTH, "ours": OURS}, video=video))
        page.get_by_role("button", name="missed by ours").first.click()
        assert page.evaluate("document.getElementById('media').currentTime") == 6

    def test_names_do_not_run(self, show):
        page = show(comparison_html({EVIL: dog((0.0, 1.0, HEARD)), "b": dog()}))
        page.mouse.move(*point(page, 0.5))
        assert EVIL in page.get_by_role("tooltip").inner_text()
        assert page.locator("img").count() == 0
