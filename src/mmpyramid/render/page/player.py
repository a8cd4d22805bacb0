"""The player of a page: its element, and the URL of what it plays."""

from __future__ import annotations

import base64
import html
from pathlib import Path
from urllib.parse import quote, urlsplit

from mmpyramid.core import Modality, Timeline
from mmpyramid.core.errors import UserError
from mmpyramid.render.page.document import escape

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
