"""Run a compared network as its authors released it, on a made-up checkpoint; store the results.

    python tests/reference/compared/make_golden.py NETWORK CHECKOUT

NETWORK is one of `RELEASES`, CHECKOUT a clone of its authors' repository, unchanged. README.md
tells what is stored.
"""

import ast
import importlib
import math
import sys
from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional as F

sys.path.insert(0, str(Path(__file__).parents[2]))
from reference.compared import made_up

Outputs = dict[str, Tensor]
FULL_LABELS, WEAK_LABELS = made_up.segment_labels, made_up.video_labels


@dataclass(frozen=True)
class Release:
    """Where a network is in its authors' repository, how it is called and trained.

    Attributes:
        module: to import, or a script (`.py`) whose definitions alone are run.
    """

    module: str
    network: str
    arguments: tuple[Any, ...]
    outputs: Callable[[nn.Module], Outputs]
    loss: Callable[[Outputs, Path], Tensor]


def video_first(net: nn.Module) -> Any:
    audio, visual = made_up.inputs()
    return net(visual.to(torch.get_default_dtype()), audio.to(torch.get_default_dtype()))


def audio_first(net: nn.Module, *more: float) -> Any:
    audio, visual = made_up.inputs()
    return net(audio.to(torch.get_default_dtype()), visual.to(torch.get_default_dtype()), *more)


def cmran_full(net: nn.Module) -> Outputs:
    relevance, category = video_first(net)
    return {"relevance": relevance.squeeze(-1).transpose(0, 1), "category": category}


def cmran_weak(net: nn.Module) -> Outputs:
    return dict(zip(("relevance", "category", "distribution"), video_first(net), strict=True))


def psp_full(net: nn.Module) -> Outputs:
    _, score, similarity = audio_first(net, 0.099)
    return {"score": score, "similarity": similarity}


def psp_weak(net: nn.Module) -> Outputs:
    distribution, score = audio_first(net, 0.095)
    return {"score": score, "distribution": distribution}


def avel_full(net: nn.Module) -> Outputs:
    return {"segment_distribution": audio_first(net)}


def avel_weak(net: nn.Module) -> Outputs:
    distribution, score = audio_first(net)
    return {"score": score, "distribution": distribution}


def avsdn_full(net: nn.Module) -> Outputs:
    relevance, category, _, _ = video_first(net)
    return {"relevance": relevance, "category": category}


def avsdn_weak(net: nn.Module) -> Outputs:
    names = ("relevance", "category", "distribution")
    return dict(zip(names, video_first(net)[1:], strict=True))


def decomposed_loss(outputs: Outputs, checkout: Path) -> Tensor:
    """Relevance against whether an event happens, category against the event's."""
    happens = (FULL_LABELS() < made_up.NUM_EVENTS).to(torch.get_default_dtype())
    relevance = nn.BCEWithLogitsLoss()(outputs["relevance"], happens)
    category = nn.CrossEntropyLoss()(outputs["category"], torch.tensor(made_up.CATEGORIES))
    return relevance + category


def soft_margin_loss(outputs: Outputs, checkout: Path) -> Tensor:
    """The video's distribution against its category."""
    labels = WEAK_LABELS().to(torch.get_default_dtype())
    return nn.MultiLabelSoftMarginLoss()(outputs["distribution"], labels)


def segment_soft_margin_loss(outputs: Outputs, checkout: Path) -> Tensor:
    """The distribution of every segment against its class; both are flattened as in training."""
    labels = F.one_hot(FULL_LABELS(), made_up.NUM_EVENTS + 1).to(torch.get_default_dtype())
    return nn.MultiLabelSoftMarginLoss()(outputs["segment_distribution"], labels)


def psp_full_loss(outputs: Outputs, checkout: Path) -> Tensor:
    """PSP's own similarity loss beside the cross-entropy; the target is 0 in the background."""
    happens = (FULL_LABELS() < made_up.NUM_EVENTS).to(torch.get_default_dtype())
    similarity_loss = definitions(checkout / "measure.py")["AVPSLoss"]
    similarity = similarity_loss(outputs["similarity"], happens / happens.sum(1, keepdim=True))
    category = nn.CrossEntropyLoss()(outputs["score"].permute(0, 2, 1), FULL_LABELS())
    return category + 100 * similarity


def kong(net: nn.Module) -> Outputs:
    return {"video": net(made_up.stream("vggish", 128).to(torch.get_default_dtype()))}


def cmcs(net: nn.Module) -> Outputs:
    """Scores of the branches; the probabilities that labels of which several are true call for."""
    streams = made_up.stream("resnet152", 2048), made_up.stream("r2plus1d_18", 512)
    visual = torch.cat(streams, dim=-1).to(torch.get_default_dtype())
    score, _, video, branches, _ = net(visual.transpose(1, 2))
    return {"segment": score.sigmoid(), "video": video.sigmoid(), "branches": torch.stack(branches)}


