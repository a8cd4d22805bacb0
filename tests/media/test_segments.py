"""The grid of one-second segments where lengths, starts and modalities differ."""

import numpy as np
import psutil
import pytest

from media_files import click, gray, numbers, onset, steady, tone, waveform, write_media
from mmpyramid.core import Modality
from mmpyramid.core.errors import UserError
from mmpyramid.media import SAMPLE_RATE, SegmentReader, View


@pytest.mark.parametrize(
    ("duration", "expected"), [(10.03, 10), (9.6, 10), (9.4, 9), (1.5, 2), (0.3, 1)]
)
def test_a_last_piece_of_half_a_second_is_a_segment(tmp_path, duration, expected):
    path = tmp_path / "a.wav"
    write_media(path, sound=tone(440, duration), audio_codec="pcm_s16le")
    reader = SegmentReader(path)
    segments = list(reader)
    assert [segment.index for segment in segments] == list(range(expected))
    assert reader.duration == pytest.approx(duration, abs=1e-3)
    assert all(segment.waveform.shape == (SAMPLE_RATE,) for segment in segments)


def test_sound_shorter_than_the_picture_is_padded_with_silence(tmp_path):
    reader = SegmentReader(write_media(tmp_path / "a.mp4", steady(30), tone(440, 1.2)))
    segments = list(reader)
    assert len(segments) == 3
    assert np.abs(segments[0].waveform).max() > 0.4
    assert np.abs(segments[2].waveform).max() == 0
    assert reader.missing == ()


def test_the_last_frame_is_held_while_sound_goes_on(tmp_path):
    path = write_media(tmp_path / "a.mp4", steady(10), tone(440, 3))
    assert numbers(SegmentReader(path)) == [[2, 7], [9, 9], [9, 9]]


@pytest.mark.parametrize("container", ["mp4", "mkv"])
def test_a_late_picture_shows_its_first_frame_before_it_begins(tmp_path, container):
    path = tmp_path / f"a.{container}"
    write_media(path, steady(10, start=2.0), click(2.5, 3), audio_codec="flac")
    reader = SegmentReader(path)
    assert numbers(reader) == [[0, 0], [0, 0], [2, 7]]
    assert onset(waveform(reader)) == pytest.approx(2.5, abs=0.025)


@pytest.mark.parametrize("container", ["mp4", "mkv"])
def test_late_sound_is_preceded_by_silence(tmp_path, container):
    path = tmp_path / f"a.{container}"
    write_media(path, steady(30), click(0.5, 1.5), sound_start=1.5)
    reader = SegmentReader(path)
    assert numbers(reader) == [[2, 7], [12, 17], [22, 27]]
    assert onset(waveform(reader)) == pytest.approx(2.0, abs=0.025)


def test_no_sound_is_a_fact(tmp_path):
    reader = SegmentReader(write_media(tmp_path / "a.mp4", steady(10)))
    assert [segment.waveform for segment in reader] == [None]
    assert (reader.missing, reader.notes) == ((Modality.AUDIO,), ())


def test_no_picture_is_a_fact(tmp_path):
    path = write_media(tmp_path / "a.wav", sound=tone(440, 1), audio_codec="pcm_s16le")
    reader = SegmentReader(path)
    assert [segment.frames for segment in reader] == [None]
    assert (reader.missing, reader.notes) == ((Modality.VISUAL,), ())


def test_what_is_not_asked_is_not_missing(tmp_path):
    path = write_media(tmp_path / "a.mp4", steady(10), tone(440, 1))
    reader = SegmentReader(path, audio=False)
    assert [segment.waveform for segment in reader] == [None]
    assert reader.missing == ()


def test_asking_only_for_what_is_missing_is_an_error(tmp_path):
    path = write_media(tmp_path / "a.mp4", steady(10))
    with pytest.raises(UserError, match="asked for audio"):
        SegmentReader(path, video=False)
    with pytest.raises(UserError, match="asked for no modality"):
        SegmentReader(path, audio=False, video=False)


@pytest.mark.parametrize("wrong", [(0, None), (2, (0, 224))])
def test_wrong_settings_are_errors(wrong):
    with pytest.raises(UserError, match="got"):
        View(*wrong)


def test_a_reader_can_be_iterated_again(tmp_path):
    reader = SegmentReader(write_media(tmp_path / "a.mp4", steady(20), tone(440, 2)))
    first, second = list(reader), list(reader)
    assert len(first) == 2
    for one, other in zip(first, second, strict=True):
        np.testing.assert_array_equal(one.frames, other.frames)
        np.testing.assert_array_equal(one.waveform, other.waveform)


def test_an_abandoned_iteration_closes_the_file(tmp_path):
    path = write_media(tmp_path / "a.mp4", steady(20), tone(440, 2))
    segments = iter(SegmentReader(path))
    next(segments)
    process = psutil.Process()
    assert str(path) in {file.path for file in process.open_files()}
    segments.close()
    assert str(path) not in {file.path for file in process.open_files()}


@pytest.mark.slow
def test_memory_does_not_grow_with_length(tmp_path):
    """Two minutes, of which the sampled frames alone would be 115 MB."""
    path = tmp_path / "a.mp4"
    frames = [(n / 5, gray(n % 30)) for n in range(600)]
    write_media(path, frames, tone(440, 120), audio_codec="flac")
    process = psutil.Process()
    reader = SegmentReader(path, [View(2, (400, 400))])
    resident = [process.memory_info().rss for _ in reader]
    assert len(resident) == 120
    assert max(resident) - resident[20] < 10e6
