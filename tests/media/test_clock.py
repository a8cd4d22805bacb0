"""Files whose clock is restarted or jumps: what comes after it follows what came before."""

import time
from pathlib import Path

import av
import numpy as np
import pytest

from media_files import (
    HEARD,
    SEEN,
    delay_transport_stream,
    events,
    steady,
    tone,
    twice,
    two_tones,
    write_media,
    write_recording,
)
from mmpyramid.media import SegmentReader, View

BROADCAST = {"video_codec": "mpeg2video", "audio_codec": "ac3", "rate": 48000, "fps": 25}
BROWSER = {"video_codec": "libvpx", "audio_codec": "libopus", "rate": 48000}
SOUND = {"picture": False}


def join(tmp_path: Path, suffix: str, *starts: float, skip: int = 0, **settings: object) -> Path:
    """Recordings one after the other in one file, as `cat` makes it.

    Args:
        tmp_path: the folder.
        suffix: of the file.
        starts: where the clock of each begins.
        skip: bytes of a file header that later ones do without.
        settings: of `write_recording`.
    """
    content = b""
    for start in starts:
        part = write_recording(tmp_path / f"part.{suffix}", start, **settings).read_bytes()
        content += part[skip if content else 0 :]
    path = tmp_path / f"joined.{suffix}"
    path.write_bytes(content)
    return path


def check(path: Path, seen: list[int], heard: list[int], seconds: int, jump: float | None) -> None:
    """See that a file is read as its content is."""
    reader = SegmentReader(path, [View(2, (32, 24))])
    assert events(reader) == (seen, heard, seconds)
    notes = [note for note in reader.notes if "clock jumps" in note]
    assert len(notes) == (jump is not None)
    for note in notes:
        within = 1.1 if path.suffix == ".ogg" else 0.3  # Ogg tells the time once in a second.
        assert float(note.split()[5]) == pytest.approx(jump, abs=within)
    assert not any("damaged" in note or "cut off" in note for note in reader.notes)


@pytest.mark.parametrize("starts", [(0, 0), (5000, 0), (0, 1000), (90_000, 30)])
def test_joined_transport_streams(tmp_path, starts):
    path = join(tmp_path, "ts", *starts)
    check(path, twice(SEEN), twice(HEARD), 24, 12.1)


@pytest.mark.slow
def test_three_recordings(tmp_path):
    path = join(tmp_path, "ts", 500, 0, 500)
    check(path, [*twice(SEEN), 27, 28, 29, 30], [*twice(HEARD), 29, 33], 36, 12.1)


@pytest.mark.slow
@pytest.mark.parametrize("starts", [(0, 0), (3000, 0), (0, 1000)])
def test_a_stream_that_was_connected_anew(tmp_path, starts):
    path = join(tmp_path, "flv", *starts, skip=13)
    check(path, twice(SEEN), twice(HEARD), 24, 12.1)


@pytest.mark.slow
@pytest.mark.parametrize("starts", [(0, 0), (2000, 0)])
def test_joined_vob(tmp_path, starts):
    check(join(tmp_path, "vob", *starts, **BROADCAST), twice(SEEN), twice(HEARD), 24, 12.0)


@pytest.mark.slow
@pytest.mark.parametrize("starts", [(0, 0), (50, 0), (0, 5000)])
def test_two_recordings_of_a_browser(tmp_path, starts):
    path = join(tmp_path, "webm", *starts, **BROWSER)
    check(path, twice(SEEN), twice(HEARD), 24, 12.0)


@pytest.mark.parametrize("starts", [(0, 0), (0, 1000)])
def test_joined_matroska_whose_order_of_decoding_is_guessed(tmp_path, starts):
    check(join(tmp_path, "mkv", *starts), twice(SEEN), twice(HEARD), 24, 12.0)


@pytest.mark.parametrize(
    ("suffix", "codec", "rate", "jump"),
    [
        ("opus", "libopus", 48000, 12.0),
        ("ogg", "flac", 16000, 12.0),
        ("mp3", "libmp3lame", 16000, None),
        ("aac", "aac", 16000, None),
        ("ac3", "ac3", 48000, None),
    ],
)
def test_joined_sound(tmp_path, suffix, codec, rate, jump):
    path = join(tmp_path, suffix, 0, 0, audio_codec=codec, rate=rate, **SOUND)
    check(path, [], twice(HEARD), 24, jump)


FRAGMENTS = {"movflags": "frag_keyframe+empty_moov+default_base_moof"}


