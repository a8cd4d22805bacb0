from dataclasses import replace

import pytest

from kept_by_formats import is_refused
from mmpyramid.core import Event, Modality, Timeline
from mmpyramid.core.errors import UserError
from mmpyramid.render import FORMATS, PICTURES, encode, render

TEXTS = [name for name in FORMATS if name not in {*PICTURES, "parquet"}]
EVENTS = (Event(10.0, 20.0, "Dog", Modality.AUDIO),)
MAGIC = {"png": b"\x89PNG\r\n\x1a\n", "svg": b"<?xml"}


@pytest.mark.parametrize("name", TEXTS)
def test_every_format_writes_every_timeline_the_same_way_twice(name, timeline):
    if is_refused(name, timeline):
        with pytest.raises(UserError):
            render(timeline, name)
        return
    text = render(timeline, name)
    assert text.endswith(("\n", "}")) or not timeline.events
    assert text == render(timeline, name)


@pytest.mark.parametrize("name", TEXTS)
def test_every_format_writes_what_utf8_can_hold(name, short):
    broken_name = Timeline(
        source="\udcff.mp4", duration=30.0, labels=("Dog",), frame_rate="25", events=EVENTS
    )
    if name != "json":  # JSON is lossless, odd file names included
        render(broken_name, name).encode("utf-8")
    render(replace(broken_name, source="\x1b.mp4"), name).encode("utf-8")


@pytest.mark.parametrize("name", TEXTS)
def test_a_text_is_encoded_as_utf8(name, short):
    timeline = replace(short, duration=30.0, events=EVENTS)
    assert encode(timeline, name).decode("utf-8") == render(timeline, name)


@pytest.mark.slow
@pytest.mark.parametrize("name", PICTURES)
def test_a_picture_is_bytes(name, short):
    assert encode(short, name).startswith(MAGIC[name])


def test_json_is_the_timeline(timeline):
    assert Timeline.from_json(render(timeline, "json")) == timeline


def test_options_reach_the_renderer(short):
    assert max(map(len, render(short, "txt", width=60).splitlines())) == 60


def test_an_unknown_format_lists_the_known_ones(short):
    with pytest.raises(
        UserError, match=r"ass, .*, csv, eaf, .*, html, .*, vtt, youtube.txt; got 'gif'"
    ):
        render(short, "gif")
    with pytest.raises(
        UserError, match=r"csv, eaf, .*, html, .*, png, .*, vtt, youtube.txt; got 'gif'"
    ):
        encode(short, "gif")
    with pytest.raises(UserError, match="expected a format of text, got 'png'"):
        render(short, "png")
