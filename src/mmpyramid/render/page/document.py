"""Puts a page together: template, elements, style sheets, the modules of its script, data, policy.

A page runs the script that stands in it and nothing else, and asks no network for anything: its
Content Security Policy names script and style sheet by their hashes. So neither styles nor handlers
may stand in attributes of elements.

The modules are joined here, without Node, so that a clone can be edited and installed by pip alone.
"""

from __future__ import annotations

import base64
import hashlib
import html
import json
import os
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from importlib.resources import files
from pathlib import Path, PurePath
from string import Template
from typing import Any
from urllib.parse import urlsplit

from mmpyramid.core import Modality, Timeline
from mmpyramid.core.errors import UserError
from mmpyramid.core.files import open_regular
from mmpyramid.core.wording import MODALITY_WORDS, printable
from mmpyramid.formats.rows import file_url
from mmpyramid.render.lanes import Remark
from mmpyramid.version import __version__

IMPORT = re.compile(r'^import (\{[^}]*\}) from "\./([\w-]+)\.js";$', re.MULTILINE)
EXPORT = re.compile(r"^export ((?:async )?(?:function|class|const) (\w+))", re.MULTILINE)
COMMENT = re.compile(r"^ */\*.*?\*/\n|^ *//[^\n]*\n", re.MULTILINE | re.DOTALL)


@dataclass(frozen=True, kw_only=True)
class Site:
    """What pages of one folder share, so that a thousand of them stay light.

    Attributes:
        assets: URL of the folder with the files of `shared_assets`, from the page.
        home: URL of the page that lists them all.
    """

    assets: str
    home: str = ""


def build(
    name: str, *, styles: Sequence[str], script: str, data: object, site: Site | None, **parts: str
) -> str:
    """Fill a template.

    Args:
        name: of the template.
        styles: the style sheets in order.
        script: the module that starts the page; empty for a page without one.
        data: what the script reads, as JSON.
        site: where style and script are; without it they are in the page.
        **parts: the other placeholders, as HTML.
    """
    if site is None:
        sheet, program = f"\n{style_sheet(styles)}", f"\n{bundle(script)}" if script else ""
        style, code = f"<style>{sheet}</style>", f"<script>{program}</script>"
        policy = _policy(_hash(sheet), _hash(program) if script else "'none'")
    else:
        style = f'<link rel="stylesheet" href="{escape(site.assets)}/{script}.css">'
        code = f'<script src="{escape(site.assets)}/{script}.js"></script>'
        policy = _policy("'self' file:", "'self' file:")
    home = f'<a class="home" href="{escape(site.home)}">All videos</a>' if site else ""
    return template(
        name,
        policy=policy,
        style=style,
        script=code,
        home=home,
        data=to_json(data),
        version=__version__,
        **parts,
    )


def template(name: str, **parts: str) -> str:
    """Fill the placeholders of a file in `templates/`."""
    return Template(read_part(f"templates/{name}.html")).substitute(parts)


def escape(text: str) -> str:
    """Text of a stranger as HTML that shows it, in an element or in an attribute.

    Example:
        >>> escape('<b>"')
        '&lt;b&gt;&quot;'
    """
    return html.escape(printable(text))


def to_json(data: Any) -> str:
    """JSON that cannot end the element that it stands in."""
    return json.dumps(data, separators=(",", ":"), allow_nan=False).replace("<", "\\u003c")


@cache
def read_part(name: str) -> str:
    """A file of this folder."""
    return files("mmpyramid.render.page").joinpath(name).read_text(encoding="utf-8")


@cache
def bundle(entry: str) -> str:
    """A module of `scripts/` and all that it imports, as one script that leaves no globals.

    Each module becomes a function that is called once and returns what the module exports; the one
    that is asked for runs last. Comments and indentation stay behind.
    """
    *needed, last = _in_order(entry)
    modules = [f"const {_variable(name)} = (() => {{\n{_code(name)}}})();\n" for name in needed]
    return f'(async () => {{\n"use strict";\n{"".join(modules)}{_code(last)}}})();\n'


def shared_assets(name: str, styles: Sequence[str]) -> dict[str, str]:
    """The files that pages of a `Site` share, by name."""
    return {f"{name}.css": style_sheet(styles), f"{name}.js": bundle(name)}


def style_sheet(names: Sequence[str]) -> str:
    """The sheets of `styles/` as one, without comments."""
    return "".join(COMMENT.sub("", read_part(f"styles/{name}.css")) for name in names)


