"""Sound of any rate, layout and codec as 16 kHz mono at the right time."""

import struct

import av
import numpy as np
import pytest

from media_files import (
    HEARD,
    SEEN,
    click,
    events,
    onset,
    steady,
    tone,
    waveform,
    write_media,
    write_recording,
    write_wav,
)
from mmpyramid.media import SAMPLE_RATE, SegmentReader, Sound
from mmpyramid.media.sampling import Sampling


def peak_frequency(samples):
    return float(np.argmax(np.abs(np.fft.rfft(samples)))) * SAMPLE_RATE / len(samples)


@pytest.mark.parametrize("rate", [8000, 16000, 22050, 44100, 48000])
def test_any_sample_rate_gives_the_same_sound(tmp_path, rate):
    sound = tone(440, 3, rate)
    path = write_media(tmp_path / "a.wav", sound=sound, rate=rate, audio_codec="pcm_s16le")
    samples = waveform(SegmentReader(path))
    expected = tone(440, 3)[0]
    assert samples.shape == (3 * SAMPLE_RATE,)
    np.testing.assert_allclose(samples[100:-100], expected[100:-100], atol=0.01)


@pytest.mark.parametrize("sampling", Sampling)
def test_sounds_of_two_rates_come_in_one_pass(tmp_path, sampling):
    high = tone(440, 2, 48000) + tone(12000, 2, 48000) / 2
    path = write_media(tmp_path / "a.wav", sound=high, rate=48000, audio_codec="pcm_s16le")
    sounds = (Sound(), Sound(48000))
    both = [*sampling.reader(path, sounds=sounds)]
    alone = [*sampling.reader(path)]
    for segment, one in zip(both, alone, strict=True):
        np.testing.assert_array_equal(segment.waveform, one.waveform)
    wide = np.concatenate([segment.waveforms[1] for segment in both[:2]])
    np.testing.assert_allclose(wide, high[0], atol=1e-4)
    assert both[0].waveforms[1].shape == (48000,)


@pytest.mark.parametrize("codec", ["aac", "libmp3lame", "libopus", "flac"])
@pytest.mark.parametrize("container", ["mp4", "mkv"])
def test_a_click_lands_where_it_was(tmp_path, codec, container):
    path = tmp_path / f"a.{container}"
    write_media(path, steady(50), click(3.0, 5, 48000), rate=48000, audio_codec=codec)
    segments = list(SegmentReader(path))
    assert len(segments) == 5
    assert onset(segments[3].waveform) == pytest.approx(0, abs=0.025)
    assert all(np.abs(segments[k].waveform[:-400]).max() < 0.1 for k in (0, 1, 2, 4))


@pytest.mark.parametrize(("layout", "channels"), [("stereo", 2), ("5.1", 6)])
def test_channels_are_averaged_plainly(tmp_path, layout, channels):
    sound = np.zeros((channels, 16000), np.float32)
    sound[-1] = 0.6
    path = write_media(tmp_path / "a.mkv", sound=sound, layout=layout, audio_codec="pcm_s16le")
    np.testing.assert_allclose(waveform(SegmentReader(path)), 0.6 / channels, atol=1e-3)


def test_channels_without_names_are_averaged_too(tmp_path):
    samples = np.zeros((44100, 6))
    samples[:, 2] = 12000
    path = write_wav(tmp_path / "a.wav", samples, 44100)
    with av.open(str(path)) as container:
        assert container.streams.audio[0].layout.name == "6 channels"
    middle = waveform(SegmentReader(path))[1000:-1000]
    np.testing.assert_allclose(middle, 2000 / 32768, atol=1e-4)


def test_compressed_5_1_sound_plays(tmp_path):
    sound = tone(440, 2, 48000, channels=6)
    path = write_media(tmp_path / "a.mp4", sound=sound, rate=48000, layout="5.1")
    samples = waveform(SegmentReader(path))
    assert peak_frequency(samples[:SAMPLE_RATE]) == pytest.approx(440, abs=2)


@pytest.mark.parametrize(
    ("codec", "layout", "channels"), [("wavpack", "7.1", 8), ("libopus", "hexadecagonal", 16)]
)
def test_many_channels_that_are_stored_one_by_one(tmp_path, codec, layout, channels):
    path = tmp_path / "a.mkv"
    sound = np.round(tone(440, 2, 48000, channels) * 32767).astype(np.int16)
    with av.open(str(path), "w") as container:
        stream = container.add_stream(codec, rate=48000, layout=layout)
        stream.options = {"mapping_family": "255"} if codec == "libopus" else {}
        frame = av.AudioFrame.from_ndarray(sound.T.reshape(1, -1), "s16", layout)
        frame.sample_rate = 48000
        container.mux([*stream.encode(frame), *stream.encode(None)])
    with av.open(str(path)) as container:
        frame = next(container.decode(audio=0))
        assert (frame.format.is_planar, frame.layout.nb_channels) == (True, channels)
    samples = waveform(SegmentReader(path))
    assert peak_frequency(samples[:SAMPLE_RATE]) == pytest.approx(440, abs=2)
    assert np.abs(samples[4000:12000]).max() == pytest.approx(0.5, abs=0.05)


