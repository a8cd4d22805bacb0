"""What a visitor of the app cannot do: real requests to a real server, and to Gradio itself."""

import json
import os
import secrets

import httpx
import pytest
from fastapi.testclient import TestClient

from mmpyramid.core.errors import UserError
from mmpyramid.web.app import EXAMPLE
from mmpyramid.web.handlers import Handlers
from mmpyramid.web.limits import Limits
from mmpyramid.web.pool import Pool, Setup
from mmpyramid.web.server import _create_page
from mmpyramid.web.uploads import Uploads
from mmpyramid.web.visits import Visits

SECRET = b"what no visitor may read"
API = "/gradio_api"
JOIN, RUN = f"{API}/queue/join", f"{API}/run/predict"
CHOOSE = 0
"""Gradio's number of the event that takes a video."""

real_server = [pytest.mark.slow, pytest.mark.network]

CLOSED = [
    ("GET", "/config"),
    ("GET", "/config/?deep_link=x"),
    ("GET", "/monitoring"),
    ("GET", "/monitoring/summary"),
    ("GET", "/svelte/index.js"),
    ("GET", "/robots.txt"),
    ("GET", "/redoc"),
    ("GET", "/pwa_icon"),
    ("GET", "/theme.css/"),
    ("GET", "/x"),
    ("GET", "/gradio_api%2Fdeep_link?session_hash=x"),
    ("POST", "/"),
    ("POST", "/login"),
    ("OPTIONS", JOIN),
    *[
        ("GET", f"{API}/{rest}")
        for rest in (
            "deep_link?session_hash=x",
            "dev/reload",
            "info",
            "openapi.json",
            "custom_component/x/client/component/index.js",
            "proxy=http://127.0.0.1/",
            "stream/x/1/1/playlist.m3u8",
            "stream/x/1/1/playlist-file",
            "file/etc/passwd",
            "call/predict/x",
            "queue/status",
            "queue/join",
            "startup-events",
            "login_check",
            "token",
            "user",
            "runs",
            "run-history/buckets",
            "vibe-code",
            "profiling/traces",
            "mcp/sse",
            "mcp/",
            "theme.css",
            "heartbeat/x/y",
            "deep_link/?session_hash=x",
            "upload",
        )
    ],
    *[
        ("POST", f"{API}/{rest}")
        for rest in (
            "process_recording",
            "run/choose",
            "run/predict/",
            "api/predict",
            "api/choose",
            "call/choose",
            "call/v2/choose",
            "queue/join/",
            "queue/data",
            "component_server",
            "component_server/",
            "stream/x",
            "stream/x/close",
            "cancel",
            "reset",
            "vibe-edit",
            "vibe-edit/",
            "undo-vibe-edit",
            "vibe-code",
            "vibe-starter-queries",
            "run-history/connect",
            "profiling/clear",
            "mcp/messages",
        )
    ],
]


NO_UPLOADS = [
    *("file", "zero", "pipe", "folder", "escape", "link", "linked-folder", "real", "relative"),
    *(
        "none",
        "http",
        "file-url",
        "no-meta",
        "odd-meta",
        "stream",
        "text",
        "list",
        "nested",
        "null",
    ),
]


def file_data(path, **more):
    return {"path": str(path), "meta": {"_type": "gradio.FileData"}, **more}


def event(value, session="session", fn_index=CHOOSE):
    files = [value] if isinstance(value, dict) else value
    return {"data": [files, None, None], "fn_index": fn_index, "session_hash": session}


@pytest.fixture
def client(server):
    with httpx.Client(base_url=server.url, timeout=15) as opened:
        yield opened


@pytest.fixture
def upload(client):
    """Upload as the page does."""

    def send(content=SECRET, name="clip.mp4"):
        response = client.post(f"{API}/upload", files={"files": (name, content)})
        (path,) = response.raise_for_status().json()
        return path

    return send


@pytest.fixture
def secret(tmp_path):
    path = tmp_path / "video.mp4"
    path.write_bytes(SECRET)
    return path


