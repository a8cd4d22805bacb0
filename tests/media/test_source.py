"""FFmpeg reads the file that it is given, and opens no other."""

import av
import numpy as np
import pytest
from PIL import Image

from media_files import steady, tone, waveform, write_media
from mmpyramid.core.errors import UserError
from mmpyramid.media import MediaFile, SegmentReader, probe, thumbnail
from mmpyramid.media.source import DEVICES, REFERRING, SELF_CONTAINED, TEXT, open_file, open_media

DASH = """<?xml version="1.0"?><MPD xmlns="urn:mpeg:dash:schema:mpd:2011" type="static"
mediaPresentationDuration="PT2S" profiles="urn:mpeg:dash:profile:isoff-on-demand:2011"><Period>
<AdaptationSet mimeType="video/mp4"><Representation id="1" bandwidth="1">
<BaseURL>secret.mp4</BaseURL></Representation></AdaptationSet></Period></MPD>
"""
SDP = """v=0
o=- 0 0 IN IP4 127.0.0.1
s=-
c=IN IP4 127.0.0.1
t=0 0
m=audio 5004 RTP/AVP 0
"""
IMF = """<?xml version="1.0"?><CompositionPlaylist
xmlns="http://www.smpte-ra.org/schemas/2067-3/2016"><Id>urn:uuid:0</Id></CompositionPlaylist>
"""
LISTS = {
    "playlist.m3u8": "#EXTM3U\n#EXT-X-TARGETDURATION:2\n#EXTINF:2,\n{secret}\n#EXT-X-ENDLIST\n",
    "itself.m3u8": "#EXTM3U\n#EXT-X-STREAM-INF:BANDWIDTH=1\nitself.m3u8\n",
    "list.ffconcat": "ffconcat version 1.0\nfile secret.ts\n",
    "list.mp4": "ffconcat version 1.0\nfile '{secret}'\n",
    "session.sdp": SDP,
    "subtitles.idx": "# VobSub index file, v7 (do not modify this line!)\nid: en, index: 0\n",
}
OTHERS = {
    "playlist.mp4": "#EXTM3U\n#EXT-X-TARGETDURATION:2\n#EXTINF:2,\nsecret.ts\n#EXT-X-ENDLIST\n",
    "manifest.mpd": DASH,
    "composition.xml": IMF,
    "metadata.txt": ";FFMETADATA1\ntitle=secret\n",
    "drawing.svg": '<svg xmlns="http://www.w3.org/2000/svg"><image href="secret.ts"/></svg>',
    "script.avs": 'DirectShowSource("secret.ts")\n',
    "script.vpy": "import vapoursynth\n",
    "program.pls": "[playlist]\nFile1=secret.ts\nNumberOfEntries=1\n",
    "simple.m3u": "secret.ts\n",
    "captions.json": '{"captions":[{"duration":1,"content":"a","startOfParagraph":true,'
    '"startTime":0}]}',
    "beats.sbg": "base: 300+4/80\nNOW base\n+00:10:00 base\n",
}


@pytest.fixture
def secret(tmp_path):
    return write_media(tmp_path / "secret.ts", steady(20), tone(440, 2))


def readable_demuxers() -> list[str]:
    found = set()
    for name in av.formats_available:
        try:
            found.add(av.ContainerFormat(name, "r").name)
        except ValueError:  # It can only be written.
            continue
    return sorted(found)


def test_every_demuxer_of_this_ffmpeg_is_in_one_list():
    lists = (SELF_CONTAINED, REFERRING, TEXT, DEVICES)
    assert sum(map(len, lists)) == len(frozenset().union(*lists))
    found = {name: [part for part in lists if part & {*name.split(",")}] for name in DEMUXERS}
    assert {name for name, parts in found.items() if len(parts) != 1} == set()


DEMUXERS = readable_demuxers()


