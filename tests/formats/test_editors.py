"""Editing programs: frames, markers and cuts, read by other parsers and back by ours."""

import csv
import io
import json
import re
from dataclasses import replace
from fractions import Fraction
from pathlib import Path

import opentimelineio as otio
import pycmx
import pytest
from defusedxml.ElementTree import fromstring
from hypothesis import given
from hypothesis import strategies as st
from opentimelineio.opentime import RationalTime, to_timecode

from mmpyramid.core import Event, Modality, Timeline
from mmpyramid.core.errors import UserError
from mmpyramid.core.frames import (
    STANDARD_RATES,
    is_drop_frame,
    nearest_rate,
    timecode,
    to_frame_rate,
    to_frames,
)
from mmpyramid.formats import (
    from_audition,
    from_losslesscut,
    from_otio,
    to_audition,
    to_edl,
    to_fcpxml,
    to_losslesscut,
    to_otio,
)
from mmpyramid.formats.rows import media_url, tagged, with_events
from render.drawn_timelines import PRINTABLE, timelines

RATES = ("25", "24000/1001", "30000/1001", "60000/1001", "60")
NTSC = Fraction(30000, 1001)
ODD = 'A|B; "c", = #1 {d} \\n'


@pytest.mark.parametrize("rate", STANDARD_RATES, ids=str)
@given(frame=st.integers(0, 48 * 3600 * 60))
def test_timecode_is_that_of_opentimelineio(rate, frame):
    if rate in {Fraction(48), Fraction(48000, 1001), Fraction(100)} or rate > 100:
        return  # Rates that opentimelineio has no timecode for.
    drop = is_drop_frame(rate)
    frame %= 24 * 3600 * round(rate) - 200_000  # Timecode of opentimelineio ends with the day.
    expected = to_timecode(RationalTime(frame, float(rate)), float(rate), drop_frame=drop)
    assert timecode(frame, rate) == expected


def test_an_hour_of_drop_frame_timecode_is_an_hour():
    assert timecode(107_892, NTSC) == "01:00:00;00"
    assert timecode(0, NTSC, start_hour=1) == "01:00:00;00"
    assert timecode(17_982, NTSC) == "00:10:00;00"
    assert timecode(1_799, NTSC) == "00:00:59;29"


@pytest.mark.parametrize("rate", [NTSC, Fraction(25)])
def test_timecode_starts_anew_with_the_day(rate):
    day = 24 * 6 * (17_982 if rate == NTSC else 15_000)
    assert timecode(day, rate) == timecode(0, rate)
    assert timecode(day + 60, rate, start_hour=1) == timecode(60, rate, start_hour=1)


@pytest.mark.parametrize(
    ("given_rate", "rate"),
    [
        *[("25", "25"), ("29.97", "30000/1001"), ("23.976", "24000/1001"), ("30", "30")],
        *[("59.94", "60000/1001"), ("12.5", "25/2"), ("30000/1001", "30000/1001"), ("24", "24")],
    ],
)
def test_a_rate_as_people_write_it(given_rate, rate):
    assert to_frame_rate(given_rate) == rate


@pytest.mark.parametrize("text", ["", "fast", "0", "-25", "1/0", "inf", "nan", "1001", "9" * 5000])
def test_what_is_no_rate_is_told(text):
    with pytest.raises(UserError, match="expected frames per second"):
        to_frame_rate(text)
    if text:
        with pytest.raises(UserError, match="expected frames per second"):
            Timeline(frame_rate=text)


def test_a_measured_rate_is_a_standard_one_if_near():
    assert nearest_rate(Fraction(299_700, 10_001)) == NTSC
    assert nearest_rate(Fraction(18)) == 18


@given(timelines(1_000_000, PRINTABLE))
def test_otio_gives_everything_back(timeline):
    assert from_otio(to_otio(timeline)) == with_events(timeline, timeline.events)


@pytest.mark.parametrize("rate", RATES)
def test_opentimelineio_finds_the_clip_and_its_markers(rate, short, tmp_path):
    timeline = replace(short, frame_rate=rate)
    path = tmp_path / "clip.otio"
    path.write_text(to_otio(timeline, media=tmp_path / "my dog.mp4"))
    read = otio.adapters.read_from_file(str(path))
    (clip,) = read.find_clips()
    assert clip.media_reference.target_url == (tmp_path / "my dog.mp4").as_uri()
    assert clip.source_range.duration.value == to_frames(0, 10, Fraction(rate))[1]
    assert [marker.name for marker in clip.markers] == [tagged(event) for event in short]
    for marker, event in zip(clip.markers, short, strict=True):
        marked = marker.marked_range
        assert marked.start_time.to_seconds() == pytest.approx(event.start, abs=0.02)
        assert marked.end_time_exclusive().to_seconds() == pytest.approx(event.end, abs=0.02)
        assert marked.start_time.value == int(marked.start_time.value)
        assert marker.metadata["mmpyramid"]["score"] == event.score
    again = from_otio(otio.adapters.write_to_string(read, "otio_json"))
    assert again.events == short.events


