"""The plain HTTP interface: a video in, a timeline out, nothing stored."""

from collections import Counter
from dataclasses import asdict
from difflib import get_close_matches
from typing import Annotated, Any

from anyio import CapacityLimiter, to_thread
from fastapi import APIRouter, Depends, HTTPException, Query, Request, Response
from fastapi.dependencies.models import Dependant

from mmpyramid.core.errors import UserError
from mmpyramid.media.streams import Tracks
from mmpyramid.pipeline import Parsed
from mmpyramid.problems import Decoder
from mmpyramid.render import FORMATS
from mmpyramid.version import __version__
from mmpyramid.web.access import visitor_of
from mmpyramid.web.budget import Budget
from mmpyramid.web.pages import as_file
from mmpyramid.web.pool import Job, Pool
from mmpyramid.web.queries import decoder_of
from mmpyramid.web.receiving import receive_file
from mmpyramid.web.uploads import Uploads


def create_router(pool: Pool, uploads: Uploads, budget: Budget) -> APIRouter:
    """The routes below `/api`, and `/health`.

    Args:
        pool: does the work.
        uploads: where videos are for as long as it lasts.
        budget: what room they have.
    """
    router = APIRouter(dependencies=[Depends(_check_parameters)])
    models = tuple(pool.setup.choices)
    limiter = CapacityLimiter(pool.capacity)

    @router.get("/health", summary="Whether the server works; asks for no token")
    async def health() -> dict[str, str]:
        return {"status": "ok"}

    @router.get("/api/health", summary="What the server offers, and how busy it is")
    async def offer() -> dict[str, Any]:
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
        "/api/parse",
        summary="Parse a video or sound file",
        response_class=Response,
        responses=RESPONSES,
        openapi_extra={"requestBody": FORM},
    )
    async def parse(
        request: Request,
        decoder: Annotated[Decoder, Depends(decoder_of)],
        tracks: Annotated[Tracks, Depends(_tracks)],
        model: Annotated[str, Query(description=f"One of {', '.join(models)}.")] = models[0],
        format: Annotated[  # noqa: A002
            str, Query(description=f"One of {', '.join(FORMATS)}.")
        ] = "json",
    ) -> Response:
        """Answers with the timeline as a file. The upload is deleted before the answer is sent."""
        _check_choice("model", model, models)
        _check_choice("format", format, tuple(FORMATS))
        visitor = visitor_of(request)
        pool.check_room()
        with budget.lease(visitor.address) as lease:
            stored = await receive_file(
                request, "video", uploads, lease, owner=visitor.id, limits=pool.limits
            )
            with uploads.use(stored.path) as upload, pool.place(visitor.address):
                job = Job(
                    path=upload.path,
                    name=upload.name,
                    model=model,
                    decoder=decoder,
                    tracks=tracks,
                )
                return await to_thread.run_sync(_parse, pool, job, format, limiter=limiter)

    @router.api_route(
        "/api/parse", methods=["GET", "HEAD", "PUT", "PATCH", "DELETE"], include_in_schema=False
    )
    async def refuse_method() -> None:
        raise HTTPException(405, "expected a POST with a video; see /docs", {"Allow": "POST"})

    return router


FORM: dict[str, Any] = {
    "required": True,
    "content": {
        "multipart/form-data": {
            "schema": {
                "type": "object",
                "required": ["video"],
                "properties": {
                    "video": {
                        "type": "string",
                        "format": "binary",
                        "description": "The file, of any format FFmpeg knows.",
                    }
                },
            }
        }
    },
}
RESPONSES: dict[int | str, dict[str, Any]] = {
    200: {
        "description": "The timeline; the media type is that of the format.",
        "content": {"application/json": {}, "text/vtt": {}, "text/csv": {}},
    },
    400: {"description": "The body is no valid form."},
    401: {"description": "The server asks for a token."},
    403: {"description": "The request comes from the page of another site."},
    408: {"description": "The file came too slowly."},
    413: {"description": "The file is too large."},
    421: {"description": "The server does not answer to the name in `Host`."},
    422: {"description": "The file is no video or sound, is too long, or an option is wrong."},
    429: {"description": "As many videos of this visitor as may be are here already."},
    501: {"description": "The format needs a package that the server lacks."},
    503: {"description": "Too many are waiting, or the work took too long."},
    507: {"description": "The server has no room for more uploads."},
}


def _parse(pool: Pool, job: Job, format: str) -> Response:  # noqa: A002
    parsed: Parsed = pool.take_turn(job)
    return as_file(parsed, format)


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


def _check_parameters(request: Request) -> None:
    """Refuse parameters that do nothing, such as a misspelled one."""
    known = _names(request.scope["route"].dependant)
    for name, count in Counter(name for name, _ in request.query_params.multi_items()).items():
        if name not in known:
            (close, *_) = [*get_close_matches(name, known, 1), ""]
            hint = f"; did you mean `{close}`?" if close else "; see /docs"
            raise UserError(f"there is no parameter {name!r}{hint}")
        if count > 1:
            raise UserError(f"expected the parameter `{name}` once, got it {count} times")


def _names(dependant: Dependant) -> set[str]:
    own = {parameter.alias for parameter in dependant.query_params}
    return own.union(*(_names(other) for other in dependant.dependencies))
