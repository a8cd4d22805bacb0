"""The server: the app, the HTTP interface and its documentation on one port."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager, suppress
from pathlib import Path

import gradio as gr
import uvicorn
from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse
from fastapi_offline import FastAPIOffline

from mmpyramid.core.errors import UserError
from mmpyramid.version import __version__
from mmpyramid.web import api, pages
from mmpyramid.web.app import CSS, EXAMPLES, THEME, create_app, render_example
from mmpyramid.web.handlers import Handlers
from mmpyramid.web.limits import BusyError, GivenUpError, NoSpaceError, TooLargeError
from mmpyramid.web.pool import Pool
from mmpyramid.web.route_filter import RouteFilter
from mmpyramid.web.uploads import Uploads
from mmpyramid.web.visits import Visits

STATUS: dict[type[Exception], int] = {
    TooLargeError: 413,
    NoSpaceError: 507,
    BusyError: 503,
    GivenUpError: 503,
}
"""HTTP status of mistakes; all others are 422."""

SWEEP_SECONDS = 20
ABANDONED_SECONDS = 600
"""An upload of which nothing more came for so long, and that no page shows, is deleted."""

SHUTDOWN_SECONDS = 3


def create_server(pool: Pool, root: Path) -> FastAPI:
    """Put the parts together.

    Args:
        pool: does the work.
        root: what `working_folder` gives.
    """
    uploads, visits = Uploads(root), Visits()
    page = _create_page(Handlers(pool, uploads, visits), root / "examples")
    server: FastAPI = FastAPIOffline(
        title="mmpyramid",
        version=__version__,
        description="Any video in, a timeline out: what can be heard, seen, and both.",
        lifespan=_housekeeping(pool, uploads, visits, page),
    )
    server.add_exception_handler(UserError, _report_mistake)
    server.add_exception_handler(ModuleNotFoundError, _report_missing_package)
    server.add_exception_handler(RequestValidationError, _report_invalid_request)
    server.include_router(api.create_router(pool, uploads))
    server.include_router(pages.create_router(visits))
    server.mount("/", RouteFilter(page, uploads))
    return server


def _create_page(handlers: Handlers, folder: Path) -> FastAPI:
    """The app, with all that Gradio opens; visitors reach it through a `RouteFilter` only."""
    pool = handlers.pool
    folder.mkdir()
    examples = {e: render_example(e, folder) for e in EXAMPLES if e.model in pool.setup.models}
    app = create_app(handlers, examples)
    page = FastAPI(openapi_url=None)
    gr.mount_gradio_app(
        page,
        app,
        path="/",
        footer_links=[],
        run_history=False,
        allowed_paths=[str(folder)],
        max_file_size=pool.limits.max_bytes,
        ssr_mode=False,
        theme=THEME,
        css=CSS,
    )
    # Gradio checks the paths that visitors name only if this is set. `launch` sets it, mounting
    # does not, and there is no public way to ask for the check.
    if not hasattr(app, "has_launched"):
        raise RuntimeError("this version of Gradio does not check the paths that visitors name")
    app.has_launched = True
    return page


def run_server(
    pool: Pool, root: Path, listener: socket.socket, on_start: Callable[[], None]
) -> None:
    """Serve until interrupted.

    Args:
        pool: does the work; it is closed at the end.
        root: what `working_folder` gives.
        listener: bound to where to listen.
        on_start: called when the server answers.
    """
    config = uvicorn.Config(
        create_server(pool, root),
        log_level="warning",
        timeout_graceful_shutdown=SHUTDOWN_SECONDS,
    )
    # Uvicorn shuts down, and then raises the interrupt that it had caught.
    with suppress(KeyboardInterrupt):
        _Server(config, pool, on_start).run(sockets=[listener])


class _Server(uvicorn.Server):
    """Says when it has started, and ends the workers when it stops, which nobody can wait for."""

    def __init__(self, config: uvicorn.Config, pool: Pool, on_start: Callable[[], None]) -> None:
        super().__init__(config)
        self._pool, self._on_start = pool, on_start

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        await super().startup(sockets)
        self._on_start()

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        self._pool.close()
        await super().shutdown(sockets)


def _housekeeping(
    pool: Pool, uploads: Uploads, visits: Visits, page: FastAPI
) -> Callable[[FastAPI], AbstractAsyncContextManager[None]]:
    """Start the page, and delete now and then what visitors left behind."""

    async def sweep() -> None:
        while True:
            await asyncio.sleep(SWEEP_SECONDS)
            await asyncio.to_thread(visits.end_idle, 60 * pool.limits.keep_minutes)
            await asyncio.to_thread(uploads.sweep, ABANDONED_SECONDS)

    @asynccontextmanager
    async def lifespan(server: FastAPI) -> AsyncIterator[None]:
        del server
        task = asyncio.create_task(sweep())
        # The lifespan of an app that is mounted is not entered by itself.
        async with page.router.lifespan_context(page):
            yield
        task.cancel()

    return lifespan


async def _report_mistake(request: Request, error: Exception) -> JSONResponse:
    """Answer a mistake with its message."""
    del request
    headers = {"Retry-After": "60"} if isinstance(error, BusyError) else {}
    return JSONResponse({"detail": str(error)}, STATUS.get(type(error), 422), headers)


async def _report_missing_package(request: Request, error: Exception) -> JSONResponse:
    """Answer what needs a package that was not installed with the server."""
    del request
    assert isinstance(error, ModuleNotFoundError)
    message = f"this format needs the package `{error.name}`, which is not installed on the server"
    return JSONResponse({"detail": f"{message}; choose another format"}, 501)


async def _report_invalid_request(request: Request, error: Exception) -> JSONResponse:
    """Answer a request that does not fit with one paragraph, too."""
    del request
    assert isinstance(error, RequestValidationError)
    faults = "; ".join(f"`{fault['loc'][-1]}`: {fault['msg']}" for fault in error.errors())
    return JSONResponse({"detail": f"the request does not fit: {faults}; see /docs"}, 422)
