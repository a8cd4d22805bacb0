"""Decoding in a process of its own survives what files do to it."""

import ctypes
import errno
import os
import pickle
import platform
import signal
import socket
import struct
import sys
import time
import zlib
from pathlib import Path

import numpy as np
import psutil
import pytest
from tiny_extraction import make

from media_files import click, steady, tone, write_media
from mmpyramid.core.process import Answer
from mmpyramid.core.sandbox import limit_cpu
from mmpyramid.core.scores import VideoInfo
from mmpyramid.extract.decoding import Decoding, Limits, make_answer
from mmpyramid.extract.pieces import Failure, Piece, RequiredInputs, read_pieces
from mmpyramid.media import MediaFile, Sound, View, probe
from mmpyramid.media.resizing import Resizing
from mmpyramid.media.sampling import Sampling

REQUIRED = RequiredInputs.of(make(["mean_color", "bands"]))
PICTURE, SOUND_OF_IT = {"frames": steady(10)}, {"sound": tone(300, 1)}
BOTH = {**PICTURE, **SOUND_OF_IT}
FORMATS = (
    {"suffix": ".mp4", **BOTH},
    {"suffix": ".mkv", **BOTH, "video_codec": "mpeg4", "audio_codec": "flac"},
    {"suffix": ".webm", **BOTH, "video_codec": "libvpx", "audio_codec": "libopus", "rate": 48_000},
    {"suffix": ".avi", **BOTH, "video_codec": "mpeg4", "audio_codec": "pcm_s16le"},
    {"suffix": ".ts", **BOTH, "audio_codec": "aac"},
    {"suffix": ".mov", **BOTH, "audio_codec": "pcm_s16le"},
    {"suffix": ".flv", **BOTH, "audio_codec": "aac"},
    {"suffix": ".mp3", **SOUND_OF_IT, "audio_codec": "libmp3lame"},
    {"suffix": ".ogg", **SOUND_OF_IT, "audio_codec": "libopus", "rate": 48_000},
    {"suffix": ".wav", **SOUND_OF_IT, "audio_codec": "pcm_s16le"},
)


@pytest.fixture
def two(tmp_path):
    """A film longer than what is decoded ahead, and a short one."""
    first = write_media(tmp_path / "first.mp4", steady(200), tone(300, 20))
    return first, write_media(tmp_path / "second.mp4", steady(10), tone(300, 1))


@pytest.fixture
def decode():
    """Start a decoding of some files, one segment at a time; all are ended after the test."""
    started = []

    def start(*paths, alone=False, **limits):
        decoding = Decoding(Limits(**limits), alone=alone)
        started.append(decoding)
        for path in paths:
            decoding.expect(path, REQUIRED, 1)
        return decoding

    yield start
    for decoding in started:
        decoding.close()


def everything(decoding):
    while decoding.expected:
        yield decoding.receive()


def the_decoder():
    (process,) = [
        p for p in psutil.Process().children() if p.cmdline()[-1:] == ["mmpyramid-decode"]
    ]
    return process


def number_of_pieces(messages, path):
    return sum(isinstance(message, Piece) for place, message in messages if place == path)


def test_files_come_one_after_the_other(decode, two):
    messages = list(everything(decode(*two)))
    assert [place for place, _ in messages] == [two[0]] * 21 + [two[1]] * 2
    assert isinstance(messages[20][1], VideoInfo)
    assert isinstance(messages[22][1], VideoInfo)


@pytest.mark.parametrize("how", [signal.SIGSEGV, signal.SIGKILL])
@pytest.mark.slow
def test_a_crash_costs_one_file(decode, two, how):
    decoding = decode(*two)
    decoding.receive()
    the_decoder().send_signal(how)
    messages = list(everything(decoding))
    (failure,) = [message for _, message in messages if isinstance(message, Failure)]
    assert f"crashed the decoder (signal {how})" in failure.reason
    assert number_of_pieces(messages, two[1]) == 1


@pytest.mark.slow
def test_a_crash_in_the_middle_of_a_message_costs_one_file(decode, two):
    decoding = decode(*two)
    decoding.receive()
    time.sleep(0.3)  # By then it waits for room to send the rest.
    the_decoder().kill()
    messages = list(everything(decoding))
    (failure,) = [message for _, message in messages if isinstance(message, Failure)]
    assert "crashed the decoder" in failure.reason
    assert number_of_pieces(messages, two[1]) == 1


@pytest.mark.slow
def test_a_file_that_is_absent_costs_itself(decode, two, tmp_path):
    absent = tmp_path / "absent.mp4"
    messages = list(everything(decode(absent, two[1], absent, two[1])))
    assert [place for place, _ in messages] == [absent, two[1], two[1], absent, two[1], two[1]]
    assert all("does not exist" in m.reason for place, m in messages if place == absent)


