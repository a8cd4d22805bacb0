"""A checkpoint is a folder that says by itself how to be used: weights and a description."""

from __future__ import annotations

import hashlib
from pathlib import Path
from typing import Any, Literal

import msgspec
import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save
from torch import Tensor

from mmpyramid.core.device import use_float32
from mmpyramid.core.errors import Problems, UserError
from mmpyramid.core.files import MODEL_DESCRIPTION as DESCRIPTION
from mmpyramid.core.files import check_model, open_regular, write_durably, write_json
from mmpyramid.core.text import read_json, shorten, to_type
from mmpyramid.models.network import Network, NetworkConfig
from mmpyramid.models.registry import architecture
from mmpyramid.version import __version__

WEIGHTS = "model.safetensors"
CHECKSUM = "sha256"
"""Key in the metadata of the weights; files of earlier versions have none."""


class Description(msgspec.Struct, frozen=True, kw_only=True):
    """The `config.json` of a checkpoint folder."""

    architecture: str
    config: dict[str, Any]
    format: Literal["mmpyramid-model-1"] = "mmpyramid-model-1"
    version: str = "unknown"
    vocabulary: str = ""
    weights_sha256: str = ""
    metrics: dict[str, int | float | str | None] = {}


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

    Example:
        >>> save_pretrained(network, "runs/mine", {"epoch": 12})  # doctest: +SKIP
        PosixPath('runs/mine')
    """
    folder = Path(folder)
    folder.mkdir(parents=True, exist_ok=True)
    # Layers may share a weight, which the file holds once for each.
    weights = {
        name: tensor.clone(memory_format=torch.contiguous_format)
        for name, tensor in model.state_dict().items()
    }
    content = save(weights)
    checksum = hashlib.sha256(content[_start_of_values(content[:8]) :]).hexdigest()
    description = {
        "format": "mmpyramid-model-1",
        "architecture": model.config.architecture,
        "version": __version__,
        "config": model.config.to_dict(),
        **({"vocabulary": model.vocabulary} if model.vocabulary else {}),
        "weights_sha256": checksum,
        "metrics": metrics or {},
    }
    write_durably(folder / WEIGHTS, save(weights, {CHECKSUM: checksum}))
    write_json(folder / DESCRIPTION, description)
    return folder


def load_pretrained(model: str | Path) -> Network[Any, Any]:
    """Load a network from a checkpoint folder or from the Hugging Face hub.

    Its float32 is exact on a GPU as well, see `mmpyramid.core.device.use_float32`.

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
    check_model(str(model))
    if not folder.is_dir():
        folder = _download(str(model))
    description = read_description(folder)
    network_class = architecture(description["architecture"])
    config = network_class.config_class.from_dict(description["config"])
    with torch.device("meta"):  # Takes no memory, whatever the configuration says.
        shapes = network_class(config).state_dict()
    weights = _read_weights(folder / WEIGHTS, shapes, description["weights_sha256"])
    network = network_class(config)
    network.load_state_dict(weights)
    network.vocabulary = description["vocabulary"]
    use_float32()
    return network.eval()


def read_description(folder: Path) -> dict[str, Any]:
    """Read and check the `config.json` of a checkpoint folder; its `config` has every field.

    Raises:
        UserError: if it is absent, damaged, names an unknown architecture, or its configuration
            makes no sense.
    """
    path = folder / DESCRIPTION
    if not path.is_file():
        raise UserError(
            f"expected a checkpoint folder with {WEIGHTS} and {DESCRIPTION} at {folder}, but there "
            f"is no {DESCRIPTION}{_meant(folder)}"
        )
    found = read_json(path, Description, f"the {DESCRIPTION} of a checkpoint folder")
    config_class = architecture(found.architecture).config_class
    try:
        config = _read_config(config_class, found.config)
    except UserError as error:
        raise UserError(f"{path} cannot be used: {error}") from error
    return {**msgspec.structs.asdict(found), "config": config.to_dict()}


