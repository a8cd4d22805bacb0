"""Live sources: what comes through pipes and connections, second by second, as of a file."""

import os
import socket
import subprocess
import sys
import threading
import time
from contextlib import contextmanager, suppress
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from itertools import islice
from pathlib import Path

import numpy as np
import pytest

import media_files
from mmpyramid.core import Modality
from mmpyramid.core.errors import UserError
from mmpyramid.extract.live import LiveDecoding
from mmpyramid.extract.pieces import Piece, RequiredInputs, read_pieces
from mmpyramid.media import Sound, View
from mmpyramid.media.live import LiveReader, LiveSource
from mmpyramid.media.sampling import Sampling

VIEW = View(2, (32, 24))
REQUIRED = RequiredInputs(sounds=(Sound(),), views=(VIEW,), sampling=Sampling.SECONDS)
SECONDS = 4


@pytest.fixture(scope="module")
def files(tmp_path_factory):
    """A recording of four seconds as MPEG-TS, Matroska and WAV."""
    folder = tmp_path_factory.mktemp("live")
    rising = np.linspace(0.2, 1, SECONDS * 16000, dtype=np.float32)
    sound = media_files.tone(440.0, SECONDS) * rising
    made = {}
    for suffix in ("ts", "mkv"):
        made[suffix] = folder / f"clip.{suffix}"
        media_files.write_media(made[suffix], media_files.steady(SECONDS * 10), sound)
    made["wav"] = media_files.write_wav(folder / "clip.wav", sound.T * 2**15, 16000)
    made["long"] = media_files.write_media(
        folder / "long.ts", media_files.steady(90), media_files.tone(440.0, 9.0)
    )
    return made


@contextmanager
def pipe(content: bytes, seconds: float = 0.0, *, keep: bool = False):
    """A named pipe by which bytes come, spread over some time, perhaps without an end."""
    reading, writing = os.pipe()

    def write() -> None:
        begun, step = time.monotonic(), 2048
        with suppress(BrokenPipeError):
            for start in range(0, len(content), step):
                wait = begun + seconds * start / len(content) - time.monotonic()
                time.sleep(max(0.0, wait))
                os.write(writing, content[start : start + step])
        if not keep:
            os.close(writing)

    thread = threading.Thread(target=write, daemon=True)
    thread.start()
    try:
        yield reading
    finally:
        os.close(reading)
        if keep:
            os.close(writing)
        thread.join(5)


def as_file(path, required=REQUIRED):
    return [piece for piece in read_pieces(path, required, 1) if isinstance(piece, Piece)]


def assert_same(pieces, others):
    assert [piece.stop for piece in pieces] == [piece.stop for piece in others]
    for piece, other in zip(pieces, others, strict=True):
        assert piece.missing == other.missing
        assert piece.inputs.keys() == other.inputs.keys()
        for name, values in piece.inputs.items():
            np.testing.assert_array_equal(values, other.inputs[name])


class TestReader:
    @pytest.mark.parametrize("suffix", ["ts", "mkv", "wav"])
    def test_a_pipe_gives_what_the_file_gives(self, files, suffix):
        content = files[suffix].read_bytes()
        with pipe(content) as descriptor:
            container = LiveSource.parse("pipe").open(descriptor)
            live = [*LiveReader(container, "pipe", [VIEW])]
            container.close()
        whole = as_file(files[suffix])
        assert len(live) == len(whole) == SECONDS
        for segment, piece in zip(live, whole, strict=True):
            np.testing.assert_array_equal(segment.waveform, piece.inputs[Sound()][0])
            if suffix != "wav":
                np.testing.assert_array_equal(segment.frames, piece.inputs[VIEW][0])

    @pytest.mark.parametrize("absent", ["sound", "picture"])
    def test_what_stays_away_is_not_waited_for(self, tmp_path, absent):
        """One of both ends after a second; the other goes on, and the pipe is not closed."""
        length = {"sound": 8, "picture": 8, absent: 1}
        path = media_files.write_media(
            tmp_path / "clip.ts",
            media_files.steady(10 * length["picture"]),
            media_files.tone(440.0, length["sound"]),
        )
        with pipe(path.read_bytes(), keep=True) as descriptor:
            container = LiveSource.parse("pipe").open(descriptor)
            segments = [*islice(LiveReader(container, "pipe", [VIEW]), 4)]
        assert len(segments) == 4
        loudness = [float(np.abs(segment.waveform).max()) for segment in segments]
        if absent == "sound":
            assert loudness[0] > 0.2
            assert max(loudness[2:]) < 0.01
        else:
            assert min(loudness) > 0.2
            np.testing.assert_array_equal(segments[2].frames, segments[3].frames)


