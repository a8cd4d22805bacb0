"""What all official checkpoints have in common: the file, the renaming, the errors."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from pathlib import Path

import torch
from torch import Tensor

from mmpyramid.core.errors import UserError
from mmpyramid.core.files import open_regular
from mmpyramid.models.network import NetworkConfig
from mmpyramid.models.registry import create_model

NAMES_SHOWN = 5


def read_official(path: str | Path) -> dict[str, Tensor]:
    """Read the state dict of a `.pt` file without running code that the file may carry.

    A state dict inside another dict (under any key) is found, and the `module.` that data-parallel
    training puts before each name is removed.

    Raises:
        UserError: if the file is absent, damaged or foreign, needs code to be read, or holds no
            state dict.
    """
    try:
        with open_regular(Path(path)) as file:
            loaded = torch.load(file, map_location="cpu", weights_only=True)
    except OSError as error:
        raise UserError(f"cannot read the checkpoint {path}: {error.strerror}") from error
    except Exception as error:
        # What `torch.load` raises depends on the bytes: it follows them as if they were a pickle.
        raise UserError(
            f"the checkpoint {path} is damaged, is not one of PyTorch, or holds more than tensors, "
            "and files that need their own code are not opened; save `model.state_dict()` with "
            "`torch.save` where it was trained, and convert that"
        ) from error
    contents = list(loaded.values()) if isinstance(loaded, dict) else []
    found = [candidate for candidate in (loaded, *contents) if _is_state_dict(candidate)]
    if len(found) != 1:
        raise UserError(
            f"expected one state dict (name to tensor) in {path}, found {len(found)}; "
            "save `model.state_dict()` with `torch.save` and convert that"
        )
    return {name.removeprefix("module."): tensor for name, tensor in found[0].items()}


def rename(
    state_dict: Mapping[str, Tensor],
    names: Mapping[str, tuple[str, ...]],
    unused: re.Pattern[str],
    config: NetworkConfig,
    network: str,
) -> dict[str, Tensor]:
    """Give the tensors of an official checkpoint our names.

    Args:
        state_dict: what `read_official` gives.
        names: released name to ours; several of ours take equal shares of the rows, in their order.
        unused: finds the names of tensors that are left out.
        config: describes the network that takes the result.
        network: its name, for messages.

    Returns:
        The weights for the network's `load_state_dict`.

    Raises:
        UserError: if a tensor is missing, unknown, or has a shape that the network cannot take.
    """
    used = {name for name in state_dict if not unused.search(name)}
    if used != names.keys():
        raise UserError(
            f"expected the tensors of a released {network} checkpoint; "
            f"missing: {_some(names.keys() - used)}; unknown: {_some(used - names.keys())}; "
            "is it the checkpoint of another network?"
        )
    _check_shapes(state_dict, names, config, network)
    return {
        name: part
        for theirs, ours in names.items()
        for name, part in zip(ours, state_dict[theirs].chunk(len(ours)), strict=True)
    }


def _check_shapes(
    state_dict: Mapping[str, Tensor],
    names: Mapping[str, tuple[str, ...]],
    config: NetworkConfig,
    network: str,
) -> None:
    with torch.device("meta"):
        ours = create_model(config).state_dict()
    wrong = []
    for theirs, parts in names.items():
        rows, *rest = ours[parts[0]].shape
        actual, expected = tuple(state_dict[theirs].shape), (len(parts) * rows, *rest)
        if actual != expected:
            wrong.append(f"{theirs} {actual} instead of {expected}")
    if wrong:
        raise UserError(
            f"the checkpoint is of a {network} of other sizes than the released one "
            f"({len(config.labels)} classes, width {config.width}): {_some(wrong)}"
        )


def _is_state_dict(candidate: object) -> bool:
    return (
        isinstance(candidate, dict)
        and bool(candidate)
        and all(isinstance(k, str) and isinstance(v, Tensor) for k, v in candidate.items())
    )


def _some(names: Iterable[str]) -> str:
    """The first few names, and how many more there are."""
    ordered = sorted(names)
    more = f" and {len(ordered) - NAMES_SHOWN} more" if len(ordered) > NAMES_SHOWN else ""
    return (", ".join(ordered[:NAMES_SHOWN]) or "none") + more