def test_markers_that_were_moved_and_renamed_in_an_editor_come_back(short):
    read = otio.adapters.read_from_string(to_otio(short), "otio_json")
    (clip,) = read.find_clips()
    first, second, *_ = clip.markers
    moved = otio.opentime.TimeRange(RationalTime(25, 25), RationalTime(50, 25))
    first.marked_range, second.name = moved, "Cat [visual]"
    clip.markers.pop()
    read.tracks.markers.append(otio.schema.Marker(name="Bell", marked_range=moved))
    found = from_otio(otio.adapters.write_to_string(read, "otio_json"), unstated=Modality.VISUAL)
    assert Event(1.0, 3.0, "Frying_(food)", Modality.VISUAL, 0.44) in found.events
    assert Event(2.0, 9.0, "Cat", Modality.VISUAL, 0.81) in found.events
    assert Event(1.0, 3.0, "Bell", Modality.VISUAL, 1.0) in found.events
    assert len(found) == 4
    assert "Bell" in found.labels
    assert found.model == short.model


def test_a_timeline_of_an_editor_has_its_own_clock():
    marker = otio.schema.Marker(
        name="Dog [audio]",
        marked_range=otio.opentime.TimeRange(RationalTime(90_050, 25), RationalTime(25, 25)),
    )
    begin = otio.opentime.TimeRange(RationalTime(90_000, 25), RationalTime(500, 25))
    media = otio.schema.ExternalReference("a.mov", available_range=begin)
    clip = otio.schema.Clip("a", media_reference=media, markers=[marker])
    track = otio.schema.Track("V1", children=[otio.schema.Gap(duration=RationalTime(5, 25)), clip])
    timeline = otio.schema.Timeline("t", tracks=[track])
    found = from_otio(otio.adapters.write_to_string(timeline, "otio_json"))
    assert found.events == (Event(2.0, 3.0, "Dog", Modality.AUDIO),)
    assert found.frame_rate == "25"


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("{}", "without the OTIO_SCHEMA Timeline.1"),
        ("TITLE: x", "expected an OpenTimelineIO timeline, got text that is not JSON"),
        ('{"OTIO_SCHEMA": "Timeline.1", "tracks": 3}', "expected an OpenTimelineIO timeline"),
        (
            '{"OTIO_SCHEMA": "Timeline.1", "markers": [{"name": "Dog"}]}',
            "expected a marker of OpenTimelineIO; object missing required field `marked_range`",
        ),
    ],
)
def test_what_is_no_otio_is_told(text, told):
    with pytest.raises(UserError, match=re.escape(told)):
        from_otio(text)


def test_a_rate_of_zero_is_told(short):
    text = to_otio(short).replace('"rate": 25.0', '"rate": 0.0')
    with pytest.raises(UserError, match="expected times of up to 1000 frames per second, got 0"):
        from_otio(text)


@pytest.mark.parametrize("rate", RATES)
def test_pycmx_reads_the_marker_list(rate, short):
    timeline = replace(short, frame_rate=rate)
    text = to_edl(timeline)
    events = list(pycmx.parse_cmx3600(io.StringIO(text)).events)
    frames = [to_frames(event.start, event.end, Fraction(rate)) for event in short]
    hours = [timecode(first, Fraction(rate), 1) for first, _ in frames]
    assert [event.edits[0].record_in for event in events] == hours
    lengths = [int(length) for length in re.findall(r"\|D:(\d+)$", text, re.MULTILINE)]
    assert lengths == [end - first for first, end in frames]
    assert ("FCM: DROP FRAME" in text) == is_drop_frame(Fraction(rate)) == (";" in hours[0])


def test_a_label_cannot_break_a_marker_list(short):
    event = Event(1.0, 2.0, "a|M:b\n002", Modality.AUDIO)
    text = to_edl(replace(short, events=(event,), labels=(event.label,)))
    assert len(re.findall(r"\|[A-Z]:", text)) == 3
    assert len(text.splitlines()) == 6


def _rational(text):
    return Fraction(text.removesuffix("s"))


