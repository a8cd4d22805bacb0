"""Which picture and sound are read of files that have several."""

import av
import numpy as np
import pytest

from media_files import (
    HEARD,
    SEEN,
    events,
    gray,
    steady,
    tone,
    two_tones,
    write_media,
    write_recording,
)
from mmpyramid.core import Modality
from mmpyramid.core.errors import UserError
from mmpyramid.media import SegmentReader, View, probe
from mmpyramid.media.sampling import PublishedReader
from mmpyramid.media.source import open_media, packets_of
from mmpyramid.media.streams import Tracks, best_video, played_sound

SILENCE = np.zeros((1, 12 * 16000), np.float32)
TALK = tone(440, 12)


def write_tracks(path, sounds, picture=True, languages=(), codec="aac"):
    """A file with several sound tracks, which are as long as each other."""
    with av.open(str(path), "w") as container:
        video = container.add_stream("libx264", rate=10) if picture else None
        if video is not None:
            video.width, video.height, video.pix_fmt = 64, 48, "yuv420p"
        tracks = [container.add_stream(codec, rate=16000, layout="mono") for _ in sounds]
        for track, language in zip(tracks, languages, strict=False):
            track.metadata["language"] = language
        for second in range(12):
            for n in range(10 if video is not None else 0):
                frame = av.VideoFrame.from_ndarray(
                    np.full((48, 64, 3), 255 * (second in SEEN), np.uint8), format="rgb24"
                )
                frame.pts = second * 10 + n
                container.mux(video.encode(frame))
            for track, sound in zip(tracks, sounds, strict=True):
                piece = sound[:, second * 16000 : (second + 1) * 16000]
                if codec.startswith("pcm"):
                    piece = (piece * 32767).astype(np.int16)
                frame = av.AudioFrame.from_ndarray(
                    np.ascontiguousarray(piece),
                    "s16" if codec.startswith("pcm") else "fltp",
                    "mono",
                )
                frame.sample_rate, frame.pts = 16000, second * 16000
                container.mux(track.encode(frame))
        for stream in container.streams:
            container.mux(stream.encode(None))
    return path


def heard(path, **tracks):
    return events(SegmentReader(path, [View(2, (32, 24))], tracks=Tracks(**tracks)))[1]


def test_the_first_audible_track_is_read_and_told(tmp_path):
    path = write_tracks(tmp_path / "a.mkv", [SILENCE, two_tones()], languages=["deu", "eng"])
    reader = SegmentReader(path, [View(2, (32, 24))])
    assert events(reader) == (SEEN, HEARD, 12)
    assert reader.notes == (
        "sound track 1 is silent",
        "sound track 2 was read; left out: 1 (aac, mono, deu); `--audio-track N` or `all` chooses",
    )


def test_silence_at_the_beginning_makes_no_track_silent(tmp_path):
    path = write_tracks(tmp_path / "a.mkv", [two_tones(), TALK])
    assert heard(path) == HEARD


def test_a_track_is_chosen_by_its_number(tmp_path):
    path = write_tracks(tmp_path / "a.mkv", [two_tones(), SILENCE, TALK])
    assert heard(path, audio=1) == HEARD
    assert heard(path, audio=2) == []
    assert heard(path, audio=3) == list(range(12))
    for wrong in (0, 4):
        with pytest.raises(UserError, match="--audio-track of"):
            heard(path, audio=wrong)
    with pytest.raises(UserError, match="--video-track of"):
        probe(path, Tracks(video=2))


def test_all_tracks_are_mixed(tmp_path):
    first, second = two_tones(), two_tones()
    first[:, : 7 * 16000] = 0
    second[:, 7 * 16000 :] = 0
    path = write_tracks(tmp_path / "a.mkv", [first, second], codec="pcm_s16le")
    assert heard(path) == HEARD[1:]
    reader = SegmentReader(path, [View(2, (32, 24))], tracks=Tracks(audio="all"))
    loud = [s.index for s in reader if np.std(s.waveform) > 0.1]
    assert (loud, reader.notes) == (HEARD, ())


def test_mono_tracks_without_picture(tmp_path):
    path = write_tracks(tmp_path / "a.mka", [SILENCE, SILENCE, two_tones()], picture=False)
    assert heard(path) == HEARD
    assert heard(path, audio="all") == HEARD


def test_one_track_of_each_kind_needs_no_note(tmp_path):
    assert probe(write_recording(tmp_path / "a.mp4")).notes == ()


