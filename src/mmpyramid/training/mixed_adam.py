"""Adam for a processor that multiplies in bf16."""

from __future__ import annotations

from collections.abc import Callable
from functools import cached_property
from typing import Any

import torch
from torch import Tensor, nn
from torch.func import functional_call

from mmpyramid.models.linear import Linear


class MixedAdam(torch.optim.Adam):
    """Adam on the float32 weights of a network that multiplies by bf16 copies of them.

    Autocast converts each weight to bf16 in the forward pass and its gradient to float32 in the
    backward pass. Here gradients stay in bf16 until Adam reads them, and a copy is renewed while
    the new weight is still in the cache. Weights and state are those of `torch.optim.Adam` under
    autocast, bit by bit.

    Args:
        network: its parameters are optimized. Weights of linear and convolutional layers are
            copied if they are trained; all else is left to autocast.
        lr: initial learning rate.

    Example:
        >>> optimizer = MixedAdam(nn.Sequential(Linear(4, 2)), lr=1e-4)
        >>> with torch.autocast("cpu", torch.bfloat16):
        ...     y = optimizer.forward(torch.ones(1, 4))
        >>> y.sum().backward()
        >>> optimizer.step()
    """

    def __init__(self, network: nn.Module, lr: float) -> None:
        super().__init__(network.parameters(), lr=lr, fused=True)
        self._network = network
        layers = (n for n, m in network.named_modules() if isinstance(m, Linear | nn.Conv1d))
        # Neither frozen weights are among these, nor those that a parametrization computes.
        trained = {name: p for name, p in network.named_parameters() if p.requires_grad}
        self._weights = {n: trained[n] for layer in layers if (n := f"{layer}.weight") in trained}

    @cached_property
    def _copies(self) -> dict[str, Tensor]:
        """Made at the first use, when a run that goes on has its weights again."""
        return {n: w.detach().bfloat16().requires_grad_() for n, w in self._weights.items()}

    def forward(self, *inputs: Any) -> Any:
        """What the network gives with the copies in place of the weights; call it in autocast."""
        return functional_call(self._network, self._copies, inputs)

    def zero_grad(self, set_to_none: bool = True) -> None:
        """Forget the gradients, those of the copies as well."""
        super().zero_grad(set_to_none)
        for copy in self._copies.values():
            copy.grad = None

    def step(self, closure: Callable[[], float] | None = None) -> float | None:  # type: ignore[override]
        """Update the weights and their copies, one after the other."""
        loss: float | None = super().step(closure)
        with torch.no_grad():
            for name, weight in self._weights.items():
                copy = self._copies[name]
                if copy.grad is not None:
                    self._update(weight, copy.grad.float())
                    copy.copy_(weight)
        return loss

    def _update(self, weight: Tensor, grad: Tensor) -> None:
        (group,), state = self.param_groups, self.state[weight]
        if not state:
            state["step"] = torch.zeros(())
            state["exp_avg"] = torch.zeros_like(weight)
            state["exp_avg_sq"] = torch.zeros_like(weight)
        state["step"] += 1
        torch._fused_adam_(
            [weight],
            [grad],
            [state["exp_avg"]],
            [state["exp_avg_sq"]],
            [],
            [state["step"]],
            lr=group["lr"],
            beta1=group["betas"][0],
            beta2=group["betas"][1],
            weight_decay=group["weight_decay"],
            eps=group["eps"],
            amsgrad=group["amsgrad"],
            maximize=group["maximize"],
        )