@pytest.mark.parametrize("flags", ["", "+dash+global_sidx", "+skip_trailer"])
def test_joined_fragments_with_their_index_at_the_end_or_not(tmp_path, flags):
    """FFmpeg leaves out some of the second sound, and the notes tell how much."""
    options = {"movflags": FRAGMENTS["movflags"] + flags}
    path = join(tmp_path, "mp4", 0, 0, options=options, video_codec="mpeg4", fps=10)
    check(path, twice(SEEN), twice(HEARD), 24, 12.0)


@pytest.mark.parametrize(
    ("suffix", "settings"),
    [
        ("mxf", {**BROADCAST, "audio_codec": "pcm_s16le"}),
        pytest.param("ogg", BROWSER, marks=pytest.mark.slow),
    ],
)
def test_a_file_after_itself(tmp_path, suffix, settings):
    """FFmpeg gives all of the second MXF one time stamp, and headers as pictures of VP8."""
    part = write_recording(tmp_path / f"part.{suffix}", **settings)
    path = tmp_path / f"joined.{suffix}"
    path.write_bytes(part.read_bytes() * 2)
    check(path, twice(SEEN), twice(HEARD), 24, 12.0)


@pytest.mark.parametrize(
    ("suffix", "settings"),
    [
        ("mp4", {"options": {"movflags": "faststart"}}),
        ("mov", {}),
        ("flv", {}),
        pytest.param("ogg", BROWSER, marks=pytest.mark.slow),
        ("wmv", {"video_codec": "wmv2", "audio_codec": "mp2", "rate": 44100, "fps": 25}),
        *((suffix, {**SOUND, "audio_codec": "pcm_s16le"}) for suffix in ("wav", "w64", "voc")),
        *((suffix, {**SOUND, "audio_codec": "pcm_s16be"}) for suffix in ("aiff", "caf")),
        ("tta", {**SOUND, "audio_codec": "tta"}),
        ("wv", {**SOUND, "audio_codec": "wavpack"}),
        ("swf", {"video_codec": "flv1", "audio_codec": "mp3", "rate": 44100, "fps": 10}),
        ("nut", {"video_codec": "mpeg4", "audio_codec": "pcm_s16le", "fps": 10}),
        ("nut", {**SOUND, "audio_codec": "pcm_s16le"}),
        ("rm", {"video_codec": "rv20", "audio_codec": "ac3", "rate": 48000, "fps": 10}),
        ("rm", {**SOUND, "audio_codec": "ac3", "rate": 48000}),
        ("adx", {**SOUND, "audio_codec": "adpcm_adx"}),
    ],
)
def test_what_ffmpeg_does_not_read_is_told(tmp_path, suffix, settings):
    path = join(tmp_path, suffix, 0, 0, **settings)
    reader = SegmentReader(path, [View(2, (32, 24))])
    assert events(reader) == ([] if "picture" in settings else SEEN, HEARD, 12)
    half = path.stat().st_size // 2
    (note,) = reader.notes
    assert note.startswith(f"after {half} of {2 * half} bytes another file begins")
    reader = SegmentReader(tmp_path / f"part.{suffix}", [View(2, (32, 24))])
    assert (len(list(reader)), reader.notes) == (12, ())


@pytest.mark.parametrize(
    ("suffix", "codec", "pixels"),
    [
        ("ivf", "libvpx", "yuv420p"),
        ("ivf", "libvpx-vp9", "yuv420p"),
        ("y4m", "rawvideo", "yuv420p"),
        ("apng", "apng", "rgb24"),
    ],
)
def test_pictures_that_ffmpeg_does_not_read_are_told(tmp_path, suffix, codec, pixels):
    """The head of the second file, read as a picture, is neither damage nor a jump of the clock."""
    frames = [(n / 10, np.full((48, 64, 3), 255 * (3 <= n / 10 < 7), np.uint8)) for n in range(120)]
    settings = {"video_codec": codec, "fps": 10, "pixels": pixels}
    part = write_media(tmp_path / f"part.{suffix}", frames, **settings)
    path = tmp_path / f"joined.{suffix}"
    path.write_bytes(part.read_bytes() * 2)
    reader = SegmentReader(path)
    assert events(reader) == (SEEN, [], 12)
    half = part.stat().st_size
    (note,) = reader.notes
    assert note.startswith(f"after {half} of {2 * half} bytes another file begins")
    assert SegmentReader(part).notes == ()


