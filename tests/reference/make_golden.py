"""Run a released network on its made-up checkpoint and store what it returns.

    python tests/reference/make_golden.py mm_pyramid|han|ma CHECKOUT

CHECKOUT is a clone of the authors' repository, unchanged. README.md tells what is stored.
"""

import ast
import importlib
import sys
from collections.abc import Callable
from dataclasses import dataclass
from itertools import cycle, islice
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch.nn.functional import binary_cross_entropy

sys.path.insert(0, str(Path(__file__).parents[1]))
from reference import made_up, released, released_han

OUTPUTS = ("global_prob", "a_prob", "v_prob", "frame_prob")

Golden = dict[str, NDArray[np.generic]]
Loss = Callable[[tuple[torch.Tensor, ...], torch.Tensor], torch.Tensor]


@dataclass(frozen=True)
class Release:
    """Where a network is in its authors' repository, and how they train it."""

    folder: str
    module: str
    network: str
    arguments: tuple[Any, ...]
    state_dict: Callable[[float], dict[str, torch.Tensor]]
    learning_rate: float


WIDTHS = (made_up.WIDTH, made_up.WIDTH, [made_up.WIDTH] * released.NUM_UNITS)
HAN = ("nets.net_audiovisual", "MMIL_Net", ())
RELEASES = {
    "mm_pyramid": Release(
        ".", "main_network", "AVVPNet", (8, *WIDTHS), released.state_dict, learning_rate=1e-4
    ),
    "han": Release(".", *HAN, released_han.state_dict_han, learning_rate=3e-4),
    "ma": Release("step1_train_base_model", *HAN, released_han.state_dict_ma, learning_rate=3e-4),
}


def released_network(release: Release, scale: float, dtype: torch.dtype) -> torch.nn.Module:
    """The network of the checkout with the made-up weights, dropout off."""
    torch.Tensor.cuda = lambda tensor: tensor  # two of them ask for a GPU by name
    network = getattr(importlib.import_module(release.module), release.network)(*release.arguments)
    network.load_state_dict(release.state_dict(scale))
    return network.to(dtype).eval()


def guided_loss(returned: tuple[torch.Tensor, ...], target: torch.Tensor) -> torch.Tensor:
    """Individual guided learning; the target of `v_prob` alone is smoothed."""
    global_prob, a_prob, v_prob = (output.clamp(1e-7, 1 - 1e-7) for output in returned[:3])
    guided = binary_cross_entropy(a_prob, target) + binary_cross_entropy(
        v_prob, 0.9 * target + 0.05
    )
    return guided + binary_cross_entropy(global_prob, target)


def contrastive_loss(folder: Path) -> Loss:
    """MA's own loss of its own similarities, taken out of its training script."""
    script = ast.parse((folder / "main_avvp.py").read_text())
    script.body = [n for n in script.body if getattr(n, "name", "") == "LabelSmoothingLoss"]
    namespace: dict[str, Any] = {"torch": torch, "nn": torch.nn}
    exec(compile(script, "main_avvp.py", "exec"), namespace)
    criterion = namespace["LabelSmoothingLoss"](made_up.NUM_SEGMENTS, smoothing=0.1)
    return lambda returned, _: criterion(*returned[4:])


def outputs(release: Release, dtype: torch.dtype) -> Golden:
    """What one call of the network returns."""
    network = released_network(release, 1.0, dtype)
    with torch.no_grad():
        returned = network(*(tensor.to(dtype) for tensor in made_up.inputs()))
    return {name: tensor.numpy() for name, tensor in zip(OUTPUTS, returned, strict=False)}


def training(release: Release, losses: list[Loss], dtype: torch.dtype) -> Golden:
    """Each loss before each step of Adam, and the gradient norms of the first step."""
    network = released_network(release, made_up.TRAINING_SCALE, dtype)
    optimizer = torch.optim.Adam(network.parameters(), lr=release.learning_rate)
    terms: list[list[float]] = []
    norms: dict[str, float] = {}
    for inputs, target in islice(cycle(made_up.batches()), made_up.NUM_STEPS):
        optimizer.zero_grad()
        returned = network(*(tensor.to(dtype) for tensor in inputs))
        parts = [loss(returned, target.to(dtype)) for loss in losses]
        torch.stack(parts).sum().backward()
        named = network.named_parameters()
        norms = norms or {name: p.grad.norm().item() for name, p in named if p.grad is not None}
        optimizer.step()
        terms.append([part.item() for part in parts])
    return {
        "loss": np.array(terms),
        "gradient_name": np.array(list(norms)),
        "gradient_norm": np.array(list(norms.values())),
    }


def main() -> None:
    name, checkout = sys.argv[1], Path(sys.argv[2])
    release = RELEASES[name]
    folder = (checkout / release.folder).resolve()
    sys.path.insert(0, str(folder))
    losses = [guided_loss] + ([contrastive_loss(folder)] if name == "ma" else [])
    golden: Golden = {}
    for dtype in (torch.float32, torch.float64):
        found = outputs(release, dtype) | training(release, losses, dtype)
        golden |= {f"{key}_{dtype}".replace("torch.", ""): x for key, x in found.items()}
    np.savez_compressed(Path(__file__).parent / f"{name}_released.npz", **golden)


if __name__ == "__main__":
    main()
