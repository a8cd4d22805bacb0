"""What docs/web.md shows is run against a real server; what it and SECURITY.md promise holds."""

import asyncio
import json
import logging
import re
import shlex
import shutil
import socket
import subprocess
import sys
import threading
import time
import tomllib
from pathlib import Path

import httpx
import pytest

from mmpyramid.core import Timeline
from mmpyramid.pipeline import Parsed
from mmpyramid.problems import Decoder
from mmpyramid.web import access, receiving
from mmpyramid.web.api import REFUSALS
from mmpyramid.web.connections import MOST_CONNECTIONS
from mmpyramid.web.limits import Limits
from mmpyramid.web.policy import Admission, Policy
from mmpyramid.web.pool import Pool, Setup
from mmpyramid.web.server import create_server, with_middleware

ROOT = Path(__file__).parents[2]
PAGE = ROOT / "docs" / "web.md"
PARSED = Parsed(
    timeline=Timeline(source="a.mp4", duration=1.0), scores=None, features={}, decoder=Decoder()
)


@pytest.mark.slow
@pytest.mark.network
@pytest.mark.skipif(not shutil.which("curl"), reason="needs curl")
def test_every_line_of_the_page_works(server, brief, tmp_path):
    lines = re.findall(r"^\$ (.*)", PAGE.read_text(), re.MULTILINE)
    shutil.copy(brief, tmp_path / "clip.mp4")
    script = "\n".join(lines).replace("http://127.0.0.1:7860", server.url)
    script = f'python() {{ {sys.executable} "$@"; }}\n{script}'
    done = subprocess.run(
        ["bash", "-e", "-c", script], cwd=tmp_path, capture_output=True, text=True
    )
    assert done.returncode == 0, done.stderr + server.log
    assert json.loads(done.stdout)["status"] == "ok"
    assert Timeline.load(tmp_path / "clip.json").source == "clip.mp4"
    assert (tmp_path / "clip.vtt").read_text().startswith("WEBVTT")
    assert (tmp_path / "job.json").read_text().startswith('{"id":')
    assert (tmp_path / "clip.srt").is_file()
    assert 'src="clip.mp4"' in (tmp_path / "clip.html").read_text()
    assert "/api/parse" in json.loads((tmp_path / "interface.json").read_text())["paths"]


class PoolWithoutWorkers(Pool):
    """Has found `PARSED` in each video, or makes a mistake."""

    found: Parsed | None = None

    def take_turn(self, job, on_stage=None):
        if self.found is None:
            raise ZeroDivisionError("secret")
        return self.found


@pytest.fixture
def pool():
    return PoolWithoutWorkers(Setup(models=("none",)), Limits(), 0)


@pytest.fixture
def ask(pool, tmp_path, monkeypatch):
    """Send requests to a server in this process."""
    monkeypatch.setenv("GRADIO_TEMP_DIR", str(tmp_path / "received"))
    app = with_middleware(create_server(pool, tmp_path), Policy(), pool.limits)

    async def send_all(requests) -> list[httpx.Response]:
        transport = httpx.ASGITransport(app, raise_app_exceptions=False)
        async with httpx.AsyncClient(transport=transport, base_url="http://localhost") as client:
            return [await client.request(method, path, **more) for method, path, more in requests]

    def send(method: str, *paths: str, **more) -> list[httpx.Response]:
        return asyncio.run(send_all((method, path, more) for path in paths))

    return send


def told(response: httpx.Response) -> str:
    """The paragraph of a refusal."""
    (paragraph,) = response.json().values()
    return paragraph


FILES = {"video": ("a.mp4", b"video")}


@pytest.mark.slow
def test_a_fault_of_the_server_is_told_like_any_refusal(ask, tmp_path):
    before = set(tmp_path.rglob("*"))
    (parsed,) = ask("POST", "/api/parse", files=FILES)
    (job,) = ask("POST", "/api/jobs", files=FILES)
    address = job.headers["location"]
    deadline = time.monotonic() + 10
    while ask("GET", address)[0].json()["state"] != "failed":
        assert time.monotonic() < deadline
    (result,) = ask("GET", f"{address}/result")
    for response in (parsed, result):
        assert response.status_code == 500
        assert re.fullmatch(
            "an internal error occurred on the server; send the .* again", told(response)
        )
    assert {path for path in set(tmp_path.rglob("*")) - before if path.is_file()} == set()


