"""The server: the app, the HTTP interface and its documentation on one port."""

from __future__ import annotations

import asyncio
import shutil
import socket
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager, suppress
from pathlib import Path

import gradio as gr
import uvicorn
from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse, Response
from fastapi_offline import FastAPIOffline
from starlette.requests import ClientDisconnect
from starlette.types import ASGIApp

from mmpyramid.core.errors import UserError
from mmpyramid.version import __version__
from mmpyramid.web import api, pages, route_filter
from mmpyramid.web.access import Access, AccessLog, Forwarded, SecurityHeaders
from mmpyramid.web.app import CSS, EXAMPLE, THEME, create_app
from mmpyramid.web.connections import Connections
from mmpyramid.web.handlers import FIT, Handlers
from mmpyramid.web.jobs import JobQueue, ServerFaultError
from mmpyramid.web.limits import (
    Budget,
    BusyError,
    GivenUpError,
    Limits,
    NoSpaceError,
    TooLargeError,
    TooManyError,
)
from mmpyramid.web.policy import Policy
from mmpyramid.web.pool import Pool
from mmpyramid.web.receiving import LingeringClose
from mmpyramid.web.uploads import Uploads
from mmpyramid.web.visits import Visits

STATUS: dict[type[Exception], int] = {
    TooLargeError: 413,
    TooManyError: 429,
    NoSpaceError: 507,
    BusyError: 503,
    GivenUpError: 503,
    ServerFaultError: 500,
}
"""HTTP status of mistakes; all others are 422."""

SWEEP_SECONDS = 20
ABANDONED_SECONDS = 600
"""An upload of which nothing more came for so long, and that no page shows, is deleted."""

UNWATCHED_SECONDS = 60
"""How long a visit is kept whose page is not connected; that of a browser is."""

SHUTDOWN_SECONDS = 3


def create_server(pool: Pool, root: Path, root_path: str = "") -> FastAPI:
    """Put the parts together, without middleware.

    Args:
        pool: does the work.
        root: what `working_folder` gives.
        root_path: where a proxy puts the server.
    """
    uploads, visits, budget = Uploads(root), Visits(), Budget(root, pool.limits)
    jobs = JobQueue(pool)
    page = _create_page(Handlers(pool, uploads, visits), root_path)
    server: FastAPI = FastAPIOffline(
        title="mmpyramid",
        version=__version__,
        description="Any video in, a timeline out: what can be heard, seen, and both.",
        lifespan=_housekeeping(pool, uploads, visits, jobs, page),
        redoc_url=None,
    )
    server.add_exception_handler(UserError, _report_mistake)
    server.add_exception_handler(ModuleNotFoundError, _report_missing_package)
    server.add_exception_handler(RequestValidationError, _report_invalid_request)
    server.add_exception_handler(ClientDisconnect, _report_to_nobody)
    server.add_exception_handler(Exception, _report_fault)
    programs = api.create_router(pool, uploads, budget, jobs)
    server.include_router(programs)
    server.include_router(api.refuse_other_methods(programs))
    server.include_router(pages.create_router(visits))
    server.include_router(route_filter.create_router(uploads, budget, pool.limits))
    server.mount("/", route_filter.RouteFilter(page, uploads, visits))
    return server


def with_middleware(server: FastAPI, policy: Policy, limits: Limits) -> ASGIApp:
    """A server with its middleware, the outermost last.

    Args:
        server: what `create_server` gives.
        policy: whom to let in.
        limits: what visitors may ask for.
    """
    app: ASGIApp = Access(server, policy)
    app = LingeringClose(app, limits.max_bytes)
    app = SecurityHeaders(app, (FIT,))
    app = AccessLog(app)
    return Forwarded(app, policy)


def _create_page(handlers: Handlers, root_path: str) -> FastAPI:
    """The app, with all that Gradio opens; visitors reach it through a `RouteFilter` only."""
    pool, uploads = handlers.pool, handlers.uploads
    app = create_app(handlers, _offer(EXAMPLE, uploads))
    # Gradio checks the paths that visitors name only if this is set. `launch` sets it, mounting
    # does not, and there is no public way to ask for the check.
    if not hasattr(app, "has_launched"):
        raise UserError(
            f"expected a version of Gradio that checks the paths that visitors name, got "
            f"{gr.__version__}, which does not know `has_launched`; install the version that "
            "mmpyramid[app] asks for, and report this"
        )
    page = FastAPI(openapi_url=None)
    gr.mount_gradio_app(
        page,
        app,
        path="/",
        root_path=root_path or None,
        footer_links=[],
        run_history=False,
        max_file_size=pool.limits.max_bytes,
        ssr_mode=False,
        theme=THEME,
        css=CSS,
    )
    app.has_launched = True
    return page


def _offer(path: Path, uploads: Uploads) -> Path:
    """Copy a file to an upload of everybody, which stays."""
    with uploads.receive(path.name, None, None) as stored:
        shutil.copy(path, stored.path)
    return stored.path


def run_server(
    pool: Pool,
    root: Path,
    listener: socket.socket,
    policy: Policy,
    on_start: Callable[[], None],
) -> None:
    """Serve until interrupted.

    Args:
        pool: does the work; it is closed at the end.
        root: what `working_folder` gives.
        listener: bound to where to listen.
        policy: whom to let in.
        on_start: called when the server answers.
    """
    app = with_middleware(create_server(pool, root, policy.root_path), policy, pool.limits)
    connections = Connections(app, policy.proxies)
    config = uvicorn.Config(
        connections,
        http="h11",
        ws="none",
        lifespan="on",
        log_config=None,
        log_level="error",
        proxy_headers=False,
        server_header=False,
        timeout_graceful_shutdown=SHUTDOWN_SECONDS,
    )
    # Uvicorn shuts down, and then raises the interrupt that it had caught.
    with suppress(KeyboardInterrupt):
        _Server(connections.watched(config), pool, on_start).run(sockets=[listener])


class _Server(uvicorn.Server):
    """Reports when it has started, and ends the workers when it stops."""

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
    pool: Pool, uploads: Uploads, visits: Visits, jobs: JobQueue, page: FastAPI
) -> Callable[[FastAPI], AbstractAsyncContextManager[None]]:
    """Start the page, and delete now and then what visitors left behind."""

    async def sweep() -> None:
        while True:
            await asyncio.sleep(SWEEP_SECONDS)
            keep_seconds = 60 * pool.limits.keep_minutes
            await asyncio.to_thread(visits.end_idle, keep_seconds, UNWATCHED_SECONDS)
            await asyncio.to_thread(jobs.sweep)
            await asyncio.to_thread(uploads.sweep, ABANDONED_SECONDS)

    @asynccontextmanager
    async def lifespan(server: FastAPI) -> AsyncIterator[None]:
        del server
        task = asyncio.create_task(sweep())
        # The lifespan of an app that is mounted is not entered by itself.
        async with page.router.lifespan_context(page):
            yield
        task.cancel()
        jobs.close()

    return lifespan


async def _report_to_nobody(request: Request, error: Exception) -> Response:
    """End a request whose sender is gone."""
    del request, error
    return Response(status_code=400)


async def _report_fault(request: Request, error: Exception) -> JSONResponse:
    """Answer what is a fault of the server, whose traceback is for its log alone."""
    del request, error
    return JSONResponse(
        {"detail": "an internal error occurred on the server; send the request again"}, 500
    )


async def _report_mistake(request: Request, error: Exception) -> JSONResponse:
    """Answer a mistake with its message."""
    del request
    headers = {"Retry-After": "60"} if isinstance(error, BusyError | TooManyError) else {}
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