@pytest.mark.parametrize(
    ("suffix", "settings"),
    [
        ("mkv", {}),
        ("mp4", {}),
        ("flv", {}),
        ("avi", {"video_codec": "mpeg4", "audio_codec": "mp2", "fps": 25}),
        ("wav", {**SOUND, "audio_codec": "pcm_s16le"}),
    ],
)
def test_a_file_of_another_format_that_follows_is_told(tmp_path, suffix, settings):
    first = write_recording(tmp_path / f"part.{suffix}", **settings).read_bytes()
    second = write_recording(tmp_path / "part.ts").read_bytes()
    path = tmp_path / f"joined.{suffix}"
    path.write_bytes(first + second)
    reader = SegmentReader(path, [View(2, (32, 24))])
    assert events(reader) == ([] if "picture" in settings else SEEN, HEARD, 12)
    (note,) = reader.notes
    begin = int(note.split()[1])
    assert 0.9 * len(first) < begin <= len(first)
    assert f"of {len(first + second)} bytes another file begins" in note
    reader = SegmentReader(tmp_path / f"part.{suffix}", [View(2, (32, 24))])
    assert (len(list(reader)), reader.notes) == (12, ())


@pytest.mark.parametrize("kind", ["sound", "picture"])
def test_what_ffmpeg_takes_for_the_rest_of_the_last_packet_is_told(tmp_path, kind):
    first, second = tmp_path / "first", tmp_path / "second"
    if kind == "sound":
        first = write_media(first.with_suffix(".flac"), sound=two_tones(), audio_codec="flac")
        second = write_media(second.with_suffix(".mp3"), sound=two_tones(), audio_codec="mp3")
    else:
        settings = {"video_codec": "mjpeg", "pixels": "yuvj420p", "fps": 25}
        first = write_media(first.with_suffix(".mjpeg"), steady(25, 25), **settings)
        second = write_media(second.with_suffix(".h264"), steady(250, 25))
    path = tmp_path / f"joined{first.suffix}"
    path.write_bytes(first.read_bytes() + second.read_bytes())
    whole, alone = SegmentReader(path), SegmentReader(first)
    assert len(list(whole)) == len(list(alone))
    assert alone.notes == ()
    (note,) = whole.notes
    change = f"where its codec changes from {first.suffix[1:]} to {second.suffix[1:]}"
    assert note.startswith(f"the {kind} ends at")
    assert change in note


OTHERS = {
    "ts": [{}, {"video_codec": "mpeg2video", "audio_codec": "ac3", "rate": 48000, "fps": 25}],
    "mkv": [
        {"audio_codec": "ac3", "rate": 48000},
        {"video_codec": "ffv1", "audio_codec": "flac", "fps": 10},
    ],
    "vob": [BROADCAST, {"video_codec": "mpeg2video", "audio_codec": "mp2", "fps": 25}],
}


@pytest.mark.parametrize("suffix", OTHERS)
@pytest.mark.parametrize("order", [1, pytest.param(-1, marks=pytest.mark.slow)])
def test_a_recording_in_another_codec_is_named(tmp_path, suffix, order):
    """FFmpeg does not decode it, as its decoders are those of the first recording."""
    first, second = OTHERS[suffix][::order]
    path = tmp_path / f"joined.{suffix}"
    parts = [
        write_recording(tmp_path / f"part.{suffix}", **settings).read_bytes()
        for settings in (first, second)
    ]
    path.write_bytes(b"".join(parts))
    reader = SegmentReader(path, [View(2, (32, 24))])
    seen, heard, length = events(reader)
    is_seen_twice = suffix == "vob"  # Both are MPEG-2.
    assert seen == (twice(SEEN) if is_seen_twice else SEEN)
    assert set(HEARD) <= set(heard) < {*range(12)}
    assert length == 24 if is_seen_twice else length == 12
    assert not any("damaged" in note or "cut off" in note for note in reader.notes)
    names = {"aac": "aac", **{name: name for name in ("ac3", "flac", "mp2")}}
    before, after = (names[part.get("audio_codec", "aac")] for part in (first, second))
    change = f"its codec changes from {before} to {after}"
    (note,) = [note for note in reader.notes if note.startswith("the sound ends at 12.")]
    assert change in note
    if not is_seen_twice:
        assert any(note.startswith("the picture ends at 1") for note in reader.notes)


def test_raw_sound_in_another_codec_is_named(tmp_path):
    path = tmp_path / "joined.mp3"
    parts = [
        write_recording(tmp_path / f"part.{suffix}", audio_codec=codec, picture=False).read_bytes()
        for suffix, codec in (("mp3", "libmp3lame"), ("aac", "aac"))
    ]
    path.write_bytes(b"".join(parts))
    reader = SegmentReader(path)
    assert events(reader) == ([], HEARD, 12)
    (note,) = reader.notes
    assert "the sound ends at 12.0 s, where its codec changes from mp3 to aac" in note


