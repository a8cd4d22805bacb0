"""Reading awkward media files as one-second segments."""

import csv
from fractions import Fraction
from types import SimpleNamespace

import av
import numpy as np
import psutil
import pytest

from media_files import (
    click,
    gray,
    number_of,
    rotate_by_header,
    spoil,
    steady,
    tone,
    truncate,
    write_media,
    write_wav,
)
from mmpyramid.errors import UserError
from mmpyramid.media import SAMPLE_RATE, SegmentReader, probe
from mmpyramid.media.decoder import Decoder
from mmpyramid.types import Modality


def numbers(reader):
    return [[number_of(image) for image in segment.frames] for segment in reader]


def waveform(reader):
    return np.concatenate([segment.waveform for segment in reader])


def onset(samples):
    """Second of the first sample that is clearly not silence."""
    return int(np.argmax(np.abs(samples) > 0.2)) / SAMPLE_RATE


def peak_frequency(samples):
    return float(np.argmax(np.abs(np.fft.rfft(samples)))) * SAMPLE_RATE / len(samples)


# What a file holds


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
        ("empty.mp4", b"", "is empty"),
        ("noise.mp4", np.random.default_rng(0).bytes(100_000), "cannot open"),
        ("notes.txt", b"heard a dog\n" * 100, "text file"),
        ("table.csv", b"a,b\n1,2\n" * 100, "cannot open"),
        ("captions.srt", b"1\n00:00:01,000 --> 00:00:02,000\nhello\n\n", "no such stream"),
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
    path = write_wav(tmp_path / "a.wav", np.ones((16000, 1)), 16000, title=b"caf\xe9")
    assert len(list(SegmentReader(path))) == 1


def test_a_name_that_looks_like_a_protocol_is_a_file(tmp_path, monkeypatch):
    write_media(tmp_path / "concat:a.mp4", steady(10))
    monkeypatch.chdir(tmp_path)
    assert len(list(SegmentReader("concat:a.mp4"))) == 1


# Which frame is chosen


def test_the_frame_on_screen_at_each_time_is_chosen(tmp_path):
    path = write_media(tmp_path / "a.mp4", steady(30))
    assert numbers(SegmentReader(path)) == [[2, 7], [12, 17], [22, 27]]
    assert numbers(SegmentReader(path, frames_per_segment=5)) == [
        [1, 3, 5, 7, 9],
        [11, 13, 15, 17, 19],
        [21, 23, 25, 27, 29],
    ]


def test_a_frame_that_begins_exactly_then_is_chosen(tmp_path):
    path = write_media(tmp_path / "a.mp4", steady(8, rate=8))
    assert numbers(SegmentReader(path, frames_per_segment=4)) == [[1, 3, 5, 7]]


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
    assert numbers(SegmentReader(path, frames_per_segment=10)) == [
        [10 * k + j for j in range(10)] for k in range(3)
    ]


def test_rotation_is_applied(tmp_path):
    image = np.full((48, 64, 3), 128, np.uint8)
    image[:24, :32] = 255  # the stored top left corner, on screen the top right one
    path = rotate_by_header(write_media(tmp_path / "a.mp4", [(n / 10, image) for n in range(10)]))
    info = probe(path)
    assert (info.rotation, info.width, info.height) == (270, 48, 64)
    for size, shape in ((None, (64, 48)), ((20, 40), (40, 20))):
        (segment,) = SegmentReader(path, frame_size=size)
        shown = segment.frames[0]
        assert shown.shape == (*shape, 3)
        height, width = shape
        corners = shown[[2, 2, -3, -3], [2, -3, 2, -3], 0] > 200
        assert corners.tolist() == [False, True, False, False], (height, width)


def test_frames_are_squashed_to_the_size_asked(tmp_path):
    image = np.zeros((48, 64, 3), np.uint8)
    image[:, 32:] = [250, 10, 10]
    path = write_media(tmp_path / "a.mp4", [(n / 10, image) for n in range(10)])
    (segment,) = SegmentReader(path, frame_size=(30, 20), frames_per_segment=3)
    assert segment.frames.shape == (3, 20, 30, 3)
    assert segment.frames.dtype == np.uint8
    left, right = segment.frames[0, 10, 4], segment.frames[0, 10, -4]
    assert left.max() < 20
    np.testing.assert_allclose(right, [250, 10, 10], atol=12)


# Sound


@pytest.mark.parametrize("rate", [8000, 16000, 22050, 44100, 48000])
def test_any_sample_rate_gives_the_same_sound(tmp_path, rate):
    sound = tone(440, 3, rate)
    path = write_media(tmp_path / "a.wav", sound=sound, rate=rate, audio_codec="pcm_s16le")
    samples = waveform(SegmentReader(path))
    expected = tone(440, 3)[0]
    assert samples.shape == (3 * SAMPLE_RATE,)
    np.testing.assert_allclose(samples[100:-100], expected[100:-100], atol=0.01)


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


# Lengths and starts that differ


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


# Missing modalities


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


@pytest.mark.parametrize("wrong", [{"frames_per_segment": 0}, {"frame_size": (0, 224)}])
def test_wrong_settings_are_errors(tmp_path, wrong):
    with pytest.raises(UserError, match="got"):
        SegmentReader(write_media(tmp_path / "a.mp4", steady(10)), **wrong)


