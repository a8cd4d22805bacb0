"""Files for other programs: captions, tables, annotations, which are also read back.

One file holds a format, or two of one kind. Pages, pictures and the view of the terminal are
formats, too; `mmpyramid.render` registers them.
"""

from mmpyramid.core import Timeline
from mmpyramid.formats.ass import to_ass
from mmpyramid.formats.audacity import from_audacity, to_audacity
from mmpyramid.formats.boris import from_boris, to_boris
from mmpyramid.formats.captions import to_srt, to_vtt
from mmpyramid.formats.chapters import to_ffmetadata, to_youtube
from mmpyramid.formats.cutlists import (
    from_audition,
    from_losslesscut,
    to_audition,
    to_losslesscut,
)
from mmpyramid.formats.edl import to_edl
from mmpyramid.formats.elan import from_elan, to_elan
from mmpyramid.formats.fcpxml import to_fcpxml
from mmpyramid.formats.labelstudio import (
    from_labelstudio,
    to_labelstudio,
    to_labelstudio_config,
)
from mmpyramid.formats.markdown import to_markdown
from mmpyramid.formats.mmif import from_mmif, to_mmif
from mmpyramid.formats.otio import from_otio, to_otio
from mmpyramid.formats.parquet import to_parquet
from mmpyramid.formats.praat import from_textgrid, to_textgrid
from mmpyramid.formats.raven import from_raven, to_raven
from mmpyramid.formats.registry import (
    FORMATS,
    READERS,
    Format,
    encode,
    find_format,
    marker_formats,
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
    "from_audition",
    "from_boris",
    "from_csv",
    "from_elan",
    "from_labelstudio",
    "from_losslesscut",
    "from_mmif",
    "from_otio",
    "from_raven",
    "from_textgrid",
    "from_tsv",
    "marker_formats",
    "read_timeline",
    "reader_of",
    "register",
    "render",
    "to_ass",
    "to_audacity",
    "to_audition",
    "to_boris",
    "to_csv",
    "to_edl",
    "to_elan",
    "to_fcpxml",
    "to_ffmetadata",
    "to_labelstudio",
    "to_labelstudio_config",
    "to_losslesscut",
    "to_markdown",
    "to_mmif",
    "to_otio",
    "to_parquet",
    "to_raven",
    "to_srt",
    "to_textgrid",
    "to_timeline",
    "to_tsv",
    "to_vtt",
    "to_youtube",
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
