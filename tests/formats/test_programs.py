"""Programs for annotation: BORIS, Praat, Raven, Label Studio, MMIF; subtitles and Parquet."""

import csv
import io
import json
from collections import defaultdict
from dataclasses import replace
from fractions import Fraction

import av
import parselmouth
import pyarrow.parquet as pq
import pysubs2
import pytest
from defusedxml.ElementTree import fromstring
from hypothesis import given
from mmif import AnnotationTypes, Mmif
from parselmouth.praat import call

from mmpyramid.core import Event, Modality, Timeline
from mmpyramid.core.errors import UserError
from mmpyramid.core.frames import to_frames
from mmpyramid.core.palette import PALETTE
from mmpyramid.formats import (
    from_boris,
    from_labelstudio,
    from_mmif,
    from_raven,
    from_textgrid,
    read_timeline,
    to_ass,
    to_boris,
    to_labelstudio,
    to_labelstudio_config,
    to_mmif,
    to_parquet,
    to_raven,
    to_textgrid,
)
from mmpyramid.formats.rows import to_ticks
from render.drawn_timelines import PRINTABLE, timelines

ODD = 'Öl "gut" | ; # {x}'


def disjoint(timeline):
    """Without what overlaps an event of the same label and modality."""
    ends, kept = defaultdict(float), []
    for event in timeline:
        key = (event.label, event.modality)
        if event.start >= ends[key]:
            ends[key] = event.end
            kept.append(event)
    return replace(timeline, events=tuple(kept))


@given(timelines(1_000, PRINTABLE))
def test_boris_gives_events_labels_and_duration_back(timeline):
    timeline = disjoint(timeline)
    back = from_boris(to_boris(timeline))
    assert (back.events, back.labels) == (timeline.events, timeline.labels)
    assert back.source == timeline.source
    assert back.duration >= timeline.duration


@given(timelines(1_000, PRINTABLE))
def test_boris_would_pair_every_state(timeline):
    document = json.loads(to_boris(disjoint(timeline)))
    (observation,) = document["observations"].values()
    events = observation["events"]
    assert [row[0] for row in events] == sorted(row[0] for row in events)
    counts = defaultdict(int)
    for _, subject, code, modifier, _ in events:
        counts[subject, code, modifier] += 1
    assert all(count % 2 == 0 for count in counts.values())
    codes = {each["code"] for each in document["behaviors_conf"].values()}
    subjects = {each["name"] for each in document["subjects_conf"].values()}
    assert {(row[1] in subjects, row[2] in codes) for row in events} <= {(True, True)}


def test_boris_cannot_tell_overlapping_events_of_one_label_apart():
    events = (Event(2.0, 6.0, "Dog", Modality.AUDIO), Event(4.0, 9.0, "Dog", Modality.AUDIO))
    with pytest.raises(UserError, match=r"may not overlap; 'Dog' does at 0:04"):
        to_boris(Timeline(events=events, labels=("Dog",)))
    touching = replace(events[1], start=6.0)
    timeline = Timeline(events=(events[0], touching), labels=("Dog",), duration=9.0)
    assert from_boris(to_boris(timeline)).events == timeline.events


def test_an_observation_of_a_person_is_read():
    document = json.loads(to_boris(Timeline(labels=("Dog",), duration=30.0)))
    (observation,) = document["observations"].values()
    document["behaviors_conf"]["1"] = {**document["behaviors_conf"]["0"], "code": "bark"}
    document["behaviors_conf"]["1"]["type"] = "Point event"
    observation["events"] = [
        [5, "visible", "Dog", "", "well seen", 12],
        [6.0, "", "bark", "", ""],
        [7.25, "visible", "Dog", "", ""],
        [8, "", "Dog", "", "0.5"],
        [9, "", "Dog", "", ""],
    ]
    found = from_boris(json.dumps(document), unstated=Modality.AUDIO)
    assert found.events == (
        Event(5.0, 7.25, "Dog", Modality.VISUAL),
        Event(8.0, 9.0, "Dog", Modality.AUDIO, 0.5),
    )
    assert found.notes == ("1 point events of BORIS were left out",)
    del observation["events"][-1]
    with pytest.raises(UserError, match=r"expected a stop for each state, got none for 'Dog' at"):
        from_boris(json.dumps(document))
    document["observations"]["other"] = observation
    with pytest.raises(UserError, match=r"one observation, .* got 2: video, other"):
        from_boris(json.dumps(document))


