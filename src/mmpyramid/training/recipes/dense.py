"""Dense events in untrimmed videos (UnAV-100), and the open vocabulary of OV-AVEBench.

Optimizer, number of epochs and batch size are those of the released codes. Departures: no warm-up,
and a rate that falls in steps where UnAV's falls as a cosine.
"""

from mmpyramid.models import MMPyramidAVEConfig
from mmpyramid.models.detector import DetectorConfig
from mmpyramid.problems.dense.training import DetectionObjective
from mmpyramid.problems.localization.losses import DecomposedObjective
from mmpyramid.training.config import TrainConfig
from mmpyramid.training.recipes.mm_pyramid import OPEN_AUDIO, OPEN_VISUAL
from mmpyramid.training.settings import Schedule


def unav() -> TrainConfig:
    """MM-Pyramid as the neck of a detector of dense events, on UnAV-100's features."""
    return TrainConfig(
        model=DetectorConfig(),
        objective=DetectionObjective(),
        epochs=45,
        learning_rate=1e-4,
        schedule=Schedule(factor=0.1, milestones=(30, 40)),
        clip_norm=1.0,
    )


def unav_plain() -> TrainConfig:
    """The same detector without the neck."""
    config = unav()
    config.model = DetectorConfig(neck=False)
    return config


def ov_avel() -> TrainConfig:
    """MM-Pyramid fully supervised on OV-AVEBench, on features of `mmpyramid extract --set open`."""
    return TrainConfig(
        model=MMPyramidAVEConfig(
            audio_streams=OPEN_AUDIO, visual_streams=OPEN_VISUAL, map_size=None
        ),
        objective=DecomposedObjective(),
        epochs=10,
        batch_size=32,
        learning_rate=5e-5,
        schedule=Schedule(factor=1, every=1),
        clip_norm=0.8,
    )
