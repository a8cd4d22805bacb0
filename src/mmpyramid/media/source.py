"""A file as FFmpeg sees it: bytes that it may read, and nothing else on this machine.

FFmpeg opens whatever a playlist, a manifest or an edit list names, by itself and in many formats.
Here it gets no name to open but a function that reads one file, a list of allowed formats (those
that hold their sound and picture themselves), and no protocol to open another file or the network
with. What comes through a pipe is kept in a file, since FFmpeg has to read it more than once.
"""

from __future__ import annotations

import os
import pkgutil
import re
import stat
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from importlib import import_module
from pathlib import Path
from typing import IO, Any, TypeAlias, TypeVar, cast

import av
import av.logging
from av.container import InputContainer

from mmpyramid.core.errors import UserError

EXPECTED = "expected a video or sound file"

MAX_PIXELS = 2**26
"""Of a picture, twice those of 8K: some kilobytes can claim, and even fill, any number."""

LONGEST_BLOCK = b"\xff\xff"
"""Samples of a block of FLAC at most, as its head counts them."""

# A playlist without an end, or of itself, would be read again for many minutes.
_LIST_OPTIONS = {"max_reload": "1"}
_PICTURE_OPTIONS = {"max_pixels": str(MAX_PIXELS)}
# FFmpeg takes a clock that is set back for one that has run over, 26 hours later; see `Clock`.
_CLOCK_OPTIONS = {"correct_ts_overflow": "0"}
# Lost blocks of a disk, or a recorder's padding, are as long as they are; FFmpeg gives up at 64 kB.
_RESYNC_OPTIONS = {"resync_size": str(2**31 - 1)}

# Tags in an old encoding must not make a file unreadable; from PyAV 19 on they never do.
OPEN_OPTIONS: dict[str, Any] = (
    {"metadata_errors": "replace"} if int(av.__version__.split(".")[0]) < 19 else {}
)


@dataclass(frozen=True, kw_only=True)
class MediaFile:
    """A file to read, and how.

    Attributes:
        path: its name, also for messages.
        descriptor: where this process may open no file, one that is open already; it is read by
            position and stays open.
        follow_references: read a playlist or manifest of the user's own with the local files that
            it names; for strangers' files never.

    Example:
        >>> MediaFile(path=Path("holiday.m3u8"), follow_references=True).path.name
        'holiday.m3u8'
    """

    path: Path
    descriptor: int | None = None
    follow_references: bool = False


Source: TypeAlias = str | Path | MediaFile
"""What can be read: the path of a file, or more said about it."""


def to_media_file(source: Source) -> MediaFile:
    """A path as a `MediaFile`."""
    return source if isinstance(source, MediaFile) else MediaFile(path=Path(source))


@contextmanager
def open_media(source: Source) -> Iterator[InputContainer]:
    """Open a media file for reading.

    Raises:
        UserError: if the file is absent, out of reach, a folder, empty, not media, or in a format
            that refers to other files.

    Example:
        >>> with open_media("clip.mp4") as container:  # doctest: +SKIP
        ...     container.streams.video
    """
    file = to_media_file(source)
    if file.follow_references:
        check_file(file.path)
        # An absolute path never looks like a protocol to FFmpeg, as `concat:a.mp4` would.
        name = str(file.path.absolute())
        with _open(name, file.path, SELF_CONTAINED | REFERRING, "file,crypto,data") as container:
            yield container
        return
    descriptor = open_file(file.path) if file.descriptor is None else file.descriptor
    try:
        reader = FileReader(descriptor, file.path)
        with _open(reader, file.path, SELF_CONTAINED, "none") as container:
            yield container
    finally:
        if file.descriptor is None:
            os.close(descriptor)


def open_rest(container: InputContainer, begin: int) -> InputContainer | None:
    """Open what is after a byte of a file that `open_media` opened, as a file of its own.

    Returns:
        The caller's to close; None if FFmpeg finds no media there, or opened the file by its name.
    """
    reader = reader_of(container)
    if reader is None:
        return None
    options = demuxer_options(SELF_CONTAINED, "none")
    try:
        rest: InputContainer = av.open(
            reader.rest(begin), mode="r", options=options, **OPEN_OPTIONS
        )
    except av.FFmpegError:  # Most bytes are no beginning of a file.
        return None
    prepare_decoders(rest)
    return rest


StreamT = TypeVar("StreamT", bound=av.VideoStream | av.AudioStream)