def test_64_bit_samples(tmp_path):
    path = tmp_path / "a.wav"
    form = struct.pack("<HHIIHH", 1, 1, 16000, 128000, 8, 64)
    data = np.full(16000, 2**61, "<i8").tobytes()
    body = b"WAVEfmt " + struct.pack("<I", 16) + form + b"data" + struct.pack("<I", len(data))
    path.write_bytes(b"RIFF" + struct.pack("<I", len(body) + len(data)) + body + data)
    np.testing.assert_allclose(waveform(SegmentReader(path)), 0.25)


def test_adx_whose_end_is_a_frame_without_samples(tmp_path):
    path = write_media(
        tmp_path / "a.adx", sound=tone(440, 1, 44100), rate=44100, audio_codec="adpcm_adx"
    )
    with av.open(str(path)) as container:
        assert 0 in [frame.samples for frame in container.decode(audio=0)]
    samples = waveform(SegmentReader(path))
    assert len(samples) == SAMPLE_RATE
    assert peak_frequency(samples) == pytest.approx(440, abs=2)


def test_8_bit_sound_is_centered(tmp_path):
    path = tmp_path / "a.wav"
    with av.open(str(path), "w") as container:
        stream = container.add_stream("pcm_u8", rate=16000, layout="mono")
        frame = av.AudioFrame.from_ndarray(np.full((1, 16000), 192, np.uint8), "u8", "mono")
        frame.sample_rate = 16000
        container.mux(stream.encode(frame))
    np.testing.assert_allclose(waveform(SegmentReader(path)), 0.5)


def test_samples_that_are_not_numbers_are_silence_and_told(tmp_path):
    path = tmp_path / "a.wav"
    sound = tone(440, 1, 48000)
    sound[0, 100:200] = np.nan
    sound[0, 300] = np.inf
    with av.open(str(path), "w") as container:
        stream = container.add_stream("pcm_f32le", rate=48000, layout="mono")
        frame = av.AudioFrame.from_ndarray(sound, "flt", "mono")
        frame.sample_rate = 48000
        container.mux(stream.encode(frame))
    reader = SegmentReader(path)
    assert np.isfinite(waveform(reader)).all()
    assert "not numbers" in reader.notes[0]


def test_a_hole_in_the_timestamps_is_silence(tmp_path):
    path = tmp_path / "a.mkv"
    sound = click(1.5, 3) + click(0.2, 3)
    write_media(path, sound=sound, sound_gap=(1.0, 4.0), audio_codec="pcm_s16le")
    reader = SegmentReader(path)
    samples = waveform(reader)
    assert reader.duration == pytest.approx(7, abs=0.01)
    assert onset(samples) == pytest.approx(0.2, abs=0.005)
    assert onset(samples[SAMPLE_RATE:]) == pytest.approx(4.5, abs=0.005)


@pytest.mark.parametrize("pace", [0.96, 1.04])
def test_sound_follows_its_time_stamps(tmp_path, pace):
    path = tmp_path / "a.mkv"
    sound = click(48, 60)
    write_media(path, steady(2), sound, sound_pace=pace, audio_codec="pcm_s16le")
    reader = SegmentReader(path, video=False)
    assert onset(waveform(reader)) == pytest.approx(48 * pace, abs=0.11)
    assert reader.duration == pytest.approx(60 * pace, abs=0.11)
    (note,) = reader.notes
    assert ("runs ahead of its time stamps; 2.3 s" if pace < 1 else "holes of 2.4 s") in note


@pytest.mark.parametrize("pace", [0.9995, 1.0005, 0])
def test_small_differences_and_stamps_that_stand_still_change_nothing(tmp_path, pace):
    path = write_media(
        tmp_path / "a.mkv", (), click(48, 60), sound_pace=pace, audio_codec="pcm_s16le"
    )
    reader = SegmentReader(path)
    assert onset(waveform(reader)) == pytest.approx(48, abs=0.03)
    assert (reader.duration, reader.notes) == (pytest.approx(60, abs=0.03), ())


@pytest.mark.parametrize("start", [0, 5])
def test_sound_begins_where_the_header_of_an_avi_says(tmp_path, start):
    """AVI has no time stamps: only the header tells that a stream begins late (`dwStart`)."""
    settings = {"video_codec": "mpeg4", "audio_codec": "pcm_s16le", "fps": 10}
    path = write_recording(tmp_path / "a.avi", **settings)
    content = bytearray(path.read_bytes())
    struct.pack_into("<I", content, content.index(b"auds") + 28, start * 16000)
    path.write_bytes(content)
    reader = SegmentReader(path)
    assert events(reader) == (SEEN, [second + start for second in HEARD], 12 + start)
    assert reader.notes == ()
