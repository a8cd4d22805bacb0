"""Pieces of HTML that the app shows; names that visitors chose are escaped."""

from __future__ import annotations

from html import escape

from mmpyramid.core.errors import UserError
from mmpyramid.render import FORMATS
from mmpyramid.web.limits import Limits
from mmpyramid.web.pages import file_address, page_address
from mmpyramid.web.uploads import Upload
from mmpyramid.web.visits import Result, Visit
from mmpyramid.web.worker import Stage

WELCOME = (
    '<div class="welcome"><h2>What can be heard, what can be seen, and what is both</h2>'
    "<p>Choose a video, record one, or take an example; then parse it. The timeline appears "
    "here.</p></div>"
)


def introduction(limits: Limits) -> str:
    """The head of the page, with what a visitor should know before uploading."""
    return (
        "<h1>mmpyramid</h1>"
        f"<p>Any video in, a timeline out. At most {limits.max_minutes:g} minutes and "
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
    """The frame with a result of a visit, and links to its files."""
    links = "".join(
        f'<a href="{file_address(visit, shown, name)}" download>{name}</a>' for name in FORMATS
    )
    title = escape(f"Timeline of {shown.parsed.timeline.source}")
    return (
        f'<nav class="files" aria-label="Downloads"><span>Download as</span>{links}</nav>'
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