@pytest.mark.parametrize("codecs", [("h264", "hevc"), ("hevc", "h264")])
def test_raw_pictures_in_another_codec_are_named(tmp_path, codecs):
    encoders = {"h264": "libx264", "hevc": "libx265"}
    parts = [
        write_media(tmp_path / f"part.{codec}", steady(200, 25), video_codec=encoders[codec])
        for codec in codecs
    ]
    path = tmp_path / f"joined.{codecs[0]}"
    path.write_bytes(b"".join(part.read_bytes() for part in parts))
    reader = SegmentReader(path)
    assert list(reader)
    (note,) = reader.notes
    assert f"its codec changes from {codecs[0]} to {codecs[1]}" in note


def test_time_stamps_that_come_late_move_nothing(tmp_path):
    """Of raw AAC in LATM, FFmpeg knows none for the first seconds, and then counts from zero."""
    path = write_recording(tmp_path / "raw.latm", audio_codec="aac", picture=False)
    reader = SegmentReader(path)
    assert (events(reader), reader.notes) == (([], HEARD, 12), ())


RATES = [(48000, 16000), (16000, 48000), (44100, 22050, 44100)]


@pytest.mark.slow
@pytest.mark.parametrize(
    ("suffix", "codec", "rates"),
    [
        (suffix, codec, rates)
        for suffix, codec in [
            ("aac", "aac"),
            ("mp3", "libmp3lame"),
            ("flac", "flac"),
            ("ts", "aac"),
        ]
        for rates in RATES
    ],
)
def test_sound_whose_rate_changes(tmp_path, suffix, codec, rates):
    """FFmpeg computes the time stamps by the first rate."""
    path = tmp_path / f"joined.{suffix}"
    for rate in rates:
        part = tmp_path / f"part.{suffix}"
        write_recording(part, rate=rate, audio_codec=codec, picture=False)
        path.write_bytes((path.read_bytes() if path.exists() else b"") + part.read_bytes())
    heard = [12 * n + second for n in range(len(rates)) for second in HEARD]
    reader = SegmentReader(path)
    assert events(reader) == ([], heard, 12 * len(rates))
    assert all("clock jumps" in note for note in reader.notes)


def test_both_readers_of_a_file_find_the_same_jumps(tmp_path):
    path = join(tmp_path, "ts", 0, 1000)
    assert events(SegmentReader(path, audio=False))[0] == twice(SEEN)
    assert events(SegmentReader(path, video=False))[1] == twice(HEARD)


def shades(path: Path, times: list[float], sound: np.ndarray | None = None) -> Path:
    """A film whose pictures are dark until its second second, and then white."""
    frames = [(t, np.full((48, 64, 3), 255 * (t >= 2), np.uint8)) for t in times]
    return write_media(path, frames, sound)


@pytest.mark.slow
@pytest.mark.parametrize("suffix", ["mkv", "ts"])
@pytest.mark.parametrize("pause", [6, 40])
def test_a_pause_of_the_picture_while_sound_goes_on_is_no_jump(tmp_path, suffix, pause):
    times = [n / 10 + (pause if n >= 15 else 0) for n in range(40)]
    path = shades(tmp_path / f"a.{suffix}", times, tone(440, 4 + pause))
    seen = list(range(2 + pause, 4 + pause))
    check(path, seen, list(range(4 + pause)), 4 + pause, None)


@pytest.mark.parametrize(("suffix", "pause"), [("ts", 6), ("mkv", 6), ("mkv", 300), ("mp4", 300)])
def test_a_pause_of_all_in_one_recording_is_no_jump(tmp_path, suffix, pause):
    times = [n / 10 + (pause if n >= 15 else 0) for n in range(40)]
    path = shades(tmp_path / f"a.{suffix}", times)
    check(path, list(range(2 + pause, 4 + pause)), [], 4 + pause, None)


def test_days_that_time_stamps_claim_are_not_believed(tmp_path):
    path = shades(tmp_path / "a.mkv", [0, 0.5, 1, 1.5, 25_920_000, 25_920_000.5])
    begin = time.monotonic()
    reader = SegmentReader(path, [View(2, (32, 24))])
    assert len(list(reader)) <= 4
    assert time.monotonic() - begin < 10
    assert "clock jumps" in reader.notes[0]


def test_clocks_of_picture_and_sound_that_lie_far_apart_begin_together(tmp_path):
    path = tmp_path / "a.ts"
    delay_transport_stream(write_recording(path), 0x101, 5000)
    with av.open(str(path)) as container:
        assert container.streams.audio[0].start_time > 5000 * 90_000
    check(path, SEEN, HEARD, 12, 0.0)


def test_a_clock_that_runs_over_is_no_jump(tmp_path):
    path = write_recording(tmp_path / "a.ts")
    for stream in (0x100, 0x101):
        delay_transport_stream(path, stream, 2**33 / 90_000 - 6)
    check(path, SEEN, HEARD, 12, None)
