"""The plain HTTP interface: a video in, a timeline out, at once or as a job to ask for later."""

from collections import Counter
from dataclasses import asdict
from difflib import get_close_matches
from typing import Annotated, Any, cast

from anyio import CapacityLimiter, to_thread
from fastapi import APIRouter, Depends, HTTPException, Query, Request, Response
from fastapi.routing import APIRoute
from pydantic import BaseModel, Field

from mmpyramid.core.errors import UserError
from mmpyramid.media.streams import Tracks
from mmpyramid.pipeline import Parsed
from mmpyramid.problems import Decoder
from mmpyramid.render import FORMATS
from mmpyramid.version import __version__
from mmpyramid.web.access import visitor_of
from mmpyramid.web.jobs import JobQueue, QueuedJob, State
from mmpyramid.web.limits import Budget
from mmpyramid.web.pages import as_file, decoder_of
from mmpyramid.web.pool import Job, Pool
from mmpyramid.web.receiving import receive_files
from mmpyramid.web.uploads import Uploads


def create_router(pool: Pool, uploads: Uploads, budget: Budget, jobs: JobQueue) -> APIRouter:
    """The routes below `/api`, and `/health`.

    Args:
        pool: does the work.
        uploads: where videos are for as long as it lasts.
        budget: what room they have.
        jobs: those that are asked for later.
    """
    router = APIRouter(dependencies=[Depends(_check_parameters)])

    @router.get("/health", summary="Whether the server works; asks for no token")
    async def health() -> dict[str, str]:
        return {"status": "ok"}

    @router.get("/api/health", summary="What the server offers, and how busy it is")
    async def offer() -> dict[str, Any]:
        return {
            "status": "ok",
            "version": __version__,
            "models": tuple(pool.setup.choices),
            "formats": list(FORMATS),
            "workers": len(pool.workers),
            "waiting": pool.num_waiting + jobs.num_waiting,
            "jobs": len(jobs),
            "limits": asdict(pool.limits),
        }

    _add_parse(router, pool, uploads, budget)
    _add_submission(router, pool, uploads, budget, jobs)
    _add_jobs(router, jobs)
    return router


def _add_parse(router: APIRouter, pool: Pool, uploads: Uploads, budget: Budget) -> None:
    """The route that answers when the work is done."""
    models = tuple(pool.setup.choices)
    limiter = CapacityLimiter(pool.capacity)

    @router.post(
        "/api/parse",
        summary="Parse a video or sound file, and wait for its timeline",
        response_class=Response,
        responses={200: TIMELINE, **refusals(400, 401, 403, 408, 413, 421, 422, 429, 507), **LATER},
        openapi_extra={"requestBody": FORM},
    )
    async def parse(
        request: Request,
        decoder: Annotated[Decoder, Depends(decoder_of)],
        tracks: Annotated[Tracks, Depends(_tracks)],
        model: Annotated[str, Query(description=f"One of {', '.join(models)}.")] = models[0],
        format: OneFormat = "json",  # noqa: A002
    ) -> Response:
        """Answers with the timeline as a file. The upload is deleted before the answer is sent."""
        _check_choice("model", model, models)
        _check_choice("format", format, tuple(FORMATS))
        visitor = visitor_of(request)
        pool.check_room()
        (stored,) = await receive_files(request, "video", uploads, budget, limits=pool.limits)
        with uploads.use(stored.path) as upload, pool.place(visitor.address):
            job = Job(
                path=upload.path, name=upload.name, model=model, decoder=decoder, tracks=tracks
            )
            return await to_thread.run_sync(_parse, pool, job, format, limiter=limiter)


def _add_submission(
    router: APIRouter, pool: Pool, uploads: Uploads, budget: Budget, jobs: JobQueue
) -> None:
    """The route that makes a job."""
    models = tuple(pool.setup.choices)

    @router.post(
        "/api/jobs",
        summary="Submit a video or sound file as a job",
        status_code=202,
        responses={**refusals(400, 401, 403, 408, 413, 421, 422, 429, 503, 507)},
        openapi_extra={"requestBody": FORM},
    )
    async def submit(
        request: Request,
        response: Response,
        tracks: Annotated[Tracks, Depends(_tracks)],
        model: Annotated[str, Query(description=f"One of {', '.join(models)}.")] = models[0],
    ) -> JobStatus:
        """Answers as soon as the file is here; `Location` is where to ask for the job.

        Thresholds and format are parameters of the result. A server that is restarted knows no job.
        """
        _check_choice("model", model, models)
        visitor = visitor_of(request)
        jobs.check_room()
        (stored,) = await receive_files(request, "video", uploads, budget, limits=pool.limits)
        upload = uploads.use(stored.path)
        job = Job(path=upload.path, name=upload.name, model=model, decoder=Decoder(), tracks=tracks)
        try:
            queued = jobs.submit(job, upload, visitor)
        except UserError:
            upload.release()
            raise
        response.headers["Location"] = _address(request, queued)
        return _status(request, jobs, queued)


