"""Files for other programs: captions, tables, annotations, which are also read back.

One file holds a format, or two of one kind. Pages, pictures and the view of the terminal are
formats, too; `mmpyramid.render` registers them.
"""

from mmpyramid.core import Timeline
from mmpyramid.formats.audacity import from_audacity, to_audacity
from mmpyramid.formats.captions import to_srt, to_vtt
from mmpyramid.formats.elan import from_elan, to_elan
from mmpyramid.formats.markdown import to_markdown
from mmpyramid.formats.registry import (
    FORMATS,
    READERS,
    Format,
    encode,
    find_format,
    read_timeline,
    reader_of,
    register,
    render,
)
from mmpyramid.formats.rows import Row, to_timeline
from mmpyramid.formats.tables import from_csv, from_tsv, to_csv, to_tsv

__all__ = [
    "FORMATS",
    "READERS",
    "Format",
    "Row",
    "encode",
    "find_format",
    "from_audacity",
    "from_csv",
    "from_elan",
    "from_tsv",
    "read_timeline",
    "reader_of",
    "register",
    "render",
    "to_audacity",
    "to_csv",
    "to_elan",
    "to_markdown",
    "to_srt",
    "to_timeline",
    "to_tsv",
    "to_vtt",
]

register(
    Format(
        name="json",
        description="the timeline, lossless",
        programs="any program",
        write=Timeline.to_json,
        read=Timeline.from_json,
        kept="everything",
        media_type="application/json",
    )
)