class TestSource:
    @pytest.mark.parametrize(
        ("text", "address", "device", "protocols"),
        [
            ("-", "-", "", ""),
            ("alsa:hw:1,0", "hw:1,0", "alsa", ""),
            ("/dev/video3", "/dev/video3", "v4l2", ""),
            ("RTSP://h/x", "RTSP://h/x", "", "rtp,udp,tcp"),
            ("https://h/radio.mp3", "https://h/radio.mp3", "", "https,http,tls,tcp"),
            ("a:b.ts", "a:b.ts", "", ""),
        ],
    )
    def test_what_a_text_names(self, text, address, device, protocols):
        source = LiveSource.parse(text)
        assert (source.address, source.device, source.protocols) == (address, device, protocols)
        assert source.is_file == (not device and not protocols)

    @pytest.mark.parametrize(
        "text", ["file:///etc/passwd", "concat://a", "subfile://x", "data://x", "ipfs://x"]
    )
    def test_other_addresses_are_refused(self, text):
        with pytest.raises(UserError, match="begins with http, https"):
            LiveSource.parse(text)

    @pytest.mark.parametrize("text", ["list.m3u8", "rtsp://h/list.m3u8", "file:///list.m3u8"])
    def test_playlists_are_followed_on_the_web_alone(self, text):
        with pytest.raises(UserError, match="address of a playlist, http:// or https://"):
            LiveSource.playlist(text)

    def test_what_is_not_there(self, tmp_path):
        for text, words in {
            str(tmp_path / "none"): "cannot be opened",
            str(tmp_path): "is a folder",
            "a\0b": "cannot be opened",
        }.items():
            with pytest.raises(UserError, match=words):
                LiveDecoding(text)
        if sys.platform == "linux":
            with pytest.raises(UserError, match="FFmpeg has here, got `dshow`"):
                LiveSource.parse("dshow:audio=x")

    @pytest.mark.parametrize(
        "content",
        [b"#EXTM3U\n#EXTINF:1,\nfile:///etc/passwd\n", b"ffconcat version 1.0\nfile a.ts"],
    )
    def test_lists_are_not_followed(self, content):
        with (
            pipe(content) as descriptor,
            pytest.raises(UserError, match=r"cannot open pipe|pipe is a list or manifest"),
        ):
            LiveSource.parse("pipe").open(descriptor)


def free_port(kind: int) -> int:
    with socket.socket(socket.AF_INET, kind) as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


SEND = """
import sys, time, av
source, target, format, seconds = sys.argv[1:]
with av.open(source) as container, av.open(target, "w", format=format) as out:
    streams = {s.index: out.add_stream_from_template(s) for s in container.streams}
    begun = time.monotonic()
    for packet in container.demux():
        if packet.dts is None:
            continue
        at = float(packet.dts * packet.time_base) * float(seconds)
        time.sleep(max(0.0, begun + at - time.monotonic()))
        packet.stream = streams[packet.stream_index]
        out.mux(packet)
"""


@contextmanager
def sender(path: Path, target: str, format_name: str = "mpegts", pace: float = 0.0):
    """A program that sends a file; `pace` 1 is real time."""
    process = subprocess.Popen(
        [sys.executable, "-c", SEND, str(path), target, format_name, str(pace)]
    )
    try:
        yield process
    finally:
        process.kill()
        process.wait()


def received(live: LiveDecoding, most: int | None = None) -> list[Piece]:
    return [piece for piece in islice(live.pieces(REQUIRED), most) if isinstance(piece, Piece)]


