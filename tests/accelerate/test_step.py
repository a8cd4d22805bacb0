"""The step that a GPU replays from a graph, on a CPU: what is recorded is called again there."""

import dataclasses
from collections.abc import Callable

import pytest
import torch
from torch import nn

from mmpyramid.accelerate import TrainingStep
from mmpyramid.core.batch import Batch
from mmpyramid.core.errors import UserError
from mmpyramid.training.module import NetworkModule
from mmpyramid.training.recipes import RECIPES
from mmpyramid.training.run import fit
from training import tiny_corpus


class CallAgain:
    """A recorder for a CPU: replaying is calling, with all that was at hand when it was recorded.

    Args:
        spoil: done to the result and the module after each replay, by recorders that go wrong.
    """

    def __init__(self, spoil: Callable[[torch.Tensor], None] = lambda output: None):
        self.spoil, self.replays = spoil, 0

    def warm_up(self, function):
        for _ in range(3):
            function()

    def record(self, function):
        output = function()

        def replay():
            self.replays += 1
            output.copy_(function())
            self.spoil(output)

        return output, replay


class NoRecorder(CallAgain):
    def warm_up(self, function):
        function()
        raise RuntimeError("operation not permitted when stream is capturing\nand more")


def made(recorder, **settings):
    """A small network with dropout, its step, and what the step says."""
    torch.manual_seed(0)
    module = nn.Sequential(nn.Linear(4, 8), nn.ReLU(), nn.Dropout(0.5), nn.Linear(8, 1))
    optimizer = torch.optim.Adam(module.parameters(), lr=1e-2, fused=True)
    said: list[str] = []

    def loss(batch):
        return (module(batch.streams["a"]).squeeze(-1) - batch.weak_BC).square().mean()

    step = TrainingStep(loss, module, optimizer, recorder=recorder, report=said.append, **settings)
    return module, optimizer, step, said


def videos(seed: int, size: int = 6) -> Batch:
    generator = torch.Generator().manual_seed(seed)
    return Batch(
        streams={"a": torch.randn(size, 3, 4, generator=generator)},
        mask_BT=torch.ones(size, 3, dtype=torch.bool),
        present_BM=torch.ones(size, 2, dtype=torch.bool),
        weak_BC=torch.rand(size, 3, generator=generator),
    )


def trained(recorder, **settings):
    """The weights after steps of two sizes at a falling rate, their losses, what was said."""
    module, optimizer, step, said = made(recorder, **settings)
    losses = []
    for index in range(12):
        torch.manual_seed(index)
        optimizer.param_groups[0]["lr"] = 1e-2 / (1 + index)
        losses.append(float(step(videos(index, size=4 if index % 5 == 4 else 6))))
        assert type(optimizer.param_groups[0]["lr"]) is float
    return [*module.state_dict().values(), torch.tensor(losses)], said


def test_replayed_steps_are_the_steps_themselves():
    plain, said = trained(None)
    assert said == []
    recorder = CallAgain()
    replayed, said = trained(recorder)
    assert said == ["one CUDA graph per step"]
    assert recorder.replays == 2 + 10, "two that are compared, and all of the first size"
    assert all(map(torch.equal, plain, replayed))


def test_gradients_are_clipped_inside():
    loose, _ = trained(None)
    clipped, replayed = (trained(recorder, clip_norm=1e-3)[0] for recorder in (None, CallAgain()))
    assert all(map(torch.equal, clipped, replayed))
    assert not torch.equal(loose[0], clipped[0])


def test_a_step_that_cannot_be_recorded_is_taken_all_the_same():
    plain, _ = trained(None)
    failing, said = trained(NoRecorder())
    assert all(map(torch.equal, plain, failing)), "nothing of the attempt is left"
    expected = "steps operator by operator, for operation not permitted when stream is capturing"
    assert said == [expected]
    with pytest.raises(UserError, match=r"--cuda-graph on: .* not permitted"):
        trained(NoRecorder(), required=True)


