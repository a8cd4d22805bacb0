"""What a format of annotations holds comes back from it, whatever the timeline."""

import contextlib
from dataclasses import replace
from pathlib import Path, PurePath

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from kept_by_formats import ANNOTATIONS, kept
from mmpyramid.core import Event, Modality, Timeline
from mmpyramid.core.errors import UserError
from mmpyramid.formats.rows import to_ticks
from mmpyramid.render import (
    encode,
    from_audacity,
    from_csv,
    from_elan,
    from_tsv,
    read_timeline,
    to_audacity,
    to_csv,
    to_elan,
    to_tsv,
)
from render.drawn_timelines import ANY_TEXT, PRINTABLE, timelines


@pytest.mark.slow
@given(timelines(1_000_000))
def test_csv_gives_the_events_back(timeline):
    assert from_csv(to_csv(timeline)).events == timeline.events


@given(timelines(1_000_000))
def test_tsv_gives_the_events_and_the_name_of_the_file_back(timeline):
    back = from_tsv(to_tsv(timeline))
    assert back.events == timeline.events
    assert back.source == (PurePath(timeline.source).name if timeline.events else "")


def test_an_event_that_a_person_added_to_a_table_needs_no_score():
    assert from_csv("label,modality,start,end,score\nDog,audio,2,9, \n").events[0].score == 1


@given(timelines(1_000_000, PRINTABLE))
def test_a_label_track_gives_the_events_back(timeline):
    assert from_audacity(to_audacity(timeline)).events == timeline.events


@pytest.mark.slow
@given(timelines(1_000, PRINTABLE))
@example(Timeline(source="a.mp4", notes=("The sound is missing.",) * 2))
def test_elan_gives_the_whole_timeline_back(timeline):
    source = PurePath(timeline.source)
    kept = source.name if source.is_absolute() else timeline.source
    assert from_elan(to_elan(timeline)) == replace(timeline, source=kept)


@pytest.mark.slow
@given(timelines(1_000))
def test_json_gives_the_whole_timeline_back(timeline):
    assert Timeline.from_json(timeline.to_json()) == timeline


@given(st.floats(0, 1e6), st.floats(1e-12, 10))
@example(360_000.0, 1e-7)
def test_times_off_the_grid_move_by_less_than_a_tick_and_no_event_is_lost(start, length):
    event = Event(start, start + max(length, start * 1e-15), "Dog", Modality.AUDIO)
    for per_second in (1_000, 1_000_000):
        first, last = to_ticks(event, per_second)
        assert first < last
        assert abs(first / per_second - event.start) <= 0.5001 / per_second
        assert abs(last / per_second - event.end) <= 1.5001 / per_second


@pytest.mark.parametrize("name", ANNOTATIONS)
def test_a_file_is_read_by_its_suffix(name, short, tmp_path):
    path = tmp_path / f"clip.{name}".upper()
    path.write_bytes(b"\xef\xbb\xbf" + encode(short, name))  # Windows begins UTF-8 with a mark
    assert read_timeline(path).events == kept(name, short).events


@pytest.mark.parametrize("name", ANNOTATIONS)
def test_the_original_gives_what_the_format_does_not_hold(name, short, tmp_path):
    path = tmp_path / f"clip.{name}"
    corrected = replace(short, events=short.events[:2])
    path.write_bytes(encode(corrected, name))
    assert read_timeline(path, original=short) == kept(name, corrected)


def test_a_mistyped_label_is_guessed(short, tmp_path):
    path = tmp_path / "clip.csv"
    path.write_text(to_csv(short).replace("Dog", "Dgo"))
    with pytest.raises(UserError, match=r"clip.csv: .* lists, got 'Dgo'; did you mean 'Dog'"):
        read_timeline(path, original=short)
    assert read_timeline(path).labels == ("Frying_(food)", "Dgo")


def test_a_spreadsheet_may_change_the_order_of_columns_and_line_ends():
    text = "start,end,label,modality,comment\r\n1,2,Dog,audio,loud\r\n"
    assert from_csv(text).events == (Event(1.0, 2.0, "Dog", Modality.AUDIO),)


def test_sounds_annotated_elsewhere_are_heard():
    event = Event(1.0, 2.5, "Dog", Modality.AUDIO)
    assert from_tsv("onset\toffset\tevent_label\n1.0\t2.5\tDog\n").events == (event,)
    assert from_audacity("1.0\t2.5\tDog\n\\\t300.0\t4000.0\n").events == (event,)


def test_an_unknown_suffix_lists_the_known_ones():
    with pytest.raises(UserError, match=r"\.csv, \.eaf, \.json, .*, \.otio, .*, \.tsv, \.txt; got"):
        read_timeline(Path("clip.mp4"))


@given(ANY_TEXT)
def test_any_text_is_read_or_refused_as_a_mistake(text):
    for read in (from_csv, from_tsv, from_audacity, from_elan):
        with contextlib.suppress(UserError):
            assert isinstance(read(text), Timeline)
