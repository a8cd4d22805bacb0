"""Tiny checkpoints of CLIP and CLAP in the hub's format, with tokenizers and random weights."""

import json
import math
import string
from pathlib import Path

import torch
from transformers import ClapConfig, ClapFeatureExtractor, ClapModel, CLIPConfig, CLIPModel

LETTERS = string.ascii_letters + string.digits + ".,"
SCALE = 100.0
SMALL = {"hidden_size": 32, "intermediate_size": 48, "num_hidden_layers": 2}


def make_clip(folder: Path, seed: int = 0, dim: int = 24) -> Path:
    """A `CLIPModel` on pictures of 32 x 32."""
    units = [*LETTERS.lower(), *(f"{letter}</w>" for letter in LETTERS.lower())]
    vocabulary = [*dict.fromkeys(units), "<|startoftext|>", "<|endoftext|>"]
    first, last = len(vocabulary) - 2, len(vocabulary) - 1
    text = {
        "vocab_size": len(vocabulary),
        "num_attention_heads": 2,
        **SMALL,
        "bos_token_id": first,
        "eos_token_id": last,
        "pad_token_id": last,
    }
    vision = {**SMALL, "num_attention_heads": 2, "image_size": 32, "patch_size": 8}
    torch.manual_seed(seed)
    model = CLIPModel(CLIPConfig(text_config=text, vision_config=vision, projection_dim=dim))
    model.logit_scale.data.fill_(math.log(SCALE))
    model.save_pretrained(folder)
    _write_tokenizer(folder, vocabulary, "CLIPTokenizer", 77)
    return folder


def make_clap(folder: Path, seed: int = 0, dim: int = 16, *, fusion: bool = True) -> Path:
    """A `ClapModel` on ten seconds at 48 kHz, as LAION's."""
    # The space before a word is a letter of its own in this alphabet.
    vocabulary = ["<s>", "<pad>", "</s>", "<unk>", "<mask>", *LETTERS, "Ġ"]
    text = {
        "vocab_size": len(vocabulary),
        "num_attention_heads": 2,
        **SMALL,
        "bos_token_id": 0,
        "pad_token_id": 1,
        "eos_token_id": 2,
        "max_position_embeddings": 130,
    }
    audio = {
        "patch_embeds_hidden_size": 8,
        "hidden_size": 64,
        "depths": [1, 1, 1, 1],
        "num_attention_heads": [1, 1, 1, 1],
        "enable_fusion": fusion,
        "num_hidden_layers": 4,
    }
    torch.manual_seed(seed)
    model = ClapModel(ClapConfig(text_config=text, audio_config=audio, projection_dim=dim))
    model.logit_scale_a.data.fill_(math.log(SCALE))
    model.save_pretrained(folder)
    ClapFeatureExtractor(truncation="fusion" if fusion else "rand_trunc").save_pretrained(folder)
    _write_tokenizer(folder, vocabulary, "RobertaTokenizer", 128)
    return folder


def _write_tokenizer(folder: Path, vocabulary: list[str], name: str, longest: int) -> None:
    """Without merges: every letter is a token."""
    numbers = {unit: number for number, unit in enumerate(vocabulary)}
    config = {"tokenizer_class": name, "model_max_length": longest}
    (folder / "vocab.json").write_text(json.dumps(numbers))
    (folder / "merges.txt").write_text("#version: 0.2\n")
    (folder / "tokenizer_config.json").write_text(json.dumps(config))