def use(client, path):
    """Choose an upload, and choose none, which deletes it."""
    for value in (file_data(path), None):
        client.post(RUN, json=event(value, "use")).raise_for_status()
    assert client.get(f"{API}/file={path}").status_code == 404


def messages(client, session):
    """What the queue says to a session, to the end."""
    with client.stream("GET", f"{API}/queue/data", params={"session_hash": session}) as response:
        return [json.loads(line[5:]) for line in response.iter_lines() if line[:5] == "data:"]


class TestServer:
    pytestmark = real_server

    @pytest.mark.parametrize(("method", "path"), CLOSED)
    def test_what_the_page_does_not_need_is_closed(self, method, path, client):
        response = client.request(method, path, json={} if method == "POST" else None)
        assert response.status_code == 404
        assert response.json() == {"detail": "Not Found"}

    @pytest.mark.parametrize("address", [JOIN, RUN])
    @pytest.mark.parametrize("name", NO_UPLOADS)
    def test_a_path_that_is_no_upload_is_refused(
        self, name, address, client, server, secret, tmp_path
    ):
        link, folder = secrets.token_hex(16), secrets.token_hex(16)
        received = next(server.folder.glob("mmpyramid-serve-*/received"))
        values = {
            "file": file_data(secret),
            "zero": file_data("/dev/zero"),
            "pipe": file_data(tmp_path / "pipe"),
            "folder": file_data(tmp_path),
            "escape": file_data(f"{received}/../../../../{secret}"),
            "link": file_data(f"/received/{link}/video.mp4"),
            "linked-folder": file_data(f"/received/{folder}/video.mp4"),
            "real": file_data(received / link / "video.mp4"),
            "relative": file_data("pyproject.toml"),
            "none": file_data(""),
            "http": file_data(f"{server.url}/api/health"),
            "file-url": file_data(f"file://{secret}"),
            "no-meta": {"path": str(secret)},
            "odd-meta": {"path": str(secret), "meta": 1},
            "stream": file_data(secret, is_stream=True, url=f"{API}/file={secret}"),
            "text": str(secret),
            "list": [file_data(secret)],
            "nested": {"video": file_data(secret)},
            "null": file_data(f"{secret}\0"),
        }
        os.mkfifo(tmp_path / "pipe")
        (received / link).mkdir()
        (received / link / "video.mp4").symlink_to(secret)
        (received / folder).symlink_to(tmp_path)
        try:
            response = client.post(address, json=event(values[name]))
            assert SECRET not in response.content
            if name == "text":  # A text can be the value of a menu; as a video, Gradio refuses it.
                assert response.status_code in {200, 500}
            else:
                assert response.status_code in {403, 422}
            assert client.get("/api/health").status_code == 200
        finally:
            (received / folder).unlink()
            (received / link / "video.mp4").unlink()
            (received / link).rmdir()
        assert all(SECRET not in path.read_bytes() for path in server.held())
        assert secret.exists()

    def test_a_text_that_is_a_path_is_no_video(self, client, server, secret):
        client.post(JOIN, json=event(str(secret), "text")).raise_for_status()
        (done,) = [m for m in messages(client, "text") if m["msg"] == "process_completed"]
        assert not done["success"]
        assert all(SECRET not in path.read_bytes() for path in server.held())

    @pytest.mark.parametrize(
        "body", [b"", b"{", b"[]", b"1", b'{"data": 1}', b"[" * 50_000, b"\xff\xfe", b"9" * 5000]
    )
    def test_an_event_that_is_none_is_refused(self, body, client):
        response = client.post(JOIN, content=body, headers={"Content-Type": "application/json"})
        assert response.status_code in {400, 422}

    def test_a_huge_event_is_refused(self, client):
        assert client.post(JOIN, json=event("x" * 200_000)).status_code == 413

    def test_a_second_list_of_data_in_an_event_is_checked_too(self, client, server, secret):
        twice = f'{{"data": [null, null, null], {json.dumps(event(file_data(secret)))[1:]}'
        response = client.post(JOIN, content=twice, headers={"Content-Type": "application/json"})
        assert response.status_code == 403

    def test_only_uploads_are_downloaded(self, client, server, secret, upload):
        path = upload()
        received = next(server.folder.glob("mmpyramid-serve-*/received"))
        link = received / secrets.token_hex(16)
        link.symlink_to(secret.parent)
        linked = f"/received/{link.name}/video.mp4"
        example = next(received.glob("*/video.mp4"))
        wrong = [secret, "/proc/self/environ", "/dev/zero", received, link, linked, example]
        wrong += [f"{path}/../../../../../../..{secret}", f"{server.url}/api/health", f"{path}x"]
        try:
            for name in (*wrong, "README.md"):
                response = client.get(f"{API}/file={name}")
                assert (response.status_code, SECRET in response.content) == (404, False), name
        finally:
            link.unlink()
        assert client.get(f"{API}/file={path}").content == SECRET
        use(client, path)

    def test_an_upload_runs_no_script(self, client, upload):
        path = upload(b"<svg xmlns='http://www.w3.org/2000/svg'/>", "a.svg")
        headers = client.get(f"{API}/file={path}").headers
        assert headers["content-security-policy"] == "sandbox"
        assert headers["x-content-type-options"] == "nosniff"
        use(client, path)

    def test_a_deep_link_is_not_followed(self, client):
        page = client.get("/", params={"deep_link": "x"})
        assert '"deep_link_state":"none"' in page.text

    def test_what_the_page_needs_is_open(self, client, server, upload):
        page = client.get("/").raise_for_status().text
        script = page.partition('src="./assets/')[2].partition('"')[0]
        for path in (f"/assets/{script}", "/theme.css?v=1", "/favicon.ico", f"{API}/app_id"):
            client.get(path).raise_for_status()
        assert client.head("/").status_code == 200
        client.get("/static/js/iframeResizer.contentWindow.min.js").raise_for_status()
        client.get("/docs").raise_for_status()
        client.get("/openapi.json").raise_for_status()
        with client.stream("GET", f"{API}/heartbeat/open") as heartbeat:
            assert next(heartbeat.iter_lines()) == "data: ALIVE"
            for address in (JOIN, RUN):
                path = upload(name="my clip.mp4")
                given = file_data(path, orig_name="my clip.mp4", size=1, url=f"{API}/file={path}")
                response = client.post(address, json=event(given, "open")).raise_for_status()
                told = response.text if address == RUN else json.dumps(messages(client, "open"))
                assert '"interactive":true' in told.replace(" ", "")
            client.post(RUN, json=event(None, "open")).raise_for_status()
        assert server.held() == []
        told = client.get(f"{API}/upload_progress?upload_id=x").text
        assert told == 'data: {"msg": "done"}\n\n'


def test_a_gradio_that_cannot_be_told_to_check_paths_is_refused(tmp_path, monkeypatch):
    (tmp_path / "root").mkdir()
    monkeypatch.setattr("mmpyramid.web.server.create_app", lambda handlers, example: object())
    pool = Pool(Setup(models=("none",)), Limits(), 0)
    with pytest.raises(UserError, match="expected a version of Gradio that checks the paths"):
        _create_page(Handlers(pool, Uploads(tmp_path / "root"), Visits()), "")


@pytest.mark.slow
def test_gradio_itself_refuses_a_path(tmp_path, secret, monkeypatch):
    (tmp_path / "root").mkdir()
    monkeypatch.setenv("GRADIO_TEMP_DIR", str(tmp_path / "root" / "received"))
    pool = Pool(Setup(models=("none",)), Limits(), 0)
    page = _create_page(Handlers(pool, Uploads(tmp_path / "root"), Visits()), "")
    response = TestClient(page).post(RUN, json=event(file_data(secret)))
    assert response.status_code == 500
    assert "was not uploaded by a user" in response.text
    (film,) = (path for path in (tmp_path / "root").rglob("*") if path.is_file())
    assert film.read_bytes() == EXAMPLE.read_bytes()
