"""The flags that choose backbones and say how they run."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Literal

import tyro

from mmpyramid.backbones.base import Precision
from mmpyramid.backbones.registry import BackboneOptions
from mmpyramid.cli._options import OPTIONAL, resolve_device
from mmpyramid.core.errors import UserError


@dataclass(frozen=True, kw_only=True)
class BackboneFlags:
    """Which backbones, with which weights, on which pictures."""

    set: str = "open"
    """A set of backbones: `open` (YAMNet and EfficientNet-Lite0), or those of the published
    features, `llp` (VGGish, ResNet-152, R(2+1)D-18) or `ave` (VGGish, VGG-19)."""
    streams: Annotated[
        str | None, tyro.conf.arg(metavar="NAME,NAME", help_behavior_hint=OPTIONAL)
    ] = None
    """Backbones by name instead of a set, for instance `yamnet,resnet152`."""
    weights: Annotated[
        tuple[str, ...], tyro.conf.arg(metavar="STREAM=FILE ...", help_behavior_hint=OPTIONAL)
    ] = ()
    """Files to take weights from, instead of downloading them."""
    random_weights: bool = False
    """Do without pretrained weights: for dry runs. The features then mean nothing."""
    sampling: Literal["seconds", "published"] = "seconds"
    """Cut videos by the second, or into ten segments as the scripts of LLP and AVE did."""
    precision: Literal["auto", "float32", "bfloat16"] = "auto"
    """The number format of published backbones; `auto` is bfloat16 where it is faster."""
    device: str = "cpu"
    """Where networks run: auto, cpu, cuda or cuda:1; give a GPU few --workers."""

    def names(self) -> str | Sequence[str]:
        """What `create_extractors` makes."""
        if self.streams is None:
            return self.set
        return tuple(name for name in self.streams.split(",") if name)

    def options(self, *, here: bool = True) -> BackboneOptions:
        """How it makes them.

        Args:
            here: whether the device is one of this machine, and not of a cluster.

        Raises:
            UserError: if flags cannot be understood, contradict each other, or name a device that
                cannot be used.
        """
        device = self.device
        if here or not device.startswith("cuda"):
            device = resolve_device(device)
        elif device != "cuda":
            raise UserError(
                f"expected --device cuda, got {device}: a worker of a cluster sees one GPU only"
            )
        pairs = [text.partition("=") for text in self.weights]
        for stream, _, file in pairs:
            if not (stream and file):
                raise UserError(
                    f"expected --weights STREAM=FILE, got {stream or file!r}; try --weights "
                    "vggish=vggish-10086976.pth"
                )
        return BackboneOptions(
            device=device,
            sampling=self.sampling,
            precision=Precision(self.precision),
            weights={stream: Path(file) for stream, _, file in pairs},
            random_weights=self.random_weights,
        ).resolved()
