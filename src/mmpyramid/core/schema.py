"""The JSON Schema of a timeline, published as `docs/timeline.schema.json`."""

from __future__ import annotations

from typing import Any

import msgspec

from mmpyramid.core.timeline import TIMELINE_FORMAT, TimelineDocument

ADDRESS = "https://github.com/mmpyramid/mmpyramid/blob/main/docs/timeline.schema.json"


def timeline_schema() -> dict[str, Any]:
    """What a timeline as JSON looks like, for programs that write or check one.

    The version is that of the field `format`. Reading checks more: that events lie within their
    limits and carry listed labels.

    Example:
        >>> timeline_schema()["title"]
        'mmpyramid-timeline-1'
    """
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "$id": ADDRESS,
        "title": TIMELINE_FORMAT,
        **msgspec.json.schema(TimelineDocument),
    }