def _code(name: str) -> str:
    """The body of a module, where imports are read from variables and exports are returned."""
    code = COMMENT.sub("", read_part(f"scripts/{name}.js"))
    code = IMPORT.sub(lambda found: f"const {found[1]} = {_variable(found[2])};", code)
    exports = ", ".join(found[2] for found in EXPORT.finditer(code))
    lines = [line.strip() for line in EXPORT.sub(r"\1", code).splitlines()]
    returned = [f"return {{ {exports} }};"] if exports else []
    return "".join(f"{line}\n" for line in [*lines, *returned] if line)


def _variable(module: str) -> str:
    return f"${module.replace('-', '_')}"


def _in_order(entry: str) -> list[str]:
    """The module and those that it needs, every one after those that it needs itself."""
    order: list[str] = []

    def visit(name: str) -> None:
        if name not in order:
            for needed in IMPORT.finditer(read_part(f"scripts/{name}.js")):
                visit(needed[2])
            order.append(name)

    visit(entry)
    return order


def _policy(styles: str, scripts: str) -> str:
    """What the browser may load: media and thumbnails, and of code only what is ours.

    Source: W3C, Content Security Policy Level 3, hash sources.
    """
    return (
        f"default-src 'none'; style-src {styles}; script-src {scripts}; "
        "img-src 'self' file: data:; media-src data: blob: file: http: https:"
    )


def _hash(text: str) -> str:
    """What stands between the tags of an element, as a source of a policy."""
    digest = base64.b64encode(hashlib.sha256(text.encode("utf-8")).digest())
    return f"'sha256-{digest.decode('ascii')}'"


def title_of_video(timeline: Timeline) -> str:
    """The name of its file."""
    return PurePath(timeline.source).name or "Timeline"


def source_of(timeline: Timeline) -> str:
    """The source as a page may tell it, which may be sent to others: no path of this machine.

    Example:
        >>> source_of(Timeline(source="/home/ada/dog.mp4"))
        'dog.mp4'
    """
    path = PurePath(timeline.source)
    return path.name if path.is_absolute() or ".." in path.parts else timeline.source


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
        f"{MODALITY_WORDS[modality]}</button>"
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
    name = escape(_name_of_media(timeline, video))
    return (
        f'<{tag} id="media" controls playsinline preload="auto" '
        f'src="{html.escape(_url(video, embed))}" data-name="{name}" aria-label="{name}"></{tag}>'
        f"{template('lost')}"
    )


def _url(video: Path | str, embed: bool) -> str:
    is_linked = isinstance(video, str) and is_url(video)
    if not embed:
        return str(video) if is_linked else file_url(Path(video))
    if is_linked:
        raise UserError(
            f"expected the path of a file to embed, got the URL {video}; link to it "
            "(`embed=False`, no `--embed`)"
        )
    return _embedded(Path(video))


def _name_of_media(timeline: Timeline, video: Path | str) -> str:
    path = urlsplit(video).path if isinstance(video, str) and is_url(video) else video
    return PurePath(timeline.source).name or PurePath(path).name or "The video"


def is_url(video: str) -> bool:
    """Whether a video is named by its URL, not by its path.

    Example:
        >>> is_url("https://example.org/clip.mp4"), is_url("clip.mp4")
        (True, False)
    """
    return urlsplit(video).scheme in {"http", "https", "file", "data"}


def from_page(page: Path, video: Path) -> Path:
    """The path of a video from its page, so that both can be moved together.

    Example:
        >>> from_page(Path("timelines/dog.html"), Path("clips/dog.mp4")).as_posix()
        '../clips/dog.mp4'
    """
    return Path(os.path.relpath(video.resolve(), page.parent.resolve()))


def _embedded(path: Path) -> str:
    try:
        if (size := path.stat().st_size) > LARGEST_EMBEDDED:
            raise UserError(
                f"expected at most {LARGEST_EMBEDDED / 2**20:.0f} MiB to embed in a page, but "
                f"{path} has {size / 2**20:.0f} MiB; link to it instead (`embed=False`, no "
                "`--embed`)"
            )
        with open_regular(path) as file:
            content = base64.b64encode(file.read()).decode("ascii")
    except OSError as error:
        raise UserError(f"cannot read the video {path} to embed it: {error.strerror}") from error
    return f"data:{TYPES.get(path.suffix.lower(), DEFAULT_TYPE)};base64,{content}"
