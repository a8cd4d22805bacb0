"""What corrections say of seconds; and how they are told from what lies beside them."""

import os

import numpy as np
import pytest

from mmpyramid.core import Event, Modality, Timeline
from mmpyramid.core.errors import UserError
from mmpyramid.datasets.folder_files import Video, read_annotations
from mmpyramid.formats import to_csv, to_elan
from mmpyramid.teaching.examples import key_of, targets_of

AUDIO, VISUAL, BOTH = Modality.AUDIO, Modality.VISUAL, Modality.AUDIO_VISUAL


def video(*events, weak=()):
    return Video(
        where="here",
        events=[(event, "here") for event in events],
        weak=[(label, modality, "here") for label, modality in weak],
    )


def test_events_count_in_the_seconds_that_they_cover():
    told = video(Event(1.0, 2.6, "Dog", AUDIO), Event(3.0, 4.0, "Cat", BOTH))
    heard = targets_of(told, AUDIO, ("Cat", "Dog"), 5)
    assert heard.T.tolist() == [[0, 0, 0, 1, 0], [0, 1, 1, 0, 0]]
    seen = targets_of(told, VISUAL, ("Cat", "Dog"), 5)
    assert seen.T.tolist() == [[0, 0, 0, 1, 0], [0, 0, 0, 0, 0]]


@pytest.mark.parametrize(("start", "end", "second"), [(2.2, 2.4, 2), (2.9, 3.05, 2), (4.8, 5.3, 4)])
def test_a_short_event_is_not_lost(start, end, second):
    """As a shot: no second is covered by half."""
    target_TC = targets_of(video(Event(start, end, "Shot", AUDIO)), AUDIO, ("Shot",), 5)
    assert np.flatnonzero(target_TC).tolist() == [second]


def test_without_times_it_is_somewhere_unless_times_are_there():
    told = video(Event(0.0, 1.0, "Dog", AUDIO), weak=[("Dog", BOTH), ("Cat", AUDIO), ("Cow", BOTH)])
    heard = targets_of(told, AUDIO, ("Cat", "Dog"), 3)
    assert np.isnan(heard[:, 0]).all()
    assert heard[:, 1].tolist() == [1, 0, 0]
    seen = targets_of(told, VISUAL, ("Cat", "Dog"), 3)
    assert not seen[:, 0].any()
    assert np.isnan(seen[:, 1]).all()


@pytest.fixture
def corrections(tmp_path):
    """As `parse` left them, some corrected, and a table of others beside them."""
    folder = tmp_path / "corrections"
    folder.mkdir()
    event = Event(1.0, 3.0, "Dog", AUDIO)
    timeline = Timeline(events=(event,), duration=4.0, labels=("Dog",))
    (folder / "first.json").write_text(timeline.to_json())
    (folder / "first.html").write_text("<p>The page.</p>")
    (folder / "second.eaf").write_text(to_elan(timeline))
    (folder / "third.csv").write_text(to_csv(timeline))
    (folder / "labels.csv").write_text(
        "file,label,start,end,modality\nfourth.mp4,Dog,,,\nfifth.mov,,,,\nsixth.wav,Cat,1,2,audio\n"
    )
    (folder / "seventh.tsv").write_text("filename\tonset\toffset\tevent_label\n")
    (folder / ".DS_Store").write_text("")
    return folder


def test_files_of_videos_and_tables_stand_side_by_side(corrections):
    videos, left_out = read_annotations(corrections)
    assert left_out == ["first.html"]
    said = {name: sorted(label for label, _, _ in told.occurring) for name, told in videos.items()}
    assert said == {
        "first": ["Dog"],
        "second": ["Dog"],
        "third": ["Dog"],
        "fourth": ["Dog"],
        "fifth": [],
        "sixth": ["Cat"],
        "seventh": [],
    }
    assert videos["fourth"].weak == [("Dog", BOTH, "labels.csv line 2")]
    ((event, _),) = videos["sixth"].events
    assert (event.start, event.end, event.modality) == (1, 2, AUDIO)


def test_one_file_is_enough(corrections):
    assert list(read_annotations(corrections / "second.eaf")[0]) == ["second"]
    assert list(read_annotations(corrections / "labels.csv")[0]) == ["fourth", "fifth", "sixth"]


def test_a_folder_of_own_videos_is_read_as_ever(corrections):
    (corrections.parent / "annotations.csv").write_text("video,label\na,Dog\n")
    videos, left_out = read_annotations(corrections.parent)
    assert (list(videos), left_out) == (["a"], [])


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("first.csv", "label,modality,start,end\n", r"several files: 1 \(first.json and first.csv"),
        ("more.csv", "file,label\nfirst.mp4,Dog\n", "several files: 1 .*more.csv line 2"),
        ("bad.json", "{", "files that cannot be read: 1 "),
        ("bad.csv", "file,label,start,end\na.mp4,Dog,x,2\n", "bad.csv line 2: expected a number"),
        ("bad.csv", "file,event\na.mp4,Dog\n", "expected the columns `label`"),
    ],
)
def test_mistakes_are_told_with_their_place(corrections, name, content, message):
    (corrections / name).write_text(content)
    with pytest.raises(UserError, match=message):
        read_annotations(corrections)


def test_nothing_to_read_is_told(tmp_path):
    (tmp_path / "page.html").write_text("")
    with pytest.raises(UserError, match=r"has none in \..*\.csv"):
        read_annotations(tmp_path)
    with pytest.raises(UserError, match="there is no file or folder"):
        read_annotations(tmp_path / "absent")
    with pytest.raises(UserError, match="whose name ends in"):
        read_annotations(tmp_path / "page.html")


def test_a_file_that_changes_is_called_otherwise(tmp_path):
    path = tmp_path / "a.mp4"
    path.write_bytes(b"one")
    first = key_of(path)
    assert key_of(path) == first
    os.utime(path, ns=(1, 1))
    second = key_of(path)
    path.write_bytes(b"other")
    os.utime(path, ns=(1, 1))
    assert len({first, second, key_of(path), key_of(path.rename(tmp_path / "b.mp4"))}) == 4