def packets_of(container: InputContainer, *streams: StreamT) -> Iterator[av.Packet[StreamT]]:
    """The packets of streams, and one without content for each at the end.

    Streams may appear on the way, in broadcasts above all. PyAV does not know them, and may stumble
    over them at the very end, once the ones that were asked for are done.
    """
    with suppress(IndexError):
        yield from cast("Iterator[av.Packet[StreamT]]", container.demux(*streams))


def reader_of(container: InputContainer) -> FileReader | None:
    """What `open_media` gave FFmpeg to read, None if it was the name of a file."""
    reader = getattr(container.file, "file", None)
    return reader if isinstance(reader, FileReader) else None


def load_decoders() -> None:
    """Import what PyAV and Pillow would once they need it, which a confined process cannot."""
    import_module("PIL.ImageFile")
    for module in pkgutil.walk_packages(av.__path__, "av."):
        if not module.name.endswith("__main__"):
            import_module(module.name)


def open_file(path: Path) -> int:
    """Open a file for a `MediaFile`, whose owner closes the descriptor.

    Raises:
        UserError: if it is absent, out of reach, a folder, or empty.
    """
    check_file(path)
    try:
        return os.open(path, os.O_RDONLY | getattr(os, "O_BINARY", 0))
    except OSError as error:
        raise UserError(
            f"{EXPECTED}, but {path} cannot be opened: {error.strerror}; check its permissions"
        ) from error


def check_file(path: Path) -> None:
    """Check that a file exists and is not empty.

    Raises:
        UserError: if it is absent, out of reach, a folder, or empty.
    """
    try:
        found = path.stat()
    except (FileNotFoundError, NotADirectoryError) as error:
        raise UserError(f"{EXPECTED}, but {path} does not exist; check the path") from error
    except OSError as error:
        raise UserError(
            f"{EXPECTED}, but {path} cannot be reached: {error.strerror}; check the path and the "
            "permissions of its folders"
        ) from error
    except ValueError as error:  # A NUL in the name.
        raise UserError(f"{EXPECTED}, but {str(path)!r} is not a path: {error}") from error
    if stat.S_ISDIR(found.st_mode):
        raise UserError(f"{EXPECTED}, but {path} is a folder; name a file inside it")
    if not stat.S_ISREG(found.st_mode):
        raise UserError(
            f"{EXPECTED}, but {path} is a pipe or a device, which cannot be read twice; save what "
            "it gives as a file, or give a pipe to `mmpyramid parse`"
        )
    if found.st_size == 0:
        raise UserError(f"{EXPECTED}, but {path} is empty (0 bytes); fetch or record it again")


def _open(
    file: str | FileReader, path: Path, demuxers: frozenset[str], protocols: str
) -> InputContainer:
    options = demuxer_options(demuxers, protocols)
    try:
        container: InputContainer = av.open(file, mode="r", options=options, **OPEN_OPTIONS)
    except av.FFmpegError as error:
        refused = _refused_demuxer(file, options)
        if refused is not None:
            raise UserError(f"{EXPECTED}, but {path} {why_refused(refused)}") from error
        raise UserError(
            f"{EXPECTED}, but FFmpeg cannot open {path}: {error.strerror}; "
            "the file is not media, or its beginning or index is missing"
        ) from error
    prepare_decoders(container)
    return container


def demuxer_options(demuxers: frozenset[str], protocols: str) -> dict[str, str]:
    """The options with which FFmpeg opens a file.

    Args:
        demuxers: the formats that are allowed.
        protocols: by which files and connections may be opened, separated by commas.
    """
    return {
        **_PICTURE_OPTIONS,
        **_LIST_OPTIONS,
        **_CLOCK_OPTIONS,
        **_RESYNC_OPTIONS,
        "format_whitelist": ",".join(sorted(demuxers)),
        "protocol_whitelist": protocols,
    }


def prepare_decoders(container: InputContainer) -> None:
    """Limit the pictures of an open container to `MAX_PIXELS`, and let blocks of FLAC be long.

    The decoder refuses blocks that are longer than the head of a file says, as those of another
    file may be that was joined to it.
    """
    for stream in container.streams.video:
        if stream.codec_context is not None:
            stream.codec_context.options = _PICTURE_OPTIONS
    if container.format.name == "flac":
        for sound in container.streams.audio:
            head = sound.codec_context.extradata or b""
            sound.codec_context.extradata = head[:2] + LONGEST_BLOCK + head[4:]


def _refused_demuxer(file: str | FileReader, options: dict[str, str]) -> str | None:
    """The format that a file is in, if that is why it was not opened."""
    if isinstance(file, FileReader):
        file.seek(0)
    try:
        with errors_with_log():
            av.open(file, mode="r", options=options, **OPEN_OPTIONS).close()
    except av.FFmpegError as error:
        return demuxer_refused(error)
    return None


