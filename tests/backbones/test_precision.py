"""`auto` asks the device that will compute, for backbones and for training."""

import pytest
import torch

from mmpyramid.backbones.precision import Precision, computes_in_bf16
from mmpyramid.training.precision import resolve_precision


@pytest.fixture(params=[True, False], ids=["bf16-cpu", "old-cpu"])
def cpu_knows_bf16(request, monkeypatch):
    monkeypatch.setattr(torch.cpu, "get_capabilities", lambda: {"avx512_bf16": request.param})
    return request.param


def test_a_cpu_is_asked_for_its_instructions(cpu_knows_bf16):
    assert computes_in_bf16("cpu") is cpu_knows_bf16
    assert resolve_precision("auto", "cpu") == ("bf16-mixed" if cpu_knows_bf16 else "32-true")


@pytest.mark.parametrize("device", ["mps", "xpu:0"])
def test_another_device_does_not_take_the_answer_of_the_cpu(device, cpu_knows_bf16):
    assert Precision.AUTO.resolve(device) is Precision.FLOAT32
    assert resolve_precision("auto", device.partition(":")[0]) == "32-true"


@pytest.mark.parametrize("supported", [True, False])
@pytest.mark.parametrize("kind", ["cuda", "xpu"])
def test_a_gpu_is_asked_itself(kind, supported, cpu_knows_bf16, monkeypatch):
    module = getattr(torch, kind)
    monkeypatch.setattr(module, "is_available", lambda: True)
    monkeypatch.setattr(module, "is_bf16_supported", lambda including_emulation: supported)
    assert computes_in_bf16(f"{kind}:0") is supported
    assert resolve_precision("auto", kind) == ("bf16-mixed" if supported else "32-true")


@pytest.mark.parametrize("accelerator", ["auto", "gpu"])
def test_training_asks_the_gpu_that_lightning_takes(accelerator, cpu_knows_bf16, monkeypatch):
    monkeypatch.setattr("pytorch_lightning.accelerators.MPSAccelerator.is_available", lambda: True)
    assert resolve_precision("auto", accelerator) == "32-true"


def test_an_accelerator_that_cannot_be_asked_computes_in_float32(cpu_knows_bf16):
    assert resolve_precision("auto", "tpu") == "32-true"
