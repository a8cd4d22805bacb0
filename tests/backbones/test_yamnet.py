"""YAMNet against the TFLite model released with it, stage by stage and on real clips.

The TFLite file holds the same network with its mel matrix and most kernels rounded to 8 bits, and
rounds the inputs of those layers to 8 bits as it runs; the other stages are float32.
"""

import re

import numpy as np
import pytest
import torch
from ai_edge_litert.interpreter import Interpreter, OpResolverType

from mmpyramid.backbones.logmel import PATCH_SAMPLES
from mmpyramid.backbones.open_networks import with_weights
from mmpyramid.backbones.yamnet import YAMNetExtractor
from mmpyramid.core.errors import UserError
from mmpyramid.media import SegmentReader

pytestmark = pytest.mark.network

EXACT = ("layer1/relu", "layer2/depthwise_conv/relu", "layer3/depthwise_conv/relu")
CLIPS = (
    *("lzhangbj_github_io_dog_barking", "lzhangbj_github_io_lions_roaring"),
    *("lzhangbj_github_io_baby_crying", "FoleyCrafter_0", "Video-LLaMA_dog_barking"),
)


@pytest.fixture(scope="module")
def yamnet():
    return YAMNetExtractor()


@pytest.fixture(scope="module")
def network(yamnet):
    """The same in PyTorch, for what is inside."""
    return with_weights("yamnet", yamnet.weights)


@pytest.fixture(scope="module")
def interpreter(shared):
    """TFLite with all its intermediate results."""
    interpreter = Interpreter(
        str(shared / "models" / "yamnet.tflite"),
        experimental_preserve_all_tensors=True,
        experimental_op_resolver_type=OpResolverType.BUILTIN_WITHOUT_DEFAULT_DELEGATES,
    )
    interpreter.allocate_tensors()
    return interpreter


@pytest.fixture(scope="module")
def stages(interpreter):
    """Index of TFLite's results by short name, in the order of the network."""
    found = {}
    for tensor in interpreter.get_tensor_details():
        name = tensor["name"].split(";")[0].removeprefix("yamnet_frames/")
        if re.search(r"relu/Relu$", name) or name in ("tf_op_layer_Log/Log", "reshape/Reshape"):
            found[name.removesuffix("/Relu")] = tensor["index"]
        elif name == "tf_op_layer_ComplexAbs/ComplexAbs":
            found["magnitude"] = tensor["index"]
    return found


def tflite_scores(interpreter, waveforms):
    scores = []
    for waveform in waveforms:
        interpreter.set_tensor(0, waveform[:PATCH_SAMPLES])
        interpreter.invoke()
        scores.append(interpreter.get_tensor(interpreter.get_output_details()[0]["index"])[0])
    return np.array(scores)


def noise(count=1, seed=0):
    return np.random.default_rng(seed).normal(scale=0.1, size=(count, 16000)).astype(np.float32)


def relative_error(actual, expected):
    return float(np.linalg.norm(actual - expected) / np.linalg.norm(expected))


def test_the_log_mel_front_end_is_that_of_tflite(network, interpreter, stages):
    waveform = noise()
    tflite_scores(interpreter, waveform)
    magnitude = torch.from_numpy(interpreter.get_tensor(stages["magnitude"]))
    front_end = network.log_mel
    window = front_end.window.numpy()
    frames = np.lib.stride_tricks.sliding_window_view(waveform[0, :PATCH_SAMPLES], 400)[::160]
    expected = np.abs(np.fft.rfft(frames * window, 512))
    np.testing.assert_allclose(magnitude.numpy(), expected, atol=2e-6)

    ours = front_end.patches(torch.from_numpy(waveform))[0]
    torch.testing.assert_close(
        torch.log(magnitude @ front_end.mel_FK + front_end.offset), ours, atol=1e-4, rtol=0
    )
    theirs = interpreter.get_tensor(stages["tf_op_layer_Log/Log"])
    np.testing.assert_allclose(ours.numpy(), theirs, atol=0.1)
    assert relative_error(ours.numpy(), theirs) < 0.005