@pytest.mark.slow
def test_a_file_that_goes_while_it_is_decoded_costs_itself(decode, two):
    decoding = decode(*two)
    decoding.receive()
    two[0].unlink()
    messages = list(everything(decoding))
    (failure,) = [message for _, message in messages if isinstance(message, Failure)]
    assert f"{two[0]}: No such file or directory" in failure.reason
    assert number_of_pieces(messages, two[1]) == 1


@pytest.mark.slow
def test_strangers_files_have_a_process_each(decode, two):
    decoding = decode(two[1], two[1], alone=True)
    pids, messages = [], []
    while decoding.expected:
        pids.append(the_decoder().pid)
        messages.append(decoding.receive())
    assert number_of_pieces(messages, two[1]) == 2
    assert pids[0] == pids[1] != pids[2] == pids[3]
    assert the_decoder().pid not in pids, "the next one waits"


def refuse_call(*arguments):
    """Make a system call, which the filter answers before its arguments are looked at."""
    ctypes.CDLL(None, use_errno=True).syscall(*arguments)
    if ctypes.get_errno() == errno.EACCES:
        raise PermissionError


def escape(limits, channel):
    """A decoder that a video has taken over: it tries what it may not."""
    order = channel.requests.get()
    place = channel.descriptors.get()
    path = order.file.path
    harm = path.with_name("harm")
    attempts = {
        "read": path.read_bytes,
        "list": lambda: next(path.parent.iterdir()),
        "look": path.stat,
        "write": harm.touch,
        "change": lambda: path.open("r+b"),
        "append": lambda: path.open("ab"),
        "make": lambda: harm.mkdir(),
        "write unnamed": lambda: os.open(path.parent, os.O_TMPFILE | os.O_RDWR),
        "delete": path.unlink,
        "link": lambda: harm.symlink_to("/"),
        "open again": Path(f"/proc/self/fd/{place}").read_bytes,
        "connect": socket.socket,
        "fork": os.fork,
        "run": lambda: os.execv("/bin/true", ["true"]),
        "spawn": lambda: os.posix_spawn("/bin/true", ["true"], {}),
        "kill": lambda: os.kill(os.getppid(), 0),
        "open by io_uring": lambda: refuse_call(425, 1, ctypes.create_string_buffer(120)),
    }
    if platform.machine() == "x86_64":
        attempts["unshare"] = lambda: refuse_call(272, 0x10000000)
        attempts["trace"] = lambda: refuse_call(101, 0)
    succeeded = []
    for name, attempt in attempts.items():
        try:
            attempt()
        except OSError:
            continue
        succeeded.append(name)
    content = os.pread(place, 4, 4)
    channel.send(make_answer(Failure(f"{succeeded} {content!r}"), order.required))


@pytest.mark.slow
@pytest.mark.skipif(sys.platform != "linux", reason="only Linux confines a process")
def test_a_decoder_that_was_taken_over_reaches_nothing_but_its_file(decode, two, monkeypatch):
    monkeypatch.setattr("mmpyramid.extract.decoding.decode_requests", escape)
    ((_, failure),) = everything(decode(two[1]))
    assert failure.reason == "[] b'ftyp'"
    assert two[1].exists()
    assert not two[1].with_name("harm").exists()


@pytest.mark.slow
@pytest.mark.skipif(sys.platform != "linux", reason="only Linux confines a process")
def test_a_decoder_of_lists_that_was_taken_over_reads_and_does_no_more(two, monkeypatch):
    monkeypatch.setattr("mmpyramid.extract.decoding.decode_requests", escape)
    with Decoding(Limits(), follow_references=True) as decoding:
        decoding.expect(two[1], REQUIRED, 1)
        _, failure = decoding.receive()
    may = ["read", "list", "look", "open again"]
    assert failure.reason == f"{may} b'ftyp'"
    assert two[1].exists()
    assert not two[1].with_name("harm").exists()


def test_a_list_of_files_is_decoded_apart_as_in_this_process(tmp_path):
    for name, note in (("a.ts", 440), ("b.ts", 880)):
        write_media(tmp_path / name, steady(20), tone(note, 2), audio_codec="mp2")
    playlist = tmp_path / "list.m3u8"
    lines = [
        "#EXTM3U",
        "#EXT-X-TARGETDURATION:2",
        "#EXTINF:2,",
        "a.ts",
        "#EXTINF:2,",
        "b.ts",
        "#EXT-X-ENDLIST",
        "",
    ]
    playlist.write_text("\n".join(lines))
    with Decoding(Limits(), follow_references=True) as decoding:
        decoding.expect(playlist, REQUIRED, 1)
        *pieces, (_, end) = everything(decoding)
    file = MediaFile(path=playlist, follow_references=True)
    *expected, expected_end = read_pieces(file, REQUIRED, 1)
    assert end == expected_end
    assert len(pieces) >= 4
    for (_, piece), other in zip(pieces, expected, strict=True):
        np.testing.assert_array_equal(piece.inputs[Sound()], other.inputs[Sound()])


