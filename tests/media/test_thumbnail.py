import io

import numpy as np
import pytest
from PIL import Image

import media_files
from mmpyramid.core.errors import UserError
from mmpyramid.media import thumbnail


def picture(content: bytes) -> Image.Image:
    image = Image.open(io.BytesIO(content))
    assert image.format == "JPEG"
    return image


def test_it_shows_the_middle(tmp_path):
    path = media_files.write_media(tmp_path / "a.mp4", media_files.steady(21))
    assert abs(media_files.number_of(np.array(picture(thumbnail(path)))) - 10) <= 1


def test_it_is_small_and_keeps_its_shape(tmp_path):
    frames = [(n / 10, media_files.gray(n, 640, 480)) for n in range(5)]
    path = media_files.write_media(tmp_path / "a.mp4", frames)
    assert picture(thumbnail(path, 96)).size == (96, 72)


def test_it_is_upright(tmp_path):
    path = media_files.write_media(tmp_path / "a.mp4", media_files.steady(5))
    assert picture(thumbnail(media_files.rotate_by_header(path))).size == (48, 64)


def test_sound_has_none(tmp_path):
    path = media_files.write_media(
        tmp_path / "a.wav", sound=media_files.tone(440, 1.0), audio_codec="pcm_s16le"
    )
    assert thumbnail(path) is None


def test_what_is_no_media_is_refused(tmp_path):
    (tmp_path / "a.mp4").write_bytes(b"nothing")
    with pytest.raises(UserError, match="cannot open"):
        thumbnail(tmp_path / "a.mp4")
