"""What happens when a visitor of the app does something, and what is shown then.

Names that visitors chose are escaped.
"""

from __future__ import annotations

from dataclasses import dataclass
from html import escape
from pathlib import Path
from typing import Any

import gradio as gr

from mmpyramid.core.errors import UserError
from mmpyramid.pipeline import Parsed
from mmpyramid.problems import Decoder
from mmpyramid.web.limits import BusyError, GivenUpError, Limits, TooManyError
from mmpyramid.web.pages import page_address
from mmpyramid.web.pool import Job, Pool, Stage
from mmpyramid.web.uploads import Upload, Uploads
from mmpyramid.web.visits import Result, Visit, Visits


@dataclass(frozen=True)
class Handlers:
    """Functions for Gradio to call, in threads of its own.

    Attributes:
        pool: does the work.
        uploads: where videos are.
        visits: the state of each open page.
    """

    pool: Pool
    uploads: Uploads
    visits: Visits

    def choose(self, path: str | None, request: gr.Request) -> tuple[str, gr.Button]:
        """Take a video that was uploaded or recorded; with none, release the last."""
        visit = self.visits.of(_session(request))
        upload, message = None, ""
        try:
            if path is not None:
                upload = self.uploads.use(Path(path))
                message = facts_of(upload)
        except UserError as error:
            message = problem(error)
        visit.choose(upload)
        return message, gr.Button(interactive=upload is not None)

    def parse(
        self,
        request: gr.Request,
        progress: gr.Progress = gr.Progress(),  # noqa: B008 - how Gradio asks for one
        model: str = "",
        threshold: float = Decoder().threshold,
    ) -> tuple[str, Any]:
        """Parse the chosen video. One that is bad is deleted at once, and leaves the form."""
        visit = self.visits.of(_session(request))
        upload = visit.upload
        try:
            if upload is None:
                raise UserError("no video is chosen; upload one, record one or take an example")
            video = self.uploads.use(upload.path)
            with self.visits.keeping(visit):
                parsed = self._parsed(video, visit.visitor.address, model, threshold, progress)
            shown = visit.show(parsed, video)
            return result(visit, shown), gr.skip()
        except (TooManyError, BusyError, GivenUpError) as error:
            return problem(error), gr.skip()
        except UserError as error:
            return problem(error), None if visit.reject(upload) else gr.skip()

    def leave(self, request: gr.Request) -> None:
        """Delete everything of a visitor."""
        self.visits.end(_session(request))

    def _parsed(
        self,
        video: Upload,
        visitor: str,
        model: str,
        threshold: float,
        progress: gr.Progress,
    ) -> Parsed:
        def on_stage(stage: Stage) -> None:
            share, text = progress_of(stage)
            progress(share, desc=text)

        decoder = Decoder(threshold=threshold, video_threshold=threshold)
        job = Job(path=video.path, name=video.name, model=model, decoder=decoder)
        try:
            return self.pool.parse(job, visitor, on_stage)
        except BaseException:
            video.release()
            raise


def _session(request: gr.Request) -> str:
    assert request.session_hash is not None
    return request.session_hash


WELCOME = (
    '<div class="welcome"><h2>What can be heard, what can be seen, and what is both</h2>'
    "<p>Choose a video, record one, or take an example; then parse it. The timeline appears "
    "here.</p></div>"
)


def introduction(limits: Limits, sought: str) -> str:
    """The head of the page, with what a visitor should know before uploading.

    Args:
        limits: what may be uploaded.
        sought: what the first of the models looks and listens for.
    """
    return (
        "<h1>mmpyramid</h1>"
        f"<p>Any video in, a timeline out: of {escape(sought)}. "
        f"At most {limits.max_minutes:g} minutes and "
        f"{limits.max_megabytes:g} MB. Uploads stay on this server, and are deleted when you "
        f"close the page, at the latest after {limits.keep_minutes:g} idle minutes. "
        'Programs use the <a href="docs">HTTP interface</a>.</p>'
    )


def facts_of(upload: Upload) -> str:
    """The video that was chosen."""
    size = upload.path.stat().st_size / 1e6
    return f'<p class="chosen">{escape(upload.name)}, {size:.1f} MB</p>'


def problem(error: UserError) -> str:
    """What is wrong, in one paragraph."""
    return (
        f'<div class="problem" role="alert"><h2>That did not work</h2><p>{_text(error)}</p></div>'
    )


def result(visit: Visit, shown: Result) -> str:
    """The frame with a result of a visit."""
    title = escape(f"Timeline of {shown.parsed.timeline.source}")
    return (
        f'<iframe class="timeline" src="{page_address(visit, shown)}" title="{title}" '
        f'onload="{FIT}"></iframe>'
    )


def progress_of(stage: Stage) -> tuple[float, str]:
    """How much of a job is done, 0..1, and what it is at."""
    if stage.name != "extract":
        return SHARES[stage.name], WORDS[stage.name]
    if not stage.done:
        return SHARES["extract"], "Looking and listening"
    if not stage.total:
        return SHARES["extract"], f"Looking and listening: second {stage.done}"
    done = stage.done / stage.total
    share = SHARES["extract"] + done * (SHARES["score"] - SHARES["extract"])
    return share, f"Looking and listening: {done:.0%}"


FIT = (
    "const { body, documentElement } = this.contentDocument;"
    "documentElement.style.setProperty('--player', '28rem');"
    "new ResizeObserver(() => {"
    "this.style.height = `${Math.ceil(body.getBoundingClientRect().height) + 2}px`"
    "}).observe(body)"
)
"""Keeps the frame as high as the page in it, whose player must then not measure the frame."""

WORDS = {
    "wait": "Waiting for a free worker",
    "load": "Loading the models",
    "score": "Scoring",
    "decode": "Deciding",
}
SHARES = {"wait": 0.0, "load": 0.0, "extract": 0.02, "score": 0.95, "decode": 0.99}
"""Nearly all the time goes into decoding pictures and sound and into the backbones."""


def _text(error: UserError) -> str:
    text = escape(str(error))
    return f"{text[:1].upper()}{text[1:]}."