def program_file(tmp_path, numbers):
    """A transport stream of several programs, as broadcasters send them.

    Each is `gray`, as given, with a tone of its own; the first has the smaller picture.
    """
    parts, tables = [], b""
    for number, level in enumerate(numbers, 1):
        frames = [(n / 10, gray(level, 64 * number, 48 * number)) for n in range(30)]
        path = tmp_path / f"{number}.ts"
        options = {
            "mpegts_service_id": str(number),
            "mpegts_pmt_start_pid": str(0x1000 + number),
            "mpegts_start_pid": str(0x100 * number),
        }
        write_media(path, frames, 0.4 * number * tone(440, 3), options=options)
        data = path.read_bytes()
        parts.append([data[at : at + 188] for at in range(0, len(data), 188)])
        tables += number.to_bytes(2) + (0xE000 | 0x1000 + number).to_bytes(2)
    section = bytes([0x00]) + (0xB000 | 9 + len(tables)).to_bytes(2) + b"\0\1\xc1\0\0" + tables
    section += crc(section).to_bytes(4)
    table = (b"\x47\x40\x00\x10\0" + section).ljust(188, b"\xff")
    path = tmp_path / "programs.ts"
    longest = max(map(len, parts))
    packets = [
        packet
        for n in range(longest)
        for part in parts
        for packet in part[n * len(part) // longest : (n + 1) * len(part) // longest]
        if packet[1] & 0x1F or packet[2] not in (0x00, 0x11)
    ]
    path.write_bytes(table + b"".join(packets))
    return path


def crc(data):
    """That of MPEG sections: the polynomial of CRC-32, highest bit first, without inversion."""
    value = 0xFFFFFFFF
    for byte in data:
        value ^= byte << 24
        for _ in range(8):
            value = (value << 1 ^ (0x04C11DB7 if value & 0x80000000 else 0)) & 0xFFFFFFFF
    return value


@pytest.mark.parametrize("number", [1, 2])
def test_picture_and_sound_are_of_one_program(tmp_path, number):
    path = program_file(tmp_path, [5, 20])
    with av.open(str(path)) as container:
        assert len(container.streams.video) == len(container.streams.audio) == 2
    reader = SegmentReader(path, [View(2, (32, 24))], tracks=Tracks(video=number))
    segments = list(reader)
    assert round(segments[1].frames.mean() / 8) == [5, 20][number - 1]
    assert np.abs(segments[1].waveform).max() == pytest.approx(0.2 * number, abs=0.05)
    assert sum("left out" in note for note in reader.notes) == 2


def test_channels_in_opposite_phase_are_heard_and_told(tmp_path):
    sound = two_tones(channels=2)
    sound[1] *= -1
    for codec in ("pcm_s16le", "aac"):
        path = write_media(tmp_path / f"{codec}.mkv", (), sound, layout="stereo", audio_codec=codec)
        reader = SegmentReader(path)
        assert events(reader)[1] == HEARD
        assert "cancel each other" in reader.notes[0]
        published = PublishedReader(path, [])
        assert max(np.abs(s.waveform).max() for s in published) < 0.02


def test_a_single_loud_channel_of_many_is_averaged_as_ever(tmp_path):
    sound = np.zeros((8, 16000), np.float32)
    sound[3] = 0.8
    path = write_media(tmp_path / "a.mkv", (), sound, layout="7.1", audio_codec="pcm_s16le")
    reader = SegmentReader(path)
    (segment,) = reader
    np.testing.assert_allclose(segment.waveform, 0.1, atol=1e-3)
    assert reader.notes == ()


def test_a_stream_that_appears_on_the_way_ends_no_reading(tmp_path):
    """PyAV, which does not know it, looks for it at the end; as `ffmpeg`, nobody reads it."""
    first = write_media(tmp_path / "first.flv", steady(400))
    second = {"sound": tone(440, 3), "sound_start": 40.0}
    later = write_media(tmp_path / "later.flv", steady(30, start=40.0), **second)
    path = tmp_path / "joined.flv"
    path.write_bytes(first.read_bytes() + later.read_bytes()[13:])
    reader = SegmentReader(path)
    assert len(list(reader)) == 43
    assert reader.missing == (Modality.AUDIO,)
    with open_media(path) as container:
        assert sum(1 for _ in packets_of(container, *container.streams.video)) > 400
        assert played_sound(container, best_video(container)) is None