@contextmanager
def errors_with_log() -> Iterator[None]:
    """Let errors of FFmpeg that are raised inside have what it logged."""
    before = av.logging.get_level()
    av.logging.set_level(av.logging.ERROR)
    try:
        with av.logging.Capture():
            yield
    finally:
        av.logging.set_level(before)


def demuxer_refused(error: av.FFmpegError) -> str | None:
    """The format that is not allowed, if that is why opening failed: FFmpeg only logs it.

    Args:
        error: raised inside `errors_with_log`.
    """
    log: Any = error.log  # (level, name of the format, message)
    return str(log[1]) if log and "not on whitelist" in log[2] else None


class FileReader:
    """The bytes of an open file, at a position that no other reader of the same file moves.

    Args:
        descriptor: the open file.
        path: its name.
        begin: the byte that is read as the first one.
    """

    def __init__(self, descriptor: int, path: Path, begin: int = 0) -> None:
        # What looks like a pattern would make FFmpeg look for numbered pictures.
        self.name = re.sub(r"[%*?\[{]", "_", str(path.absolute()))
        self._descriptor, self._path, self._begin = descriptor, path, begin
        self._position = 0

    def rest(self, begin: int) -> FileReader:
        """A reader of what is after a byte."""
        return FileReader(self._descriptor, self._path, self._begin + begin)

    def read_at(self, begin: int, num_bytes: int) -> bytes:
        """The bytes at a position, fewer at the end of the file."""
        return os.pread(self._descriptor, num_bytes, self._begin + begin)

    def read(self, num_bytes: int) -> bytes:
        """The next bytes, fewer at the end of the file."""
        content = self.read_at(self._position, num_bytes)
        self._position += len(content)
        return content

    def seek(self, offset: int, whence: int = os.SEEK_SET) -> int:
        """Go to a position, which is returned."""
        size = max(0, os.fstat(self._descriptor).st_size - self._begin)
        self._position = max(0, offset + (0, self._position, size)[whence])
        return self._position

    def tell(self) -> int:
        """The position."""
        return self._position


SELF_CONTAINED = frozenset(
    """
    3dostr 3g2 3gp 4xm aa aac aax ac3 ac4 ace acm act adp ads adx aea afc aiff aix alaw
    alias_pix alp amr amrnb amrwb anm apac apc ape apm apng aptx aptx_hd apv argo_asf argo_brp
    argo_cvg asf asf_o ast au av1 avi avr avs avs2 avs3 bethsoftvid bfi bfstm bink binka bit
    bitpacked bmp_pipe bmv boa bonk brender_pix brstm c93 caf cavsvideo cdg cdxl cine codec2
    codec2raw cri_pipe daud dcstr dds_pipe derf dfa dfpwm dhav dirac dnxhd dpx_pipe dsf dsicin
    dss dts dtshd dv dxa ea ea_cdata eac3 epaf evc exr_pipe f32be f32le f64be f64le film_cpk
    filmstrip fits flac flic flv frm fsb fwse g722 g723_1 g726 g726le g728 g729 gdv gem_pipe
    genh gif gif_pipe gsm gxf h261 h263 h264 hca hcom hdr_pipe hevc hnm hxvs iamf ico idcin iff
    ifv ilbc ingenient ipmovie ipu ircam iss iv8 ivf ivr j2k_pipe jpeg_pipe jpegls_pipe
    jpegxl_anim jpegxl_pipe jpegxs_pipe jv kux kvag laf lc3 live_flv lmlm4 loas luodat lvf lxf
    m4v matroska mca mgsts mjpeg mjpeg_2000 mlp mm mmf mods moflex mov mp3 mp4 mpc mpc8 mpeg
    mpegts mpegtsraw mpegvideo mpjpeg msf msnwctcp msp mtaf mtv mulaw musx mv mvi mxf mxg nc
    nistsphere nsp nsv nut nuv obu ogg oma osq paf pam_pipe pbm_pipe pcx_pipe pdv pfm_pipe
    pgm_pipe pgmyuv_pipe pgx_pipe phm_pipe photocd_pipe pictor_pipe pmp png_pipe pp_bnk ppm_pipe
    psd_pipe psxstr pva pvf qcp qdraw_pipe qoa qoi_pipe r3d rawvideo redspark rka rl2 rm roq rpl
    rsd rso s16be s16le s24be s24le s32be s32le s337m s8 sbc scd sdns sdr2 sds sdx ser sga
    sgi_pipe shn siff simbiosis_imx sln smjpeg smk smush sol sox spdif sunrast_pipe svag svs swf
    tak thp tiertexseq tiff_pipe tmv truehd tta txd ty u16be u16le u24be u24le u32be u32le u8
    usm v210 v210x vag vbn_pipe vc1 vc1test vidc vividas vivo vmd voc vpk vqf vvc w64 wady wav
    wavarc wc3movie webm webp_anim webp_pipe wsaud wsd wsvqa wtv wv wve xa xbm_pipe xmd xmv xpm_pipe
    xvag xwd_pipe xwma yop yuv4mpegpipe
    """.split()  # noqa: SIM905 - a list would take 300 lines
)
"""Formats with sound or picture inside the file."""

