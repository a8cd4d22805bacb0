"""Backbones that know text as well, from the Hugging Face hub by `transformers`.

Sound or pictures and text become vectors of one space, in which what belongs together is near: the
classes are any words. `clip.py` and `clap.py` have the two networks.

Shape letters: N segments, C texts, D width of the common space.
"""

from __future__ import annotations

import hashlib
import os
from collections.abc import Sequence
from contextlib import suppress
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar

import torch
from torch import Tensor, nn
from torch.nn import functional

from mmpyramid.backbones.backbone import freeze
from mmpyramid.backbones.base import Precision
from mmpyramid.backbones.weights import RandomWeights
from mmpyramid.core import Array, Modality
from mmpyramid.core.errors import UserError
from mmpyramid.core.text import shorten
from mmpyramid.media.resizing import Resizing
from mmpyramid.media.sampling import Sampling

if TYPE_CHECKING:
    from mmpyramid.backbones.backbone import Backbone


class TextExtractor:
    """A backbone whose vectors can be compared with those of texts.

    Subclasses load the network and say how segments enter it.

    Args:
        device: where to run, as PyTorch names it.
        precision: the number format to compute in.
        weights: a folder in the hub's format, or another hub id than `hub`.

    Attributes:
        scale: what cosines are multiplied by to be logits; the checkpoint has learned it.

    Raises:
        UserError: if the checkpoint cannot be loaded, or is another network's.
    """

    name: ClassVar[str]
    modality: ClassVar[Modality]
    hub: ClassVar[str]
    """The checkpoint that is taken if no other is named."""
    architecture: ClassVar[str]
    """What `transformers` calls the class of the network."""
    dim: int
    """D, here that of the checkpoint `hub`."""
    frames_per_segment = 0
    frame_size = (0, 0)
    resizing = Resizing.SCALER
    sampling = Sampling.SECONDS
    cpu_chunk, gpu_chunk = 4, 32
    """Segments at once."""

    def __init__(
        self,
        *,
        device: str = "cpu",
        precision: Precision = Precision.AUTO,
        weights: Path | str | RandomWeights | None = None,
    ) -> None:
        if isinstance(weights, RandomWeights):
            raise UserError(
                f"{self.name} has no random weights, for those of its texts would be random too; "
                f"name a checkpoint instead (`--weights {self.name}=FOLDER`)"
            )
        self.source = str(weights or self.hub)
        self.model = load_model(self.architecture, self.source)
        self.weights_sha256 = digest(self.model)
        self.dim = self.model.config.projection_dim
        self.scale = self.read_scale()
        self.precision = precision.resolve(device)
        self.network = freeze(self.wrap(), device, self.precision)
        self.chunk = self.cpu_chunk if torch.device(device).type == "cpu" else self.gpu_chunk

    def read_scale(self) -> float:
        """The scale of the checkpoint."""
        raise NotImplementedError

    def wrap(self) -> Backbone:
        """The model as a network that embeds."""
        raise NotImplementedError

    @cached_property
    def tokenizer(self) -> Any:
        """What makes numbers of texts."""
        from transformers import AutoTokenizer

        return from_hub(AutoTokenizer, self.source, "a tokenizer")

    @torch.inference_mode()
    def encode(self, texts: Sequence[str]) -> Array:
        """Embed C texts as unit vectors, (C, D) float32.

        Raises:
            UserError: if a text is empty, or longer than the network reads.
        """
        if not all(text.strip() for text in texts):
            raise UserError("expected words to look and listen for, got an empty text")
        longest = min(
            self.tokenizer.model_max_length, self.model.config.text_config.max_position_embeddings
        )
        for text, numbers in zip(texts, self.tokenizer(list(texts))["input_ids"], strict=True):
            if len(numbers) > longest:
                raise UserError(
                    f"expected a text of at most {longest} tokens for {self.name}, got "
                    f"{len(numbers)} ({shorten(text, 60)!r}); say it in fewer words"
                )
        tokens = self.tokenizer(list(texts), padding=True, return_tensors="pt")
        where = next(self.model.parameters()).device
        pooled = self.model.text_model(
            input_ids=tokens["input_ids"].to(where),
            attention_mask=tokens["attention_mask"].to(where),
        ).pooler_output
        return unit(self.model.text_projection(pooled)).cpu().numpy()


def unit(vector_ND: Tensor) -> Tensor:
    """Vectors of length 1, in float32."""
    return functional.normalize(vector_ND.float(), dim=-1)


def load_model(architecture: str, source: str) -> Any:
    """Load a network with all its weights, in float32.

    Args:
        architecture: `CLIPModel`, for instance.
        source: a folder, or a hub id.

    Raises:
        UserError: if it cannot be loaded, is another network, or lacks weights.
    """
    import transformers
    from transformers.utils import logging as untyped

    logging: Any = untyped
    # Weights that are not there are an error below; there is no need to warn of them as well.
    logging.set_verbosity_error()
    # Of old checkpoints it would ask a service of the hub for a conversion, in the background.
    os.environ.setdefault("DISABLE_SAFETENSORS_CONVERSION", "1")
    logging.disable_progress_bar()
    model_class = getattr(transformers, architecture)
    expected = model_class.config_class.model_type
    config = from_hub(transformers.AutoConfig, source, f"the configuration of a {expected}")
    if config.model_type != expected:
        raise UserError(
            f"expected a {expected} checkpoint, got {source}, which is one of {config.model_type}; "
            "name another"
        )
    model, report = from_hub(
        model_class, source, f"a {expected} network", output_loading_info=True, dtype=torch.float32
    )
    if lacking := sorted(report["missing_keys"]):
        raise UserError(
            f"expected all weights of a {expected} in {source}, but {len(lacking)} are not there "
            f"({', '.join(lacking[:3])}); download or save it again"
        )
    return model


def from_hub(what: Any, source: str, words: str, **options: Any) -> Any:
    """Call `from_pretrained`; nothing that comes along with a checkpoint is run.

    The hub is asked only for what its cache on this machine does not have.

    Raises:
        UserError: if it cannot be loaded.
    """
    is_folder = Path(source).is_dir()
    try:
        with suppress(*(() if is_folder else (OSError,))):
            return what.from_pretrained(source, local_files_only=True, **options)
        return what.from_pretrained(source, **options)
    except Exception as error:  # What it is depends on files and connections of all kinds.
        reason = shorten(" ".join(str(error).split()), 300)
        remedy = (
            "check what is in the folder"
            if is_folder
            else f"on a machine that reaches the hub, run `hf download {source} --local-dir FOLDER`"
            ", copy the folder, and name it instead"
        )
        raise UserError(
            f"expected {words} at {source}, a folder or a Hugging Face hub id, but it cannot be "
            f"loaded ({reason}); {remedy}"
        ) from error


def digest(model: nn.Module) -> str:
    """A checksum of all weights, however many files they came in."""
    sha256 = hashlib.sha256()
    for name, tensor in sorted(model.state_dict().items()):
        sha256.update(name.encode())
        sha256.update(tensor.contiguous().numpy().data)
    return sha256.hexdigest()
