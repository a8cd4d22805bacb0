"""Who may send a video: as many as can work or wait, and only while they send."""

import asyncio

import httpx
import pytest
from fastapi import FastAPI

from mmpyramid.core.errors import UserError
from mmpyramid.web import api, server
from mmpyramid.web.limits import Limits
from mmpyramid.web.pool import Pool, Setup
from mmpyramid.web.uploads import Uploads

FORM = {"Content-Type": "multipart/form-data; boundary=x"}
HEAD = b'--x\r\nContent-Disposition: form-data; name="video"; filename="a.mp4"\r\n\r\n'


@pytest.fixture
def pool():
    """Two places, and nobody who works."""
    return Pool(Setup(models=("teachers",)), Limits(max_waiting=2, max_megabytes=1), 0)


@pytest.fixture
def client(pool, tmp_path):
    app = FastAPI()
    app.add_exception_handler(UserError, server._report_mistake)
    app.include_router(api.create_router(pool, Uploads(tmp_path)))
    return httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://here")


async def until(event: asyncio.Event, rest: bytes = b""):
    """A body whose sender stops in the middle."""
    yield HEAD
    await event.wait()
    yield rest


def test_of_many_at_once_only_those_with_a_place_send(client, pool):
    async def post_all() -> list[int]:
        go = asyncio.Event()
        posts = [client.post("/api/parse", content=until(go), headers=FORM) for _ in range(10)]
        first = asyncio.as_completed(posts)
        refused = [(await next(first)).status_code for _ in range(8)]
        assert pool.num_waiting == 2
        go.set()
        return refused + [(await last).status_code for last in first]

    statuses = asyncio.run(asyncio.wait_for(post_all(), 10))
    assert statuses == [503] * 8 + [422] * 2
    assert pool.num_waiting == 0


def test_who_falls_silent_loses_the_place(client, pool, monkeypatch):
    monkeypatch.setattr(api, "SILENT_SECONDS", 0.05)

    async def post() -> httpx.Response:
        return await client.post("/api/parse", content=until(asyncio.Event()), headers=FORM)

    response = asyncio.run(post())
    assert response.status_code == 408
    assert response.json()["detail"].startswith("nothing more of the file came for 0.05 s")
    assert pool.num_waiting == 0


def test_a_body_that_is_no_form_is_refused(client):
    async def post() -> httpx.Response:
        return await client.post("/api/parse", content=b"--y", headers=FORM)

    assert asyncio.run(post()).status_code == 400