@pytest.mark.parametrize("rate", RATES)
def test_every_time_of_final_cut_is_a_whole_number_of_frames(rate, short):
    root = fromstring(to_fcpxml(replace(short, frame_rate=rate)), forbid_dtd=False)
    frame = _rational(root.find("resources/format").get("frameDuration"))
    assert frame == 1 / Fraction(rate)
    times = [e.get(key) for e in root.iter() for key in ("start", "duration") if e.get(key)]
    assert len(times) > 4 * len(short)
    assert all((_rational(time) / frame).denominator == 1 for time in times)
    keywords = root.findall("event/asset-clip/keyword")
    assert [keyword.get("value") for keyword in keywords] == [tagged(event) for event in short]
    for keyword, event in zip(keywords, short, strict=True):
        start = _rational(keyword.get("start"))
        assert float(start) == pytest.approx(event.start, abs=0.02)
        end = start + _rational(keyword.get("duration"))
        assert float(end) == pytest.approx(event.end, abs=0.02)
    markers = root.findall("event/asset-clip/marker")
    assert [m.get("start") for m in markers] == [k.get("start") for k in keywords]
    assert {m.get("duration") for m in markers} == {
        root.find("resources/format").get("frameDuration")
    }


def test_final_cut_gets_the_label_as_it_is(short, tmp_path):
    timeline = replace(short, events=(Event(1.0, 2.0, ODD, Modality.AUDIO),), labels=(ODD,))
    root = fromstring(to_fcpxml(timeline, media=tmp_path / "ä b.mp4"), forbid_dtd=False)
    assert root.find("event/asset-clip/keyword").get("value") == f"{ODD} [audio]"
    assert root.find("resources/asset/media-rep").get("src") == (tmp_path / "ä b.mp4").as_uri()


@pytest.mark.parametrize("missing", [(), (Modality.AUDIO,), (Modality.VISUAL,)])
def test_final_cut_takes_the_tracks_that_there_are(missing, short):
    root = fromstring(to_fcpxml(replace(short, events=(), missing=missing)), forbid_dtd=False)
    asset = root.find("resources/asset")
    assert (asset.get("hasAudio") == "1") == (Modality.AUDIO not in missing)
    assert (asset.get("hasVideo") == "1") == (Modality.VISUAL not in missing)


def test_links_lead_to_files_of_any_name():
    """A narrow space as in recordings of macOS, and a byte that is no text."""
    assert media_url("at 10.05\u202fAM caf\udce9.mov") == "at%2010.05%E2%80%AFAM%20caf%E9.mov"
    assert media_url("", Path("clips/a.mp4")) == "clips/a.mp4"
    assert media_url("") == ""


@pytest.mark.parametrize("write", [to_otio, to_edl, to_fcpxml])
def test_no_frame_rate_is_guessed(write, single):
    with pytest.raises(UserError, match=r"the frame rate of the video is unknown.*--fps 29\.97"):
        write(single)


@given(timelines(1_000_000, PRINTABLE))
def test_losslesscut_gives_the_events_back(timeline):
    assert from_losslesscut(to_losslesscut(timeline)).events == timeline.events


@given(timelines(1_000, PRINTABLE))
def test_audition_gives_the_events_back(timeline):
    assert from_audition(to_audition(timeline)).events == timeline.events


def test_cuts_and_markers_as_other_programs_write_them():
    cuts = "Start,End,Name\n,2.5,Dog\n3,4,Cat\n"
    assert from_losslesscut(cuts, unstated=Modality.VISUAL).events == (
        Event(0.0, 2.5, "Dog", Modality.VISUAL),
        Event(3.0, 4.0, "Cat", Modality.VISUAL),
    )
    markers = (
        "Name\tStart\tDuration\tTime Format\tType\tDescription\n"
        "Dog\t1:00:01.500\t0:02.000\tdecimal\tCue\t\n"
    )
    assert from_audition(markers).events == (Event(3601.5, 3603.5, "Dog", Modality.AUDIO),)
    said = markers.replace("Cue\t", "Cue\tscore 0.5. Checked.")
    assert from_audition(said).events[0].score == 0.5
    with pytest.raises(UserError, match=r"line 2: expected a time such as 1:02\.500"):
        from_audition(markers.replace("1:00:01.500", "01:02:03:12"))


def test_tables_of_cuts_have_the_columns_of_their_programs(short):
    rows = list(csv.DictReader(io.StringIO(to_losslesscut(short))))
    assert [(float(r["Start"]), float(r["End"]), r["Name"]) for r in rows] == [
        (event.start, event.end, event.label) for event in short
    ]
    rows = list(csv.DictReader(io.StringIO(to_audition(short)), delimiter="\t"))
    assert rows[1]["Start"] == "0:02.000"
    assert {row["Time Format"] for row in rows} == {"decimal"}


def test_json_keeps_the_frame_rate_and_reads_files_without_one(short):
    assert json.loads(short.to_json())["frame_rate"] == "25"
    assert Timeline.from_json(short.to_json()) == short
    assert "frame_rate" not in json.loads(replace(short, frame_rate="").to_json())
