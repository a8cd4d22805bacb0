"""CLIP and CLAP from checkpoints in the hub's format, compared with `transformers` itself."""

import json

import numpy as np
import pytest
import torch

from mmpyramid.backbones import BackboneOptions, create_extractor, create_extractors
from mmpyramid.backbones.base import Precision
from mmpyramid.backbones.clip import MEAN, STD
from mmpyramid.cli import main
from mmpyramid.core.errors import UserError
from mmpyramid.store.store import FeatureStore

pytestmark = pytest.mark.slow  # Importing `transformers` takes seconds.

TEXTS = ("A photo of a red bus.", "a kettle whistling", "rain")
PRECISE = {"precision": Precision.FLOAT32}


@pytest.fixture(scope="module")
def folders(tmp_path_factory):
    from tiny_hub import make_clap, make_clip

    folder = tmp_path_factory.mktemp("hub")
    made = {"clip": make_clip(folder / "clip"), "clap": make_clap(folder / "clap")}
    return {**made, "unfused": make_clap(folder / "unfused", fusion=False)}


@pytest.fixture(scope="module")
def clip(folders):
    return create_extractor("clip", BackboneOptions(weights={"clip": folders["clip"]}, **PRECISE))


@pytest.fixture(scope="module")
def pictures():
    return np.random.default_rng(0).integers(0, 256, (5, 1, 32, 32, 3), dtype=np.uint8)


@pytest.fixture(scope="module")
def waveforms():
    return np.random.default_rng(0).normal(scale=0.1, size=(3, 48_000)).astype(np.float32)


def test_pictures_and_texts_are_as_near_as_transformers_says(folders, clip, pictures):
    from transformers import AutoTokenizer, CLIPModel

    model = CLIPModel.from_pretrained(folders["clip"])
    tokens = AutoTokenizer.from_pretrained(folders["clip"])(
        list(TEXTS), padding=True, return_tensors="pt"
    )
    pixels = ((pictures[:, 0] / 255 - MEAN) / STD).transpose(0, 3, 1, 2).astype(np.float32)
    with torch.inference_mode():
        expected = model(**tokens, pixel_values=torch.from_numpy(pixels)).logits_per_image
    embedding_TD = clip.embed(pictures)
    logits = clip.scale * embedding_TD @ clip.encode(TEXTS).T
    np.testing.assert_allclose(logits, expected, atol=1e-3)
    assert np.ptp(logits) > 0.1
    assert embedding_TD.dtype == np.float32
    np.testing.assert_allclose(np.linalg.norm(embedding_TD, axis=1), 1, atol=1e-5)
    np.testing.assert_array_equal(clip.embed(pictures[3:]), embedding_TD[3:])


@pytest.mark.parametrize("which", ["clap", "unfused"])
def test_sounds_and_texts_are_as_near_as_transformers_says(folders, waveforms, which):
    from transformers import AutoTokenizer, ClapFeatureExtractor, ClapModel

    folder = folders[which]
    clap = create_extractor("clap", BackboneOptions(weights={"clap": folder}, **PRECISE))
    model = ClapModel.from_pretrained(folder)
    tokens = AutoTokenizer.from_pretrained(folder)(list(TEXTS), padding=True, return_tensors="pt")
    # Ten seconds are heard whole; the pre-processing takes one of several at random for longer.
    long = [np.tile(waveform, 10) for waveform in waveforms]
    front = ClapFeatureExtractor.from_pretrained(folder)
    mel = front(long, sampling_rate=48_000, return_tensors="pt")["input_features"].float()
    with torch.inference_mode():
        expected = model(
            **tokens, input_features=mel, is_longer=torch.zeros(3, 1, dtype=torch.bool)
        ).logits_per_audio
    embedding_TD = clap.embed(waveforms)
    logits = clap.scale * embedding_TD @ clap.encode(TEXTS).T
    np.testing.assert_allclose(logits, expected, atol=1e-3)
    assert np.ptp(logits) > 0.1
    np.testing.assert_array_equal(clap.embed(waveforms), embedding_TD)
    with pytest.raises(UserError, match=r"clap takes \(N, 48000\) float32"):
        clap.embed(waveforms[:, :16_000])


def test_texts_that_cannot_be_read_are_refused(clip):
    with pytest.raises(UserError, match="at most 77 tokens for clip, got 202"):
        clip.encode(["rain", "r" * 200])
    with pytest.raises(UserError, match="an empty text"):
        clip.encode(["rain", " "])


def test_a_store_has_both_streams_and_tells_the_checkpoint(folders, clip, tmp_path, capsys):
    from media_files import steady, tone, write_media

    video = write_media(tmp_path / "a.mp4", steady(30), tone(9000, 3, 48_000), rate=48_000)
    weights = [f"{name}={folders[name]}" for name in ("clip", "clap")]
    words = ["extract", str(video), "--set", "text", "--weights", *weights]
    words += ["--workers", "1", "--precision", "float32"]
    assert main([*words, "--out", str(tmp_path / "store")]) == 0, capsys.readouterr().err
    store = FeatureStore(tmp_path / "store")
    assert store.streams == {"clap": 16, "clip": 24}
    assert store.provenance.streams["clip"].weights_sha256 == clip.weights_sha256
    features = store.load("a")
    assert {name: array.shape for name, array in features.items()} == {
        "clap": (3, 16),
        "clip": (3, 24),
    }


def test_a_checkpoint_that_does_not_fit_is_refused(folders, tmp_path, monkeypatch):
    def make(name, source):
        return create_extractors([name], BackboneOptions(weights={name: source}))

    with pytest.raises(UserError, match=r"expected a clap checkpoint, got .* one of clip"):
        make("clap", folders["clip"])
    (tmp_path / "empty").mkdir()
    with pytest.raises(UserError, match="check what is in the folder"):
        make("clip", tmp_path / "empty")
    from safetensors.torch import load_file, save_file

    part = tmp_path / "part"
    part.mkdir()
    config = json.loads((folders["clip"] / "config.json").read_text())
    (part / "config.json").write_text(json.dumps(config))
    weights = load_file(folders["clip"] / "model.safetensors")
    weights.pop("text_projection.weight")
    save_file(weights, part / "model.safetensors", {"format": "pt"})
    with pytest.raises(UserError, match=r"1 are not there \(text_projection.weight\)"):
        make("clip", part)
    (part / "model.safetensors").write_bytes(b"\x00" * 100)
    with pytest.raises(UserError, match=r"a clip network at .* cannot be loaded"):
        make("clip", part)
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", True)
    monkeypatch.setenv("HF_HUB_CACHE", str(tmp_path / "cache"))
    with pytest.raises(UserError, match="hf download openai/clip-vit-large-patch14") as caught:
        create_extractor("clip")
    assert "\n" not in str(caught.value)
    with pytest.raises(UserError, match="no random weights"):
        create_extractor("clip", BackboneOptions(random_weights=True))
