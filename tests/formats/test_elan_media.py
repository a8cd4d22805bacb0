"""What an ELAN document says of its media, and documents that are traps."""

from dataclasses import replace

import pytest

from mmpyramid.core import Event, Modality, Timeline
from mmpyramid.core.errors import UserError
from mmpyramid.formats import encode, from_elan, read_timeline

EVENT = Event(1.0, 2.0, "Dog", Modality.AUDIO, 0.5)
TIMELINE = Timeline(events=(EVENT,), duration=9.0, labels=("Dog",), source="my dog.mp4")
MEDIA = '<MEDIA_DESCRIPTOR MEDIA_URL="{}" MIME_TYPE="video/mp4"{} />'


def document(*media, timeline=TIMELINE):
    text = encode(timeline, "eaf").decode()
    start, end = text.index("<MEDIA_DESCRIPTOR"), text.index("<PROPERTY")
    return text[:start] + "".join(media) + text[end:]


def starts(timeline):
    return [event.start for event in timeline]


@pytest.mark.parametrize(
    ("source", "written"),
    [("/home/ada/my dog.mp4", "my dog.mp4"), ("clips/my dog.mp4", "clips/my dog.mp4")],
)
def test_media_are_linked_relative_to_the_document(source, written):
    text = encode(replace(TIMELINE, source=source), "eaf").decode()
    assert f' MEDIA_URL="./{written}" RELATIVE_MEDIA_URL="./{written}"' in text
    assert "ada" not in text
    assert "file:" not in text
    assert from_elan(text) == replace(TIMELINE, source=written)


@pytest.mark.parametrize(("origin", "start"), [("2000", 3.0), ("-500", 0.5), ("0", 1.0)])
def test_events_are_as_much_later_as_the_media_begin(origin, start):
    found = from_elan(document(MEDIA.format("./my%20dog.mp4", f' TIME_ORIGIN="{origin}"')))
    assert starts(found) == [start]
    assert found.events[0].score == 0.5
    assert bool(found.notes) == (origin != "0")
    if found.notes:
        assert f"{int(origin) / 1000:g} s later than in the ELAN document" in found.notes[0]


@pytest.mark.parametrize("origin", ["x", "1e3", "9" * 5000])
def test_an_origin_that_is_no_number_is_told(origin):
    with pytest.raises(UserError, match="expected TIME_ORIGIN in milliseconds, got"):
        from_elan(document(MEDIA.format("a.mp4", f' TIME_ORIGIN="{origin}"')))


def test_an_event_before_the_media_is_told():
    with pytest.raises(UserError, match=r"tier 'audio' at 0:01: an event needs 0 <= start"):
        from_elan(document(MEDIA.format("a.mp4", ' TIME_ORIGIN="-5000"')))


TWO = [
    MEDIA.format("file:///there/left.mp4", ' TIME_ORIGIN="1000"'),
    MEDIA.format("file:///there/my%20dog.mp4", ' TIME_ORIGIN="4000"'),
]


@pytest.mark.parametrize(
    ("source", "name", "start", "note"),
    [
        ("/clips/my dog.mp4", "", 5.0, "those of my dog.mp4, which is called as it of 2 media"),
        ("other.mp4", "my dog", 5.0, "those of my dog.mp4, which is called as it of 2 media"),
        ("other.mp4", "left", 2.0, "those of left.mp4, which is called as it of 2 media"),
        ("other.mp4", "clip", 2.0, "those of left.mp4, the first of 2 media"),
    ],
)
def test_of_several_media_one_counts(source, name, start, note, tmp_path):
    timeline = Timeline(events=(EVENT,), labels=("Dog",), source=source)
    path = tmp_path / f"{name or 'clip'}.eaf"
    path.write_text(document(*TWO, timeline=timeline))
    found = read_timeline(path, original=timeline)
    assert starts(found) == [start]
    assert note in found.notes[0]


def test_text_in_utf_16_is_read(tmp_path):
    text = encode(TIMELINE, "eaf").decode().replace('encoding="UTF-8"', 'encoding="UTF-16"')
    (tmp_path / "clip.eaf").write_bytes(text.encode("utf-16"))
    assert read_timeline(tmp_path / "clip.eaf") == TIMELINE


ENTITIES = "".join(f'<!ENTITY e{n} "{f"&e{n - 1};" * 10}">' for n in range(1, 10))
BOMB = f'<!DOCTYPE x [<!ENTITY e0 "ha">{ENTITIES}]><ANNOTATION_DOCUMENT>&e9;</ANNOTATION_DOCUMENT>'
FILE = '<!DOCTYPE x [<!ENTITY e SYSTEM "file:///etc/passwd">]><ANNOTATION_DOCUMENT>&e;</ANNOTATION_DOCUMENT>'
DEEP = "<ANNOTATION_DOCUMENT>" + "<a>" * 50_000 + "</a>" * 50_000 + "</ANNOTATION_DOCUMENT>"


@pytest.mark.parametrize(
    ("text", "told"),
    [
        (BOMB, "document type or entities"),
        (FILE, "document type or entities"),
        (DEEP, "whole ELAN"),
    ],
    ids=["bomb", "file", "deep"],
)
def test_traps_are_refused(text, told):
    with pytest.raises(UserError, match=told):
        from_elan(text)


def test_annotations_that_refer_to_each_other_end():
    text = encode(TIMELINE, "eaf").decode()
    assert 'ANNOTATION_REF="a2"' in text
    with pytest.raises(UserError, match="missing or is no number"):
        from_elan(text.replace('ANNOTATION_REF="a2"', 'ANNOTATION_REF="a3"'))