@pytest.mark.parametrize("demuxer", [d for d in DEMUXERS if not {*d.split(",")} & SELF_CONTAINED])
def test_ffmpeg_refuses_what_is_not_allowed_even_by_name(secret, demuxer):
    with pytest.raises(av.FFmpegError) as error:
        av.open(
            str(secret),
            format=demuxer.split(",")[0],
            options={"format_whitelist": ",".join(SELF_CONTAINED)},
        )
    assert error.value.errno == 22


@pytest.mark.parametrize("name", LISTS)
def test_a_list_of_other_files_is_refused_by_name(secret, name):
    path = secret.with_name(name)
    path.write_text(LISTS[name].format(secret=secret))
    for read in (probe, SegmentReader, thumbnail):
        with pytest.raises(UserError, match=r"refers to other files.*--allow-references") as error:
            read(path)
        assert str(path) in str(error.value)


@pytest.mark.parametrize("name", OTHERS)
def test_other_text_that_names_files_is_no_media(secret, name):
    path = secret.with_name(name)
    path.write_text(OTHERS[name])
    with pytest.raises(UserError, match="expected a video or sound file"):
        SegmentReader(path)


def test_the_name_of_a_sequence_of_pictures_is_the_name_of_a_file(tmp_path):
    for number in range(3):
        Image.fromarray(np.full((48, 64, 3), 80, np.uint8)).save(tmp_path / f"{number}.png")
    with pytest.raises(UserError, match="does not exist"):
        probe(tmp_path / "%d.png")
    (tmp_path / "0.png").rename(tmp_path / "%d.png")
    reader = SegmentReader(tmp_path / "%d.png")
    assert len(list(reader)) == 1
    assert reader.info.format == "png_pipe"


def test_a_track_kept_in_another_file_is_not_read(tmp_path):
    """QuickTime: a data reference that is not `this file` but a name beside it."""
    path = write_media(tmp_path / "a.mov", sound=tone(440, 2), audio_codec="pcm_s16le")
    content = path.read_bytes()
    data = content[content.index(b"mdat") + 4 :][: 2 * 32_000]
    (tmp_path / "secret.raw").write_bytes(content)
    here = b"\x00\x00\x00\x0curl \x00\x00\x00\x01"
    assert here in content
    elsewhere = b"\x00\x00\x00\x0curl \x00\x00\x00\x00"
    path.write_bytes(content.replace(here, elsewhere).replace(data, bytes(len(data))))
    assert not waveform(SegmentReader(path)).any()


def test_a_list_of_the_users_own_is_read_where_that_is_allowed(secret):
    for name, content in (("p.m3u8", LISTS["playlist.m3u8"]), ("l.txt", LISTS["list.ffconcat"])):
        path = secret.with_name(name)
        path.write_text(content.format(secret=secret.name))
        reader = SegmentReader(MediaFile(path=path, follow_references=True))
        assert np.abs(waveform(reader)).max() > 0.3
        assert reader.duration == pytest.approx(2, abs=0.2)


def test_a_users_list_names_local_files_only(tmp_path):
    path = tmp_path / "a.m3u8"
    content = LISTS["playlist.m3u8"].format(secret="http://127.0.0.1:9/secret.ts")
    path.write_text(content)
    with pytest.raises(UserError, match="expected"):
        list(SegmentReader(MediaFile(path=path, follow_references=True)))


def test_a_file_that_is_open_already_is_read_without_opening_it(secret):
    descriptor = open_file(secret)
    moved = secret.rename(secret.with_name("moved.ts"))
    file = MediaFile(path=secret, descriptor=descriptor)
    found = waveform(SegmentReader(file))
    np.testing.assert_array_equal(found, waveform(SegmentReader(moved)))
    with open_media(file), open_media(file):
        pass


def test_a_link_to_itself_is_told(tmp_path):
    path = tmp_path / "loop.mp4"
    path.symlink_to(path)
    with pytest.raises(UserError, match="cannot be reached: Too many levels of symbolic links"):
        open_file(path)


def test_a_name_with_nul_is_told(tmp_path):
    with pytest.raises(UserError, match="is not a path"):
        open_file(tmp_path / "a\0.mp4")