@pytest.mark.parametrize("delimiter", ["\t", ","])
def test_a_table_of_boris_is_read(delimiter, tmp_path):
    head = ["Observation id", "Subject", "Behavior", "Behavior type", "Start (s)", "Stop (s)"]
    rows = [
        [*head, "Comment start"],
        ["clip", "audible", "Dog", "STATE", "2.0", "9.0", "0.8"],
        ["clip", "No focal subject", "Bark", "POINT", "3.0", "3.0", ""],
    ]
    path = tmp_path / ("clip.boris.tsv" if delimiter == "\t" else "clip.boris.csv")
    path.write_text("".join(delimiter.join(row) + "\n" for row in rows))
    found = read_timeline(path)
    assert found.events == (Event(2.0, 9.0, "Dog", Modality.AUDIO, 0.8),)
    assert found.notes == ("1 point events of BORIS were left out",)


def test_of_a_table_of_boris_with_several_observations_one_is_read(tmp_path):
    columns = "Observation id,Subject,Behavior,Behavior type,Start (s),Stop (s)\n"
    rows = "clip,audible,Dog,STATE,2.0,9.0\nother,audible,Cat,STATE,1.0,3.0\n"
    (tmp_path / "clip.boris.csv").write_text(columns + rows)
    assert [event.label for event in read_timeline(tmp_path / "clip.boris.csv")] == ["Dog"]
    (tmp_path / "both.boris.csv").write_text(columns + rows)
    with pytest.raises(UserError, match=r"name of the file, got 2: clip, other; export one alone"):
        read_timeline(tmp_path / "both.boris.csv")
    (tmp_path / "none.boris.csv").write_text(columns)
    assert not read_timeline(tmp_path / "none.boris.csv").events


@pytest.mark.slow
@given(timelines(1_000_000, PRINTABLE))
def test_a_textgrid_gives_the_events_back(timeline):
    timeline = replace(timeline, duration=timeline.duration + 1)
    assert from_textgrid(to_textgrid(timeline)).events == timeline.events


@pytest.mark.parametrize("command", ["Save as text file...", "Save as short text file..."])
def test_praat_reads_a_textgrid_and_we_read_praats(command, short, tmp_path):
    timeline = replace(short, labels=(*short.labels, ODD))
    more = Event(3.0, 4.25, ODD, Modality.AUDIO, 0.5)
    timeline = replace(timeline, events=(*short.events, more))
    path = tmp_path / "clip.TextGrid"
    path.write_text(to_textgrid(timeline), encoding="utf-8")
    grid = parselmouth.read(str(path))
    names = [
        call(grid, "Get tier name...", n + 1) for n in range(call(grid, "Get number of tiers"))
    ]
    assert names[:4] == ["audio", "audio score", "audio 2", "audio 2 score"]
    assert call(grid, "Get label of interval...", 1, 2) == "Dog"
    assert call(grid, "Get start time of interval...", 1, 2) == 2.0
    assert call(grid, "Get label of interval...", 3, 2) == ODD
    assert call(grid, "Get end time of interval...", 3, 2) == 4.25
    assert call(grid, "Get total duration") == 10.0
    saved = tmp_path / "saved.TextGrid"
    call(grid, command, str(saved))
    assert read_timeline(saved).events == timeline.events


def test_a_textgrid_of_a_person_is_read(tmp_path):
    grid = call("Create TextGrid...", 0.0, 5.0, "speaker clicks", "clicks")
    call(grid, "Insert boundary...", 1, 1.0)
    call(grid, "Insert boundary...", 1, 2.5)
    call(grid, "Set interval text...", 1, 2, "talks")
    call(grid, "Insert point...", 2, 1.5, "click")
    call(grid, "Save as text file...", str(tmp_path / "a.TextGrid"))
    found = read_timeline(tmp_path / "a.TextGrid")
    assert found.events == (Event(1.0, 2.5, "talks", Modality.AUDIO),)
    assert found.duration == 5.0
    assert found.notes == ("tiers of points were left out: clicks",)


