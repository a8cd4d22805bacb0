"""What a training run calls in every step: an objective with its state."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from torch import Tensor, nn

from mmpyramid.core.batch import Batch

if TYPE_CHECKING:
    from mmpyramid.models import Network
    from mmpyramid.problems.base import Objective


class Criterion(nn.Module):
    """The loss of a batch, and what is done to a batch before the network sees it.

    It is saved with the run: what a subclass registers (a teacher, for instance) is there again
    when the run is resumed. Only the network itself is not part of it.

    Args:
        objective: the loss.
        network: the one that is trained.

    Attributes:
        epoch: the current one, counted from 0.
    """

    def __init__(self, objective: Objective, network: Network[Any, Any]) -> None:
        super().__init__()
        self.objective, self.epoch = objective, 0
        self._network = (network,)  # A tuple keeps its weights from being registered here as well.

    @property
    def network(self) -> Network[Any, Any]:
        """The network that is trained."""
        return self._network[0]

    def trained(self) -> list[nn.Parameter]:
        """What it has of weights that are trained beside those of the network."""
        return [weight for weight in self.parameters() if weight.requires_grad]

    def phase(self, epoch: int) -> int:
        """A number that differs between epochs whose steps compute something else.

        A recorded step is recorded again when it changes.
        """
        del epoch
        return 0

    def augment(self, batch: Batch) -> Batch:
        """Change a batch before the network sees it; of the same shapes, without waiting for a GPU.

        Random numbers come from PyTorch's generator of the batch's device.
        """
        return batch

    def forward(self, output: Any, batch: Batch) -> Tensor:
        """The loss, a scalar in float32 or better.

        Args:
            output: what the network gave for the batch, in float32 or better.
            batch: after `augment`.
        """
        return self.objective(output, batch)

    def finish_step(self) -> None:
        """Called after the optimizer has changed the network."""
