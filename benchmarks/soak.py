"""Sends many mixed requests to a server, and tells whether its memory and its files grow.

    python benchmarks/soak.py --requests 500

Of the requests, some parse a sound, some upload and choose as the page does, and some are refused,
break off or are no HTTP at all. Memory is that of the server and its worker processes.
"""

import io
import itertools
import os
import re
import secrets
import socket
import subprocess
import sys
import tempfile
import wave
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

import httpx
import psutil
from timing import command

API = "/gradio_api"
FORM = {"Content-Type": "multipart/form-data; boundary=x"}
PART = b'--x\r\nContent-Disposition: form-data; name="video"; filename="a.wav"\r\n\r\n'
THREADS = 4


@dataclass(frozen=True)
class Use:
    """What a server takes at one moment.

    Attributes:
        megabytes: resident memory, with workers.
        files: open files of the server itself, connections among them.
        stored: files in its folder.
    """

    megabytes: float
    files: int
    stored: int


def use_of(pid: int, folder: str) -> Use:
    """What a server and its workers take now."""
    server = psutil.Process(pid)
    family = [server, *server.children(recursive=True)]
    memory = sum(process.memory_info().rss for process in family)
    stored = sum(len(files) for _, _, files in os.walk(folder))
    return Use(memory / 1e6, server.num_fds(), stored)


def sound(seconds: int = 2) -> bytes:
    """A WAV file of silence."""
    file = io.BytesIO()
    with wave.open(file, "wb") as written:
        written.setparams((1, 2, 16000, 0, "NONE", ""))
        written.writeframes(bytes(2 * 16000 * seconds))
    return file.getvalue()


def parse(client: httpx.Client) -> int:
    """Post a sound."""
    return client.post("/api/parse", files={"video": ("a.wav", sound())}).status_code


def choose(client: httpx.Client) -> int:
    """Open the page, upload a sound, choose it, choose none."""
    client.get("/")
    (path,) = client.post(f"{API}/upload", files={"files": ("a.wav", sound())}).json()
    session = secrets.token_hex(8)
    with client.stream("GET", f"{API}/heartbeat/{session}"):
        for files in ([{"path": path, "meta": {"_type": "gradio.FileData"}}], None):
            event = {"data": [files, None, None], "fn_index": 0, "session_hash": session}
            status = client.post(f"{API}/run/predict", json=event).status_code
    return status


def look(client: httpx.Client) -> int:
    """Read the page."""
    return client.get("/").status_code


def foreign(client: httpx.Client) -> int:
    """Post from the page of another site."""
    return client.post("/api/parse", headers={"Origin": "https://evil.example"}).status_code


def no_video(client: httpx.Client) -> int:
    """Post what is no video."""
    return client.post("/api/parse", files={"video": ("a.mp4", b"no video" * 1000)}).status_code


def bomb(client: httpx.Client) -> int:
    """Post a form of many parts."""
    body = (PART + b"x\r\n") * 10_000
    return client.post("/api/parse", content=body, headers=FORM).status_code


def break_off(client: httpx.Client) -> int:
    """Hang up in the middle of a file."""
    url = client.base_url
    with socket.create_connection((url.host, url.port)) as connection:
        head = "POST /api/parse HTTP/1.1\r\nHost: localhost\r\nContent-Length: 900000\r\n"
        connection.sendall(f"{head}Content-Type: {FORM['Content-Type']}\r\n\r\n".encode())
        connection.sendall(PART + bytes(300_000))
    return 0


def no_http(client: httpx.Client) -> int:
    """Send what is no request."""
    url = client.base_url
    with socket.create_connection((url.host, url.port)) as connection:
        connection.sendall(secrets.token_bytes(1000) + b"\r\n\r\n")
    return 0


MIX = (look, parse, foreign, choose, bomb, no_video, break_off, no_http)


def soak(url: str, num_requests: int) -> Counter[str]:
    """Send requests of all kinds in turn.

    Returns:
        How often each kind was answered with each status; 0 is none.
    """

    def send(kind) -> str:
        with httpx.Client(base_url=url, timeout=120) as client:
            return f"{kind.__name__} {kind(client)}"

    kinds = itertools.islice(itertools.cycle(MIX), num_requests)
    with ThreadPoolExecutor(THREADS) as threads:
        return Counter(threads.map(send, kinds))


def main(*, requests: int = 500) -> None:
    """Start a server, and measure it after a tenth of the requests and after all.

    Args:
        requests: how many.
    """
    with tempfile.TemporaryDirectory() as folder:
        command = [sys.executable, "-m", "mmpyramid", "serve", "--port", "0"]
        server = subprocess.Popen(
            [*command, "--models", "teachers-ave"],
            stdout=subprocess.PIPE,
            text=True,
            env={**os.environ, "TMPDIR": folder},
        )
        try:
            told = "".join(server.stdout.readline() for _ in range(3))
            url = re.search(r"http://\S+", told)[0]
            soak(url, requests // 10)
            before = use_of(server.pid, folder)
            print(f"after {requests // 10:>5} {before}")
            answers = soak(url, requests)
            print(f"after {requests + requests // 10:>5} {use_of(server.pid, folder)}")
            for kind, count in sorted(answers.items()):
                print(f"{count:5} {kind}")
        finally:
            server.terminate()
            server.wait(30)


if __name__ == "__main__":
    command(main)
