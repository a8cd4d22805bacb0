"""Run the released network on the made-up checkpoint and store what it returns.

    python tests/reference/make_golden.py CHECKOUT

CHECKOUT is a clone of the authors' repository, unchanged. README.md tells what is stored.
"""

import importlib
import sys
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from torch.nn.functional import binary_cross_entropy

sys.path.insert(0, str(Path(__file__).parents[1]))
from reference import released

GOLDEN = Path(__file__).parent / "mm_pyramid_released.npz"
OUTPUTS = ("global_prob", "a_prob", "v_prob", "frame_prob")
NUM_STEPS = 5

Golden = dict[str, NDArray[np.generic]]


def released_network(checkout: Path, dtype: torch.dtype) -> torch.nn.Module:
    """The network of the checkout with the made-up weights, dropout off."""
    sys.path.insert(0, str(checkout))
    torch.Tensor.cuda = lambda tensor: tensor  # it asks for a GPU by name
    network_class = importlib.import_module("main_network").AVVPNet
    network = network_class(8, released.WIDTH, released.WIDTH, [released.WIDTH] * 4)
    network.load_state_dict(released.state_dict())
    return network.to(dtype).eval()


def released_loss(outputs: tuple[torch.Tensor, ...], target: torch.Tensor) -> torch.Tensor:
    """Individual guided learning; the target of `v_prob` alone is smoothed."""
    global_prob, a_prob, v_prob, _ = (output.clamp(1e-7, 1 - 1e-7) for output in outputs)
    guided = binary_cross_entropy(a_prob, target) + binary_cross_entropy(
        v_prob, 0.9 * target + 0.05
    )
    return guided + binary_cross_entropy(global_prob, target)


def golden_outputs(checkout: Path, dtype: torch.dtype) -> Golden:
    """What one call of the network returns."""
    network = released_network(checkout, dtype)
    with torch.no_grad():
        outputs = network(*(tensor.to(dtype) for tensor in released.inputs()))
    suffix = str(dtype).removeprefix("torch.")
    return {
        f"{name}_{suffix}": tensor.numpy() for name, tensor in zip(OUTPUTS, outputs, strict=True)
    }


def golden_training(checkout: Path) -> Golden:
    """Losses of Adam steps on the one batch, and the gradient norms of the first, in float64."""
    network = released_network(checkout, torch.float64)
    inputs = [tensor.double() for tensor in released.inputs()]
    optimizer = torch.optim.Adam(network.parameters(), lr=1e-4)
    losses: list[float] = []
    norms: dict[str, float] = {}
    for _ in range(NUM_STEPS):
        optimizer.zero_grad()
        loss = released_loss(network(*inputs), released.target().double())
        loss.backward()
        named = network.named_parameters()
        norms = norms or {name: p.grad.norm().item() for name, p in named if p.grad is not None}
        optimizer.step()
        losses.append(loss.item())
    return {
        "loss": np.array(losses),
        "gradient_name": np.array(list(norms)),
        "gradient_norm": np.array(list(norms.values())),
    }


def main() -> None:
    checkout = Path(sys.argv[1]).resolve()
    golden = golden_outputs(checkout, torch.float32) | golden_outputs(checkout, torch.float64)
    np.savez_compressed(GOLDEN, **golden, **golden_training(checkout))


if __name__ == "__main__":
    main()