def test_each_layer_is_that_of_tflite(yamnet, network, interpreter, stages):
    """Every layer gets TFLite's own input: float layers agree to 1e-5, rounded ones to 8 bits."""
    tflite_scores(interpreter, noise())
    names = [name for name in stages if name.endswith("/relu")]
    assert len(names) == len(network.convolutions) == 27
    x_NCHW = torch.from_numpy(interpreter.get_tensor(stages["reshape/Reshape"])).permute(0, 3, 1, 2)
    for name, convolution in zip(names, network.convolutions, strict=True):
        y_NCHW = torch.from_numpy(interpreter.get_tensor(stages[name])).permute(0, 3, 1, 2)
        with torch.no_grad():
            ours = convolution(x_NCHW).relu()
        assert ours.shape == y_NCHW.shape
        tolerance = 1e-5 if name in EXACT else 0.12
        assert relative_error(ours.numpy(), y_NCHW.numpy()) < tolerance, name
        x_NCHW = y_NCHW
    scores = yamnet.classify(x_NCHW.mean(dim=(2, 3)).numpy())
    theirs = interpreter.get_tensor(interpreter.get_output_details()[0]["index"])
    assert relative_error(scores, theirs) < 0.05


@pytest.mark.slow
def test_scores_of_real_clips_rank_as_those_of_tflite(yamnet, interpreter, shared):
    ours, theirs = [], []
    for clip in CLIPS:
        reader = SegmentReader(shared / "clips" / "dev" / f"{clip}.mp4", video=False)
        waveforms = np.stack([segment.waveform for segment in reader])
        ours.append(yamnet.classify(yamnet.embed(waveforms)))
        theirs.append(tflite_scores(interpreter, waveforms))
    ours, theirs = np.concatenate(ours), np.concatenate(theirs)
    top_5 = [
        len(set(a) & set(b)) / 5
        for a, b in zip(np.argsort(-ours)[:, :5], np.argsort(-theirs)[:, :5], strict=True)
    ]
    assert np.mean(top_5) > 0.85
    assert np.mean(ours.argmax(axis=1) == theirs.argmax(axis=1)) > 0.8
    assert np.corrcoef(ours.ravel(), theirs.ravel())[0, 1] > 0.98
    assert np.abs(ours - theirs).mean() < 1e-3


def test_it_hears_what_is_there(yamnet, shared):
    for clip, name in (
        ("lzhangbj_github_io_dog_barking", "Dog"),
        ("lzhangbj_github_io_baby_crying", "Baby cry, infant cry"),
        ("lzhangbj_github_io_lions_roaring", "Roaring cats (lions, tigers)"),
    ):
        reader = SegmentReader(shared / "clips" / "dev" / f"{clip}.mp4", video=False)
        waveforms = np.stack([segment.waveform for segment in reader])
        scores = yamnet.classify(yamnet.embed(waveforms)).max(axis=0)
        assert scores[yamnet.class_names.index(name)] > 0.8


def test_silence_and_a_tone_are_known_by_name(yamnet):
    tone = 0.5 * np.sin(2 * np.pi * 440 * np.arange(16000) / 16000)
    waveforms = np.stack([np.zeros(16000), tone]).astype(np.float32)
    scores = yamnet.classify(yamnet.embed(waveforms))
    assert scores.shape == (2, 521) == (2, len(yamnet.class_names))
    assert yamnet.class_names[scores[0].argmax()] == "Silence"
    assert scores[0].max() > 0.99
    assert scores[1][yamnet.class_names.index("Dial tone")] > 0.9


def test_a_second_has_the_same_embedding_in_any_company(yamnet):
    waveforms = noise(count=yamnet.chunk + 3)
    embedding = yamnet.embed(waveforms)
    assert embedding.shape == (len(waveforms), yamnet.dim)
    assert embedding.dtype == np.float32
    for i in (0, yamnet.chunk - 1, yamnet.chunk, len(waveforms) - 1):
        alone = yamnet.embed(waveforms[i : i + 1])[0]
        np.testing.assert_array_equal(embedding[i], alone)
    np.testing.assert_array_equal(yamnet.embed(waveforms), embedding)


def test_no_seconds_give_no_vectors_and_read_only_input_is_fine(yamnet):
    assert yamnet.embed(np.zeros((0, 16000), np.float32)).shape == (0, 1024)
    waveforms = noise()
    waveforms.flags.writeable = False
    assert yamnet.embed(waveforms).shape == (1, 1024)


@pytest.mark.parametrize(
    "waveforms",
    [
        np.zeros((2, 15600), np.float32),
        np.zeros(16000, np.float32),
        np.zeros((2, 16000), np.int16),
        np.zeros((2, 16000), np.float64),
    ],
)
def test_other_input_is_refused(yamnet, waveforms):
    with pytest.raises(UserError, match=r"yamnet takes \(N, 16000\) float32"):
        yamnet.embed(waveforms)
