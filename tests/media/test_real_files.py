"""Awkward and ordinary real files."""

import csv

import pytest

from mmpyramid.core import Modality
from mmpyramid.media import SegmentReader, View


@pytest.mark.parametrize(
    ("name", "num_segments", "size", "missing"),
    [
        ("av1_video.mkv", 5, (640, 360), [Modality.AUDIO]),
        ("bt709_full_range.mp4", 1, (1280, 720), [Modality.AUDIO]),
        ("corrupted.mp4", 5, (1280, 720), [Modality.AUDIO]),
        ("flipping_a_pancake.mkv", 10, (426, 240), []),
        ("h264_10bits.mp4", 1, (200, 200), [Modality.AUDIO]),
        ("h265_10bits.mp4", 1, (200, 200), [Modality.AUDIO]),
        ("h265_video.mp4", 1, (128, 128), [Modality.AUDIO]),
        ("nasa_13013.mp4", 13, (480, 270), []),
        ("unordered.mov", 1, (50, 50), [Modality.AUDIO]),
        ("video_0.mov", 1, (568, 320), [Modality.AUDIO]),
        ("video_90.mov", 1, (320, 568), [Modality.AUDIO]),
        ("video_180.mov", 1, (568, 320), [Modality.AUDIO]),
        ("video_270.mov", 1, (320, 568), [Modality.AUDIO]),
    ],
)
def test_real_awkward_files(shared, name, num_segments, size, missing):
    reader = SegmentReader(shared / "clips" / "decoder" / name)
    segments = list(reader)
    assert len(segments) == num_segments
    for segment in segments:
        assert segment.frames.shape == (2, size[1], size[0], 3)
        assert segment.frames.mean() > 1
        assert (segment.waveform is None) == (Modality.AUDIO in missing)
    assert (reader.info.width, reader.info.height) == size
    assert list(reader.missing) == missing
    expected = {
        "corrupted.mp4": ["damaged after 2.8 s"],
        "nasa_13013.mp4": ["picture 2 was read", "sound track 2 was read"],
    }.get(name, [])
    for note, part in zip(reader.notes, expected, strict=True):
        assert part in note


@pytest.mark.slow
def test_real_clips_have_the_length_of_their_index(shared):
    with (shared / "clips" / "index.csv").open() as file:
        rows = [row for row in csv.DictReader(file) if row["file"].startswith("dev/")]
    assert len(rows) > 50
    for row in rows[::4]:  # clips of one kind stand together, so that every kind occurs
        reader = SegmentReader(shared / "clips" / row["file"], [View(2, (32, 32))])
        num_segments = sum(1 for _ in reader)
        assert num_segments == max(1, int(float(row["duration"]) + 0.5)), row["file"]
        assert reader.duration == pytest.approx(float(row["duration"]), abs=0.2), row["file"]
        assert (Modality.VISUAL in reader.missing) == (not row["width"]), row["file"]
        assert reader.notes == (), row["file"]
