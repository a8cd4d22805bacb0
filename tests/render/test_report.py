"""The page of an evaluation, in a browser: nothing is blocked, everything is in sight."""

import numpy as np
import pytest
from page_parts import in_browser

from mmpyramid import UserError
from mmpyramid.problems.parsing import Predictions
from mmpyramid.problems.parsing.study import Study
from mmpyramid.render.report import report_html


def study(noise: float, num_videos: int = 12) -> Study:
    """Predictions that are near the truth, of classes whose names are a stranger's."""
    random = np.random.default_rng(round(100 * noise))
    truth = random.random((2, num_videos, 10, 3)) < 0.3
    values = np.clip(0.3 + 0.4 * truth + noise * random.normal(size=truth.shape), 0, 1)
    ids = tuple(map(str, range(num_videos)))
    return Study(
        predictions=Predictions(
            ids=ids, audio=values[0], visual=values[1], video=np.ones((num_videos, 3))
        ),
        truth=(truth[0], truth[1]),
        labels=("Dog", "<b>Cat</b>", "A name that is much longer than there is room for"),
    )


def one_or_two(count: int) -> dict[str, Study]:
    first = study(0.2)
    second = Study(predictions=study(0.4).predictions, truth=first.truth, labels=first.labels)
    return dict(list({"ours": first, "<i>theirs</i>": second}.items())[:count])


@pytest.mark.parametrize("count", [1, 2])
def test_names_of_strangers_are_text_and_numbers_are_those_of_the_study(count):
    studies = one_or_two(count)
    page = report_html(studies, title="<u>test</u>", resamples=50)
    assert not any(tag in page for tag in ("<b>", "<i>", "<u>"))
    assert "&lt;b&gt;Cat&lt;/b&gt;" in page
    assert f"{studies['ours'].report.segment.type_av:.2f}" in page
    assert ("First minus second" in page) == (count == 2)
    assert "95 %" not in report_html(studies, title="", resamples=0)


def test_three_systems_are_too_many():
    with pytest.raises(UserError, match="one or two systems on a page, got 3"):
        report_html(dict.fromkeys("abc", study(0.2)), title="")


@pytest.mark.browser
@pytest.mark.parametrize("width", [400, 1280])
@pytest.mark.skipif(in_browser[1].args[0], reason=in_browser[1].kwargs["reason"])
def test_nothing_is_blocked_and_nothing_is_wider_than_the_window(width, browser, tmp_path):
    file = tmp_path / "report.html"
    file.write_text(report_html(one_or_two(2), title="LLP, test", resamples=50), encoding="utf-8")
    context = browser.new_context(viewport={"width": width, "height": 900})
    page = context.new_page()
    said: list[str] = []
    page.on("console", lambda message: said.append(message.text))
    page.goto(file.as_uri())
    assert said == []
    assert page.locator("svg.chart").count() == 8
    assert page.evaluate("document.documentElement.scrollWidth") <= width
    bar = page.locator("rect.bar.audio.first").first
    assert bar.evaluate("bar => getComputedStyle(bar).fill") not in {"none", "rgb(0, 0, 0)"}
    context.close()
