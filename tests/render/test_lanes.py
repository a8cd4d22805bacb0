import pytest

from mmpyramid.core import Event, Modality, Timeline
from mmpyramid.core.wording import clock, printable, title_of
from mmpyramid.render.lanes import Remark, remarks, span, ticks, to_lanes


def names(lanes):
    return [(lane.label, lane.modality.value) for lane in lanes]


def test_labels_come_by_first_appearance_and_modalities_in_order(short):
    assert names(to_lanes(short)) == [
        ("Frying_(food)", "visual"),
        ("Dog", "audio"),
        ("Dog", "visual"),
        ("Dog", "audio_visual"),
    ]


def test_every_event_lies_in_exactly_one_lane(hour):
    assert sorted(event for lane in to_lanes(hour) for event in lane.events) == list(hour)


def test_the_axis_covers_every_event():
    event = Event(9.0, 10.0, "Dog", Modality.AUDIO)
    assert span(Timeline(events=(event,), duration=9.6, labels=("Dog",))) == 10
    assert span(Timeline(duration=9.6)) == 9.6
    assert span(Timeline()) > 0


def test_missing_tracks_come_before_the_notes(empty):
    assert remarks(empty) == [
        Remark("This file has no audio track, so nothing could be heard."),
        Remark("The file is damaged after 0:07."),
    ]


def test_the_first_line_of_a_note_is_its_gist():
    timeline = Timeline(notes=("Two labels are left out\nDog; Cat\nas told",))
    assert remarks(timeline) == [Remark("Two labels are left out", ("Dog; Cat", "as told"))]


@pytest.mark.parametrize(
    ("seconds", "text"),
    [
        (0, "0:00"),
        (9.96, "0:10"),
        (59.94, "0:59.9"),
        (59.97, "1:00"),
        (3599.99, "1:00:00"),
        (3661.5, "1:01:01.5"),
        (36000, "10:00:00"),
    ],
)
def test_clock(seconds, text):
    assert clock(seconds) == text


@pytest.mark.parametrize("duration", [0.04, 0.4, 1, 9.6, 10, 61, 600, 3600, 36000, 86400, 1e12])
@pytest.mark.parametrize("most", [1, 4, 10])
def test_ticks_are_few_and_start_at_zero(duration, most):
    times = ticks(duration, most)
    assert times[0] == 0
    assert times[-1] <= duration
    assert len(times) <= most + 1
    assert len(set(times)) == len(times)


def test_a_ten_second_clip_and_an_hour_have_round_ticks():
    assert ticks(10, 10) == list(range(11))
    assert ticks(3600, 10) == [600 * k for k in range(7)]


def test_words_for_people():
    assert title_of("Baby_cry_infant_cry") == "Baby cry, infant cry"
    assert printable("a\x1b[2J\nb\udcff é🐕") == "a\ufffd[2J\ufffdb\ufffd é🐕"


@pytest.mark.parametrize(
    "text", ["10.05.12\u202fAM", "chat\u00a0!", "犬\u3000猫", "می\u200cخواهم", "👩\u200d🔬"]
)
def test_spaces_of_any_width_and_joiners_stay(text):
    assert printable(f"{text}\u202e\u2028") == f"{text}\ufffd\ufffd"