def compute(limits, channel):
    """A decoder that runs ahead and on, while nobody waits for it."""
    channel.requests.get()
    limit_cpu(1.0)
    while True:
        pass


@pytest.mark.slow
def test_what_a_file_may_compute_is_bounded(decode, two, monkeypatch):
    monkeypatch.setattr("mmpyramid.extract.decoding.decode_requests", compute)
    ((_, failure),) = everything(decode(two[1]))
    assert "took longer" in failure.reason


@pytest.mark.slow
@pytest.mark.parametrize("options", FORMATS, ids=lambda options: options["suffix"])
def test_a_confined_decoder_gives_what_a_free_one_gives(decode, tmp_path, options):
    """It imports nothing late and opens nothing, whatever the format."""
    options = dict(options)
    path = write_media(tmp_path / f"a{options.pop('suffix')}", **options)
    *pieces, (_, end) = everything(decode(path))
    *expected, expected_end = read_pieces(path, REQUIRED, 1)
    assert end == expected_end
    for (_, piece), other in zip(pieces, expected, strict=True):
        for name, array in other.inputs.items():
            np.testing.assert_array_equal(piece.inputs[name], array)


@pytest.mark.slow
@pytest.mark.parametrize("sampling", Sampling)
def test_a_confined_decoder_resizes_and_samples_in_every_way(decode, tmp_path, sampling):
    path = write_media(tmp_path / "clip.mp4", steady(100), tone(300, 10))
    views = tuple(View(8, (20, 24), how) for how in Resizing)
    sounds = (Sound(), Sound(48_000))
    required = RequiredInputs(sounds=sounds, views=views, sampling=sampling)
    decoding = decode()
    decoding.expect(path, required, 1)
    pieces = [m for _, m in everything(decoding) if isinstance(m, Piece)]
    *expected, _ = read_pieces(path, required, 1)
    for piece, other in zip(pieces, expected, strict=True):
        assert piece.inputs.keys() == other.inputs.keys()
        for name, array in other.inputs.items():
            np.testing.assert_array_equal(piece.inputs[name], array)


@pytest.mark.slow
def test_a_stuck_decoder_costs_one_file(decode, two):
    decoding = decode(*two, timeout=10.0)
    decoding.receive()
    the_decoder().suspend()
    messages = list(everything(decoding))
    (failure,) = [message for _, message in messages if isinstance(message, Failure)]
    assert "took longer than 10." in failure.reason
    assert "--timeout" in failure.reason
    assert number_of_pieces(messages, two[1]) == 1


def test_a_timeout_may_be_longer_than_the_system_can_wait(decode, two):
    messages = list(everything(decode(two[1], timeout=1e10)))
    assert isinstance(messages[-1][1], VideoInfo)


def test_no_decoder_outlives_who_gave_the_orders(decode, two):
    decoding = decode(*two)
    decoding.receive()
    process = the_decoder()
    process.suspend()
    decoding.close()
    assert not process.is_running()


class Malicious:
    """Unpickling it makes a folder."""

    def __init__(self, folder):
        self.folder = folder

    def __reduce__(self):
        return os.mkdir, (str(self.folder),)


def answer_with_a_pickle(limits, channel):
    """A decoder that a video has taken over: it sends code to run."""
    while True:
        path = channel.requests.get().file.path
        content = pickle.dumps(Malicious(path.with_name("harm")))
        channel._line.sendall(struct.pack(">I", len(content)) + content)


def answer_with_other_arrays(limits, channel):
    """A decoder that a video has taken over: it sends what nobody asked for."""
    while True:
        number = int(channel.requests.get().file.path.stem)
        content, arrays = ANSWERS[number]
        channel.send(Answer(content, arrays))