@pytest.mark.parametrize(
    ("old", "new", "told"),
    [
        ("ooTextFile", "ooBinary", "expected a TextGrid in one of Praat's text formats"),
        ("xmax = 9", "xmax = nine", "with a number next; got '\"Dog\"'"),
        ("size = 3", "size = 4", "with a number next"),
        ("xmin = 2", "xmin = 12", "tier 'audio' at 12 s: an event needs 0 <= start < end"),
        ('"0.81"', '"loud"', "tier 'audio' at 2 s: expected a number as score"),
    ],
)
def test_a_mistake_in_a_textgrid_is_told(old, new, told, short):
    text = to_textgrid(short)
    assert old in text
    with pytest.raises(UserError) as error:
        from_textgrid(text.replace(old, new))
    assert told in str(error.value)


def test_a_textgrid_needs_a_duration():
    with pytest.raises(UserError, match="longer than 0 s; this timeline has no duration"):
        to_textgrid(Timeline())


@given(timelines(1_000_000, PRINTABLE))
def test_raven_gives_what_is_heard_back(timeline):
    heard = timeline.of("audio").events
    if {event.modality for event in timeline} == {Modality.AUDIO_VISUAL}:
        heard = tuple(sorted(replace(event, modality=Modality.AUDIO) for event in timeline))
    assert from_raven(to_raven(timeline)).events == heard


def test_events_that_a_network_only_finds_heard_and_seen_at_once_are_heard():
    both = Event(1.0, 4.0, "Bark", Modality.AUDIO_VISUAL)
    (found,) = from_raven(to_raven(Timeline(events=(both,), labels=("Bark",))))
    assert found == replace(both, modality=Modality.AUDIO)


def test_a_table_of_raven(short):
    rows = list(csv.DictReader(io.StringIO(to_raven(short)), delimiter="\t"))
    assert [(row["Selection"], row["Annotation"]) for row in rows] == [("1", "Dog")]
    assert float(rows[0]["End Time (s)"]) == 9.0
    assert float(rows[0]["Low Freq (Hz)"]) < float(rows[0]["High Freq (Hz)"])
    text = (
        "Selection\tView\tChannel\tBegin Time (s)\tEnd Time (s)\tLow Freq (Hz)\tHigh Freq (Hz)\t"
        "Annotation\n1\tWaveform 1\t1\t1.5\t2.5\t100.0\t4000.0\tfrog\n"
        "1\tSpectrogram 1\t1\t1.5\t2.5\t100.0\t4000.0\tfrog\n"
    )
    assert from_raven(text).events == (Event(1.5, 2.5, "frog", Modality.AUDIO),)
    with pytest.raises(UserError, match="line 1: expected a column `Annotation`"):
        from_raven(text.replace("Annotation", "Species"))


@given(timelines(25, PRINTABLE))
def test_label_studio_gives_the_events_back(timeline):
    timeline = replace(timeline, frame_rate="25")
    back = from_labelstudio(to_labelstudio(timeline))
    assert back.events == timeline.events
    assert back.frame_rate == "25"


@pytest.mark.parametrize("rate", ["25", "24000/1001", "30000/1001", "60"])
def test_frames_of_label_studio_are_whole_from_one_and_the_last_is_in(rate, short):
    timeline = replace(short, frame_rate=rate)
    (task,) = json.loads(to_labelstudio(timeline))
    ranges = [r["value"]["ranges"] for r in task["predictions"][0]["result"]]
    spans = [to_frames(event.start, event.end, Fraction(rate)) for event in timeline]
    assert ranges == [[{"start": first + 1, "end": end}] for first, end in spans]
    if rate == "25":
        assert ranges[1] == [{"start": 51, "end": 225}]
    assert task["data"]["fps"] == pytest.approx(float(Fraction(rate)))
    again = to_labelstudio(from_labelstudio(to_labelstudio(timeline)))
    assert json.loads(again)[0]["predictions"][0]["result"] == task["predictions"][0]["result"]


def test_the_labelling_configuration_knows_every_track_and_label(short):
    timeline = replace(short, labels=(*short.labels, ODD))
    view = fromstring(to_labelstudio_config(timeline))
    (task,) = json.loads(to_labelstudio(timeline))
    tracks = {track.get("name"): track for track in view.findall("TimelineLabels")}
    assert view.find("Video").get("frameRate") == "$fps"
    assert view.find("Video").get("value") == "$video"
    for region in task["predictions"][0]["result"]:
        known = {label.get("value") for label in tracks[region["from_name"]]}
        assert set(region["value"]["timelinelabels"]) <= known
        assert region["to_name"] == view.find("Video").get("name")
    assert tuple(label.get("value") for label in tracks["audio"]) == timeline.labels


