import base64
import zlib
from dataclasses import replace

import numpy as np
import pytest
from page_parts import random_scores

from mmpyramid.problems import Decoder, decode
from mmpyramid.render.page.data import LARGEST_PACKED, pack_codes, pack_floats, scores_data


def unpacked(packed: dict) -> np.ndarray:
    codes = np.frombuffer(zlib.decompress(base64.b64decode(packed["bytes"])), np.uint8)
    return np.float32(packed["values"])[codes]


def test_floats_keep_every_bit():
    value_TC = np.random.default_rng(0).normal(size=(7, 3)).astype(np.float32)
    packed = pack_floats({"a": value_TC, "b": value_TC[0]})
    planes = np.frombuffer(zlib.decompress(base64.b64decode(packed["bytes"])), np.uint8)
    values = np.ascontiguousarray(planes.reshape(4, -1).T).view("<f4").ravel()
    assert packed["sizes"] == {"a": 21, "b": 3}
    np.testing.assert_array_equal(values, [*value_TC.T.ravel(), *value_TC[0]])


def test_rounding_passes_no_threshold():
    generator = np.random.default_rng(1)
    stops = np.arange(101) / 100
    thresholds = np.float32([*stops, 0.4321])
    near = np.nextafter(thresholds[:, None], np.float32([[0, 1, 1]])).ravel()
    values = np.concatenate([near, thresholds, generator.random(10_000, np.float32)])
    rounded = unpacked(pack_codes({"a": values}, [0.4321]))
    np.testing.assert_allclose(rounded, values, atol=0.005)
    for threshold in thresholds:
        np.testing.assert_array_equal(rounded >= threshold, values >= threshold)


@pytest.mark.slow
def test_short_videos_are_exact_and_long_ones_small():
    short, noise = random_scores(10, 0), random_scores(3600, 0)
    long = replace(noise, audio=noise.audio**3, visual=noise.visual**3)
    data, is_decided = scores_data(short, decode(short), Decoder())
    assert is_decided
    assert (data["floor"], data["rounded"]["sizes"]) == (0, {})
    data, is_decided = scores_data(long, decode(long), Decoder())
    assert is_decided
    assert 0 < data["floor"] <= 0.5
    assert len(data["rounded"]["bytes"]) + len(data["exact"]["bytes"]) <= LARGEST_PACKED


@pytest.mark.parametrize("lowest", ["threshold", "visual_threshold", "video_threshold"])
def test_nothing_is_left_out_that_reaches_a_threshold(lowest):
    scores = random_scores(3600, 0)
    decoder = Decoder(**{lowest: 0.1})
    data, _ = scores_data(scores, decode(scores, decoder), decoder)
    assert data["floor"] <= 0.1
