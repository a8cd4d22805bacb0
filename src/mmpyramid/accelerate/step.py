"""A training step as one function, as one CUDA graph, and with cheap random numbers on a CPU.

A step of MM-Pyramid is some three thousand kernels of a few microseconds. Launched one by one from
Python they keep a large GPU waiting; a graph launches all of them at once. It repeats what was
recorded: the same kernels on the same memory. What changes from step to step is therefore copied
into that memory, or lies there: the batch, the learning rate, the state of the random numbers.

A graph is used only if it has shown that it does what the same step does without it.

For dropout PyTorch draws one number of full precision for every element, one after the other in one
thread, which takes a tenth of a training step of MM-Pyramid on a CPU. Here 16 random bits decide.
"""

from __future__ import annotations

import warnings
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any, Protocol, TypeAlias

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from mmpyramid.core.batch import Batch
from mmpyramid.core.errors import UserError

WARM_UP = 3
"""Steps before the recording, in which libraries choose kernels and allocate what they keep."""
CHECKED = 2
"""Steps that are compared: with one alone, weights that were rounded too early would pass."""
LOSS_TOLERANCE = 1e-4
"""Relative: float32 sums in another order, over two steps."""
WEIGHT_TOLERANCE = 1e-2
"""Of the length of the way that the weights go: gradients near zero may change their sign."""

Replay: TypeAlias = Callable[[], object]
State: TypeAlias = dict[tuple[str, str], Tensor]


class Recorder(Protocol):
    """Records a function of no arguments whose tensors have fixed places."""

    def warm_up(self, function: Callable[[], Tensor]) -> None:
        """Call the function as often as a recording needs.

        Raises:
            RuntimeError: if it cannot be recorded.
        """
        ...

    def record(self, function: Callable[[], Tensor]) -> tuple[Tensor, Replay]:
        """Return the tensor of its result, and a function that computes it again in place.

        Raises:
            RuntimeError: if it cannot be recorded.
        """
        ...


class CudaRecorder:
    """Records CUDA graphs.

    Args:
        device: the GPU.
    """

    def __init__(self, device: torch.device) -> None:
        self.device = device
        self.stream = torch.cuda.Stream(device)  # type: ignore[no-untyped-call]

    def warm_up(self, function: Callable[[], Tensor]) -> None:
        """Call it on the stream of the recording, the last time without waiting for the GPU.

        A step that has to wait cannot be recorded, and a recording that fails leaves PyTorch's
        random numbers unusable: better to know before.
        """
        current = torch.cuda.current_stream(self.device)
        self.stream.wait_stream(current)
        with torch.cuda.stream(self.stream):
            for _ in range(WARM_UP):
                function()
            before = torch.cuda.get_sync_debug_mode()
            torch.cuda.set_sync_debug_mode("error")
            try:
                function()
            finally:
                torch.cuda.set_sync_debug_mode(before)
        current.wait_stream(self.stream)

    def record(self, function: Callable[[], Tensor]) -> tuple[Tensor, Replay]:
        """Record a graph; other threads may use the GPU meanwhile."""
        graph = torch.cuda.CUDAGraph()
        index = self.device.index
        device = torch.cuda.current_device() if index is None else index
        generator = torch.cuda.default_generators[device]
        intact = generator.clone_state()
        try:
            with torch.cuda.graph(graph, stream=self.stream, capture_error_mode="thread_local"):
                output = function()
        except RuntimeError:
            generator.graphsafe_set_state(intact)
            raise
        return output, graph.replay


