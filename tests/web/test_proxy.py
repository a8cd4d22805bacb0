"""The app in Chromium behind a proxy that puts it below a path, and that asks for a token."""

import asyncio
import threading
from contextlib import contextmanager

import pytest
from playwright.sync_api import expect

pytestmark = [pytest.mark.slow, pytest.mark.browser, pytest.mark.network]

PATIENCE = 90_000
ROOT = "/mmpyramid"


@contextmanager
def proxy(port: int):
    """Takes the path away and says whose request it is, as nginx does by docs/web.md."""

    async def pipe(reader, writer) -> None:
        while data := await reader.read(65536):
            writer.write(data)
            await writer.drain()
        writer.close()

    async def serve(reader, writer) -> None:
        line, *headers = (await reader.readuntil(b"\r\n\r\n")).split(b"\r\n")[:-2]
        method, target, version = line.split(b" ")
        assert target.startswith(ROOT.encode())
        (host,) = [h.partition(b":")[2].strip() for h in headers if h.lower().startswith(b"host:")]
        kept = [h for h in headers if not h.lower().startswith((b"host:", b"connection:"))]
        own = [b"Host: 127.0.0.1", b"Connection: close", b"X-Forwarded-Host: " + host]
        own += [b"X-Forwarded-For: 10.0.0.9", b"X-Forwarded-Proto: http"]
        first = b" ".join([method, target.removeprefix(ROOT.encode()), version])
        there, here = await asyncio.open_connection("127.0.0.1", port)
        here.write(b"\r\n".join([first, *kept, *own, b"", b""]))
        await asyncio.gather(pipe(reader, here), pipe(there, writer), return_exceptions=True)

    loop = asyncio.new_event_loop()
    thread = threading.Thread(target=loop.run_forever)
    thread.start()
    starting = asyncio.start_server(serve, "127.0.0.1", 0)
    listening = asyncio.run_coroutine_threadsafe(starting, loop).result(10)
    try:
        yield f"http://localhost:{listening.sockets[0].getsockname()[1]}{ROOT}/"
    finally:
        loop.call_soon_threadsafe(loop.stop)
        thread.join()


def test_the_app_works_below_a_path_with_a_token(serve, browser):
    words = ("--root-path", ROOT, "--trusted-proxy", "127.0.0.1", "--token", "t" * 20)
    with (
        serve("--models", "teachers-ave", "--log-level", "info", *words) as server,
        proxy(int(server.url.rpartition(":")[2])) as url,
    ):
        page = browser.new_page()
        complaints: list[str] = []
        page.on("pageerror", lambda error: complaints.append(str(error)))
        page.goto(url)
        assert complaints == []
        page.get_by_label("Token").fill("t" * 20)
        page.get_by_role("button", name="Enter").click()
        expect(page).to_have_url(url, timeout=PATIENCE)
        page.get_by_role("button", name="Try a film").click(timeout=PATIENCE)
        page.get_by_role("button", name="Parse", exact=True).click()
        frame = page.frame_locator("iframe.timeline")
        expect(frame.locator("#events li")).to_have_count(1, timeout=PATIENCE)
        play = "async v => { await v.play(); v.pause(); return v.duration }"
        duration = frame.locator("video").evaluate(play)
        assert duration >= 10
        page.goto(f"{url}docs")
        expect(page.get_by_text("/api/parse")).to_be_visible(timeout=PATIENCE)
        assert complaints == []
        assert '"client": "10.0.0.9"' in server.log
