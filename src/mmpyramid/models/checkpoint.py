"""A checkpoint is a folder that says by itself how to be used: weights and a description."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file, save

from mmpyramid.core.errors import UserError
from mmpyramid.core.files import write_durably
from mmpyramid.models.network import Network
from mmpyramid.models.registry import architecture
from mmpyramid.version import __version__

WEIGHTS, DESCRIPTION = "model.safetensors", "config.json"


def save_pretrained(
    model: Network[Any, Any], folder: str | Path, metrics: dict[str, Any] | None = None
) -> Path:
    """Write a network to a folder, each file whole or not at all.

    Args:
        model: the network.
        folder: created if absent; an older checkpoint in it is replaced.
        metrics: what the network reached, for the reader of `config.json`.

    Returns:
        The folder.

    Raises:
        UserError: if the disk is full; an older checkpoint is then still there.
    """
    folder = Path(folder)
    folder.mkdir(parents=True, exist_ok=True)
    description = {
        "format": "mmpyramid-model-1",
        "architecture": model.config.architecture,
        "version": __version__,
        "config": model.config.to_dict(),
        "metrics": metrics or {},
    }
    # Layers may share a weight, which the file holds once for each.
    weights = {
        name: tensor.clone(memory_format=torch.contiguous_format)
        for name, tensor in model.state_dict().items()
    }
    write_durably(folder / WEIGHTS, save(weights))
    write_durably(folder / DESCRIPTION, (json.dumps(description, indent=2) + "\n").encode())
    return folder


def load_pretrained(model: str | Path) -> Network[Any, Any]:
    """Load a network from a checkpoint folder or from the Hugging Face hub.

    Args:
        model: a folder, or a hub id such as `organization/name`.

    Returns:
        The network in evaluation mode; `.labels` and `.streams` say what it needs and gives.

    Raises:
        UserError: if there is no such checkpoint or it is not one of ours.

    Example:
        >>> network = load_pretrained("runs/llp/model")  # doctest: +SKIP
        >>> scores = network.predict(features)  # doctest: +SKIP
    """
    folder = Path(model)
    if not folder.is_dir():
        folder = _download(str(model))
    description = read_description(folder)
    network_class = architecture(description["architecture"])
    try:
        network = network_class(network_class.config_class.from_dict(description["config"]))
        network.load_state_dict(load_file(folder / WEIGHTS))
    except (OSError, SafetensorError, RuntimeError, TypeError) as error:
        raise UserError(
            f"the checkpoint {folder} cannot be loaded: {WEIGHTS} does not fit its {DESCRIPTION}, "
            f"or a file is damaged ({error}); copy or train it again"
        ) from error
    return network.eval()


def read_description(folder: Path) -> dict[str, Any]:
    """Read and check the `config.json` of a checkpoint folder.

    Raises:
        UserError: if it is absent, damaged, or names an unknown architecture.
    """
    path = folder / DESCRIPTION
    try:
        description: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
        name = description["architecture"]
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise UserError(
            f"expected a checkpoint folder with {WEIGHTS} and {DESCRIPTION} at {folder}; "
            f"reading {path.name} failed ({error!r})"
        ) from error
    architecture(name)
    return description


def _download(hub_id: str) -> Path:
    """Fetch a checkpoint from the Hugging Face hub into its own cache."""
    from huggingface_hub import snapshot_download
    from huggingface_hub.errors import HfHubHTTPError, HFValidationError, LocalEntryNotFoundError

    problem = (
        f"there is no checkpoint folder `{hub_id}`, and it could not be had from the hub either; "
        "give the path of a folder written by `mmpyramid train` or `mmpyramid convert`"
    )
    if hub_id.count("/") != 1:
        raise UserError(problem)
    try:
        return Path(snapshot_download(hub_id, allow_patterns=[WEIGHTS, DESCRIPTION]))
    except (HFValidationError, HfHubHTTPError, LocalEntryNotFoundError, OSError) as error:
        raise UserError(f"{problem} ({type(error).__name__})") from error