class TrainingStep:
    """Loss, gradients and one step of an optimizer, from batch to batch.

    Batches of the first one's shapes are replayed from a recording, if there is a recorder and the
    recording passes its test. All others, such as an epoch's shorter last batch, are computed
    operator by operator.

    Args:
        loss: of a batch, a scalar in float32.
        module: whose weights the optimizer changes; all of them are on one device.
        optimizer: fused Adam.
        clip_norm: largest norm of the gradient; 0 clips nothing.
        recorder: what records; None records nothing.
        required: whether it is an error if nothing can be recorded.
        report: called once, with what was chosen.
    """

    def __init__(
        self,
        loss: Callable[[Batch], Tensor],
        module: nn.Module,
        optimizer: torch.optim.Optimizer,
        *,
        clip_norm: float = 0.0,
        recorder: Recorder | None = None,
        required: bool = False,
        report: Callable[[str], None] = lambda _: None,
    ) -> None:
        self.loss, self.module, self.optimizer, self.clip_norm = loss, module, optimizer, clip_norm
        self.recorder, self.required, self.report = recorder, required, report
        self.device = next(module.parameters()).device
        self.rates = [torch.zeros((), device=self.device) for _ in optimizer.param_groups]
        self.inputs: Batch | None = None
        self.output: Tensor | None = None
        self.replay: Replay | None = None

    def __call__(self, batch: Batch) -> Tensor:
        """Take one step; gives the loss before it, detached.

        Raises:
            UserError: if a recording is required and there can be none.
        """
        for rate, group in zip(self.rates, self.optimizer.param_groups, strict=True):
            rate.fill_(group["lr"])
        if self.inputs is None:
            self.inputs = batch.map(torch.clone)
            self._choose()
        if self.replay is None or not _alike(self.inputs, batch):
            return self._step(batch)
        return self._replayed(batch)

    def _replayed(self, batch: Batch) -> Tensor:
        assert self.inputs is not None
        assert self.replay is not None
        assert self.output is not None
        places = self.inputs.tensors()
        for name, values in batch.tensors().items():
            places[name].copy_(values, non_blocking=True)
        self.replay()
        return self.output.clone()

    def _step(self, batch: Batch) -> Tensor:
        self.optimizer.zero_grad(set_to_none=True)
        # A cast of a weight that is kept until autocast ends would be old in the next replay.
        kind = self.device.type
        with torch.autocast(
            kind,
            torch.get_autocast_dtype(kind),
            enabled=torch.is_autocast_enabled(kind),
            cache_enabled=False,
        ):
            loss = self.loss(batch)
        loss.backward()  # type: ignore[no-untyped-call]
        if self.clip_norm:
            nn.utils.clip_grad_norm_(self.module.parameters(), self.clip_norm)
        with self._rates_on_device():
            self.optimizer.step()
        return loss.detach()

    @contextmanager
    def _rates_on_device(self) -> Iterator[None]:
        """Hold the learning rates on the device during a step, and as plain numbers otherwise."""
        groups = self.optimizer.param_groups
        plain = [{name: group[name] for name in ("lr", "capturable")} for group in groups]
        for group, rate in zip(groups, self.rates, strict=True):
            group.update(lr=rate, capturable=self.device.type == "cuda")
        try:
            yield
        finally:
            for group, values in zip(groups, plain, strict=True):
                group.update(values)

    def _choose(self) -> None:
        """Record the step, if that is possible and gives what the plain step gives."""
        if self.recorder is None:
            return
        failed = self._record(self.recorder)
        if not failed:
            self.report("one CUDA graph per step")
        elif self.required:
            raise UserError(
                f"--cuda-graph on: a step of this network cannot be one CUDA graph, for {failed}; "
                "use --cuda-graph auto"
            )
        else:
            self.report(f"steps operator by operator, for {failed}")

    def _record(self, recorder: Recorder) -> str:
        """Record and compare; weights, optimizer and random state are restored afterwards.

        Returns:
            Why there is no recording, or nothing.
        """
        inputs = self.inputs
        assert inputs is not None

        def step() -> Tensor:
            return self._step(inputs)

        before = self._state()
        with torch.random.fork_rng([self.device] if self.device.type == "cuda" else []):
            try:
                recorder.warm_up(step)
                output, replay = recorder.record(step)
            except RuntimeError as error:
                self._restore(before)
                return str(error).strip().partition("\n")[0] or type(error).__name__

            def replayed() -> Tensor:
                replay()
                return output

            self._restore(before)
            start = self._state()
            expected, weights = self._trial(step), self._state()
            self._restore(before)
            found, replayed_weights = self._trial(replayed), self._state()
            self._restore(before)
        loss_error = float(((found - expected).abs() / expected.abs().clamp(min=1e-12)).max())
        way, off = _distance(start, weights), _distance(weights, replayed_weights)
        if not (loss_error <= LOSS_TOLERANCE and off <= WEIGHT_TOLERANCE * way):
            warnings.warn(
                f"a CUDA graph of the training step gave other numbers than the step itself "
                f"(loss {loss_error:.1e} off, weights {off / max(way, 1e-30):.1e} of their way); "
                "training goes on without it",
                stacklevel=2,
            )
            return "its recording gave other numbers"
        self.output, self.replay = output, replay
        return ""

    def _trial(self, step: Callable[[], Tensor]) -> Tensor:
        """The losses of some steps, always with the same random numbers."""
        losses = []
        for seed in range(CHECKED):
            torch.manual_seed(seed)
            losses.append(step().clone())
        return torch.stack(losses)

    def _state(self) -> State:
        """Copy everything that a step changes."""
        return {name: value.clone() for name, value in self._changing().items()}

    def _changing(self) -> State:
        weights = {("module", name): x.detach() for name, x in self.module.state_dict().items()}
        index: dict[Tensor, str] = {p: str(i) for i, p in enumerate(self.module.parameters())}
        moments: Mapping[Tensor, Mapping[str, Any]] = self.optimizer.state
        return weights | {
            (name, index[parameter]): value
            for parameter, values in moments.items()
            for name, value in values.items()
            if isinstance(value, Tensor)
        }

    def _restore(self, before: State) -> None:
        """Restore the copies in place; an optimizer without state starts from zeros."""
        for name, value in self._changing().items():
            if name in before:
                value.copy_(before[name])
            else:
                value.zero_()


