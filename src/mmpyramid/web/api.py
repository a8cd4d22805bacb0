"""The plain HTTP interface: a video in, a timeline out, nothing stored."""

from collections.abc import Awaitable, Callable
from dataclasses import asdict
from functools import partial
from typing import Annotated, Any

from anyio import CapacityLimiter, fail_after, to_thread
from fastapi import APIRouter, Depends, File, HTTPException, Query, Request, Response, UploadFile
from fastapi.routing import APIRoute
from starlette.types import Message

from mmpyramid.core.errors import UserError
from mmpyramid.media.streams import Tracks
from mmpyramid.problems import Decoder, Gate
from mmpyramid.render import FORMATS
from mmpyramid.version import __version__
from mmpyramid.web.limits import Limits, TooLargeError
from mmpyramid.web.pages import as_file
from mmpyramid.web.pool import Job, Pool
from mmpyramid.web.uploads import Uploads

Probability = Annotated[float, Query(ge=0, le=1)]
Seconds = Annotated[float, Query(ge=0)]

OVERHEAD = 10_000
"""Bytes of a request that are not the file."""

SILENT_SECONDS = 60
"""How long a sender may pause."""

CLOSE = {"Connection": "close"}


def create_router(pool: Pool, uploads: Uploads) -> APIRouter:
    """The routes below `/api`.

    Args:
        pool: does the work.
        uploads: where videos are for as long as it lasts.
    """
    router = APIRouter(prefix="/api", route_class=_bounded_route(pool))
    models = pool.setup.models
    limiter = CapacityLimiter(pool.capacity)

    @router.get("/health", summary="Whether the server works, and what it offers")
    async def health() -> dict[str, Any]:
        return {
            "status": "ok",
            "version": __version__,
            "models": models,
            "formats": list(FORMATS),
            "workers": len(pool.workers),
            "waiting": pool.num_waiting,
            "limits": asdict(pool.limits),
        }

    @router.post(
        "/parse",
        summary="Parse a video or sound file",
        response_class=Response,
        responses=RESPONSES,
    )
    async def parse(
        video: Annotated[UploadFile, File(description="The file, of any format FFmpeg knows.")],
        decoder: Annotated[Decoder, Depends(_decoder)],
        tracks: Annotated[Tracks, Depends(_tracks)],
        model: Annotated[str, Query(description=f"One of {', '.join(models)}.")] = models[0],
        format: Annotated[  # noqa: A002
            str, Query(description=f"One of {', '.join(FORMATS)}.")
        ] = "json",
    ) -> Response:
        """Answers with the timeline as a file. The upload is deleted before the answer is sent."""
        _check_choice("model", model, models)
        _check_choice("format", format, tuple(FORMATS))
        job = partial(Job, model=model, decoder=decoder, tracks=tracks)
        work = partial(_parse, pool, uploads, video, job, format)
        return await to_thread.run_sync(work, limiter=limiter)

    return router


RESPONSES: dict[int | str, dict[str, Any]] = {
    200: {
        "description": "The timeline; the media type is that of the format.",
        "content": {"application/json": {}, "text/vtt": {}, "text/csv": {}},
    },
    400: {"description": "The body is no valid form."},
    408: {"description": "Nothing more of the file came for too long."},
    413: {"description": "The file is too large."},
    422: {"description": "The file is no video or sound, is too long, or an option is wrong."},
    507: {"description": "The disk of the server is full."},
    503: {"description": "Too many are waiting, or the work took too long."},
}


def _parse(
    pool: Pool,
    uploads: Uploads,
    video: UploadFile,
    job: Callable[..., Job],
    format: str,  # noqa: A002
) -> Response:
    with uploads.write(video.file, video.filename or "upload") as upload:
        parsed = pool.take_turn(job(path=upload.path, name=upload.name))
    return as_file(parsed, format)


def _decoder(
    threshold: Probability = 0.5,
    visual_threshold: Annotated[float | None, Query(ge=0, le=1)] = None,
    video_threshold: Probability = 0.5,
    gate: Gate | None = None,
    max_gap: Seconds = 0.0,
    min_length: Seconds = 0.0,
    sensitivity: Annotated[float | None, Query(ge=0, le=1)] = None,
) -> Decoder:
    decoder = Decoder(
        threshold=threshold,
        visual_threshold=visual_threshold,
        video_threshold=video_threshold,
        gate=gate,
        max_gap=max_gap,
        min_length=min_length,
    )
    return decoder if sensitivity is None else decoder.with_sensitivity(sensitivity)


def _tracks(
    audio_track: Annotated[
        str | None, Query(description="The number of the sound track, from 1, or `all`.")
    ] = None,
    video_track: Annotated[
        int | None, Query(description="The number of the picture, from 1.")
    ] = None,
) -> Tracks:
    return Tracks.parse(video_track, audio_track)


def _check_choice(name: str, chosen: str, known: tuple[str, ...]) -> None:
    if chosen not in known:
        raise UserError(f"expected `{name}` to be one of {', '.join(known)}, got {chosen!r}")


def _bounded_route(pool: Pool) -> type[APIRoute]:
    """Routes that read a body only for those who have a place, and stop if it is too large."""

    class BoundedRoute(APIRoute):
        def get_route_handler(self) -> Callable[[Request], Awaitable[Response]]:  # type: ignore[override]
            handle = super().get_route_handler()

            async def bounded(request: Request) -> Response:
                if request.method != "POST":
                    return await handle(request)
                with pool.place():
                    promised = int(request.headers.get("content-length", "0"))
                    pool.limits.check_size(promised - OVERHEAD)
                    return await handle(Request(request.scope, _counted(request, pool.limits)))

            return bounded

    return BoundedRoute


def _counted(request: Request, limits: Limits) -> Callable[[], Awaitable[Message]]:
    """Receive pieces of a body until they are too many, whatever the header promised."""
    num_bytes = 0

    async def receive() -> Message:
        nonlocal num_bytes
        message = await _piece(request)
        num_bytes += len(message.get("body", b""))
        try:
            limits.check_size(num_bytes - OVERHEAD)
        except TooLargeError as error:
            await _discard(request, limits.max_bytes)
            # FastAPI calls every other error while it reads a body a bad request.
            raise HTTPException(413, str(error), CLOSE) from error
        return message

    return receive


async def _piece(request: Request) -> Message:
    """The next piece of a body.

    Raises:
        HTTPException: if none comes, so that senders who are gone lose their places.
    """
    try:
        with fail_after(SILENT_SECONDS):
            return await request.receive()
    except TimeoutError as error:
        message = f"nothing more of the file came for {SILENT_SECONDS} s; send it again"
        raise HTTPException(408, message, CLOSE) from error


async def _discard(request: Request, num_bytes: int) -> None:
    """Read on to the end, or so far: who still sends when the connection closes may miss why."""
    more = True
    while more and num_bytes > 0:
        message = await _piece(request)
        more = message.get("more_body", False)
        num_bytes -= len(message.get("body", b""))