@pytest.mark.slow
class TestDecoding:
    def test_a_confined_process_reads_a_named_pipe(self, files, tmp_path):
        fifo = tmp_path / "fifo"
        os.mkfifo(fifo)
        content = files["ts"].read_bytes()
        writer = threading.Thread(target=lambda: fifo.write_bytes(content), daemon=True)
        writer.start()
        with LiveDecoding(str(fifo)) as live:
            assert_same(received(live), as_file(files["ts"]))
        writer.join(5)

    def test_tcp(self, files):
        address = f"tcp://127.0.0.1:{free_port(socket.SOCK_STREAM)}"
        with sender(files["ts"], f"{address}?listen=1"), LiveDecoding(address) as live:
            pieces = when_it_listens(live)
        assert_same(pieces, as_file(files["ts"]))

    def test_udp_in_real_time(self, files):
        """What was sent before the listener was there is lost; the rest comes."""
        address = f"udp://127.0.0.1:{free_port(socket.SOCK_DGRAM)}"
        sending = sender(files["long"], f"{address}?pkt_size=1316", pace=1.0)
        with LiveDecoding(address) as live, sending:
            pieces = received(live, 2)
        assert [piece.stop for piece in pieces] == [1, 2]
        assert np.abs(pieces[1].inputs[Sound()]).max() > 0.1

    def test_rtsp(self, files):
        with rtsp_server(files["long"]) as address, LiveDecoding(address) as live:
            pieces = received(live, 2)
        assert [piece.stop for piece in pieces] == [1, 2]
        assert pieces[0].inputs[VIEW].shape == (1, 2, 24, 32, 3)
        assert np.abs(pieces[1].inputs[Sound()]).max() > 0.1

    def test_internet_radio(self, files):
        """Bytes of no known number, behind another address."""
        with web_server(files["ts"].parent) as address:
            with LiveDecoding(f"{address}/elsewhere/clip.ts") as live:
                pieces = received(live)
            with (
                LiveDecoding(f"{address}/none.mp3") as live,
                pytest.raises(UserError, match="404 Not Found"),
            ):
                received(live)
        assert_same(pieces, as_file(files["ts"]))

    def test_a_playlist_is_followed_where_that_is_allowed(self, files):
        address = LiveSource.playlist
        with web_server(files["ts"].parent) as server:
            for name in ("whole.m3u8", "growing.m3u8"):
                with LiveDecoding(address(f"{server}/{name}")) as live:
                    assert_same(received(live), as_file(files["ts"]))
                with (
                    LiveDecoding(f"{server}/{name}") as live,
                    pytest.raises(UserError, match=r"playlist .`hls`.*with `--allow-references`"),
                ):
                    received(live)
            with (
                LiveDecoding(address(f"{server}/local.m3u8")) as live,
                pytest.raises(UserError, match="cannot open"),
            ):
                received(live)

    def test_a_device(self):
        """FFmpeg's test signal comes by the way of microphones and cameras."""
        source = LiveSource(name="test", address="sine=frequency=440", device="lavfi")
        with LiveDecoding(source) as live:
            pieces = received(live, 3)
        assert [piece.missing for piece in pieces] == [(Modality.VISUAL,)] * 3
        loudness = [float(np.abs(piece.inputs[Sound()]).max()) for piece in pieces]
        np.testing.assert_allclose(loudness, 0.125, atol=0.01)

    def test_stop_ends_the_wait(self):
        reading, writing = os.pipe()
        path = f"/proc/self/fd/{reading}"
        with LiveDecoding(path) as live:
            threading.Timer(1.0, live.stop).start()
            assert received(live) == []
        os.close(reading)
        os.close(writing)

    def test_noise_is_told(self):
        reading, writing = os.pipe()
        os.write(writing, np.random.default_rng(0).bytes(5000))
        os.close(writing)
        with (
            LiveDecoding(f"/proc/self/fd/{reading}") as live,
            pytest.raises(UserError, match="FFmpeg cannot open /proc/self"),
        ):
            received(live)
        os.close(reading)


def when_it_listens(live: LiveDecoding) -> list[Piece]:
    """Connect again until the other side is there."""
    deadline = time.monotonic() + 60
    while True:
        try:
            return received(live)
        except UserError as error:
            if "refused" not in str(error) or time.monotonic() > deadline:
                raise
            time.sleep(0.2)


