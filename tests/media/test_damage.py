"""Damaged files give what is there, or a clear error."""

from fractions import Fraction
from types import SimpleNamespace

import av
import numpy as np
import pytest

from media_files import (
    HEARD,
    SEEN,
    events,
    gray,
    spoil,
    steady,
    tone,
    truncate,
    write_media,
    write_recording,
    write_wav,
)
from mmpyramid.core.errors import UserError
from mmpyramid.media import SegmentReader, probe
from mmpyramid.media.decoder import Decoder


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


@pytest.mark.parametrize("keep", [0.5, 0.97])
def test_sound_that_is_cut_off_is_not_called_damaged(tmp_path, keep):
    settings = {"audio_codec": "ac3", "rate": 48000, "picture": False}
    path = truncate(write_recording(tmp_path / "a.rm", **settings), keep)
    reader = SegmentReader(path)
    assert events(reader)[1] == ([5] if keep == 0.5 else [5, 9])
    (note,) = reader.notes
    assert ("may be cut off" if keep == 0.5 else "the sound breaks off at 11.") in note


@pytest.mark.parametrize("keep", [0.5, 0.97])
def test_a_length_that_is_a_guess_promises_nothing(tmp_path, keep):
    path = write_recording(tmp_path / "a.adx", audio_codec="adpcm_adx", picture=False)
    reader = SegmentReader(truncate(path, keep))
    assert reader.info.length_is_guessed
    assert (events(reader)[1], reader.notes) == ([5] if keep == 0.5 else [5, 9], ())


@pytest.mark.parametrize("keep", [1, 0.6])
def test_captions_that_go_on_after_the_end_promise_nothing(tmp_path, keep):
    path, captions = tmp_path / "a.mkv", tmp_path / "a.srt"
    captions.write_text("1\n00:00:01,000 --> 00:01:00,000\nstill speaking\n")
    recording = write_recording(tmp_path / "b.mkv", video_codec="mpeg4", fps=10)
    with (
        av.open(str(path), "w") as out,
        av.open(str(recording)) as media,
        av.open(str(captions)) as text,
    ):
        sources = [*media.streams, *text.streams]
        streams = {source: out.add_stream_from_template(source) for source in sources}
        packets = [packet for packet in (*text.demux(), *media.demux()) if packet.size]
        for packet in sorted(packets, key=lambda packet: packet.dts * packet.time_base):
            packet.stream = streams[packet.stream]
            out.mux(packet)
    reader = SegmentReader(truncate(path, keep))
    assert events(reader)[:2] == ((SEEN, HEARD) if keep == 1 else (SEEN, [5]))
    assert bool(reader.notes) == (keep < 1)
    assert all("may be cut off" in note for note in reader.notes)


def test_a_picture_that_ends_before_the_sound_is_not_cut_off(tmp_path):
    frames, sound = [(n, gray(n)) for n in range(3)], tone(440, 6, 48000)
    path = write_media(tmp_path / "a.mkv", frames, sound, rate=48000, audio_codec="pcm_s16le")
    reader = SegmentReader(path)
    assert (len(list(reader)), reader.notes) == (6, ())


@pytest.mark.parametrize("place", [0, 0.5, 1])
def test_lost_blocks_of_a_broadcast_cost_only_themselves(tmp_path, place):
    """FFmpeg's own limit is 64 kB without a packet."""
    data = write_recording(tmp_path / "a.ts").read_bytes()
    cut = int(place * len(data)) // 188 * 188
    path = tmp_path / "b.ts"
    path.write_bytes(data[:cut] + bytes(300_000) + data[cut:])
    reader = SegmentReader(path)
    assert (events(reader), reader.notes) == ((SEEN, HEARD, 12), ())


def test_an_encrypted_file_is_told_instead_of_read_as_noise(tmp_path):
    path = tmp_path / "a.mp4"
    key = {"encryption_key": "76a6c65c5ea762046bd749a2e632ccbb", "encryption_kid": "a7" * 16}
    write_recording(path, options=key | {"encryption_scheme": "cenc-aes-ctr"})
    with pytest.raises(UserError, match=r"the picture is encrypted from 0\.0 s on.*decrypt it"):
        list(SegmentReader(path))


def test_a_file_whose_index_is_cut_off_is_a_clear_error(tmp_path):
    path = write_media(tmp_path / "a.mp4", steady(30))
    with pytest.raises(UserError, match="index is missing"):
        probe(truncate(path, 0.9))


def test_sound_of_which_nothing_decodes_is_not_called_cut_off(tmp_path):
    path = write_media(tmp_path / "a.mp4", steady(30), tone(440, 3))
    data = bytearray(path.read_bytes())
    with av.open(str(path)) as container:
        for packet in container.demux(audio=0):
            if packet.size:
                data[packet.pos : packet.pos + packet.size] = b"\xff" * packet.size
    path.write_bytes(data)
    reader = SegmentReader(path)
    assert len(list(reader)) == 3
    (note,) = reader.notes
    assert note.startswith("nothing of the sound could be decoded (")


