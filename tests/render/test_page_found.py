"""The page of what a library has: links play moments."""

import pytest

import media_files
from mmpyramid.library.query import Moment, to_html


@pytest.mark.browser
def test_a_moment_plays_in_its_player(tmp_path, browser):
    video = media_files.write_media(
        tmp_path / "a clip.webm",
        media_files.steady(120),
        media_files.tone(440.0, 12.0, rate=48000),
        rate=48000,
        video_codec="libvpx",
        audio_codec="libopus",
    )
    page = tmp_path / "pages" / "found.html"
    page.parent.mkdir()
    moments = [
        Moment("a clip", str(video), 1.0, 2.0, "Dog", "audio", 0.9),
        Moment("a clip", str(video), 9.0, 11.0, "Dog", "visual", 0.8),
        Moment("b", "", 0.0, 1.0, "Dog", "audio", 0.7),
    ]
    page.write_text(to_html(moments, page, "Dog"))
    view = browser.new_page()
    view.goto(page.as_uri())
    assert view.locator("video").count() == 1
    assert view.get_by_role("link").count() == 2, "a video that is nowhere has nothing to follow"
    view.get_by_role("link", name="0:09–0:11").click()
    view.wait_for_function("document.querySelector('video').currentTime >= 8")
    assert view.evaluate("document.querySelector('video').currentTime") < 10
    view.close()