SOUND, PICTURES = np.zeros((1, 16_000), np.float32), np.zeros((1, 2, 12, 16, 3), np.uint8)
PIECE = {"kind": "piece", "stop": 1, "promised": None, "missing": []}
ANSWERS = (
    ({**PIECE, "stop": 2}, {"sound 0": SOUND}),
    ({**PIECE, "stop": "1"}, {"sound 0": SOUND}),
    ({**PIECE, "missing": ["smell"]}, {"sound 0": SOUND}),
    ({**PIECE, "missing": None}, {"sound 0": SOUND}),
    (PIECE, {}),
    (PIECE, {"sound 0": SOUND.astype(np.float64)}),
    (PIECE, {"sound 0": SOUND[:, :-1]}),
    (PIECE, {"view 0": PICTURES[:, :1]}),
    (PIECE, {"view 1": PICTURES}),
    ({**PIECE, "stop": 2}, {"sound 0": SOUND.repeat(2, 0), "view 0": PICTURES}),
    ({**PIECE, "stop": 99}, {"sound 0": SOUND.repeat(99, 0)}),
    ({"kind": "end", "duration": "long", "missing": [], "notes": []}, {}),
    ({"kind": "end", "missing": [], "notes": []}, {}),
    ({"kind": "failure", "reason": 7}, {}),
    ({"kind": "surprise"}, {}),
    ({"kind": ["end"]}, {}),
    ({}, {}),
)


def test_a_malicious_pickle_is_a_broken_answer_and_its_code_does_not_run(decode, two, monkeypatch):
    monkeypatch.setattr("mmpyramid.extract.decoding.decode_requests", answer_with_a_pickle)
    messages = list(everything(decode(*two)))
    assert ["invalid answer" in message.reason for _, message in messages] == [True, True]
    assert not (two[0].parent / "harm").exists()


@pytest.mark.slow
def test_answers_that_nobody_asked_for_are_broken(decode, tmp_path, monkeypatch):
    monkeypatch.setattr("mmpyramid.extract.decoding.decode_requests", answer_with_other_arrays)
    for number in range(len(ANSWERS)):
        (tmp_path / f"{number}.mp4").write_bytes(b"any")
        ((_, failure),) = everything(decode(tmp_path / f"{number}.mp4"))
        assert isinstance(failure, Failure), ANSWERS[number]
        assert "invalid answer" in failure.reason


def write_picture(path, side, rows):
    """A PNG of `side` x `side` pixels in its header and `rows` rows of black in a few bytes."""

    def chunk(name, data):
        return (
            struct.pack(">I", len(data)) + name + data + struct.pack(">I", zlib.crc32(name + data))
        )

    packer = zlib.compressobj()
    data = b"".join(packer.compress(bytes(3 * side + 1)) for _ in range(rows)) + packer.flush()
    header = chunk(b"IHDR", struct.pack(">IIBBBBB", side, side, 8, 2, 0, 0, 0))
    path.write_bytes(b"\x89PNG\r\n\x1a\n" + header + chunk(b"IDAT", data) + chunk(b"IEND", b""))
    return path


@pytest.mark.slow
def test_an_enormous_picture_takes_no_memory(decode, tmp_path):
    small = write_picture(tmp_path / "small.png", 1_000, 1_000)
    enormous = write_picture(tmp_path / "enormous.png", 9_000, 9_000)
    assert enormous.stat().st_size < 300_000
    decoding = decode(small)
    list(everything(decoding))
    before = the_decoder().memory_info().rss
    decoding.expect(enormous, REQUIRED, 1)
    ((_, failure),) = everything(decoding)
    assert isinstance(failure, Failure)
    assert "can be decoded" in failure.reason
    assert the_decoder().memory_info().rss < before + 50e6


@pytest.mark.slow
def test_more_memory_than_allowed_is_told(decode, tmp_path):
    path = write_picture(tmp_path / "big.png", 6_000, 6_000)
    ((_, failure),) = everything(decode(path, memory=300 * 2**20))
    assert isinstance(failure, Failure)
    assert list(everything(decode(path)))[-1][1].duration > 0


def test_a_file_that_goes_on_and_on_is_stopped(decode, tmp_path):
    path = write_media(
        tmp_path / "endless.mkv", sound=click(1, 2), sound_gap=(1, 50), audio_codec="pcm_s16le"
    )
    assert isinstance(list(everything(decode(path)))[-1][1], VideoInfo)
    *pieces, (_, failure) = everything(decode(path, length=-path.stat().st_size // 100 + 20))
    assert "goes on after 20 s" in failure.reason
    assert len(pieces) == 19


def test_a_length_that_is_only_guessed_refuses_nothing(tmp_path):
    """FFmpeg guesses the length of ADTS from its first packets, which are small in silence."""
    sound = np.random.default_rng(0).normal(0, 0.3, (1, 16 * 16000)).astype(np.float32)
    sound[:, : 8 * 16000] = 0
    path = write_media(tmp_path / "quiet.aac", sound=sound)
    info = probe(path)
    assert info.length_is_guessed
    assert info.duration > 25
    *_, end = read_pieces(path, RequiredInputs.of(make(["bands"])), 4, max_seconds=20)
    assert end.duration == pytest.approx(16, abs=0.3)
