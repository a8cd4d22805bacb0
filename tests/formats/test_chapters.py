"""Chapters: a partition of the video, as FFmpeg reads it and as YouTube shows it."""

import itertools
import re
from dataclasses import replace

import av
import pytest
from hypothesis import given

from mmpyramid.core import Event, Modality, Timeline
from mmpyramid.core.errors import UserError
from mmpyramid.core.wording import title_of
from mmpyramid.formats import to_ffmetadata, to_youtube
from mmpyramid.formats.chapters import partition
from render.drawn_timelines import timelines


def of(*events, duration):
    labels = tuple(dict.fromkeys(event.label for event in events))
    return Timeline(events=events, duration=duration, labels=labels)


def heard(start, end, label):
    return Event(start, end, label, Modality.AUDIO)


@given(timelines(1_000))
def test_a_partition_has_no_gaps_and_no_overlaps(timeline):
    chapters = partition(timeline, 1_000)
    for before, after in itertools.pairwise(chapters):
        assert before.start < before.end == after.start
    if chapters:
        assert chapters[0].start == 0
        last = max((event.end for event in timeline), default=0.0)
        assert chapters[-1].end == round(1_000 * max(timeline.duration, last))
    seconds = sum((c.end - c.start) * len(c.events) for c in chapters)
    assert seconds == sum(round(1_000 * e.end) - round(1_000 * e.start) for e in timeline)


def test_a_long_recording_is_partitioned_in_no_time():
    events = [heard(2.0 * n, 2.0 * n + 1, f"{n % 100}") for n in range(20_000)]
    chapters = partition(of(*events, duration=40_000.0), 1)
    assert [len(chapter.events) for chapter in chapters] == [1, 0] * 20_000


def ffmpeg_chapters(text, tmp_path):
    path = tmp_path / "clip.ffmetadata"
    path.write_text(text, encoding="utf-8")
    with av.open(str(path), format="ffmetadata") as container:
        return [
            (float(c["start"] * c["time_base"]), float(c["end"] * c["time_base"]), c["metadata"])
            for c in container.chapters()
        ]


def test_ffmpeg_finds_every_chapter(short, tmp_path):
    found = ffmpeg_chapters(to_ffmetadata(short), tmp_path)
    titles = [chapter["title"] for _, _, chapter in found]
    assert [span[:2] for span in found] == [(0.0, 2.0), (2.0, 4.0), (4.0, 9.0), (9.0, 10.0)]
    assert titles[0] == "Frying (food) (visible)"
    assert titles[2] == "Dog (audible and visible)"


def test_what_is_special_in_metadata_is_escaped(tmp_path):
    label = "a=b;c#d\\e [x]"
    (chapter,) = ffmpeg_chapters(to_ffmetadata(of(heard(0.0, 3.0, label), duration=3.0)), tmp_path)
    assert chapter[2]["title"] == f"{label} (audible)"


def test_equal_neighbours_are_one_chapter():
    timeline = of(heard(0.0, 3.0, "Dog"), heard(3.0, 5.0, "Dog"), duration=5.0)
    assert to_ffmetadata(timeline).count("[CHAPTER]") == 1


LINE = re.compile(r"(?:(\d+):)?(\d{1,2}):(\d{2}) (.+)")


def parsed(text):
    lines = [LINE.fullmatch(line).groups() for line in text.splitlines()]
    return [(3600 * int(h or 0) + 60 * int(m) + int(s), title) for h, m, s, title in lines]


def test_youtube_gets_what_it_shows():
    timeline = of(
        heard(0.0, 12.0, "Dog"),
        heard(12.0, 15.5, "Cat"),  # Too short to be a chapter of its own.
        heard(15.5, 40.0, "Rain"),
        heard(3_700.2, 3_750.0, "Bell"),
        duration=3_752.0,
    )
    found = parsed(to_youtube(timeline))
    assert found == [(0, "Dog"), (12, "Rain, Cat"), (40, "–"), (3_700, "Bell")]


@given(timelines(1_000))
def test_chapters_of_youtube_keep_its_rules(timeline):
    events = (heard(0.0, 12.0, "Dog"), heard(90_000.0, 90_012.0, "Cat"))
    timeline = replace(
        timeline,
        labels=(*timeline.labels, "Dog", "Cat"),
        events=(*timeline.events, *events),
    )
    found = parsed(to_youtube(timeline))
    starts = [start for start, _ in found]
    assert starts[0] == 0
    assert len(starts) >= 3
    assert all(after - before >= 10 for before, after in itertools.pairwise(starts))
    assert all(0 < len(title) <= 70 for _, title in found)


def test_a_video_without_three_chapters_is_told(short):
    with pytest.raises(UserError, match=r"from 3 on, of 10 s each at least; .* \(10 s\) give 1"):
        to_youtube(short)
    assert title_of("Dog") in to_youtube(
        replace(short, events=(heard(20.0, 40.0, "Dog"),), duration=60.0)
    )
