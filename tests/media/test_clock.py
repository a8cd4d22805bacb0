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
    tone,
    twice,
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
