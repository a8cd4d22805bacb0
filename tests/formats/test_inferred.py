"""What is told to be seen only because it is heard says so in every format, and comes back so."""

import io
from dataclasses import replace

import pyarrow.parquet as pq
import pytest

from mmpyramid.core import Event, Modality, Timeline
from mmpyramid.core.errors import UserError
from mmpyramid.formats import (
    from_audacity,
    from_audition,
    from_csv,
    from_elan,
    from_labelstudio,
    from_losslesscut,
    from_mmif,
    from_otio,
    from_tsv,
    to_audacity,
    to_audition,
    to_csv,
    to_elan,
    to_labelstudio,
    to_losslesscut,
    to_mmif,
    to_otio,
    to_tsv,
)
from mmpyramid.render import encode, render

HEARD = Event(0.0, 4.0, "Blender", Modality.AUDIO, 0.75)
SEEN = Event(0.0, 4.0, "Blender", Modality.VISUAL, 0.5, inferred=True)
TIMELINE = Timeline(
    events=(HEARD, SEEN), duration=4.0, labels=("Blender",), source="a.mp4", frame_rate="25"
)
CERTAIN = replace(TIMELINE, events=(HEARD, replace(SEEN, inferred=False)))


@pytest.mark.parametrize(
    ("write", "read"),
    [
        (Timeline.to_json, Timeline.from_json),
        (to_csv, from_csv),
        (to_tsv, from_tsv),
        (to_audacity, from_audacity),
        (to_elan, from_elan),
        (to_otio, from_otio),
        (to_mmif, from_mmif),
        (to_labelstudio, from_labelstudio),
        (to_losslesscut, from_losslesscut),
        (to_audition, from_audition),
    ],
    ids=[
        *("json", "csv", "tsv", "audacity", "elan"),
        *("otio", "mmif", "labelstudio", "losslesscut", "audition"),
    ],
)
@pytest.mark.parametrize("timeline", [TIMELINE, CERTAIN], ids=["inferred", "certain"])
def test_annotations_give_it_back(write, read, timeline):
    written = write(timeline)
    assert read(written).events == timeline.events
    assert ("inferred" in written) == (timeline is TIMELINE), (
        "where nothing is, files are as before"
    )


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("vtt", "[visible, inferred] Blender"),
        ("srt", "[visible, inferred] Blender"),
        ("md", "| visible, inferred | Blender |"),
        ("txt", "visible  0.50  Blender (inferred)"),
        ("ass", ",,Blender (inferred)"),
        ("edl", "|M:Blender [visual, inferred] |"),
        ("fcpxml", "Blender [visual, inferred]"),
    ],
)
def test_people_read_it(name, words):
    assert words in render(TIMELINE, name)
    assert "inferred" not in render(CERTAIN, name)


def test_a_table_for_programs_has_a_column_for_it():
    table = pq.read_table(io.BytesIO(encode(TIMELINE, "parquet")))
    assert table["inferred"].to_pylist() == [False, True]


def test_a_table_with_another_word_is_refused_with_its_line():
    table = encode(TIMELINE, "csv").decode().replace("true", "maybe")
    with pytest.raises(UserError, match="line 3: expected `true` or `false` under `inferred`"):
        from_csv(table)
    assert from_csv(table.replace("maybe", "FALSE")).events == CERTAIN.events