def test_a_format_whose_package_is_absent_is_told(ask, pool, monkeypatch):
    pool.found = PARSED
    monkeypatch.setitem(sys.modules, "pympi.Elan", None)
    absent, present = ask("POST", "/api/parse?format=eaf", "/api/parse?format=vtt", files=FILES)
    assert (absent.status_code, present.status_code) == (501, 200)
    assert "needs the package `pympi" in told(absent)


@pytest.mark.slow
def test_the_refusals_are_those_of_the_interface(ask):
    page, security = PAGE.read_text(), (ROOT / "SECURITY.md").read_text()
    listed = {int(status) for status in re.findall(r"^\| (\d{3}) \|", page, re.MULTILINE)}
    assert listed == {*REFUSALS, 405, 431}
    rate = f"{receiving.LEAST_RATE // 1000} kB/s after the first ten seconds"
    assert rate in page
    assert (receiving.GRACE_SECONDS, receiving.SILENT_SECONDS) == (10, 30)
    assert f"{MOST_CONNECTIONS} connections" in security
    for surplus, status in ((0, 200), (1, 431)):
        headers = {f"x-{number}": "x" for number in range(100 - 5 + surplus)}  # HTTPX sends five.
        assert ask("GET", "/health", headers=headers)[0].status_code == status


def test_the_log_names_nothing_that_opens_a_door(ask, caplog):
    caplog.set_level(logging.INFO, access.log.name)
    paths = ("visits/secret/1/page", "api/jobs/secret", "api/jobs/secret/result")
    paths += ("gradio_api/heartbeat/secret", "gradio_api/file=/received/secret/video.mp4")
    ask("POST", *(f"/{path}?token=secret" for path in paths), headers={"Cookie": "a=secret"})
    lines = [json.loads(record.message) for record in caplog.records]
    assert [line["path"].count("*") for line in lines] == [1] * len(paths)
    assert "secret" not in caplog.text


def test_no_script_of_others_and_none_in_the_page_runs(ask):
    for page in ask("GET", "/", "/docs"):
        rules = dict(
            rule.split(" ", 1) for rule in page.headers["content-security-policy"].split("; ")
        )
        sources = rules["script-src"].split()
        allowed = r"'self'|'unsafe-eval'|'unsafe-hashes'|'sha256-.*'"
        assert all(re.fullmatch(allowed, source) for source in sources), sources


def test_the_server_calls_nobody(pool, tmp_path, monkeypatch):
    """Not even where the environment of Gradio would let it."""
    sought = []

    def find(host, *args, **options):
        sought.append(host)
        raise OSError

    monkeypatch.setenv("GRADIO_TEMP_DIR", str(tmp_path / "received"))
    monkeypatch.delenv("GRADIO_ANALYTICS_ENABLED", raising=False)
    monkeypatch.setattr(socket, "getaddrinfo", find)
    before = threading.enumerate()
    create_server(pool, tmp_path)
    for thread in threading.enumerate():
        if thread not in before:
            thread.join(5)
    assert sought == []


def test_who_needs_a_token(monkeypatch):
    monkeypatch.setenv("OWN", "t" * 20)
    for host in ("127.0.0.1", "0.0.0.0"):
        assert Admission(token="env:OWN").policy(host, 1).is_token("t" * 20)
        assert Admission(no_auth=True).policy(host, 1).token is None
    assert Admission().policy("127.0.0.1", 1).token is None
    made = {Admission().policy("0.0.0.0", 1).token for _ in range(3)}
    assert len(made) == 3
    assert all(len(token) >= 32 for token in made)


@pytest.mark.slow
def test_the_container_is_made_of_what_there_is():
    """Its parts are here, its user is none of the system, and `/health` asks for no token."""
    lines = re.findall(
        r"^([A-Z]+) (.+)$", (ROOT / "Dockerfile").read_text().replace("\\\n", ""), re.MULTILINE
    )
    for command, words in lines:
        if command == "COPY":
            assert all((ROOT / name).exists() for name in words.split()[:-1])
    users = [words for command, words in lines if command == "USER"]
    assert users == ["mmpyramid"]
    extras = re.search(r"'\.\[(.+)\]'", dict(lines[: lines.index(("USER", users[0]))])["RUN"])[1]
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    assert set(extras.split(",")) <= set(project["optional-dependencies"])
    commands = dict(lines)
    assert any(f":7860{path}'" in commands["HEALTHCHECK"] for path in access.OPEN)
    entry = json.loads(commands["ENTRYPOINT"])
    assert entry == shlex.split("mmpyramid serve --host 0.0.0.0")