@contextmanager
def web_server(folder: Path):
    """A server of `clip.ts` in a folder, and of playlists of it cut in two."""
    content = (folder / "clip.ts").read_bytes()
    middle = len(content) // 376 * 188  # MPEG-TS is in packets of 188 bytes.
    head, end = "#EXTM3U\n#EXT-X-TARGETDURATION:1\n", "#EXT-X-ENDLIST\n"
    first, second = "#EXTINF:2,\n0.ts\n", "#EXTINF:2,\n1.ts\n"
    bodies = {
        "/0.ts": content[:middle],
        "/1.ts": content[middle:],
        "/whole.m3u8": f"{head}{first}{second}{end}".encode(),
        "/local.m3u8": f"{head}#EXTINF:4,\nfile://{folder}/clip.ts\n{end}".encode(),
    }
    growing = iter([first, first])

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def log_message(self, *_: object) -> None:
            pass

        def do_GET(self) -> None:
            if self.path == "/elsewhere/clip.ts":
                self.answer(302, b"", Location="/clip.ts")
            elif self.path == "/growing.m3u8":
                self.answer(200, f"{head}{next(growing, first + second + end)}".encode())
            elif self.path == "/clip.ts":
                self.send_response(200)
                self.send_header("Transfer-Encoding", "chunked")
                self.end_headers()
                for start in range(0, len(content), 2048):
                    part = content[start : start + 2048]
                    self.wfile.write(b"%x\r\n%b\r\n" % (len(part), part))
                self.wfile.write(b"0\r\n\r\n")
            else:
                body = bodies.get(self.path)
                self.answer(404 if body is None else 200, body or b"")

        def answer(self, status: int, body: bytes, **headers: str) -> None:
            self.send_response(status)
            for name, value in {"Content-Length": str(len(body)), **headers}.items():
                self.send_header(name, value)
            self.end_headers()
            self.wfile.write(body)

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        thread = threading.Thread(target=server.serve_forever, daemon=True)
        thread.start()
        yield f"http://127.0.0.1:{server.server_port}"
        server.shutdown()
    thread.join(5)


@contextmanager
def rtsp_server(path: Path):
    """A server of one MPEG-TS stream for one player: RTP by UDP, which FFmpeg sends."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]
        thread = threading.Thread(target=serve_rtsp, args=(listener, path), daemon=True)
        thread.start()
        yield f"rtsp://127.0.0.1:{port}/stream"
    thread.join(5)


def serve_rtsp(listener: socket.socket, path: Path) -> None:
    line, _ = listener.accept()
    sdp = (
        "v=0\r\no=- 0 0 IN IP4 127.0.0.1\r\ns=x\r\nt=0 0\r\nm=video 0 RTP/AVP 33\r\na=control:t\r\n"
    )
    with line, suppress(OSError):
        sent = None
        while request := read_request(line):
            method, number = request[0].split()[0], request[1]["cseq"]
            headers, body = [f"CSeq: {number}"], ""
            status = "200 OK"
            if method == "DESCRIBE":
                headers, body = [*headers, "Content-Type: application/sdp"], sdp
            if method == "SETUP":
                transport = request[1]["transport"]
                if "client_port=" not in transport:
                    status = "461 Unsupported Transport"
                else:
                    port = int(transport.partition("client_port=")[2].partition("-")[0])
                    headers += [f"Transport: {transport};server_port=6000-6001", "Session: 1"]
            headers.append(f"Content-Length: {len(body)}")
            line.sendall("\r\n".join([f"RTSP/1.0 {status}", *headers, "", body]).encode())
            if method == "PLAY":
                sent = sender(path, f"rtp://127.0.0.1:{port}", "rtp_mpegts", 1.0)
                sent.__enter__()
        if sent is not None:
            sent.__exit__(None, None, None)


def read_request(line: socket.socket) -> tuple[str, dict[str, str]] | None:
    received = b""
    while b"\r\n\r\n" not in received:
        if not (part := line.recv(4096)):
            return None
        received += part
    first, *rest = received.decode().split("\r\n")
    headers = dict(part.split(": ", 1) for part in rest if ": " in part)
    return first, {name.lower(): value for name, value in headers.items()}