# Damage


def test_a_spoiled_middle_keeps_the_rest(tmp_path, capfd):
    frames = [
        (n / 10, np.random.default_rng(n).integers(0, 255, (48, 64, 3), np.uint8))
        for n in range(50)
    ]
    path = write_media(tmp_path / "a.mp4", frames, options={"movflags": "faststart"})
    reader = SegmentReader(spoil(path, 0.4, 0.5))
    assert len(list(reader)) == 5
    (note,) = reader.notes
    assert note.startswith("the picture is damaged after")
    assert capfd.readouterr().err == ""


@pytest.mark.parametrize("container", ["mp4", "mkv"])
def test_a_truncated_file_gives_what_is_there(tmp_path, container):
    path = tmp_path / f"a.{container}"
    frames = [(n / 10, gray(n % 30)) for n in range(100)]
    options = {"movflags": "faststart"} if container == "mp4" else {}
    write_media(path, frames, tone(440, 10), options=options)
    reader = SegmentReader(truncate(path, 0.6))
    segments = list(reader)
    assert 1 <= len(segments) < 10
    assert np.abs(segments[0].waveform).max() > 0.4
    assert any("may be cut off" in note for note in reader.notes)


def test_a_file_whose_index_is_cut_off_is_a_clear_error(tmp_path):
    path = write_media(tmp_path / "a.mp4", steady(30))
    with pytest.raises(UserError, match="index is missing"):
        probe(truncate(path, 0.9))


def test_a_file_of_which_nothing_decodes_is_a_clear_error(tmp_path):
    path = write_media(tmp_path / "a.mp4", steady(30), options={"movflags": "faststart"})
    data = path.read_bytes()
    begin = data.index(b"mdat") + 4
    path.write_bytes(data[:begin] + b"\xff" * (len(data) - begin))
    with pytest.raises(UserError, match=r"nothing in .* can be decoded"):
        list(SegmentReader(path))


def fake_decoder(times, duration=10.0):
    """A decoder of a pretended sound stream whose frames of 0.1 s begin at `times`."""
    frames = []
    for time in times:
        frame = av.AudioFrame.from_ndarray(np.zeros((1, 1600), np.float32), "fltp", "mono")
        frame.sample_rate, frame.pts = 16000, round(time * 16000)
        frames.append(frame)
    stream = SimpleNamespace(
        time_base=Fraction(1, 16000), duration=None, start_time=0, decode=lambda frame: [frame]
    )
    container = SimpleNamespace(
        demux=lambda _: iter(frames),
        format=SimpleNamespace(name="mov"),
        duration=round(duration * av.time_base),
        start_time=0,
    )
    return Decoder(container, stream, "sound")


def test_frames_far_back_are_left_out():
    decoder = fake_decoder([0, 5, 5.1, 1, 5.2])
    assert [float(timed.start) for timed in decoder] == [0, 5, 5.1, 5.2]
    assert "backwards" in decoder.notes(Fraction(0))[0]


def test_a_small_step_back_keeps_the_order_of_decoding():
    decoder = fake_decoder([0, 0.1, 0.05, 0.3])
    assert [round(float(timed.start), 6) for timed in decoder] == [0, 0.1, 0.2, 0.3]
    assert decoder.notes(Fraction(0)) == ()


def test_a_timestamp_far_beyond_the_end_is_left_out():
    decoder = fake_decoder([0, 0.1, 1e6, 0.2])
    assert [float(timed.start) for timed in decoder] == [0, 0.1, 0.2]
    assert "beyond the end" in decoder.notes(Fraction(0))[0]


# Iterating


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


def test_memory_does_not_grow_with_length(tmp_path):
    """Two minutes, of which the sampled frames alone would be 115 MB."""
    path = tmp_path / "a.mp4"
    frames = [(n / 5, gray(n % 30)) for n in range(600)]
    write_media(path, frames, tone(440, 120), audio_codec="flac")
    process = psutil.Process()
    reader = SegmentReader(path, frame_size=(400, 400))
    resident = [process.memory_info().rss for _ in reader]
    assert len(resident) == 120
    assert max(resident) - resident[20] < 10e6


# Real files


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
    assert [("damaged after 2.8 s" in note) for note in reader.notes] == [True] * (
        name == "corrupted.mp4"
    )


@pytest.mark.slow
def test_real_clips_have_the_length_of_their_index(shared):
    with (shared / "clips" / "index.csv").open() as file:
        rows = [row for row in csv.DictReader(file) if row["file"].startswith("dev/")]
    assert len(rows) > 50
    for row in rows:
        reader = SegmentReader(shared / "clips" / row["file"], frame_size=(32, 32))
        num_segments = sum(1 for _ in reader)
        assert num_segments == max(1, int(float(row["duration"]) + 0.5)), row["file"]
        assert reader.duration == pytest.approx(float(row["duration"]), abs=0.2), row["file"]
        assert (Modality.VISUAL in reader.missing) == (not row["width"]), row["file"]
        assert reader.notes == (), row["file"]
