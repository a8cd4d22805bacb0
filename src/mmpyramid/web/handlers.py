"""What happens when a visitor of the app does something."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import gradio as gr

from mmpyramid.core.errors import UserError
from mmpyramid.pipeline import Parsed
from mmpyramid.problems import Decoder
from mmpyramid.web.limits import BusyError, GivenUpError, NoSpaceError
from mmpyramid.web.pool import Pool
from mmpyramid.web.uploads import Upload, Uploads
from mmpyramid.web.views import facts_of, problem, progress_of, result
from mmpyramid.web.visits import Visits
from mmpyramid.web.worker import Job, Stage


@dataclass(frozen=True)
class Handlers:
    """Functions for Gradio to call, in threads of its own.

    Attributes:
        pool: does the work.
        uploads: where videos are.
        visits: what is kept for whom.
    """

    pool: Pool
    uploads: Uploads
    visits: Visits

    def choose(self, path: str | None, request: gr.Request) -> tuple[str, gr.Button]:
        """Hold a video that was uploaded or recorded; with none, let go of the last."""
        visit = self.visits.of(_session(request))
        upload, told = None, ""
        try:
            if path is not None:
                upload = self.uploads.acquire(Path(path))
                told = facts_of(upload)
        except UserError as error:
            told = problem(error)
        visit.choose(upload)
        return told, gr.Button(interactive=upload is not None)

    def parse(
        self,
        request: gr.Request,
        progress: gr.Progress = gr.Progress(),  # noqa: B008 - how Gradio asks for one
        model: str = "",
        *numbers: float,
    ) -> tuple[str, Any]:
        """Parse the chosen video. One that is bad is deleted at once, and leaves the form."""
        visit = self.visits.of(_session(request))
        upload = visit.upload
        try:
            if upload is None:
                raise UserError("no video is chosen; upload one, record one or take an example")
            video = self.uploads.acquire_again(upload)
            shown = visit.show(self._parsed(video, model, numbers, progress), video)
            return result(visit, shown), gr.skip()
        except (BusyError, GivenUpError, NoSpaceError) as error:
            return problem(error), gr.skip()
        except UserError as error:
            return problem(error), None if visit.reject(upload) else gr.skip()

    def decide(self, request: gr.Request, *numbers: float) -> str | dict[str, Any]:
        """Take other thresholds on the same scores; leave what is shown if they are no others."""
        visit = self.visits.of(_session(request))
        unchanged: dict[str, Any] = gr.skip()
        old = visit.result
        if old is None:
            return unchanged
        parsed = old.parsed.decode_again(to_decoder(*numbers))
        if parsed.decoder == old.parsed.decoder:
            return unchanged
        new = visit.update(old, parsed)
        return unchanged if new is None else result(visit, new)

    def leave(self, request: gr.Request) -> None:
        """Delete all that was kept for a visitor."""
        self.visits.end(_session(request))

    def _parsed(
        self, video: Upload, model: str, numbers: tuple[float, ...], progress: gr.Progress
    ) -> Parsed:
        def on_stage(stage: Stage) -> None:
            share, text = progress_of(stage)
            progress(share, desc=text)

        decoder = to_decoder(*numbers)
        job = Job(path=video.path, name=video.name, model=model, decoder=decoder)
        try:
            return self.pool.parse(job, on_stage)
        except BaseException:
            video.release()
            raise


def to_decoder(heard: float, seen: float, whole: float, gap: float, length: float) -> Decoder:
    """What the sliders say.

    Example:
        >>> to_decoder(0.4, 0.5, 0.6, 1, 2).visual_threshold
        0.5
    """
    return Decoder(
        threshold=heard,
        visual_threshold=seen,
        video_threshold=whole,
        max_gap=gap,
        min_length=length,
    )


def _session(request: gr.Request) -> str:
    assert request.session_hash is not None
    return request.session_hash
