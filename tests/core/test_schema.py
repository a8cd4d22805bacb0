"""The published schema of a timeline is that of the code, and takes what we write."""

import json
from pathlib import Path

import jsonschema
import pytest
from hypothesis import given

from mmpyramid.core import Timeline
from mmpyramid.core.timeline import timeline_schema
from render.drawn_timelines import timelines

TESTS = Path(__file__).parents[1]
PUBLISHED = TESTS.parent / "docs" / "timeline.schema.json"


def check(document):
    jsonschema.Draft202012Validator(json.loads(PUBLISHED.read_text())).validate(document)


def test_the_published_schema_is_that_of_the_code():
    """Write it anew by `json.dumps(timeline_schema(), indent=2)` and a line break."""
    assert json.loads(PUBLISHED.read_text()) == json.loads(json.dumps(timeline_schema()))


@given(timelines(1_000))
def test_every_timeline_keeps_to_it(timeline):
    check(json.loads(timeline.to_json()))


def test_a_timeline_of_an_earlier_version_keeps_to_it():
    path = TESTS / "old_files" / "timeline.json"
    assert len(Timeline.load(path)) > 0
    check(json.loads(path.read_text()))


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("format", "mmpyramid-timeline-2"),
        ("events", [{"start": 1}]),
        ("more", 1),
        ("labels", "Dog"),
    ],
)
def test_what_is_no_timeline_is_refused(field, value, short):
    document = json.loads(short.to_json())
    with pytest.raises(jsonschema.ValidationError):
        check(document | {field: value})
