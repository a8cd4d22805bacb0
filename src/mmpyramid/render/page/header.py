"""What stands above the lanes: facts, remarks, and what the bars mean."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from pathlib import PurePath

from mmpyramid.core import Timeline
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
