"""Any video or sound file, read as one-second segments of pictures and sound."""

from mmpyramid.media.container import MediaInfo, probe
from mmpyramid.media.pictures import thumbnail
from mmpyramid.media.resizing import Resizing, View
from mmpyramid.media.segments import Segment, SegmentReader
from mmpyramid.media.sound import SAMPLE_RATE, Sound
from mmpyramid.media.source import MediaFile

__all__ = [
    "SAMPLE_RATE",
    "MediaFile",
    "MediaInfo",
    "Resizing",
    "Segment",
    "SegmentReader",
    "Sound",
    "View",
    "probe",
    "thumbnail",
]