def test_a_file_of_which_nothing_decodes_is_a_clear_error(tmp_path):
    path = write_media(tmp_path / "a.mp4", steady(30), options={"movflags": "faststart"})
    data = path.read_bytes()
    begin = data.index(b"mdat") + 4
    path.write_bytes(data[:begin] + b"\xff" * (len(data) - begin))
    with pytest.raises(UserError, match=r"nothing in .* can be decoded"):
        list(SegmentReader(path))


def fake_decoder(times):
    """A decoder of a pretended sound stream of a MOV file, in frames of 0.1 s from `times` on."""
    container = SimpleNamespace(
        format=SimpleNamespace(name="mov", flags=0),
        duration=10 * av.time_base,
        start_time=0,
        size=len(times),
        file=None,
    )
    stream = SimpleNamespace(
        index=0, time_base=Fraction(1, 16000), duration=None, start_time=0, container=container
    )
    stream.metadata = {}
    codec = SimpleNamespace(canonical_name="pcm_s16le")
    stream.type, stream.codec_context = "audio", SimpleNamespace(codec=codec)
    packets = []
    for time in times:
        stamp = round(time * 16000)
        packet = {"stream": stream, "pts": stamp, "dts": stamp, "duration": 1600}
        packets.append(SimpleNamespace(**packet, size=1, pos=0, is_corrupt=False))
        packets[-1].has_sidedata = lambda kind: False

    def decode(packet):
        frame = av.AudioFrame.from_ndarray(np.zeros((1, 1600), np.float32), "fltp", "mono")
        frame.sample_rate, frame.pts = 16000, packet.pts
        return [frame]

    stream.decode = decode
    container.demux = lambda *_: iter(packets)
    return Decoder(stream, "sound")


def starts(decoder):
    return [round(float(timed.start), 6) for timed in decoder]


def test_a_wrong_time_stamp_costs_nothing_and_is_told():
    for wrong in (1, 1e6):
        decoder = fake_decoder([0, 5, 5.1, wrong, 5.3, 5.4])
        assert starts(decoder) == [0, 5, 5.1, 5.2, 5.3, 5.4]
        assert "clock jumps at 5.2 s" in decoder.notes(Fraction(0))[0]


def test_a_small_step_back_keeps_the_order_of_decoding():
    decoder = fake_decoder([0, 0.1, 0.05, 0.3])
    assert starts(decoder) == [0, 0.1, 0.2, 0.3]
    assert decoder.notes(Fraction(0)) == ()


def test_a_sample_rate_that_cannot_be_is_a_clear_error(tmp_path):
    path = write_wav(tmp_path / "a.wav", np.zeros((16000, 1)), 2_130_722_432 // 2)
    with pytest.raises(UserError, match="claims 1065361216; its header is damaged"):
        list(SegmentReader(path))


def test_a_sound_too_slow_to_be_heard_is_refused_before_it_lasts_for_days(tmp_path):
    path = write_wav(tmp_path / "a.wav", np.zeros((100_000, 1)), 1)
    with pytest.raises(UserError, match=r"expected 40 to 1048576 samples.*claims 1;"):
        next(iter(SegmentReader(path)))


def test_a_picture_of_which_nothing_tells_a_length_has_one(tmp_path):
    path = tmp_path / "a.nut"
    with av.open(str(path), "w") as file:
        stream = file.add_stream("ffv1", rate=1000, width=64, height=48, pix_fmt="yuv420p")
        frame = av.VideoFrame.from_ndarray(np.zeros((48, 64, 3), np.uint8), "rgb24")
        frame.pts = 0
        for packet in (*stream.encode(frame), *stream.encode(None)):
            packet.duration = 0
            file.mux(packet)
    reader = SegmentReader(path)
    assert len(list(reader)) == 1
    assert reader.duration == 0.04


def test_a_clock_that_begins_late_is_no_missing_end(tmp_path):
    """The header of Matroska, as FFmpeg writes it, tells where the clock ends."""
    reader = SegmentReader(write_recording(tmp_path / "late.mkv", start=1000))
    assert (events(reader)[2], reader.notes) == (12, ())


def test_a_file_of_which_nothing_is_read_does_not_follow_itself(tmp_path):
    """As a WAV with more channels than there can be."""
    path = write_wav(tmp_path / "many.wav", np.zeros((1000, 2), np.int16), 8000)
    content = bytearray(path.read_bytes())
    content[22:24] = b"\xff\xff"
    path.write_bytes(content)
    with pytest.raises(UserError, match="can be decoded") as raised:
        list(SegmentReader(path))
    assert "another file" not in str(raised.value)


def test_an_animated_webp_is_refused_as_what_it_is(tmp_path):
    """FFmpeg 8 opens it and decodes none of it; later versions play it."""
    settings = {"video_codec": "libwebp_anim", "pixels": "bgra", "fps": 10}
    path = write_media(tmp_path / "a.webp", steady(20), **settings)
    if "webp_anim" in av.formats_available:
        assert len(list(SegmentReader(path))) == 2
        return
    with pytest.raises(UserError, match="reads no animated WebP: convert it"):
        list(SegmentReader(path))