def _read_config(config_class: type[NetworkConfig], values: dict[str, Any]) -> NetworkConfig:
    """The configuration of a network, of the types that its fields have.

    Raises:
        UserError: if a field is unknown, of another type, or makes no sense.
    """
    try:
        config = config_class.from_dict(values)
    except UserError:
        raise
    except Exception as error:
        to_type(values, config_class, "the configuration of a network")  # Says where it is wrong.
        reason = shorten(str(error), 200)
        raise UserError(f"expected the configuration of a network ({reason})") from error
    to_type(values, config_class, "the configuration of a network")
    return config


def _read_weights(path: Path, expected: dict[str, Tensor], checksum: str) -> dict[str, Tensor]:
    """The weights of a network, compared with its shapes before memory is taken for them.

    Args:
        path: the file.
        expected: tensors of the right shapes, by name.
        checksum: of the weights that the description was written with; "" is any.

    Raises:
        UserError: if the file is absent, damaged or of another network, or a weight is not finite.
    """
    try:
        open_regular(path).close()
        with safe_open(path, framework="pt") as file:
            shapes = {name: tuple(file.get_slice(name).get_shape()) for name in file.keys()}  # noqa: SIM118
            _check_shapes(path, shapes, expected)
            found = (file.metadata() or {}).get(CHECKSUM)
            if checksum and found != checksum:
                raise UserError(
                    f"the checkpoint cannot be loaded: expected the weights {path} that its "
                    f"{DESCRIPTION} was written with, got others, as when a run was killed while "
                    "it replaced the checkpoint; copy or train the network again"
                )
            _check_sum(path, found)
            weights = {name: file.get_tensor(name) for name in shapes}
    except (OSError, SafetensorError, RuntimeError) as error:
        raise UserError(
            f"the weights {path} cannot be loaded: the file is damaged ({error}); copy or train "
            "the network again"
        ) from error
    for name, weight in weights.items():
        if weight.is_floating_point() and not torch.isfinite(weight).all():
            raise UserError(
                f"the weights {path} cannot be used: {name} has NaN or infinite values; train the "
                "network again"
            )
    return weights


def _check_shapes(
    path: Path, shapes: dict[str, tuple[int, ...]], expected: dict[str, Tensor]
) -> None:
    problems = Problems()
    for name, weight in expected.items():
        if name not in shapes:
            problems.add("missing weights", name)
        elif shapes[name] != tuple(weight.shape):
            problems.add("other shapes", f"{shapes[name]} and not {tuple(weight.shape)} in {name}")
    for name in shapes.keys() - expected.keys():
        problems.add("weights that the network does not have", shorten(name))
    problems.raise_if_any(
        f"the checkpoint cannot be loaded: expected {path} to fit its {DESCRIPTION}",
        "Copy or train it again.",
    )


def _check_sum(path: Path, checksum: str | None) -> None:
    """Compare the weights with their checksum, if there is one."""
    with path.open("rb") as file:
        file.seek(_start_of_values(file.read(8)))
        if checksum is not None and hashlib.file_digest(file, "sha256").hexdigest() != checksum:
            raise UserError(
                f"the weights {path} cannot be loaded: their checksum differs from the recorded "
                "one; copy or train the network again"
            )


def _meant(folder: Path) -> str:
    """Where the checkpoint is if the folder is that of a run."""
    inside = sorted(path.parent for path in folder.glob(f"*/{DESCRIPTION}"))
    return f"; did you mean {inside[0]}?" if inside else ""


def _start_of_values(head: bytes) -> int:
    """Where the values of a safetensors file begin: after 8 bytes and a header of that length."""
    return 8 + int.from_bytes(head, "little")


def _download(hub_id: str) -> Path:
    """Fetch a checkpoint from the Hugging Face hub into its own cache."""
    from huggingface_hub import snapshot_download
    from huggingface_hub.errors import HfHubHTTPError, HFValidationError, LocalEntryNotFoundError

    try:
        return Path(snapshot_download(hub_id, allow_patterns=[WEIGHTS, DESCRIPTION]))
    except (HFValidationError, HfHubHTTPError, LocalEntryNotFoundError, OSError) as error:
        raise UserError(
            f"there is no checkpoint folder `{hub_id}`, and it could not be fetched from the "
            f"Hugging Face hub ({type(error).__name__}); give the path of a folder written by "
            "`mmpyramid train`, `mmpyramid teach` or `mmpyramid convert`"
        ) from error