def _alike(a: Batch, b: Batch) -> bool:
    shapes_a, shapes_b = (
        {name: (values.shape, values.dtype) for name, values in batch.tensors().items()}
        for batch in (a, b)
    )
    return shapes_a == shapes_b


def _distance(a: State, b: State) -> float:
    """Euclidean distance of two sets of weights."""
    squares = [
        (a[name].double() - b[name].double()).square().sum() for name in a if name[0] == "module"
    ]
    return float(torch.stack(squares).sum().sqrt())


RESOLUTION = 2**16


class CheapDropout(nn.Dropout):
    """`torch.nn.Dropout` with the masks of `dropout_mask` on a CPU."""

    def forward(self, input: Tensor) -> Tensor:  # noqa: A002 - the name that PyTorch gives it
        """Zero each element with probability `p` in training, and scale the others."""
        elsewhere = input.device.type != "cpu" or torch.compiler.is_compiling()
        if elsewhere or self.inplace or not self.training:
            return super().forward(input)
        return input * dropout_mask(input, self.p)


def accelerate(network: nn.Module) -> None:
    """Let every dropout layer of a network draw cheap masks wherever it computes on a CPU.

    Layers change their class and nothing else: parameters, names, checkpoints and the device stay
    what they are. On another device, and in a compiled graph, they are PyTorch's own.

    Args:
        network: changed in place.

    Example:
        >>> network = nn.Sequential(nn.Linear(2, 2), nn.Dropout(0.1))
        >>> accelerate(network)
        >>> network[1]
        CheapDropout(p=0.1, inplace=False)
    """
    for module in network.modules():
        if type(module) is nn.Dropout:
            module.__class__ = CheapDropout


def dropout_mask(like: Tensor, p: float) -> Tensor:
    """0 with probability `p`, else the factor that keeps the mean, for every element.

    Four elements share each number drawn; `p` is rounded to the nearest of 65536 steps.

    Args:
        like: on a CPU; gives shape and type.
        p: 0..1.

    Example:
        >>> mask = dropout_mask(torch.empty(1000), 0.5)
        >>> sorted(set(mask.tolist()))
        [0.0, 2.0]
    """
    dropped = round(p * RESOLUTION)
    if dropped in (0, RESOLUTION):
        return F.dropout(torch.ones_like(like), p)
    drawn = torch.empty(-(-like.numel() // 4), dtype=torch.int64).random_(-(2**63), None)
    bits = drawn.view(torch.int16)[: like.numel()].view(like.shape)
    mask = torch.empty(like.shape, dtype=like.dtype)
    torch.ge(bits, dropped - RESOLUTION // 2, out=mask)
    return mask.mul_(RESOLUTION / (RESOLUTION - dropped))
