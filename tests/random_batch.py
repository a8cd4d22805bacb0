"""Random videos of any recipe's shapes."""

from dataclasses import replace

import torch

from mmpyramid.core.batch import Batch
from mmpyramid.models import NetworkConfig

NUM_VIDEOS, NUM_SEGMENTS, MAP = 3, 10, {"vgg19": (7, 7)}


def narrow(config: NetworkConfig, units: slice = slice(None, None, 3)) -> NetworkConfig:
    """The configuration with few features, and with some units of its pyramid, if it has one.

    The units are the same code; left out, the first and the last of four are kept.
    """
    config.width = 16
    if hasattr(config, "pyramid"):
        config.pyramid = replace(config.pyramid, windows=config.pyramid.windows[units])
    return config


def random_batch(config: NetworkConfig, problem: str) -> Batch:
    """Random features and labels of a recipe's shapes."""
    generator = torch.Generator().manual_seed(0)
    num_classes = len(config.labels)
    shape = (NUM_VIDEOS, NUM_SEGMENTS)
    streams = {
        name: torch.rand(*shape, *MAP.get(name, ()), width, generator=generator)
        for name, width in config.inputs.widths.items()
    }
    category = torch.arange(NUM_VIDEOS)
    columns = num_classes + (problem == "localization")
    segment = category[:, None].expand(shape).clone()
    segment[:, :3] = num_classes
    dense = None
    if problem == "detection":
        dense = torch.zeros(*shape, num_classes)
        dense[:, 3:, :2] = 1
    return Batch(
        streams=streams,
        mask_BT=torch.ones(shape, dtype=torch.bool),
        present_BM=torch.ones(NUM_VIDEOS, 2, dtype=torch.bool),
        weak_BC=torch.nn.functional.one_hot(category, columns).float(),
        segment_BT=segment,
        audio_BTC=dense,
        visual_BTC=dense,
        extent_BTCX=None if dense is None else 2.5 * torch.stack((dense, dense), dim=-1),
    )
