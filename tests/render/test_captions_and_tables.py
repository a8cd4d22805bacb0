import csv
import io

import pytest

from mmpyramid.core import Event, Modality, Timeline
from mmpyramid.core.errors import UserError
from mmpyramid.render import to_csv, to_vtt, unit_weights_to_csv

VTT = """\
WEBVTT

1
00:00:00.000 --> 00:00:02.000
[visible] Frying (food)

2
00:00:02.000 --> 00:00:09.000
[audible] Dog

3
00:00:04.000 --> 00:00:09.000
[audible and visible] Dog

4
00:00:04.000 --> 00:00:10.000
[visible] Dog
"""

CSV = """\
label,modality,start,end,score
Frying_(food),visual,0.0,2.0,0.44
Dog,audio,2.0,9.0,0.81
Dog,audio_visual,4.0,9.0,0.81
Dog,visual,4.0,10.0,0.97
"""


@pytest.fixture
def odd() -> Timeline:
    label = 'A --> <b> & "C",\n\nD'
    event = Event(360_000.0, 360_000.0001, label, Modality.AUDIO, 1 / 3)
    return Timeline(events=(event,), duration=360_001.0, labels=(label,))


def test_golden_captions(short, empty):
    assert to_vtt(short) == VTT
    assert to_vtt(empty) == "WEBVTT\n"


def test_odd_labels_and_times_stay_within_one_cue(odd):
    assert to_vtt(odd).splitlines() == [
        "WEBVTT",
        "",
        "1",
        "100:00:00.000 --> 100:00:00.001",
        '[audible] A --&gt; &lt;b&gt; &amp; "C",\ufffd\ufffdD',
    ]


def test_golden_table(short, empty):
    assert to_csv(short) == CSV
    assert to_csv(empty) == "label,modality,start,end,score\n"


def test_a_csv_reader_gets_the_events_back(odd):
    row = next(csv.DictReader(io.StringIO(to_csv(odd), newline="")))
    assert row["label"] == odd.labels[0]
    assert float(row["end"]) == 360_000.0001
    assert row["score"] == "0.333333"


def test_unit_weights_come_one_by_one():
    weights = [[[0.1, 0.2], [0.3, 0.4]], [[0.5, 0.6], [0.7, 0.8]]]
    table = unit_weights_to_csv(Timeline(duration=2.0, unit_weights=weights))
    rows = list(csv.DictReader(io.StringIO(table, newline="")))
    assert len(rows) == 8
    for row in rows:
        modality = ["audio", "visual"].index(row["modality"])
        weight = weights[modality][int(row["unit"]) - 1][int(row["second"])]
        assert float(row["weight"]) == weight


def test_no_unit_weights_is_said(short):
    with pytest.raises(UserError, match="no weights of pyramid units"):
        unit_weights_to_csv(short)