def _add_jobs(router: APIRouter, jobs: JobQueue) -> None:
    """The routes of a job: poll, fetch the result, cancel."""

    def find(request: Request, id: str) -> QueuedJob:  # noqa: A002
        queued = jobs.find(id, visitor_of(request))
        if queued is None:
            raise HTTPException(404, NO_JOB)
        return queued

    Found = Annotated[QueuedJob, Depends(find)]

    @router.get(
        "/api/jobs/{id}", summary="Ask how far a job is", responses=refusals(401, 403, 404, 421)
    )
    def poll(request: Request, response: Response, found: Found) -> JobStatus:
        """Ask once a second at most."""
        response.headers["Cache-Control"] = "no-store"
        return _status(request, jobs, found)

    @router.get(
        "/api/jobs/{id}/result",
        summary="Fetch the timeline that a job found",
        response_class=Response,
        responses={200: TIMELINE, **refusals(401, 403, 404, 409, 421, 422), **LATER},
    )
    def result(
        found: Found,
        decoder: Annotated[Decoder, Depends(decoder_of)],
        format: OneFormat = "json",  # noqa: A002
    ) -> Response:
        """In any format and by any thresholds, as often as you like, while the job is kept."""
        _check_choice("format", format, tuple(FORMATS))
        if found.error is not None:
            raise found.error
        if found.parsed is None:
            raise HTTPException(
                409, f"this job is {found.state}; ask for the result when it is done"
            )
        response = as_file(found.parsed.decode_again(decoder), format)
        response.headers["Cache-Control"] = "no-store"
        return response

    @router.delete(
        "/api/jobs/{id}",
        summary="Cancel a job, or delete its result",
        status_code=204,
        responses=refusals(401, 403, 404, 421),
    )
    def cancel(found: Found) -> None:
        """The job is forgotten at once; cancelling it again gives 404."""
        jobs.cancel(found)


def refuse_other_methods(router: APIRouter) -> APIRouter:
    """Routes that answer 405 to the methods that the paths of a router lack."""
    methods: dict[str, set[str]] = {}
    for route in cast(list[APIRoute], router.routes):
        methods.setdefault(route.path, set()).update(route.methods or ())
    refusing = APIRouter(include_in_schema=False)
    for path, allowed in methods.items():
        names = ", ".join(sorted(allowed))

        async def refuse(names: str = names) -> None:
            raise HTTPException(405, f"expected the method {names}; see /docs", {"Allow": names})

        refusing.add_api_route(path, refuse, methods=sorted(METHODS - allowed))
    return refusing


METHODS = {"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"}
NO_JOB = (
    "there is no such job: it is unknown, was cancelled, is somebody else's, or was done so long "
    "ago that it has been forgotten; submit the video again"
)
OneFormat = Annotated[str, Query(description=f"One of {', '.join(FORMATS)}.")]


class JobStatus(BaseModel):
    """How far a job is."""

    id: str
    name: str = Field(description="The name of the file.")
    model: str
    state: State
    position: int | None = Field(description="The place in the queue, from 1, while it waits.")
    progress: float = Field(description="How much of the work is done, from 0 to 1.")
    doing: str | None = Field(description="What it is at, in words, until it is over.")
    detail: str | None = Field(description="Why it failed, in one paragraph.")
    result: str | None = Field(description="Where its result is, once it is done.")
    kept_seconds: float | None = Field(description="When it will be forgotten, once it is over.")


def _status(request: Request, jobs: JobQueue, queued: QueuedJob) -> JobStatus:
    state = queued.state
    is_over = state in {"done", "failed"}
    return JobStatus(
        id=queued.id,
        name=queued.job.name,
        model=queued.job.model,
        state=state,
        position=jobs.position(queued),
        progress=1.0 if state == "done" else round(queued.stage.share, 3),
        doing=None if is_over else queued.stage.words,
        detail=None if queued.error is None else str(queued.error),
        result=f"{_address(request, queued)}/result" if state == "done" else None,
        kept_seconds=jobs.kept_seconds(queued),
    )


def _address(request: Request, queued: QueuedJob) -> str:
    return f"{request.scope['root_path']}/api/jobs/{queued.id}"


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
TIMELINE: dict[str, Any] = {
    "description": "The timeline; the media type is that of the format.",
    "content": {"application/json": {}, "text/vtt": {}, "text/csv": {}},
}
REFUSALS = {
    400: "The body is no valid form.",
    401: "The server asks for a token.",
    403: "The request comes from the page of another site.",
    404: "There is no such job: unknown, cancelled, forgotten, or somebody else's.",
    408: "The file came too slowly.",
    409: "The job is not done yet.",
    413: "The file is too large.",
    421: "The server does not answer to the name in `Host`.",
    422: "The file is no video or sound, is too long, or an option is wrong.",
    429: "As many videos of this visitor as may be are here already.",
    500: "An internal error occurred on the server.",
    501: "The format needs a package that the server lacks.",
    503: "Too many are waiting, or the work took too long.",
    507: "The server has no room for more uploads.",
}


def refusals(*statuses: int) -> dict[int | str, dict[str, Any]]:
    """What the description of the interface says of refusals."""
    return {status: {"description": REFUSALS[status]} for status in statuses}


LATER = refusals(500, 501, 503)


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
    path = request.app.openapi()["paths"][request.scope["route"].path_format]
    described = path[request.method.lower()].get("parameters", ())
    known = {parameter["name"] for parameter in described if parameter["in"] == "query"}
    for name, count in Counter(name for name, _ in request.query_params.multi_items()).items():
        if name not in known:
            (close, *_) = [*get_close_matches(name, known, 1), ""]
            hint = f"; did you mean `{close}`?" if close else "; see /docs"
            raise UserError(f"there is no parameter {name!r}{hint}")
        if count > 1:
            raise UserError(f"expected the parameter `{name}` once, got it {count} times")