def test_what_was_annotated_counts_more_than_what_was_predicted(short):
    (task,) = json.loads(to_labelstudio(short))
    (region, *_) = task["predictions"][0]["result"]
    task["annotations"] = [{"result": [{**region, "score": None}], "id": 7}]
    found = from_labelstudio(json.dumps([task]))
    assert found.events == (replace(short.events[0], score=1.0),)
    task["annotations"].append({"result": [], "was_cancelled": True, "id": 8})
    assert from_labelstudio(json.dumps([task])) == found
    with pytest.raises(UserError, match="expected one task, got 2"):
        from_labelstudio(json.dumps([task, task]))
    del task["data"]["fps"]
    with pytest.raises(UserError, match="expected the frame rate as `fps`"):
        from_labelstudio(json.dumps([task]))


@pytest.mark.slow
@given(timelines(1_000, PRINTABLE))
def test_mmif_gives_events_and_labels_back(timeline):
    back = from_mmif(to_mmif(timeline))
    assert (back.events, back.labels) == (timeline.events, timeline.labels)
    assert back.source == timeline.source


def test_mmif_python_finds_every_time_frame(short, tmp_path):
    text = to_mmif(short, media=tmp_path / "dog.mp4")
    Mmif.validate(text)
    read = Mmif(text)
    frames = [
        annotation
        for view in read.views
        for annotation in view.annotations
        if annotation.at_type.shortname == AnnotationTypes.TimeFrame.shortname
    ]
    found = {
        (f.get_property("start"), f.get_property("end"), f.get_property("label")) for f in frames
    }
    assert found == {(*to_ticks(event, 1_000), event.label) for event in short}
    assert len(frames) == len(short)
    (document,) = read.documents
    assert document.location == (tmp_path / "dog.mp4").as_uri()
    again = from_mmif(read.serialize())
    assert again.events == short.events
    assert again.source == str(tmp_path / "dog.mp4")


def test_a_document_of_mmif_without_a_file_names_no_source(short):
    document = json.loads(to_mmif(short))
    transcript = {"id": "d0", "text": {"@value": "woof"}}
    document["documents"].insert(0, {"@type": "TextDocument", "properties": transcript})
    assert from_mmif(json.dumps(document)).source == short.source
    del document["documents"][1:]
    assert from_mmif(json.dumps(document)).source == ""


@pytest.mark.slow
@given(timelines(100))
def test_subtitles_stand_where_they_should(timeline):
    found = pysubs2.SSAFile.from_string(to_ass(timeline), format_="ass")
    times = [(line.start / 10, line.end / 10) for line in found]
    assert times == [to_ticks(event, 100) for event in timeline]
    assert [line.style for line in found] == [event.modality for event in timeline]
    assert all(not line.text.count("{") for line in found)
    places = {name: int(style.alignment) for name, style in found.styles.items()}
    assert len(set(places.values())) == 3
    assert set(places) == set(Modality)
    for name, style in found.styles.items():
        color = style.primarycolor
        assert f"#{color.r:02x}{color.g:02x}{color.b:02x}" == PALETTE[Modality(name)].dark


def test_ffmpeg_reads_subtitles_as_players_do(short, tmp_path):
    path = tmp_path / "clip.ass"
    path.write_text(to_ass(short))
    with av.open(str(path)) as container:
        cues = [
            (float(cue.pts * cue.time_base), float((cue.pts + cue.duration) * cue.time_base))
            for cue in container.demux()
            if cue.size
        ]
    assert sorted(cues) == sorted((event.start, event.end) for event in short)


@pytest.mark.slow
@given(timelines(1_000))
def test_parquet_has_a_row_per_event(timeline):
    table = pq.read_table(io.BytesIO(to_parquet(timeline)))
    rows = table.to_pylist()
    assert [str(each.type) for each in table.schema] == 3 * ["string"] + 3 * ["double"] + ["bool"]
    found = [tuple(row[n] for n in ("modality", "start", "end", "score")) for row in rows]
    assert found == [(e.modality.value, e.start, e.end, e.score) for e in timeline]


def test_pandas_reads_parquet(short):
    import pandas as pd

    frame = pd.read_parquet(io.BytesIO(to_parquet(short)))
    assert list(frame.label) == [event.label for event in short]
    assert set(frame.source) == {short.source}
