"""Parts of files as files of their own."""

import os
from fractions import Fraction

import av
import numpy as np
import pytest

import media_files
from mmpyramid.media import MediaFile, SegmentReader, cutting


@pytest.mark.parametrize("copies", [True, False])
def test_a_part_is_read_no_further_than_it_goes(copies, tmp_path, monkeypatch):
    """Even where the picture ends before the part does."""
    sound = media_files.tone(440.0, 60.0)
    path = media_files.write_media(tmp_path / "a.mp4", media_files.steady(30), sound)
    read = []

    def watched(*args):
        for packet in packets_of(*args):
            if packet.dts is not None:
                read.append(packet.dts * packet.time_base)
            yield packet

    packets_of = cutting.packets_of
    monkeypatch.setattr(cutting, "packets_of", watched)
    descriptor = os.open(tmp_path / "part.mp4", os.O_RDWR | os.O_CREAT)
    try:
        suffix, begin = cutting.cut(MediaFile(path=path), descriptor, 2.0, 6.0, copies=copies)
    finally:
        os.close(descriptor)
    assert suffix == ".mp4"
    assert begin <= 2.0
    assert max(read) < 6 + cutting.APART + Fraction(1, 2)
    reader = SegmentReader(tmp_path / "part.mp4")
    segments = list(reader)
    assert reader.duration == pytest.approx(6.0 - begin, abs=0.2)
    with av.open(tmp_path / "part.mp4") as part:
        assert len(list(part.decode(video=0))) == round(10 * (3.0 - begin)), "none is held back"
    assert all(0.45 < abs(segment.waveform).max() < 0.6 for segment in segments)


@pytest.mark.parametrize(("rate", "channels"), [(192_000, 2), (11_025, 1)])
def test_sound_of_any_rate_is_encoded(rate, channels, tmp_path):
    sound = media_files.tone(440.0, 4.0, rate, channels)
    layout = "mono" if channels == 1 else "stereo"
    names = {"rate": rate, "layout": layout, "audio_codec": "flac"}
    path = media_files.write_media(tmp_path / "a.flac", sound=sound, **names)
    with (tmp_path / "part.m4a").open("w+b") as part:
        cutting.cut(MediaFile(path=path), part.fileno(), 1.0, 3.0, copies=False)
    with av.open(tmp_path / "part.m4a") as container:
        (stream,) = container.streams
        assert (stream.rate, stream.channels) == (min(rate, 48_000), channels)
        assert float(container.duration / av.time_base) == pytest.approx(2.0, abs=0.1)


def test_pixels_that_are_not_square_keep_their_shape(tmp_path):
    path, part = tmp_path / "clip.mkv", tmp_path / "part"
    with av.open(str(path), "w") as out:
        stream = out.add_stream("mpeg4", rate=10)
        stream.width, stream.height, stream.pix_fmt = 64, 48, "yuv420p"
        stream.codec_context.sample_aspect_ratio = Fraction(16, 11)
        for _ in range(20):
            picture = np.zeros((48, 64, 3), np.uint8)
            out.mux(stream.encode(av.VideoFrame.from_ndarray(picture, format="rgb24")))
        out.mux(stream.encode(None))
    with part.open("w+b") as file:
        cutting.cut(MediaFile(path=path), file.fileno(), 0.0, 1.0, copies=False)
    with av.open(str(part)) as container:
        assert container.streams.video[0].sample_aspect_ratio == Fraction(16, 11)
