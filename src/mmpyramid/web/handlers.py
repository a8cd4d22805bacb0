"""What happens when a visitor of the app does something, and what is shown then.

Names that visitors chose are escaped.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from html import escape
from pathlib import Path
from typing import Any

import gradio as gr

from mmpyramid.core.errors import UserError
from mmpyramid.problems import Decoder
from mmpyramid.web.limits import BusyError, GivenUpError, Limits
from mmpyramid.web.pages import page_address
from mmpyramid.web.pool import Job, OnStage, Pool, Stage
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

    def choose(
        self,
        files: list[str] | None,
        camera: str | None,
        microphone: str | None,
        request: gr.Request,
    ) -> tuple[str, gr.Button]:
        """Take what was uploaded or recorded, and release what no longer is there."""
        visit = self.visits.of(_session(request))
        chosen: list[Upload] = []
        message = ""
        for path in _given(files, camera, microphone):
            try:
                chosen.append(self.uploads.use(path))
            except UserError as error:
                message = problem(error)
        visit.choose(*chosen)
        # One file alone has its name and size in its field.
        is_told = len(chosen) == 1 and not (camera or microphone)
        told = message or ("" if is_told else facts_of(chosen))
        return told, gr.Button(interactive=bool(chosen))

    def parse(
        self,
        request: gr.Request,
        progress: gr.Progress = gr.Progress(),  # noqa: B008 - how Gradio asks for one
        files: list[str] | None = None,
        camera: str | None = None,
        microphone: str | None = None,
        model: str = "",
    ) -> Iterator[tuple[Any, ...]]:
        """Parse what was chosen, one file after the other; what is bad leaves the form.

        Yields:
            The list of results, the frame with the first of them, and the values of the form.
        """
        visit = self.visits.of(_session(request))
        visit.clear()
        run: list[Entry] = []
        try:
            run = [Entry(self.uploads.use(path)) for path in _given(files, camera, microphone)]
            if not run:
                raise UserError("nothing is chosen; upload a file, record one or try the film")
            with self.visits.keeping(visit), self.pool.place(visit.visitor.address):
                yield results(visit, run), "", gr.skip(), gr.skip(), gr.skip()
                for entry in run:
                    self._parse(visit, entry, model, _stage_reporter(progress, run, entry))
                    is_first = [each for each in run if each.result] == [entry]
                    shown = result(visit, entry.result) if is_first and entry.result else gr.skip()
                    yield results(visit, run), shown, gr.skip(), gr.skip(), gr.skip()
        except UserError as error:
            yield "", problem(error), gr.skip(), gr.skip(), gr.skip()
            return
        finally:
            for entry in run:
                entry.upload.release()
        shown = gr.skip()
        if not any(entry.result for entry in run):
            shown = problem(run[0].error) if len(run) == 1 and run[0].error else ""
        bad = {entry.upload.path for entry in run if entry.is_bad}
        kept = [path for path in files or () if Path(path) not in bad]
        yield (
            gr.skip(),
            shown,
            gr.skip() if len(kept) == len(files or ()) else [self._named(path) for path in kept],
            None if camera and Path(camera) in bad else gr.skip(),
            None if microphone and Path(microphone) in bad else gr.skip(),
        )

    def leave(self, request: gr.Request) -> None:
        """Delete everything of a visitor."""
        self.visits.end(_session(request))

    def _parse(self, visit: Visit, entry: Entry, model: str, on_stage: OnStage) -> None:
        upload = entry.upload
        job = Job(path=upload.path, name=upload.name, model=model, decoder=Decoder())
        try:
            parsed = self.pool.take_turn(job, on_stage)
            entry.result = visit.show(parsed, self.uploads.use(upload.path))
        except UserError as error:
            entry.error = error
            entry.is_bad = not isinstance(error, BusyError | GivenUpError)
            if entry.is_bad:
                visit.reject(upload.path)

    def _named(self, path: str) -> tuple[str, str]:
        with self.uploads.use(Path(path)) as upload:
            return path, upload.name


@dataclass(eq=False)
class Entry:
    """One file of those that are parsed together.

    Attributes:
        upload: the file.
        result: what was found.
        error: why nothing was.
        is_bad: whether it is the file's fault, so that it is no use to try again.
    """

    upload: Upload
    result: Result | None = None
    error: UserError | None = None
    is_bad: bool = False


def _given(files: list[str] | None, *recordings: str | None) -> list[Path]:
    """The paths in the form."""
    return [Path(path) for path in (*(files or ()), *recordings) if path is not None]


def _stage_reporter(progress: gr.Progress, run: list[Entry], entry: Entry) -> OnStage:
    """A function that reports the progress of one of several files to the page."""
    number = run.index(entry)
    prefix = f"{number + 1} of {len(run)}: " if len(run) > 1 else ""

    def on_stage(stage: Stage) -> None:
        progress((number + stage.share) / len(run), desc=f"{prefix}{stage.words}")

    return on_stage


def _session(request: gr.Request) -> str:
    assert request.session_hash is not None
    return request.session_hash


WELCOME = (
    '<div class="welcome"><h2>What can be heard, what can be seen, and what is both</h2>'
    "<p>Choose videos or sound files, record something, or try a film; then parse it. The "
    "timeline appears here.</p></div>"
)


def introduction(limits: Limits, sought: str) -> str:
    """The head of the page, with what a visitor should know before uploading.

    Args:
        limits: what may be uploaded.
        sought: what the first of the models looks and listens for.
    """
    return (
        "<h1>mmpyramid</h1>"
        f"<p>A timeline of {escape(sought)} in any video or sound, of at most "
        f"{limits.max_minutes:g} minutes and {limits.max_megabytes:g} MB. Uploads stay on this "
        f"server, and are deleted when you close the page, or after {limits.keep_minutes:g} idle "
        "minutes. "
        'Programs use the <a href="docs">HTTP interface</a>.</p>'
    )


def facts_of(uploads: Sequence[Upload]) -> str:
    """What was chosen."""
    size = sum(upload.path.stat().st_size for upload in uploads) / 1e6
    names = [upload.name for upload in uploads]
    title = names[0] if len(names) == 1 else f"{len(names)} files"
    return f'<p class="chosen">{escape(title)}, {size:.1f} MB</p>' if names else ""


def problem(error: UserError) -> str:
    """What is wrong, in one paragraph."""
    return (
        f'<div class="problem" role="alert"><h2>That did not work</h2><p>{_text(error)}</p></div>'
    )


def result(visit: Visit, shown: Result) -> str:
    """The frame with a result of a visit; `results` opens others in it."""
    title = escape(f"Timeline of {shown.parsed.timeline.source}")
    return (
        f'<iframe class="timeline" name="timeline" src="{page_address(visit, shown)}" '
        f'title="{title}" onload="{FIT}"></iframe>'
    )


def results(visit: Visit, run: Sequence[Entry]) -> str:
    """The list of several results, which open in the frame; none of one that is over."""
    if len(run) == 1 and (run[0].result or run[0].error):
        return ""
    num_done = sum(entry.result is not None for entry in run)
    items = "".join(f"<li>{_item(visit, entry)}</li>" for entry in run)
    return (
        f'<nav class="results" aria-label="Results"><p>{num_done} of {len(run)} parsed</p>'
        f"<ol>{items}</ol></nav>"
    )


def _item(visit: Visit, entry: Entry) -> str:
    name = escape(entry.upload.name)
    if entry.result is not None:
        found = {event.label for event in entry.result.parsed.timeline}
        labels = f"{len(found)} label{'' if len(found) == 1 else 's'}" if found else "nothing found"
        link = f'<a href="{page_address(visit, entry.result)}" target="timeline">{name}</a>'
        return f"{link} <small>{labels}</small>"
    if entry.error is not None:
        return f'{name} <small class="failed">{_text(entry.error)}</small>'
    return f"{name} <small>waits</small>"


FIT = (
    "const { body, documentElement } = this.contentDocument;"
    "documentElement.style.setProperty('--player', '28rem');"
    "new ResizeObserver(() => {"
    "this.style.height = `${Math.ceil(body.getBoundingClientRect().height) + 2}px`"
    "}).observe(body)"
)
"""Keeps the frame as high as the page in it, whose player must then not measure the frame."""


def _text(error: UserError) -> str:
    text = escape(str(error))
    return f"{text[:1].upper()}{text[1:]}."
