import base64
import json
import re
from pathlib import Path

import numpy as np
import pytest

from mmpyramid.errors import UserError
from mmpyramid.render import html as html_module
from mmpyramid.render.html import to_html
from mmpyramid.types import Event, LocalizationScores, Modality, Scores, Timeline

EVIL = "</script><script>alert(1)</script>\"'&$data"


def data_of(page: str) -> dict:
    return json.loads(re.search(r'<script id="data"[^>]*>(.*?)</script>', page)[1])


def media_url(page: str) -> str:
    return re.search(r'id="media".*? src="(.*?)"', page)[1]


@pytest.fixture
def evil() -> Timeline:
    return Timeline(
        events=(Event(0.0, 1.0, EVIL, Modality.AUDIO),),
        duration=2.0,
        labels=(EVIL,),
        source=EVIL,
        model=EVIL,
        notes=(EVIL,),
    )


def test_everything_foreign_is_escaped(evil, short):
    page = to_html(evil, video=EVIL, embed=False)
    assert page.count("<script") == page.count("</script>") == to_html(short).count("<script")
    assert "alert(1)</script>" not in page
    assert data_of(page)["lanes"][0]["label"] == EVIL


def test_of_a_note_only_the_details_are_folded():
    notes = ("damaged after 3 s", "left out\n<Dog>")
    page = to_html(Timeline(notes=notes))
    assert "<li>damaged after 3 s</li>" in page
    assert "<details><summary>left out</summary><p>&lt;Dog&gt;</p></details>" in page


def test_the_page_needs_nothing_from_outside(hour, scores_of):
    page = to_html(hour, scores=scores_of(hour))
    assert not re.search(r"https?://", page)
    assert not re.search(r"<(link|script|img|iframe)[^>]*(src|href)=\"(?!data:)", page)
    assert "default-src 'none'" in page


def test_an_hour_with_all_labels_weighs_less_than_100_kilobytes(hour, scores_of):
    scores = scores_of(hour)
    assert all(lane["strip"] for lane in data_of(to_html(hour, scores=scores))["lanes"])
    assert len(to_html(hour, scores=scores).encode()) < 100_000


def test_the_lanes_carry_their_events(short):
    data = data_of(to_html(short))
    assert data["duration"] == 10
    assert [(lane["label"], lane["word"], lane["events"]) for lane in data["lanes"]] == [
        ("Frying (food)", "visible", [[0.0, 2.0, 0.44]]),
        ("Dog", "audible", [[2.0, 9.0, 0.81]]),
        ("Dog", "visible", [[4.0, 10.0, 0.97]]),
        ("Dog", "both", [[4.0, 9.0, 0.81]]),
    ]


def test_the_header_names_file_model_and_what_is_missing(short, empty):
    page = to_html(short)
    assert "<h1>dog.mp4</h1>" in page
    assert "<dd>teachers</dd>" in page
    assert "<dd>clips/dog.mp4</dd>" in page
    assert "<dd>2 of 25</dd>" in page
    assert "<li>This file has no audio track, so nothing could be heard.</li>" in to_html(empty)


def test_strips_hold_every_probability(short, scores_of):
    strip = data_of(to_html(short, scores=scores_of(short)))["lanes"][1]["strip"]
    cells = np.frombuffer(base64.b64decode(strip), np.uint8) / 255
    np.testing.assert_allclose(cells, [0.05] * 2 + [0.81] * 7 + [0.05], atol=0.5 / 255)


def test_long_strips_keep_the_strongest_second():
    audio = np.zeros((1201, 1), np.float32)
    audio[[4, 1200]] = 1.0
    scores = Scores(audio=audio, visual=audio * 0, video=audio.max(axis=0), labels=("Dog",))
    data = data_of(to_html(Timeline(duration=1201.0, labels=("Dog",)), scores=scores))
    cells = np.frombuffer(base64.b64decode(data["lanes"][0]["strip"]), np.uint8)
    assert data["secondsPerCell"] == 3
    assert np.flatnonzero(cells == 255).tolist() == [1, 400]
    assert cells.sum() == 2 * 255


@pytest.mark.parametrize(
    ("name", "media_type"),
    [("a.mp4", "video/mp4"), ("a.MOV", "video/mp4"), ("a.webm", "video/webm"), ("a", "video/mp4")],
)
def test_an_embedded_video_is_in_the_page(tmp_path, short, name, media_type):
    (tmp_path / name).write_bytes(b"\x00moving pictures")
    url = media_url(to_html(short, video=tmp_path / name))
    assert url.startswith(f"data:{media_type};base64,")
    assert base64.b64decode(url.partition(",")[2]) == b"\x00moving pictures"


@pytest.mark.parametrize(
    ("video", "url"),
    [
        ("clips/a b#1?.mp4", "clips/a%20b%231%3F.mp4"),
        (Path("/data/ü.mp4"), "file:///data/%C3%BC.mp4"),
        ("https://example.org/a.mp4?x=1&y=2", "https://example.org/a.mp4?x=1&amp;y=2"),
    ],
)
def test_a_linked_video_is_a_url(short, video, url):
    assert media_url(to_html(short, video=video, embed=False)) == url


def test_a_file_without_pictures_has_an_audio_player(single):
    assert "<audio " in to_html(single, video="clap.wav", embed=False)
    assert "<video " not in to_html(single, video="clap.wav", embed=False)


def test_what_cannot_be_embedded_is_said(tmp_path, short, monkeypatch):
    with pytest.raises(UserError, match=r"cannot read the video .*absent\.mp4"):
        to_html(short, video=tmp_path / "absent.mp4")
    with pytest.raises(UserError, match="embed=False"):
        to_html(short, video="https://example.org/a.mp4")
    (tmp_path / "large.mp4").write_bytes(bytes(11))
    monkeypatch.setattr(html_module, "LARGEST_EMBEDDED", 10)
    with pytest.raises(UserError, match="link to it instead"):
        to_html(short, video=tmp_path / "large.mp4")


def test_the_page_takes_localization_scores():
    scores = LocalizationScores(
        relevance=np.float32([0.2, 0.8]), category=np.float32([0.5]), labels=("Dog",)
    )
    timeline = Timeline(duration=2.0, labels=("Dog",))
    (lane,) = data_of(to_html(timeline, scores=scores))["lanes"]
    assert (lane["label"], lane["word"]) == ("Dog", "both")
    cells = np.frombuffer(base64.b64decode(lane["strip"]), np.uint8) / 255
    np.testing.assert_allclose(cells, [0.1, 0.4], atol=0.5 / 255)