def video_loss(outputs: Outputs, checkout: Path) -> Tensor:
    return nn.BCELoss()(outputs["video"], made_up.llp_labels().to(torch.get_default_dtype()))


def cmcs_loss(outputs: Outputs, checkout: Path) -> Tensor:
    """The video's classes and CMCS's own losses of its branches."""
    script = definitions(checkout / "train.py")
    diversity = script["get_diversity_loss"](list(outputs["branches"]))
    norm = script["get_norm_regularization"](list(outputs["branches"]))
    return video_loss(outputs, checkout) + 0.2 * diversity + 0.2 * norm


def psp_weak_loss(outputs: Outputs, checkout: Path) -> Tensor:
    labels = made_up.proportion_labels().to(torch.get_default_dtype())
    return nn.BCELoss()(outputs["distribution"], labels)


def definitions(path: Path) -> dict[str, Any]:
    """Functions and classes of a script, parts of whose imports are not at hand."""
    script = ast.parse(path.read_text())
    script.body = [node for node in script.body if hasattr(node, "name")]
    found: dict[str, Any] = {"torch": torch, "nn": nn, "F": F, "math": math, "device": "cpu"}
    found["OrderedDict"] = OrderedDict
    exec(compile(script, path.name, "exec"), found)
    return found


CMRAN, CPSP = "model.main_model", "cpsp_avel.model.avsdn"
AVEL, DMRN = (128, 128, 512, 29), (128, 128, 512, 29, 1)
RELEASES = {
    "cmran": Release(CMRAN, "supv_main_model", (), cmran_full, decomposed_loss),
    "cmran-weak": Release(CMRAN, "weak_main_model", (), cmran_weak, soft_margin_loss),
    "psp": Release("fully_model", "psp_net", (), psp_full, psp_full_loss),
    "psp-proportion": Release("weakly_model", "psp_net", (), psp_weak, psp_weak_loss),
    "avel": Release("models", "att_Net", AVEL, avel_full, segment_soft_margin_loss),
    "avel-weak": Release("models_weakly", "att_Net", AVEL, avel_weak, soft_margin_loss),
    "dmrn": Release("models_fusion", "TBMRF_Net", DMRN, avel_full, segment_soft_margin_loss),
    "avsdn": Release(CPSP, "avsdn_net", (), avsdn_full, decomposed_loss),
    "avsdn-weak": Release(
        CPSP, "avsdn_net", ("vgg", "weakly", 128, 512, 1, 29), avsdn_weak, soft_margin_loss
    ),
    "kong": Release(
        "pytorch/main.py", "DecisionLevelSingleAttention", (128, 25, 1024, 0.5), kong, video_loss
    ),
    "cmcs": Release(
        "model.py",
        "BackboneNet",
        (2560, 25, 0.5, 4, [[32, 1]], [[16, 3]], [[16, 1]]),
        cmcs,
        cmcs_loss,
    ),
}
"""By the name of the recipe that trains ours."""


def without_gpu(checkout: Path) -> None:
    """Let code that asks for a GPU by name run as it is."""
    torch.Tensor.cuda = lambda tensor, *_: tensor
    nn.Module.cuda = lambda module, *_: module
    torch.FloatTensor = lambda values: torch.tensor(values)
    sys.path.insert(0, str(checkout.resolve()))


def golden(release: Release, checkout: Path, dtype: torch.dtype) -> dict[str, Any]:
    """What one call returns; in float64 also the loss, and the norm of every gradient."""
    torch.set_default_dtype(dtype)
    if release.module.endswith(".py"):
        known = definitions(checkout / release.module)
    else:
        known = vars(importlib.import_module(release.module))
    network = known[release.network](*release.arguments)
    shapes = {name: tuple(tensor.shape) for name, tensor in network.state_dict().items()}
    network.load_state_dict(made_up.state_dict(shapes))
    network.to(dtype).eval()
    outputs = release.outputs(network)
    suffix = str(dtype).removeprefix("torch.")
    found = {f"{name}_{suffix}": value.detach().numpy() for name, value in outputs.items()}
    if dtype == torch.float32:
        return found | {
            "tensor_name": np.array(list(shapes)),
            "tensor_shape": np.array(["x".join(map(str, shape)) for shape in shapes.values()]),
        }
    loss = release.loss(outputs, checkout)
    loss.backward()
    learned = [(n, p.grad.norm()) for n, p in network.named_parameters() if p.grad is not None]
    return found | {
        "loss": np.array(loss.item()),
        "gradient_name": np.array([name for name, _ in learned]),
        "gradient_norm": np.array([norm.item() for _, norm in learned]),
    }


def main() -> None:
    name, checkout = sys.argv[1], Path(sys.argv[2])
    without_gpu(checkout)
    found = golden(RELEASES[name], checkout, torch.float32)
    found |= golden(RELEASES[name], checkout, torch.float64)
    np.savez_compressed(Path(__file__).parent / f"{name}.npz", **found)


if __name__ == "__main__":
    main()
