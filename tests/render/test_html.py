import base64
import re
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from page_parts import data_of, random_scores

from mmpyramid.core import Event, Modality, Timeline, to_unit_weights
from mmpyramid.core.errors import UserError
from mmpyramid.problems import Decoder, decode
from mmpyramid.render import to_html
from mmpyramid.render.page import document

EVIL = "</script><script>alert(1)</script>\"'&$data"


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
    assert data_of(page)["labels"] == [EVIL]


def test_of_a_note_only_the_details_are_folded():
    notes = ("damaged after 3 s", "left out\n<Dog>")
    page = to_html(Timeline(notes=notes))
    assert "<li>damaged after 3 s</li>" in page
    assert "<details><summary>left out</summary><p>&lt;Dog&gt;</p></details>" in page


def test_the_page_needs_nothing_from_outside(hour, scores_of):
    page = to_html(hour, scores=scores_of(hour))
    names = {"www.w3.org", "www.mpi.nl", "cdb.iso.org"}  # In ELAN documents, which it writes.
    assert set(re.findall(r"https?://([\w.]+)", page)) == names
    assert not re.search(r"<(link|script|img|iframe)[^>]*(src|href)=\"(?!data:)", page)
    assert "default-src 'none'" in page


def test_an_hour_with_all_labels_weighs_less_than_300_kilobytes(hour, scores_of):
    quiet = to_html(hour, scores=scores_of(hour), truth=hour)
    assert len(quiet.encode()) < 150_000
    noise = random_scores(3600, 0)
    noise = replace(noise, audio=noise.audio**3, visual=noise.visual**3)
    busy = decode(noise, Decoder(threshold=0.75))
    assert len(busy) > 3_000
    assert len(to_html(busy, scores=noise, decoder=Decoder(threshold=0.75)).encode()) < 300_000


def test_the_data_carries_every_event(short):
    data = data_of(to_html(short))
    (system,) = data["systems"]
    assert data["duration"] == 10
    assert [
        (data["labels"][label], data["modalities"][modality]["word"], *times)
        for label, modality, *times in system["events"]
    ] == [
        ("Frying (food)", "visible", 0, 2, 0.44),
        ("Dog", "audible", 2, 9, 0.81),
        ("Dog", "both", 4, 9, 0.81),
        ("Dog", "visible", 4, 10, 0.97),
    ]


def test_labels_of_the_truth_alone_have_lanes_too(short):
    event = Event(1.0, 2.5, "Cow", Modality.VISUAL)
    data = data_of(to_html(short, truth=Timeline(events=(event,), duration=10.0, labels=("Cow",))))
    truth = data["systems"][1]
    assert (truth["name"], truth["events"]) == (
        "truth",
        [[data["labels"].index("Cow"), 1, 1, 2.5, 1]],
    )


def test_the_header_names_file_model_and_what_is_missing(short, empty):
    page = to_html(short)
    assert "<h1>dog.mp4</h1>" in page
    assert ">teachers</dd>" in page
    assert ">clips/dog.mp4</dd>" in page
    assert ">quiet.mp4</dd>" not in to_html(empty), "it is in the title"
    assert ">2 of 25</dd>" in page
    assert "<li>This file has no audio track, so nothing could be heard.</li>" in to_html(empty)


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
    monkeypatch.setattr(document, "LARGEST_EMBEDDED", 10)
    with pytest.raises(UserError, match="link to it instead"):
        to_html(short, video=tmp_path / "large.mp4")


def test_scores_of_other_labels_are_refused(short, scores_of):
    others = replace(scores_of(short), labels=short.labels[::-1])
    with pytest.raises(UserError, match="same order"):
        to_html(short, scores=others)


def test_events_decided_in_another_way_are_said_to_be(short, scores_of):
    scores = scores_of(short)
    said = 'id="undecided" class="quiet" >'
    assert said in to_html(short, scores=scores)
    assert said not in to_html(decode(scores), scores=scores)
    strict = Decoder(threshold=0.9)
    assert said in to_html(decode(scores, strict), scores=scores)
    assert said not in to_html(decode(scores, strict), scores=scores, decoder=strict)


def test_unit_weights_come_along(short):
    weights = np.linspace(0, 1, 2 * 4 * 10).reshape(2, 4, 10)
    data = data_of(to_html(replace(short, unit_weights=to_unit_weights(weights))))
    assert data["units"]["count"] == 4
    assert data_of(to_html(short))["units"] is None
