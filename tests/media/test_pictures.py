"""Which frame is chosen for each second, and how it is shaped."""

import av
import numpy as np
import pytest

from media_files import gray, numbers, rotate_by_header, steady, tone, write_media
from mmpyramid.media import SegmentReader, View, probe
from mmpyramid.media.sampling import PublishedReader


def test_the_frame_on_screen_at_each_time_is_chosen(tmp_path):
    path = write_media(tmp_path / "a.mp4", steady(30))
    assert numbers(SegmentReader(path)) == [[2, 7], [12, 17], [22, 27]]
    assert numbers(SegmentReader(path, [View(5)])) == [
        [1, 3, 5, 7, 9],
        [11, 13, 15, 17, 19],
        [21, 23, 25, 27, 29],
    ]


def test_a_frame_that_begins_exactly_then_is_chosen(tmp_path):
    path = write_media(tmp_path / "a.mp4", steady(8, rate=8))
    assert numbers(SegmentReader(path, [View(4)])) == [[1, 3, 5, 7]]


def test_uneven_frame_times_are_followed(tmp_path):
    times = [0, 0.1, 0.24, 0.26, 0.9, 1.0, 2.8]
    path = write_media(tmp_path / "a.mkv", [(t, gray(n)) for n, t in enumerate(times)])
    assert numbers(SegmentReader(path)) == [[2, 3], [5, 5], [5, 5]]


def test_a_first_timestamp_other_than_zero_is_the_zero_point(tmp_path):
    path = write_media(tmp_path / "a.mkv", steady(20, start=5.0))
    reader = SegmentReader(path)
    assert numbers(reader) == [[2, 7], [12, 17]]
    assert reader.duration == pytest.approx(2, abs=0.05)


def test_b_frames_come_in_the_order_of_display(tmp_path):
    path = write_media(tmp_path / "a.mp4", steady(30))
    with av.open(str(path)) as container:
        times = [packet.pts for packet in container.demux(video=0) if packet.pts is not None]
    assert times != sorted(times), "the file was meant to have B-frames"
    assert numbers(SegmentReader(path, [View(10)])) == [
        [10 * k + j for j in range(10)] for k in range(3)
    ]


def test_a_pause_between_b_frames_counts_once(tmp_path):
    times = [n / 10 for n in range(30)] + [8.0, 8.1, 8.2]
    path = write_media(tmp_path / "a.mp4", [(t, gray(n % 30)) for n, t in enumerate(times)])
    with av.open(str(path)) as container:
        claimed = [(frame.pts + frame.duration) * frame.time_base for frame in container.decode()]
    assert max(claimed) > 13, "the first frame after the pause was meant to claim it"
    for reader, num_segments in ((SegmentReader(path), 8), (PublishedReader(path), 10)):
        assert len(list(reader)) == num_segments
        assert reader.duration == pytest.approx(8.3, abs=0.01)


def test_the_header_tells_how_long_the_last_frame_shows(tmp_path):
    frames = [(10.0 * n, gray(n)) for n in range(4)]
    path = write_media(tmp_path / "a.mp4", frames, tone(440, 30.5))
    with av.open(str(path)) as container:
        (*_, last) = container.decode(video=0)
    assert last.duration * last.time_base == 10
    reader = SegmentReader(path)
    assert len(numbers(reader)) == 31
    assert reader.duration == pytest.approx(30.5, abs=0.05)


def test_rotation_is_applied(tmp_path):
    image = np.full((48, 64, 3), 128, np.uint8)
    image[:24, :32] = 255  # the stored top left corner, on screen the top right one
    path = rotate_by_header(write_media(tmp_path / "a.mp4", [(n / 10, image) for n in range(10)]))
    info = probe(path)
    assert (info.rotation, info.width, info.height) == (270, 48, 64)
    for size, shape in ((None, (64, 48)), ((20, 40), (40, 20))):
        (segment,) = SegmentReader(path, [View(2, size)])
        shown = segment.frames[0]
        assert shown.shape == (*shape, 3)
        height, width = shape
        corners = shown[[2, 2, -3, -3], [2, -3, 2, -3], 0] > 200
        assert corners.tolist() == [False, True, False, False], (height, width)


def test_frames_are_squashed_to_the_size_asked(tmp_path):
    image = np.zeros((48, 64, 3), np.uint8)
    image[:, 32:] = [250, 10, 10]
    path = write_media(tmp_path / "a.mp4", [(n / 10, image) for n in range(10)])
    (segment,) = SegmentReader(path, [View(3, (30, 20))])
    assert segment.frames.shape == (3, 20, 30, 3)
    assert segment.frames.dtype == np.uint8
    left, right = segment.frames[0, 10, 4], segment.frames[0, 10, -4]
    assert left.max() < 20
    np.testing.assert_allclose(right, [250, 10, 10], atol=12)
