"""Elements of a page: the facts above the lanes, the legend of the bars, the player."""

from __future__ import annotations

import base64
import html
from collections.abc import Iterable, Mapping
from pathlib import Path, PurePath
from urllib.parse import quote, urlsplit

from mmpyramid.core import Modality, Timeline
from mmpyramid.core.errors import UserError
from mmpyramid.core.wording import MODALITY_PHRASES, MODALITY_WORDS
from mmpyramid.render.lanes import Remark
from mmpyramid.render.page.document import escape


def title_of_video(timeline: Timeline) -> str:
    """The name of its file."""
    return PurePath(timeline.source).name or "Timeline"


def facts_list(facts: Mapping[str, str]) -> str:
    """Facts by name; what is empty is left out."""
    return "".join(
        f'<div><dt>{escape(name)}</dt><dd data-fact="{escape(name)}">{escape(fact)}</dd></div>'
        for name, fact in facts.items()
        if fact
    )


def remarks_list(remarks: Iterable[Remark]) -> str:
    """Remarks as items; those with details unfold."""
    return "".join(map(_remark, remarks))


def _remark(remark: Remark) -> str:
    gist = escape(remark.gist)
    if not remark.details:
        return f"<li>{gist}</li>"
    details = "".join(f"<p>{escape(line)}</p>" for line in remark.details)
    return f'<li class="aside"><details><summary>{gist}</summary>{details}</details></li>'


def modality_buttons() -> str:
    """The legend of the bars; each button shows and hides a modality."""
    return "".join(
        f'<button type="button" aria-pressed="true"><i class="swatch {modality}"></i>'
        f"{MODALITY_PHRASES[modality]}</button>"
        for modality in MODALITY_WORDS
    )


LARGEST_EMBEDDED = 200 * 2**20
"""Bytes; browsers refuse or choke on data URIs that are much larger."""

# Browsers look at the type before the content. They play MP4 and its relatives (MOV, M4V) only
# under this name, and refuse `video/quicktime` and `application/octet-stream` in data URIs.
DEFAULT_TYPE = "video/mp4"
TYPES = {
    ".aac": "audio/aac",
    ".flac": "audio/flac",
    ".m4a": "audio/mp4",
    ".mkv": "video/x-matroska",
    ".mp3": "audio/mpeg",
    ".oga": "audio/ogg",
    ".ogg": "audio/ogg",
    ".ogv": "video/ogg",
    ".opus": "audio/ogg",
    ".wav": "audio/wav",
    ".webm": "video/webm",
}


def player(timeline: Timeline, video: Path | str | None, embed: bool) -> str:
    """The element that plays, or nothing without a video.

    Raises:
        UserError: if the video cannot be read or embedded.
    """
    if video is None:
        return ""
    tag = "audio" if Modality.VISUAL in timeline.missing else "video"
    return (
        f'<{tag} id="media" controls playsinline preload="auto" '
        f'src="{html.escape(_url(video, embed))}" aria-label="{escape(timeline.source)}"></{tag}>'
    )


def _url(video: Path | str, embed: bool) -> str:
    is_linked = isinstance(video, str) and is_url(video)
    if not embed:
        return str(video) if is_linked else link(Path(video))
    if is_linked:
        raise UserError(
            f"expected the path of a file to embed, got the URL {video}; link to it "
            "(`embed=False`, no `--embed`)"
        )
    return _embedded(Path(video))


def is_url(video: str) -> bool:
    """Whether a video is named by its URL, not by its path.

    Example:
        >>> is_url("https://example.org/clip.mp4"), is_url("clip.mp4")
        (True, False)
    """
    return urlsplit(video).scheme in {"http", "https", "file", "data"}


def link(path: Path) -> str:
    """The URL of a file; that of a relative path is relative to the page."""
    return path.as_uri() if path.is_absolute() else quote(path.as_posix())


def _embedded(path: Path) -> str:
    try:
        if (size := path.stat().st_size) > LARGEST_EMBEDDED:
            raise UserError(
                f"expected at most {LARGEST_EMBEDDED / 2**20:.0f} MiB to embed in a page, but "
                f"{path} has {size / 2**20:.0f} MiB; link to it instead (`embed=False`, no "
                "`--embed`)"
            )
        content = base64.b64encode(path.read_bytes()).decode("ascii")
    except OSError as error:
        raise UserError(f"cannot read the video {path} to embed it: {error.strerror}") from error
    return f"data:{TYPES.get(path.suffix.lower(), DEFAULT_TYPE)};base64,{content}"
