"""The ten stretched segments, on videos whose frame n shows the number n."""

import numpy as np
import pytest

from media_files import LEVEL_STEP, click, gray, onset, steady, waveform, write_media
from mmpyramid.core import Modality
from mmpyramid.core.errors import UserError
from mmpyramid.media import Resizing, SegmentReader, View
from mmpyramid.media.sampling import (
    PublishedReader,
    at_constant_rate,
    choose_ave,
    choose_llp,
)

RELEASED = [0, 1, 3, 7, 10, 14, 18, 22]
"""What LLP's 82 released pictures begin with; their video has 300 frames at 359 / 12 per second."""


def counting(num_frames, rate):
    """Frames whose left half shows n modulo 32, and whose right half shows n // 32."""
    for n in range(num_frames):
        image = gray(n % 32)
        image[:, 32:] = gray(n // 32)[:, 32:]
        yield n / rate, image


def shown(segment):
    halves = segment.frames[:, :, 4:28].mean((1, 2, 3)), segment.frames[:, :, 36:60].mean((1, 2, 3))
    low, high = (np.rint(half / LEVEL_STEP).astype(int) for half in halves)
    return (low + 32 * high).tolist()


def read(path, F):
    return [shown(segment) for segment in PublishedReader(path, [View(F)])]


def test_llp_takes_eighty_of_the_frames_that_ffmpeg_writes(tmp_path):
    path = write_media(tmp_path / "a.mp4", counting(300, 30))
    chosen = read(path, 8)
    assert chosen == choose_llp(np.arange(300) / 30, 30.0).tolist()
    assert np.array(chosen).shape == (10, 8)
    early = np.array(chosen).flatten() / 30 - np.arange(80) / 8
    assert -0.2 < early.min() < early.max() < 0.15


def test_ffmpeg_writes_what_was_released():
    written = at_constant_rate(np.arange(300) * 384 / 11488, 359 / 12, 8)
    assert len(written) == 82
    assert written[:8].tolist() == RELEASED
    assert written[-2:].tolist() == [295, 298]
    late = (np.arange(2, 82) - 1) / 8 - written[2:] * 384 / 11488
    assert late.min() >= 0
    assert late.max() <= 0.06


def test_ffmpeg_repeats_the_frames_of_a_slow_video():
    written = at_constant_rate(np.arange(8) / 4, 4.0, 8)
    assert sorted(set(written)) == list(range(8))
    assert len(written) == pytest.approx(16, abs=1)
    assert (np.diff(written) >= 0).all()


def test_a_short_video_is_stretched_and_a_long_one_thinned():
    short, long = (choose_llp(np.arange(n) / 25, 25.0) for n in (75, 1500))
    assert short.shape == long.shape == (10, 8)
    assert short[0, 0] == long[0, 0] == 0
    assert (np.diff(short.flat) >= 0).all()
    assert (np.diff(long.flat) > 0).all()
    assert 70 <= short[-1, -1] < 75
    assert 1490 <= long[-1, -1] < 1500
    assert long[5, 0] == pytest.approx(750, abs=20)


def test_ave_takes_sixteen_of_each_tenth_and_leaves_the_rest(tmp_path):
    path = write_media(tmp_path / "a.mp4", counting(259, 25))
    interval = 25
    expected = [
        [int(second * interval + i / 16 * interval) for i in range(16)] for second in range(10)
    ]
    assert read(path, 16) == expected
    assert choose_ave(np.arange(9) / 25, 25.0).tolist() == [[0] * 16] * 10


def test_sound_is_cut_by_the_second_whatever_the_pictures_do(tmp_path):
    long = write_media(tmp_path / "a.mkv", steady(120, rate=10), click(8.5, 12), audio_codec="flac")
    reader = PublishedReader(long, [View(8, (28, 28), Resizing.CROP)])
    assert onset(waveform(reader)) == pytest.approx(8.5, abs=0.01)
    assert reader.duration == pytest.approx(12, abs=0.1)
    short = write_media(tmp_path / "b.mkv", steady(40), click(2.5, 4), audio_codec="flac")
    samples = waveform(PublishedReader(short))
    assert samples.shape == (160_000,)
    assert onset(samples) == pytest.approx(2.5, abs=0.01)
    assert not samples[65_000:].any()


def test_sound_counts_from_its_first_sample(tmp_path):
    sound = click(2.5, 4)
    path = write_media(tmp_path / "a.mkv", steady(40), sound, audio_codec="flac", sound_start=0.5)
    assert onset(waveform(SegmentReader(path))) == pytest.approx(3.0, abs=0.01)
    assert onset(waveform(PublishedReader(path))) == pytest.approx(2.5, abs=0.01)


def test_a_missing_modality_is_told(tmp_path):
    silent = PublishedReader(write_media(tmp_path / "a.mp4", steady(30)), [View(16)])
    assert [segment.waveform for segment in silent] == [None] * 10
    assert silent.missing == (Modality.AUDIO,)
    blind = PublishedReader(write_media(tmp_path / "a.wav", sound=click(1, 3)))
    assert [segment.frames for segment in blind] == [None] * 10
    assert blind.missing == (Modality.VISUAL,)
    assert blind.duration == pytest.approx(3, abs=0.1)


def test_what_is_no_media_is_refused(tmp_path):
    path = tmp_path / "a.mp4"
    path.write_bytes(b"no")
    with pytest.raises(UserError, match="cannot open"):
        PublishedReader(path)
