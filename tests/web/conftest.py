"""A real server in a process of its own, clips to upload, and a browser."""

import os
import re
import shutil
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import psutil
import pytest
import torch
from playwright.sync_api import Browser, sync_playwright

import media_files
from mmpyramid.core import Event, Modality
from mmpyramid.datasets.synthetic.planting import ClipPlan
from mmpyramid.datasets.synthetic.rendered import ClipFormat
from mmpyramid.datasets.synthetic.rendered.corpus import render_clip
from mmpyramid.models import MMPyramid, MMPyramidConfig, save_pretrained
from mmpyramid.web.limits import Budget, Limits
from mmpyramid.web.uploads import Upload, Uploads

CHROMIUM = "/usr/bin/chromium"
FLAGS = [
    "--headless",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--use-fake-device-for-media-stream",
    "--use-fake-ui-for-media-stream",
]
STREAMS = {"audio_streams": {"yamnet": 1024}, "visual_streams": {"efficientnet_lite0": 1280}}


class Server:
    """`mmpyramid serve` on a free port, with the folder that its temporary files go to."""

    def __init__(self, folder: Path, *words: str, before: tuple[str, ...] = ()) -> None:
        self.folder = folder
        environment = {**os.environ, "TMPDIR": str(folder), "COLUMNS": "200"}
        self.process = subprocess.Popen(
            [sys.executable, "-m", "mmpyramid", *before, "serve", "--port", "0", *words],
            stdout=subprocess.PIPE,
            stderr=(folder / "log").open("wb"),
            text=True,
            env=environment,
        )
        told = "".join(self.process.stdout.readline() for _ in range(3))
        found = re.search(r"app +(http://\S+?)(?:/\?token=(\S+))?$", told, re.MULTILINE)
        assert found, told + self.log
        self.url, self.token = found[1], found[2]
        self._own = set(self._files())

    @property
    def log(self) -> str:
        return (self.folder / "log").read_text()

    def held(self) -> list[Path]:
        """Every upload, or part of one, that is on the server's disk now."""
        return [path for path in self._files() if path not in self._own]

    def _files(self) -> list[Path]:
        return [path for path in self.folder.rglob("*") if path.is_file() and path.name != "log"]

    def workers(self) -> list[int]:
        """The processes that parse."""
        children = psutil.Process(self.process.pid).children()
        return [child.pid for child in children if "mmpyramid-web" in child.cmdline()]

    def descendants(self) -> list[psutil.Process]:
        """Its workers, and the decoders of those."""
        return psutil.Process(self.process.pid).children(recursive=True)

    def stop(self, how: signal.Signals = signal.SIGTERM) -> int:
        self.process.send_signal(how)
        code = self.process.wait(timeout=30)
        self.process.stdout.close()
        return code


@pytest.fixture
def store():
    """Write a file of a visitor, and use it."""

    def write(uploads: Uploads, content: bytes = b"video", name: str = "a.mp4") -> Upload:
        lease = Budget(uploads.received, Limits()).lease("me")
        with uploads.receive(name, "me", lease) as stored:
            stored.path.write_bytes(content)
        return uploads.use(stored.path)

    return write


@pytest.fixture(scope="session")
def serve(tmp_path_factory):
    """Start a server with options; it is stopped after the `with` block."""

    @contextmanager
    def start(
        *words: str, before: tuple[str, ...] = (), folder: Path | None = None
    ) -> Iterator[Server]:
        folder = folder or tmp_path_factory.mktemp("server")
        server = Server(folder, *words, before=before)
        try:
            yield server
        finally:
            if server.process.poll() is None:
                server.stop()

    return start


@pytest.fixture(scope="session")
def checkpoint(tmp_path_factory) -> Path:
    """A small untrained network that reads the open features."""
    torch.manual_seed(0)
    network = MMPyramid(MMPyramidConfig(labels=("Dog", "Cat"), width=16, **STREAMS))
    return save_pretrained(network, tmp_path_factory.mktemp("network") / "model")


@pytest.fixture(scope="session")
def server(serve, checkpoint) -> Iterator[Server]:
    """One for all tests that leave it as it was."""
    limits = ("--max-megabytes", "2", "--max-minutes", "0.5")
    with serve("--models", "teachers-ave", str(checkpoint), *limits) as started:
        yield started


@pytest.fixture(scope="session")
def clip(tmp_path_factory) -> Path:
    """Ten seconds in which the teachers for AVE hear and see a bell, above a threshold of 0.1."""
    events = (
        Event(1.0, 7.0, "Bell", Modality.AUDIO, 1.0),
        Event(4.0, 9.0, "Bell", Modality.VISUAL, 1.0),
    )
    folder = tmp_path_factory.mktemp("clips")
    size = ClipFormat(width=320, height=240)
    return render_clip(ClipPlan("Bell", events), folder=folder, clip=size, seed=3)


@pytest.fixture(scope="session")
def brief(tmp_path_factory) -> Path:
    """A second of a gray picture and a tone, for what does not depend on events."""
    path = tmp_path_factory.mktemp("brief") / "brief.mp4"
    return media_files.write_media(path, media_files.steady(10), media_files.tone(440, 1.0))


@pytest.fixture(scope="session")
def corrupt(tmp_path_factory, clip) -> Path:
    """A video whose beginning is lost."""
    path = tmp_path_factory.mktemp("corrupt") / "broken.mp4"
    shutil.copy(clip, path)
    return media_files.spoil(path, 0.0, 1.0)


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    """Debian's Chromium."""
    if not shutil.which(CHROMIUM):
        pytest.skip(f"needs Chromium in {CHROMIUM}")
    with sync_playwright() as playwright:
        started = playwright.chromium.launch(executable_path=CHROMIUM, args=FLAGS)
        yield started
        started.close()