@pytest.mark.parametrize("kind", ["loss", "nothing", "old weights"])
def test_a_recording_that_computes_something_else_is_not_used(kind):
    plain, _ = trained(None)
    recorder = {
        "loss": lambda: CallAgain(lambda output: output.mul_(1.001)),
        "nothing": Forgetful,
        "old weights": Stale,
    }[kind]()
    with pytest.warns(UserWarning, match="gave other numbers than the step itself"):
        spoiled, said = trained(recorder)
    assert said == ["steps operator by operator, for its recording gave other numbers"]
    assert all(map(torch.equal, plain, spoiled))


class Forgetful(CallAgain):
    """Replays nothing."""

    def record(self, function):
        return function(), lambda: None


class Stale(CallAgain):
    """Computes the loss of the weights that were there when it was recorded, as old casts would."""

    def record(self, function):
        output = function()

        def replay():
            function()

        return output, replay


@pytest.fixture(scope="module")
def corpus(tmp_path_factory):
    return tiny_corpus.make(tmp_path_factory.mktemp("corpus"), num_train=26)


def config_of(epochs: int, **changes):
    settings = {"epochs": epochs, "batch_size": 2, "learning_rate": 1e-3, "device": "cpu"}
    config = dataclasses.replace(RECIPES["llp"](), **settings | changes)
    config.model = dataclasses.replace(config.model, width=16)
    return config


def state_of(run) -> dict[str, torch.Tensor]:
    state: dict[str, torch.Tensor] = torch.load(run.last, weights_only=False)["state_dict"]
    return state


@pytest.mark.slow
@pytest.mark.parametrize(("precision", "tolerance"), [("32-true", 1e-4), ("bf16-mixed", 1e-2)])
def test_fifty_steps_are_those_of_lightning(corpus, tmp_path, monkeypatch, precision, tolerance):
    losses: list[torch.Tensor] = []
    check = NetworkModule.on_validation_epoch_start

    def keep(module):
        losses.append(torch.stack(module.losses))
        check(module)

    monkeypatch.setattr(NetworkModule, "on_validation_epoch_start", keep)
    # At a higher rate, rounding grows: Adam follows the sign of gradients that should be zero.
    config = config_of(4, precision=precision, ema_decay=0.9, learning_rate=2e-5)
    fit(config, corpus, tmp_path / "ordinary", progress=False)
    use_whole_steps(monkeypatch)
    fit(config, corpus, tmp_path / "whole", progress=False)
    ordinary, whole = torch.cat(losses[:4]), torch.cat(losses[4:])
    assert len(ordinary) == 4 * 13
    torch.testing.assert_close(whole, ordinary, rtol=tolerance, atol=0)


@pytest.mark.slow
def test_whole_steps_go_on_to_the_same_bits(corpus, tmp_path, monkeypatch):
    use_whole_steps(monkeypatch)
    settings = {"clip_norm": 1.0, "ema_decay": 0.9, "batch_size": 5}
    whole = fit(config_of(2, **settings), corpus, tmp_path / "whole", progress=False)
    parts = fit(config_of(1, **settings), corpus, tmp_path / "parts", progress=False)
    fit(config_of(2, **settings), corpus, tmp_path / "parts", progress=False, resume=True)
    assert torch.load(parts.last, weights_only=False)["global_step"] == 2 * 6
    expected, found = state_of(whole), state_of(parts)
    assert all(torch.equal(expected[name], found[name]) for name in expected)


def use_whole_steps(monkeypatch) -> None:
    """Let training on a CPU take whole steps, as on a GPU."""
    monkeypatch.setattr(
        NetworkModule, "on_train_start", lambda module: module.take_whole_steps(CallAgain())
    )
    adam = torch.optim.Adam
    monkeypatch.setattr(
        torch.optim, "Adam", lambda *args, **settings: adam(*args, **{**settings, "fused": True})
    )
