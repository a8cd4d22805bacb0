"""Files that people reported, with a dog that is seen at 3-7 s and heard at 5-6 s and 9-10 s."""

import time

import numpy as np
import pytest

from mmpyramid.extract.pieces import RequiredInputs, read_pieces
from mmpyramid.extract.search import search_videos
from mmpyramid.media import SegmentReader, Sound, View
from mmpyramid.media.sampling import Sampling
from mmpyramid.media.streams import Tracks

HEARD = [5, 9]


@pytest.fixture
def cases(shared):
    folder = shared / "cases"
    if not folder.is_dir():
        pytest.skip(f"needs the reported files in {folder}, which are not distributed")
    return folder


def read(path, **settings):
    """The file as its reader, its loud seconds, and one small picture of each second."""
    reader = SegmentReader(path, [View(1, (64, 36))], **settings)
    segments = list(reader)
    loud = [s.index for s in segments if s.waveform is not None and np.abs(s.waveform).max() > 0.2]
    return reader, loud, [s.frames[0].astype(int) for s in segments if s.frames is not None]


@pytest.mark.parametrize("name", ["F01_appended", "F02_clock_back", "F03_clock_jumps"])
def test_clocks_that_are_restarted(cases, name):
    _, _, single = read(cases / "base.mp4")
    reader, loud, pictures = read(cases / f"{name}.ts")
    assert reader.duration == pytest.approx(24.09, abs=0.2)
    assert loud == [5, 9, 17, 21]
    assert len(pictures) == 24
    for second, picture in enumerate(pictures):
        assert np.abs(picture - single[second % 12]).mean() < 12, second
    assert [note for note in reader.notes if "clock jumps at 12" in note] == list(reader.notes)


def test_a_picture_that_is_mirrored(cases):
    _, _, upright = read(cases / "base.mp4")
    _, _, mirrored = read(cases / "F05_mirrored.mp4")
    for one, other in zip(upright, mirrored, strict=True):
        assert np.abs(one[:, ::-1] - other).mean() < 2


def test_channels_that_cancel(cases):
    reader, loud, _ = read(cases / "F06_opposite_phase.mkv")
    assert loud == HEARD
    assert any("cancel" in note for note in reader.notes)


def test_a_silent_track_before_the_sound(cases):
    path = cases / "F07_two_tracks.mkv"
    reader, loud, _ = read(path)
    assert loud == HEARD
    assert any("left out: 1" in note for note in reader.notes)
    assert read(path, tracks=Tracks(audio=1))[1] == []


def test_sound_that_runs_ahead_of_its_clock(cases):
    reader, loud, _ = read(cases / "F09_fast_sound_clock.mkv")
    assert reader.duration == pytest.approx(57.8, abs=0.2)
    assert loud == [48]
    assert any("runs ahead of its time stamps" in note for note in reader.notes)


def test_a_folder_of_unusual_names(cases):
    found = search_videos(cases / "F10_folder")
    assert sorted(found.paths) == ["00001", "a", "bird", "voice", "x"]
    assert found.left_out == {}


def test_a_length_that_is_only_guessed_refuses_nothing(cases):
    required = RequiredInputs(sounds=(Sound(),), views=(), sampling=Sampling.SECONDS)
    *_, end = read_pieces(cases / "F15_quiet_first.aac", required, 4, max_seconds=60)
    assert end.duration == pytest.approx(44, abs=0.5)


def test_a_claimed_length_of_days(cases):
    begin = time.monotonic()
    reader, _, pictures = read(cases / "attacks" / "decoder" / "gap.mkv")
    assert (len(pictures), reader.duration) == (1, pytest.approx(0.3, abs=0.1))
    assert time.monotonic() - begin < 10
