"""What a media file is said to hold."""

import av
import numpy as np
import pytest

from media_files import gray, steady, tone, write_media, write_wav
from mmpyramid.core import Modality
from mmpyramid.core.errors import UserError
from mmpyramid.media import SegmentReader, probe


def test_probe_tells_what_is_there(tmp_path):
    info = probe(write_media(tmp_path / "a.mp4", steady(20), tone(440, 2)))
    assert (info.has_video, info.video_codec, info.width, info.height) == (True, "h264", 64, 48)
    assert (info.has_audio, info.audio_codec) == (True, "aac")
    assert (info.sample_rate, info.channels) == (16000, 1)
    assert info.duration == pytest.approx(2, abs=0.1)
    assert info.frame_rate == pytest.approx(10, abs=0.1)
    assert (info.rotation, info.notes) == (0, ())
    assert "mp4" in info.format


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("absent.mp4", None, "does not exist"),
        (f"{'x' * 300}.mp4", None, "cannot be reached|does not exist"),
        ("empty.mp4", b"", "is empty"),
        ("noise.mp4", np.random.default_rng(0).bytes(100_000), "cannot open"),
        ("notes.txt", b"heard a dog\n" * 100, "text file"),
        ("table.csv", b"a,b\n1,2\n" * 100, "cannot open"),
        ("captions.srt", b"1\n00:00:01,000 --> 00:00:02,000\nhello\n\n", "captions"),
    ],
)
def test_what_is_not_media_is_a_clear_error(tmp_path, name, content, message):
    path = tmp_path / name
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(UserError, match=message) as error:
        probe(path)
    assert str(path) in str(error.value)


def test_a_folder_is_a_clear_error(tmp_path):
    with pytest.raises(UserError, match="is a folder"):
        SegmentReader(tmp_path)


def test_cover_art_is_not_a_picture(tmp_path):
    path = tmp_path / "song.mp3"
    with av.open(str(path), "w") as container:
        audio = container.add_stream("libmp3lame", rate=16000, layout="mono")
        cover = container.add_stream("mjpeg", rate=1)
        cover.width, cover.height, cover.pix_fmt = 64, 48, "yuvj420p"
        container.mux(cover.encode(av.VideoFrame.from_ndarray(gray(5), format="rgb24")))
        container.mux(cover.encode(None))
        sound = av.AudioFrame.from_ndarray(tone(440, 2), format="fltp", layout="mono")
        sound.sample_rate = 16000
        container.mux(audio.encode(sound))
        container.mux(audio.encode(None))
    with av.open(str(path)) as container:
        assert len(container.streams.video) == 1
    reader = SegmentReader(path)
    assert not reader.info.has_video
    assert {segment.frames is None for segment in reader} == {True}
    assert reader.missing == (Modality.VISUAL,)


def test_an_unknown_codec_counts_as_missing_and_is_told(tmp_path):
    path = write_media(tmp_path / "a.mp4", steady(10), tone(440, 1))
    path.write_bytes(path.read_bytes().replace(b"avc1", b"zzzz"))
    reader = SegmentReader(path)
    assert [segment.frames for segment in reader] == [None]
    assert reader.missing == (Modality.VISUAL,)
    assert "codec" in reader.notes[0]


def test_tags_in_an_old_encoding_do_not_matter(tmp_path):
    path = write_wav(tmp_path / "a.wav", np.ones((16000, 1)), 16000, title=b"\xe9t\xe9")
    assert len(list(SegmentReader(path))) == 1


def test_a_name_that_looks_like_a_protocol_is_a_file(tmp_path, monkeypatch):
    write_media(tmp_path / "concat:a.mp4", steady(10))
    monkeypatch.chdir(tmp_path)
    assert len(list(SegmentReader("concat:a.mp4"))) == 1
