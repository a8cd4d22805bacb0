"""A file of any length as one-second segments, in constant memory."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from fractions import Fraction
from itertools import count

import av
from av.container import InputContainer

from mmpyramid.core import Array, Modality
from mmpyramid.core.errors import UserError
from mmpyramid.media.container import MediaInfo, probe
from mmpyramid.media.downmix import Downmix
from mmpyramid.media.pictures import PictureTrack
from mmpyramid.media.resizing import Image, View
from mmpyramid.media.sound import AnySound, MixedSound, Sound, SoundTrack
from mmpyramid.media.source import Source, open_media, to_media_file
from mmpyramid.media.streams import PLAYED, AnyStream, Tracks


@dataclass(frozen=True, eq=False, slots=True)
class Segment:
    """One second of a file.

    Attributes:
        index: k; the segment lasts from second k to second k + 1.
        views: (F, height, width, 3) uint8 RGB for each view; nothing without picture.
        waveforms: (rate,) float32 in -1..1, mono, for each sound; nothing without sound.

    Example:
        >>> segment = next(iter(SegmentReader("clip.mp4")))  # doctest: +SKIP
        >>> segment.index, segment.waveforms[0].shape  # doctest: +SKIP
        (0, (16000,))
    """

    index: int
    views: tuple[Image, ...]
    waveforms: tuple[Array, ...]

    @property
    def frames(self) -> Image | None:
        """The first view, or None without picture."""
        return self.views[0] if self.views else None

    @property
    def waveform(self) -> Array | None:
        """The first waveform, or None without sound."""
        return self.waveforms[0] if self.waveforms else None


class SegmentReader:
    """Iterates a file as T segments of one second; iterate again to start over.

    Seconds count from t0, the earliest start of the tracks that are read, and go on where the clock
    of the file jumps, see `Clock`. With D the time from t0 to the latest end, measured on what was
    decoded, T = max(1, floor(D + 0.5)): a last piece of
    half a second or more is a segment. Frame j of segment k is the one on screen at
    k + (j + 0.5) / F seconds: the last that begins at or before, the first one before there is any,
    the last one after the end. A track that begins late or ends early is padded with silence.

    A modality that the file lacks is listed in `missing`, damage in `notes`; neither is an error.
    Read both modalities with one reader where they must line up: t0 and T depend on both. Several
    views share one pass of decoding, several sounds do not.

    Args:
        source: the file.
        views: the required pictures, for each network that takes some.
        sounds: the required sounds, which are read if `audio` says so.
        audio: whether to read the sound.
        video: whether to read the picture.
        tracks: which tracks of the file to read.

    Attributes:
        source: the file.
        info: what the header says.
        duration: D in seconds; complete after an iteration.
        missing: the modalities that the file lacks; complete after an iteration.
        notes: what is wrong with the file or left out of it; complete after an iteration.

    Raises:
        UserError: if the file cannot be opened or lacks all that is required; when iterated, if
            nothing in it can be decoded.

    Example:
        >>> reader = SegmentReader("clip.mp4", [View(2, (224, 224))])  # doctest: +SKIP
        >>> for segment in reader:  # doctest: +SKIP
        ...     segment.frames.shape, segment.waveform.shape
        ((2, 224, 224, 3), (16000,))
    """

    downmix = Downmix.AUDIBLE
    """How channels become one."""

    def __init__(
        self,
        source: Source,
        views: Sequence[View] = (View(),),
        *,
        sounds: Sequence[Sound] = (Sound(),),
        audio: bool = True,
        video: bool = True,
        tracks: Tracks = PLAYED,
    ) -> None:
        self.info: MediaInfo = probe(source, tracks)
        required = {Modality.AUDIO: audio, Modality.VISUAL: video}
        present = {Modality.AUDIO: self.info.has_audio, Modality.VISUAL: self.info.has_video}
        self._modalities = [m for m in present if present[m] and required[m]]
        if not self._modalities:
            raise UserError(
                f"asked for {' and '.join(m for m in required if required[m]) or 'no modality'} of "
                f"{self.info.path}, which has {' and '.join(m for m in present if present[m])} only"
            )
        self.source = to_media_file(source)
        self.views, self.sounds = tuple(views), tuple(sounds)
        self.duration = 0.0
        self.missing = tuple(m for m in present if not present[m])
        self.notes = self.info.notes

    def __iter__(self) -> Iterator[Segment]:
        with ExitStack() as stack:
            sounds, pictures = self._open_sounds(stack), self._open_pictures(stack)
            tracks = [track for track in (*sounds, pictures) if track is not None]
            zero = self._find_zero(sounds, pictures)
            for track in tracks:
                track.begin(zero)
            for index in count():
                shown = pictures.next_segment() if pictures else ()
                waveforms = [sound.next_segment() for sound in sounds]
                duration = max(track.end for track in tracks if track.start is not None) - zero
                self.duration = float(duration)
                if index and duration < index + Fraction(1, 2):
                    break
                yield Segment(index, shown, tuple(w for w in waveforms if w is not None))
            self.notes = self._all_notes(tracks, zero)

    def _all_notes(
        self, tracks: Sequence[AnySound | PictureTrack], zero: Fraction
    ) -> tuple[str, ...]:
        """What the header, the tracks and, if they say nothing, the length tell; each note once."""
        notes = [note for track in tracks for note in track.notes()]
        return tuple(dict.fromkeys((*self.info.notes, *(notes or self._shortfall(zero)))))

    def _open_sounds(self, stack: ExitStack) -> list[AnySound]:
        """Each track comes from a container of its own: bad interleaving has nothing to pile up."""
        if Modality.AUDIO not in self._modalities:
            return []
        return [self._open_sound(stack, sound.rate) for sound in self.sounds]

    def _open_sound(self, stack: ExitStack, rate: int) -> AnySound:
        tracks = []
        for number in self.info.audio_streams:
            container = stack.enter_context(open_media(self.source))
            stream = container.streams[number]
            assert isinstance(stream, av.AudioStream), "`probe` saw it"
            others = self._others(container, number)
            tracks.append(SoundTrack(stream, self.downmix, others, rate=rate))
        return tracks[0] if len(tracks) == 1 else MixedSound(tracks)

    def _open_pictures(self, stack: ExitStack) -> PictureTrack | None:
        if Modality.VISUAL not in self._modalities:
            return None
        container = stack.enter_context(open_media(self.source))
        stream, others = self._picture_stream(container)
        return PictureTrack(stream, self.views, others)

    def _picture_stream(
        self, container: InputContainer
    ) -> tuple[av.VideoStream, Sequence[AnyStream]]:
        """The picture, and the other streams that are chosen."""
        number = self.info.video_stream
        assert number is not None, "pictures are read only where `probe` saw some"
        stream = container.streams[number]
        assert isinstance(stream, av.VideoStream), "`probe` saw it"
        return stream, self._others(container, number)

    def _others(self, container: InputContainer, number: int) -> list[AnyStream]:
        """The chosen streams but one; whatever is read, they tell the same about clocks."""
        chosen = {self.info.video_stream, *self.info.audio_streams} - {number}
        streams: list[AnyStream] = [*container.streams.video, *container.streams.audio]
        return [stream for stream in streams if stream.index in chosen]

    def _find_zero(self, sounds: Sequence[AnySound], pictures: PictureTrack | None) -> Fraction:
        """t0, the earliest start of a track that is alive."""
        self._check_alive(sounds[0] if sounds else None, pictures)
        tracks = [track for track in (*sounds, pictures) if track is not None]
        return min(track.start for track in tracks if track.start is not None)

    def _check_alive(self, sound: AnySound | None, pictures: PictureTrack | None) -> None:
        """A track of which nothing decodes is missing, whatever the header says."""
        tracks = {Modality.AUDIO: sound, Modality.VISUAL: pictures}
        read = {modality: track for modality, track in tracks.items() if track is not None}
        dead = {modality for modality, track in read.items() if track.start is None}
        self.missing = tuple(m for m in tracks if m in dead.union(self.missing))
        if len(dead) == len(read):
            notes = sum((track.notes() for track in read.values()), self.info.notes)
            advice = "fetch or record it again"
            if self.info.video_codec == "webp":
                advice = "this FFmpeg reads no animated WebP: convert it to GIF or MP4"
            if any("is encrypted" in note for note in notes):
                advice = "decrypt it first"
            raise UserError(
                f"expected media, but nothing in {self.info.path} can be decoded "
                f"({'; '.join(notes) or 'its streams are empty'}); {advice}"
            )

    def _shortfall(self, zero: Fraction) -> tuple[str, ...]:
        """Where streams have no length of their own (Matroska), compare with that of the file.

        Some programs write where the file ends on its clock instead, which need not begin at 0.
        """
        promised = self.info.duration
        reads_all = len(self._modalities) == self.info.has_audio + self.info.has_video
        if promised is None or not reads_all or self.info.length_is_guessed:
            return ()
        if promised - self.duration - max(0.0, float(zero)) <= 1:
            return ()
        return (
            f"the header promises {promised:.1f} s, but only {self.duration:.1f} s are there; "
            "the file may be cut off",
        )
