"""Pictures of a network's size, against the libraries that made the published features."""

import numpy as np
import pytest
from PIL import Image
from torchvision import transforms

from media_files import numbers, rotate_by_header, steady, write_media
from mmpyramid.media import Resizing, SegmentReader, View
from mmpyramid.media.resizing import resize

SIZES = ((360, 480), (240, 427), (480, 270), (224, 224), (57, 801), (90, 100))


def noise(height, width):
    return np.random.default_rng(height).integers(0, 256, (height, width, 3), np.uint8)


@pytest.mark.parametrize(("height", "width"), SIZES)
def test_average_and_crop_are_the_transforms_of_the_released_scripts(height, width):
    image = noise(height, width)
    squash = transforms.Resize((112, 112))
    preset = transforms.Compose([transforms.Resize(256), transforms.CenterCrop(224)])
    for ours, theirs in (
        (resize(image, (112, 112), Resizing.AVERAGE), squash),
        (resize(image, (224, 224), Resizing.CROP), preset),
    ):
        np.testing.assert_array_equal(ours, theirs(Image.fromarray(image)))


@pytest.mark.parametrize(("height", "width"), SIZES)
def test_interpolation_sees_four_pixels_around_each_center(height, width):
    image = noise(height, width)
    actual = resize(image, (50, 40), Resizing.INTERPOLATE)
    assert actual.shape == (40, 50, 3)
    padded = np.pad(image.astype(float), ((1, 1), (1, 1), (0, 0)), mode="edge")
    for y, x in ((0, 0), (17, 31), (39, 49)):
        v, u = (y + 0.5) * height / 40 + 0.5, (x + 0.5) * width / 50 + 0.5
        top, left = int(v), int(u)
        down, right = v - top, u - left
        window = padded[top : top + 2, left : left + 2]
        weight = np.outer([1 - down, down], [1 - right, right])[..., None]
        assert np.abs((window * weight).sum((0, 1)) - actual[y, x]).max() <= 0.501


def test_ways_of_resizing_differ_where_a_picture_shrinks():
    image = noise(360, 480)
    made = {how: resize(image, (112, 112), how) for how in Resizing if how != Resizing.SCALER}
    assert made[Resizing.AVERAGE].std() < 0.5 * made[Resizing.INTERPOLATE].std()
    assert not np.array_equal(made[Resizing.AVERAGE], made[Resizing.CROP])


@pytest.mark.parametrize("how", Resizing)
def test_a_reader_resizes_upright_pictures(tmp_path, how):
    image = np.zeros((48, 64, 3), np.uint8)
    image[:24] = 255  # the stored top, on screen the right half
    path = rotate_by_header(write_media(tmp_path / "a.mp4", [(n / 10, image) for n in range(10)]))
    (segment,) = SegmentReader(path, [View(2, (28, 28), how)])
    picture = segment.frames[0]
    assert picture.shape == (28, 28, 3)
    assert picture[:, :12].max() < 20
    assert picture[:, 16:].min() > 235


def test_resizing_leaves_the_choice_of_frames_alone(tmp_path):
    path = write_media(tmp_path / "a.mp4", steady(20))
    for how in Resizing:
        reader = SegmentReader(path, [View(2, (28, 28), how)])
        assert numbers(reader) == [[2, 7], [12, 17]]
