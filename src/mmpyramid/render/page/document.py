"""Puts a page together: template, style sheets, the modules of its script, data, policy.

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
import re
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from importlib.resources import files
from string import Template
from typing import Any

from mmpyramid.core.wording import printable
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
        script: the module that starts the page.
        data: what the script reads, as JSON.
        site: where style and script are; without it they are in the page.
        **parts: the other placeholders, as HTML.
    """
    if site is None:
        sheet, program = f"\n{style_sheet(styles)}", f"\n{bundle(script)}"
        style, code = f"<style>{sheet}</style>", f"<script>{program}</script>"
        policy = _policy(_hash(sheet), _hash(program))
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