REFERRING = frozenset(
    "concat dash hls image2 image2pipe imf mlv sdp svg_pipe vobsub webm_dash_manifest".split()  # noqa: SIM905
)
"""Playlists, manifests, sequences and drawings, whose sound and picture are in other files."""

TEXT = frozenset(
    """
    adf aqtitle ass bin data dvbsub dvbtxt ffmetadata idf jacosub lrc mcc microdvd mpl2 mpsub pjs
    rcwt realtext sami sbg scc srt stl subviewer subviewer1 sup tedcaptions tty vplayer webvtt xbin
    """.split()  # noqa: SIM905
)
"""Captions, tables and text, some of which FFmpeg would show as a film of a terminal."""

DEVICES = frozenset(
    "alsa fbdev kmsgrab lavfi oss rtp rtsp sap video4linux2 v4l2 x11grab".split()  # noqa: SIM905
)
"""What is no file at all."""


def why_refused(demuxer: str) -> str:
    """What is wrong with a format that is not among the `SELF_CONTAINED` ones, and what to do."""
    names = set(demuxer.split(","))
    if names & TEXT:
        return f"is a text file or captions (`{demuxer}`), without sound or picture of its own"
    if names & REFERRING:
        return (
            f"is a list or manifest (`{demuxer}`) that refers to other files, which are not "
            "opened; give the files that it names, or convert it into one. For a list of your own, "
            "`mmpyramid parse --allow-references` reads what it names on this machine"
        )
    return (
        f"is in a format (`{demuxer}`) that is not known to hold its sound and picture itself; "
        "convert it into MP4 or Matroska"
    )


STANDARD_INPUT = Path("-")

MAX_PIPED_BYTES = 2**33
"""Of what a pipe may bring; all of it is kept in a temporary file while it is read."""

PIPED_CHUNK = 2**20


def is_pipe(path: Path) -> bool:
    """Whether a file can be read once only: standard input (`-`), a pipe, `<(command)`."""
    if path == STANDARD_INPUT:
        return True
    try:
        mode = path.stat().st_mode
    except OSError:  # Whoever opens it will say so.
        return False
    return stat.S_ISFIFO(mode)


@contextmanager
def regular_file(path: Path) -> Iterator[Path]:
    """A file that can be read again and again: the given one, or one for as long as it is needed.

    Raises:
        UserError: if nothing comes through a pipe, or more than `MAX_PIPED_BYTES`.

    Example:
        >>> with regular_file(Path("-")) as path:  # doctest: +SKIP
        ...     probe(path)
    """
    if not is_pipe(path):
        yield path
        return
    # Where the system can, the file has no name, so that nothing stays of a process that is killed.
    opened = Path(f"/proc/{os.getpid()}/fd")
    create = tempfile.TemporaryFile if opened.is_dir() else tempfile.NamedTemporaryFile
    with create(prefix="mmpyramid-", suffix=path.suffix) as spooled:
        if path == STANDARD_INPUT:
            _copy(sys.stdin.buffer, spooled, "standard input")
        else:
            with path.open("rb") as pipe:
                _copy(pipe, spooled, str(path))
        spooled.flush()
        yield opened / str(spooled.fileno()) if opened.is_dir() else Path(spooled.name)


def _copy(source: IO[bytes], target: IO[bytes], name: str) -> None:
    num_bytes = 0
    while chunk := source.read(PIPED_CHUNK):
        num_bytes += len(chunk)
        if num_bytes > MAX_PIPED_BYTES:
            raise UserError(
                f"expected at most {MAX_PIPED_BYTES / 2**30:g} GiB of video or sound through a "
                f"pipe, but more comes from {name}; save it as a file and name that"
            )
        target.write(chunk)
    if not num_bytes:
        raise UserError(
            f"expected a video or sound file, but nothing came from {name}; see what its command "
            "says"
        )
