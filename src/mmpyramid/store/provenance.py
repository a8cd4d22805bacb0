"""What made the features of a store."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from datetime import UTC, datetime
from typing import Annotated, Any

import msgspec

from mmpyramid.backbones.base import Extractor, Precision
from mmpyramid.backbones.weights import NOTHING_LEARNED
from mmpyramid.core import Modality
from mmpyramid.core.errors import UserError
from mmpyramid.core.text import shorten
from mmpyramid.core.typed import from_json, to_type
from mmpyramid.media.resizing import Resizing
from mmpyramid.media.sampling import Sampling
from mmpyramid.media.streams import PLAYED, Tracks
from mmpyramid.version import __version__

STORE_FORMAT = "mmpyramid-features-2"
OLD_FORMAT = "mmpyramid-features-1"
"""Of earlier versions, see `store.old`."""


class StreamProvenance(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The backbone of one stream; the attributes are those of `Extractor`."""

    modality: Modality
    dim: Annotated[int, msgspec.Meta(ge=1, le=2**20)]
    frames_per_segment: Annotated[int, msgspec.Meta(ge=0, le=10_000)]
    frame_size: tuple[int, int]
    weights_sha256: str
    resizing: Resizing = Resizing.SCALER
    sampling: Sampling = Sampling.SECONDS
    precision: Precision = Precision.FLOAT32

    def describe(self) -> str:
        """What a person should know: width and weights; sampling and precision if unusual."""
        weights = self.weights_sha256
        learned = weights and weights != NOTHING_LEARNED
        facts = [
            f"{self.dim}-d",
            f"weights {weights[:8]}" if learned else weights,
            "" if self.sampling == Sampling.SECONDS else f"{self.sampling} sampling",
            "" if self.precision == Precision.FLOAT32 else self.precision,
        ]
        return ", ".join(filter(None, facts))


class Provenance(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The backbones of a store, and when and with which version of this package it was begun.

    Example:
        >>> Provenance.of(create_extractors("open")).streams["yamnet"].dim  # doctest: +SKIP
        1024
    """

    streams: Mapping[str, StreamProvenance]
    tracks: Tracks = PLAYED
    package_version: str = __version__
    created: str = msgspec.field(
        default_factory=lambda: datetime.now(UTC).isoformat(timespec="seconds")
    )

    @classmethod
    def of(cls, extractors: Iterable[Extractor], tracks: Tracks = PLAYED) -> Provenance:
        """The provenance of what these extractors will make of these tracks."""
        names = StreamProvenance.__struct_fields__
        return cls(
            streams={
                extractor.name: StreamProvenance(
                    **{name: getattr(extractor, name) for name in names}
                )
                for extractor in extractors
            },
            tracks=tracks,
        )

    @property
    def dims(self) -> dict[str, int]:
        """The width D of every stream."""
        return {name: stream.dim for name, stream in self.streams.items()}

    def differences(self, other: Provenance) -> list[str]:
        """Say in which backbones or tracks two stores differ; dates and versions may."""
        found = []
        if self.tracks != other.tracks:
            found.append(f"{_told(self.tracks)} was read, and not {_told(other.tracks)}")
        for name in sorted({*self.streams, *other.streams}):
            ours, theirs = self.streams.get(name), other.streams.get(name)
            if ours is None or theirs is None:
                found.append(f"{shorten(name)} is {'new' if ours is None else 'not asked for'}")
                continue
            for attribute, value in msgspec.structs.asdict(ours).items():
                if value != getattr(theirs, attribute):
                    was, wanted = shorten(str(value)), shorten(str(getattr(theirs, attribute)))
                    found.append(f"{attribute} of {shorten(name)} is {was} and not {wanted}")
        return found

    def describe(self) -> str:
        """One line for people."""
        streams = [f"{name} ({stream.describe()})" for name, stream in self.streams.items()]
        chosen = "" if self.tracks == PLAYED else f" of {_told(self.tracks)}"
        made = f"by mmpyramid {self.package_version}, begun {self.created}"
        return f"{', '.join(streams)}{chosen}, {made}"

    def to_json(self) -> str:
        """Write as JSON."""
        return json.dumps({"format": STORE_FORMAT, **msgspec.to_builtins(self)}, indent=2)

    @classmethod
    def from_json(cls, text: str, form: str = STORE_FORMAT) -> Provenance:
        """Read what `to_json` wrote.

        Args:
            text: the JSON.
            form: which version of the format is expected.

        Raises:
            UserError: if the text is not such JSON.
        """
        data = from_json(text, dict[str, Any], "the description of a store")
        found = data.pop("format", None)
        if found == OLD_FORMAT != form:
            raise UserError(
                "the store is of an earlier version; `mmpyramid store import OLD --out NEW` makes "
                "one of this version of it"
            )
        if found != form:
            raise UserError(f"expected a description whose `format` is `{form}`")
        return to_type(data, cls, "the description of a store")


def _told(tracks: Tracks) -> str:
    """Tracks, for people."""
    chosen = {"audio": tracks.audio, "video": tracks.video}
    told = [f"{kind} track {number}" for kind, number in chosen.items() if number is not None]
    return " and ".join(told) or "what a player plays"
