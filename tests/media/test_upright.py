"""Pictures as people see them: all orientations, square pixels, no transparency."""

import io
from fractions import Fraction

import av
import numpy as np
import pytest
from PIL import Image, ImageOps

from media_files import gray, rotate_by_header, steady, write_media
from mmpyramid.media import Resizing, SegmentReader, View, probe, thumbnail

CORNERS = np.array([[0, 80], [160, 240]])
"""Grays of the four corners of the stored picture."""

ORIENTATIONS = {
    (1, 0, 0, 1): [[0, 80], [160, 240]],
    (-1, 0, 0, 1): [[80, 0], [240, 160]],
    (1, 0, 0, -1): [[160, 240], [0, 80]],
    (-1, 0, 0, -1): [[240, 160], [80, 0]],
    (0, 1, 1, 0): [[0, 160], [80, 240]],
    (0, 1, -1, 0): [[160, 0], [240, 80]],
    (0, -1, 1, 0): [[80, 240], [0, 160]],
    (0, -1, -1, 0): [[240, 80], [160, 0]],
}
"""What is seen with each display matrix a, b, c, d: a pixel moves to (ax + cy, bx + dy)."""


def corners(image: np.ndarray) -> list[list[int]]:
    """The gray of each corner, to the nearest 80."""
    height, width = image.shape[:2]
    grays = image[height // 4 :: height // 2, width // 4 :: width // 2, 0]
    return (np.rint(grays / 80) * 80).astype(int).tolist()


@pytest.mark.parametrize("matrix", ORIENTATIONS)
def test_all_orientations(tmp_path, matrix):
    image = np.repeat(CORNERS.repeat(24, 0).repeat(32, 1)[..., None], 3, 2).astype(np.uint8)
    path = write_media(tmp_path / "a.mp4", [(n / 10, image) for n in range(10)])
    rotate_by_header(path, matrix)
    shown = (48, 64) if matrix[0] == 0 else (64, 48)
    info = probe(path)
    assert (info.width, info.height) == shown
    views = [View(1), View(1, (20, 40)), View(1, (40, 40), Resizing.INTERPOLATE)]
    (segment,) = SegmentReader(path, views)
    for view in segment.views:
        assert corners(view[0]) == ORIENTATIONS[matrix]
    small = Image.open(io.BytesIO(thumbnail(path)))
    assert small.size == shown
    assert corners(np.array(small)) == ORIENTATIONS[matrix]


@pytest.mark.parametrize("orientation", range(1, 9))
def test_all_orientations_of_a_photograph_with_exif(tmp_path, orientation):
    """EXIF comes as side data of a kind that PyAV knows no name of."""
    image = CORNERS.repeat(24, 0).repeat(32, 1)[..., None].repeat(3, 2).astype(np.uint8)
    exif = Image.Exif()
    exif[0x112] = orientation
    path = tmp_path / "a.jpg"
    Image.fromarray(image).save(path, exif=exif)
    (segment,) = SegmentReader(path)
    upright = np.array(ImageOps.exif_transpose(Image.open(path)))
    assert corners(segment.frames[0]) == corners(upright)


def test_rotation_and_mirroring_tell_the_same_as_the_picture(tmp_path):
    path = write_media(tmp_path / "a.mp4", steady(10))
    for matrix, expected in ORIENTATIONS.items():
        info = probe(rotate_by_header(path, matrix))
        stored = CORNERS[:, :: -1 if info.mirrored else 1]
        assert np.rot90(stored, info.rotation // 90).tolist() == expected


def anamorphic(path, aspect):
    with av.open(str(path), "w") as container:
        stream = container.add_stream("mpeg4", rate=10)
        stream.width, stream.height, stream.pix_fmt = 64, 48, "yuv420p"
        stream.codec_context.sample_aspect_ratio = aspect
        for _ in range(10):
            container.mux(stream.encode(av.VideoFrame.from_ndarray(gray(20), format="rgb24")))
        container.mux(stream.encode(None))
    return path


@pytest.mark.parametrize(("aspect", "width"), [("64/45", 91), ("8/9", 57), ("1", 64)])
def test_pixels_that_are_not_square_are_stretched(tmp_path, aspect, width):
    path = anamorphic(tmp_path / "a.mkv", Fraction(aspect))
    (segment,) = SegmentReader(path, [View(1), View(1, (30, 30)), View(1, (32, 32), Resizing.CROP)])
    assert segment.views[0].shape == (1, 48, width, 3)
    assert segment.views[1].shape == (1, 30, 30, 3)
    assert (probe(path).width, probe(path).height) == (width, 48)
    assert Image.open(io.BytesIO(thumbnail(path))).size == (width, 48)


@pytest.mark.parametrize(
    ("suffix", "codec", "stored"),
    [("mkv", "ffv1", "bgra"), ("webm", "libvpx-vp9", "yuva420p"), ("webm", "libvpx", "yuva420p")],
)
def test_what_is_transparent_is_black(tmp_path, suffix, codec, stored):
    path = tmp_path / f"a.{suffix}"
    image = np.full((48, 64, 4), 200, np.uint8)
    image[..., 3] = 255
    image[:, :32, 3] = 0
    with av.open(str(path), "w") as container:
        stream = container.add_stream(codec, rate=10, options={"auto-alt-ref": "0"})
        stream.width, stream.height, stream.pix_fmt = 64, 48, stored
        stream.metadata["alpha_mode"] = "1"
        for _ in range(10):
            container.mux(stream.encode(av.VideoFrame.from_ndarray(image, format="rgba")))
        container.mux(stream.encode(None))
    (segment,) = SegmentReader(path, [View(1)])
    assert segment.frames[0, :, :28].max() < 10
    assert segment.frames[0, :, 36:].min() >= 190
    assert np.array(Image.open(io.BytesIO(thumbnail(path))))[:, :24].max() < 20
