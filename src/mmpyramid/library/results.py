"""What was found in a library, for people and programs: a table, JSON, CSV, a playlist, a page."""

from __future__ import annotations

import csv
import io
import json
import os
from collections.abc import Sequence
from itertools import groupby
from pathlib import Path
from urllib.parse import quote

from mmpyramid.core import Modality
from mmpyramid.core.wording import MODALITY_WORDS, clock, title_of
from mmpyramid.formats.tables import escaped
from mmpyramid.library.query import Moment
from mmpyramid.render.page.document import build, escape

BEFORE = 1.0
"""Seconds that players start before an event."""
LOADED = 50
"""So many players show their first picture at once; loading more would take long."""


def to_json(moments: Sequence[Moment], out: Path, title: str) -> str:
    """A list of objects with the fields of `Moment`."""
    del out, title
    return json.dumps([moment._asdict() for moment in moments], indent=2) + "\n"


def to_csv(moments: Sequence[Moment], out: Path, title: str) -> str:
    """A row per event, with a header; what a spreadsheet would run as a formula is escaped."""
    del out, title
    file = io.StringIO()
    writer = csv.writer(file, lineterminator="\n")
    writer.writerow(Moment._fields)
    writer.writerows(map(escaped, moment) for moment in moments)
    return file.getvalue()


def to_m3u(moments: Sequence[Moment], out: Path, title: str) -> str:
    """A playlist that VLC plays moment by moment; paths are relative to the file `out`.

    Other players play the whole files.
    """
    lines = ["#EXTM3U", f"#PLAYLIST:{' '.join(title.split())}"]
    for moment in moments:
        if moment.path:
            start, end = max(0.0, moment.start - BEFORE), moment.end + BEFORE
            name = f"{moment.video} {_span(moment)} {title_of(moment.label)}"
            lines += [
                f"#EXTINF:{end - start:.0f},{' '.join(name.split())}",
                f"#EXTVLCOPT:start-time={start:g}",
                f"#EXTVLCOPT:stop-time={end:g}",
                _link(moment.path, out),
            ]
    return "\n".join(lines) + "\n"


def to_html(moments: Sequence[Moment], out: Path, title: str) -> str:
    """A page with a player for each video, and links to the moments in it."""
    sections: list[str] = []
    for video, group in groupby(moments, key=lambda moment: moment.video):
        found = list(group)
        preload = "metadata" if len(sections) < LOADED else "none"
        link = _link(found[0].path, out) if found[0].path else ""
        player = (
            f'<video controls preload="{preload}" src="{escape(link)}#t={found[0].start:g}">'
            "</video>"
            if link
            else '<p class="quiet">Where this video lies is not known.</p>'
        )
        rows = "".join(
            f'<li><a data-start="{max(0, m.start - BEFORE):g}" href="{escape(link)}#t={m.start:g}">'
            f"{escape(_span(m))}</a> {escape(title_of(m.label))}, "
            f"{escape(MODALITY_WORDS[Modality(m.modality)])}, {m.score:.2f}</li>"
            for m in found
        )
        sections.append(f"<section><h2>{escape(video)}</h2>{player}<ol>{rows}</ol></section>")
    return build(
        "found",
        styles=("base", "found"),
        script="found",
        data=None,
        site=None,
        title=escape(title),
        count=f"{len(moments)} event{'s' * (len(moments) != 1)}",
        sections="".join(sections),
    )


def _span(moment: Moment) -> str:
    return f"{clock(moment.start)}–{clock(moment.end)}"


def _link(path: str, out: Path) -> str:
    return quote(os.path.relpath(path, out.resolve().parent))


TEXTS = {"json": to_json, "csv": to_csv, "m3u": to_m3u, "html": to_html}
"""What writes each form: of the moments, the file that it goes to, and a title."""
