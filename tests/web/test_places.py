"""Who may send a video: slow senders take nobody's place, and lose their own."""

import asyncio

import httpx
import pytest
from fastapi import HTTPException

from mmpyramid.web import receiving
from mmpyramid.web.app import EXAMPLE
from mmpyramid.web.limits import Limits
from mmpyramid.web.policy import Policy
from mmpyramid.web.pool import Pool, Setup
from mmpyramid.web.receiving import FileForm
from mmpyramid.web.server import create_server, with_middleware

FORM = {"Content-Type": "multipart/form-data; boundary=x"}
HEAD = b'--x\r\nContent-Disposition: form-data; name="video"; filename="a.mp4"\r\n\r\n'
LIMITS = Limits(max_waiting=2, max_megabytes=1, max_each=4)


@pytest.fixture
def pool():
    """Two places, and nobody who works."""
    return Pool(Setup(models=("none",)), LIMITS, 0)


@pytest.fixture
def client(pool, tmp_path, monkeypatch):
    monkeypatch.setenv("GRADIO_TEMP_DIR", str(tmp_path / "received"))
    monkeypatch.setattr(receiving, "LINGER_SECONDS", 0.1)
    app = with_middleware(create_server(pool, tmp_path), Policy(), LIMITS)
    return httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://localhost")


def files(folder):
    """What visitors have there; the film to try is the server's own."""
    found = (path for path in folder.rglob("*") if path.is_file())
    return [path for path in found if path.read_bytes() != EXAMPLE.read_bytes()]


async def until(event: asyncio.Event, rest: bytes = b""):
    """A body whose sender stops in the middle."""
    yield HEAD
    await event.wait()
    yield rest


def test_one_visitor_sends_a_share_and_takes_no_place(client, pool, tmp_path):
    async def post_all() -> list[int]:
        go = asyncio.Event()
        posts = [client.post("/api/parse", content=until(go), headers=FORM) for _ in range(10)]
        first = asyncio.as_completed(posts)
        refused = [(await next(first)).status_code for _ in range(6)]
        assert pool.num_waiting == 0
        go.set()
        return refused + [(await last).status_code for last in first]

    statuses = asyncio.run(asyncio.wait_for(post_all(), 10))
    assert statuses == [429] * 6 + [400] * 4
    assert files(tmp_path) == []
    assert asyncio.run(post_broken(client)).status_code == 400, "their share is free again"


async def post_broken(client) -> httpx.Response:
    return await client.post("/api/parse", content=HEAD, headers=FORM)


@pytest.mark.slow
def test_who_falls_silent_is_cut_off(client, tmp_path, monkeypatch):
    monkeypatch.setattr(receiving, "GRACE_SECONDS", 0.05)

    async def post() -> httpx.Response:
        return await client.post("/api/parse", content=until(asyncio.Event()), headers=FORM)

    response = asyncio.run(post())
    assert response.status_code == 408
    assert response.json()["detail"].startswith(f"only {len(HEAD)} bytes came in 0 s")
    assert files(tmp_path) == []


def test_who_drips_is_cut_off(client, monkeypatch):
    monkeypatch.setattr(receiving, "GRACE_SECONDS", 0.1)
    sent = 0

    async def drip():
        nonlocal sent
        yield HEAD
        while sent < 500:
            sent += 1
            yield b"x"
            await asyncio.sleep(0.01)

    async def post() -> httpx.Response:
        return await client.post("/api/parse", content=drip(), headers=FORM)

    assert asyncio.run(post()).status_code == 408
    assert sent < 500


NAMED = b'Content-Disposition: form-data; name="video"; filename="a.mp4"\r\n'


@pytest.mark.parametrize(
    ("body", "status"),
    [
        (b"--y", 400),
        (b"", 400),
        (HEAD + b"half a file", 400),
        (b"--x--\r\n", 422),
        (b"--x\r\n\r\ncontent\r\n--x--\r\n", 422),
        (b'--x\r\nContent-Disposition: form-data; name="video"\r\n\r\nx\r\n--x--\r\n', 422),
        (HEAD.replace(b"video", b"file") + b"x\r\n--x--\r\n", 422),
        (HEAD + b"x\r\n" + HEAD + b"y\r\n--x--\r\n", 422),
        (b"--x\r\nX: " + b"x" * 100_000 + b"\r\n" + NAMED + b"\r\nx\r\n--x--\r\n", 400),
        (b"--x\r\n" + b"X: y\r\n" * 10_000 + NAMED + b"\r\nx\r\n--x--\r\n", 400),
    ],
)
def test_what_is_no_form_with_one_file_is_refused(body, status):
    form = FileForm(FORM["Content-Type"], "video")

    def read() -> None:
        for start in range(0, len(body), 1000):
            form.feed(body[start : start + 1000])
        form.finish()

    with pytest.raises(HTTPException) as caught:
        read()
    assert caught.value.status_code == status
    assert "one file, as `video`" in caught.value.detail


@pytest.mark.parametrize("size", [1, 7, 10_000])
def test_a_form_may_have_several_files(size):
    body = HEAD + b"first\r\n" + HEAD.replace(b"a.mp4", b"b.MOV") + b"\r\n"
    body += HEAD.replace(b"a.mp4", b"c") + b"third\r\n--x--\r\n"
    form = FileForm(FORM["Content-Type"], "video", 3)
    found = {}
    for start in range(0, len(body), size):
        for number, content in form.feed(body[start : start + size]):
            found[form.names[number]] = found.get(form.names[number], b"") + content
    form.finish()
    assert found == {"a.mp4": b"first", "b.MOV": b"", "c": b"third"}
    with pytest.raises(HTTPException, match="with 1 to 2 files, as `video`, got more"):
        FileForm(FORM["Content-Type"], "video", 2).feed(body)


@pytest.mark.slow
def test_of_several_files_all_are_kept_or_none(client, tmp_path):
    """A share is four videos, a megabyte each."""

    async def post(*sizes: int) -> httpx.Response:
        parts = [("files", (f"{n}.mp4", bytes(size))) for n, size in enumerate(sizes)]
        return await client.post("/gradio_api/upload", files=parts)

    def sizes() -> list[int]:
        return sorted(path.stat().st_size for path in files(tmp_path))

    async def post_all() -> None:
        assert (await post(10, 1_100_000)).status_code == 413
        assert sizes() == []
        assert len((await post(10, 20, 990_000)).json()) == 3
        assert sizes() == [10, 20, 990_000]
        assert (await post(30, 40)).status_code == 429
        assert sizes() == [10, 20, 990_000]
        assert (await post(30)).status_code == 200
        assert (await post(*[1] * 5)).status_code == 429

    asyncio.run(post_all())


@pytest.mark.slow
def test_uploads_at_once_need_no_names_of_their_own(client):
    async def post(name: str) -> int:
        parts = [("files", (name, bytes(300_000)))]
        return (await client.post("/gradio_api/upload", files=parts)).status_code

    async def post_both() -> list[int]:
        return await asyncio.gather(post("a.mp4"), post("b.mp4"))

    assert asyncio.run(post_both()) == [200, 200]


@pytest.mark.slow
@pytest.mark.parametrize("kind", ["", "text/plain", "multipart/form-data", "multipart/mixed; b=x"])
def test_another_type_of_body_is_refused(kind):
    with pytest.raises(HTTPException, match="another type of body"):
        FileForm(kind, "video")
