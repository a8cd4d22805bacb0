"""MM-Pyramid: parsing with weak labels (LLP), localization (AVE), and the ablations of the paper.

On LLP Section 5.2 of the paper is followed; an ablation of Tables 3 and 4 is a variant of `llp` in
one named part. For AVE Section 5.1 gives the optimizer only (Adam 2e-5, a tenth after 50 epochs):
batch size, number of epochs and the weak rule are ours.

`ABLATIONS` are those that the paper names without numbers, run by `mmpyramid tables ablation`.
Each is a flag or two of `mmpyramid train llp`, so that they have no names there.
"""

from collections.abc import Callable
from functools import partial

from mmpyramid.models import MMPyramidAVEConfig, MMPyramidConfig, ParsingConfig
from mmpyramid.models.hybrid_transformer import HybridTransformerConfig
from mmpyramid.models.mm_pyramid import PyramidConfig
from mmpyramid.problems.localization.losses import DecomposedObjective, PooledObjective
from mmpyramid.problems.parsing.losses import GuidedObjective
from mmpyramid.training.config import TrainConfig
from mmpyramid.training.settings import Schedule

OPEN_AUDIO, OPEN_VISUAL = {"yamnet": 1024}, {"efficientnet_lite0": 1280}
"""The streams of `mmpyramid extract --set open`."""
TEXT_AUDIO, TEXT_VISUAL = {"clap": 512}, {"clip": 768}
"""The streams of `mmpyramid extract --set text`."""


def llp() -> TrainConfig:
    """MM-Pyramid on the published LLP features, as its authors released the training."""
    return TrainConfig(model=MMPyramidConfig(), objective=GuidedObjective())


def llp_open() -> TrainConfig:
    """The same network and training on the open features of `mmpyramid extract`."""
    config = llp()
    config.model = MMPyramidConfig(audio_streams=OPEN_AUDIO, visual_streams=OPEN_VISUAL)
    return config


def llp_clip() -> TrainConfig:
    """The same network and training on CLAP and CLIP, as `mmpyramid extract --set text` has them.

    VALOR++ and others read maps of CLAP, (T, 768), and R(2+1)D beside CLIP: set `audio_streams` and
    `visual_streams` for these.
    """
    config = llp()
    config.model = MMPyramidConfig(audio_streams=TEXT_AUDIO, visual_streams=TEXT_VISUAL)
    return config


def compact() -> TrainConfig:
    """A quarter of the width on open features: minutes on a laptop, for small corpora.

    With a few hundred videos validation peaks early and falls again, and few videos choose the
    peak: a small learning rate makes it broader, averaged weights make the choice less of a toss.
    """
    config = llp_open()
    config.model.width = 128
    config.epochs = 12
    config.learning_rate = 1e-4
    config.ema_decay = 0.97
    return config


def folder() -> TrainConfig:
    """Own videos and classes: `compact` on a folder of features and annotations."""
    return compact()


def modality_aware(config: TrainConfig, model: ParsingConfig) -> TrainConfig:
    """MA's changes to a recipe: contrastive term, 12 epochs, the last one kept, its own gates."""
    config.model, config.objective = model, GuidedObjective(contrast=1.0)
    config.epochs, config.keep = 12, "last"
    return config


def llp_ma() -> TrainConfig:
    """MM-Pyramid with MA's contrastive loss and gates; `mmpyramid refine llp-ma` is all of MA."""
    return modality_aware(llp(), MMPyramidConfig(gate="per_modality"))


def with_pyramid(pyramid: PyramidConfig) -> TrainConfig:
    """`llp` with another encoder."""
    config = llp()
    config.model = MMPyramidConfig(pyramid=pyramid)
    return config


def last() -> TrainConfig:
    """MM-Pyramid-Last: only the output of the last unit reaches the head."""
    return with_pyramid(PyramidConfig(fusion="last"))


def unpyramid() -> TrainConfig:
    """MM-Unpyramid: all units have the size of the last one."""
    return with_pyramid(PyramidConfig(windows=(8, 8, 8, 8)))


def hybrid_transformer() -> TrainConfig:
    """Hybr-Trans w/ PE: a 4-layer hybrid transformer with positional encoding."""
    return TrainConfig(model=HybridTransformerConfig(), objective=GuidedObjective())


def without_conv() -> TrainConfig:
    """MM-Pyramid w/o conv: the dilated block is removed."""
    return with_pyramid(PyramidConfig(block="none"))


def without_residual() -> TrainConfig:
    """MM-Pyramid w/o residual: the dilated block is a single convolution."""
    return with_pyramid(PyramidConfig(block="convolution"))


def without_ula() -> TrainConfig:
    """MM-Pyramid w/o ULA: no attention between units before they are fused."""
    return with_pyramid(PyramidConfig(fusion="selective"))


def without_sf() -> TrainConfig:
    """MM-Pyramid w/o SF: the mean of the units in place of selective fusion."""
    return with_pyramid(PyramidConfig(fusion="average"))


def non_sharing() -> TrainConfig:
    """Non-Sharing (Table 4): one cross-modal layer for each direction."""
    return with_pyramid(PyramidConfig(share_cross_attention=False))


def ave() -> TrainConfig:
    """MM-Pyramid on the published AVE features, fully supervised."""
    return TrainConfig(
        model=MMPyramidAVEConfig(),
        objective=DecomposedObjective(),
        epochs=80,
        batch_size=32,
        learning_rate=2e-5,
        schedule=Schedule(factor=0.1, milestones=(50,)),
    )


def ave_weak() -> TrainConfig:
    """MM-Pyramid on AVE, weakly supervised: the category of each video and background clips.

    The paper does not say how. Classes and background are scored segment by segment, as by AVEL and
    PSP: the background clips then teach what a segment without an event looks like. Under CMRAN's
    head (`--model.head fused`) they teach the category alone, and whole clips are marked.
    """
    config = ave()
    config.model = MMPyramidAVEConfig(head="segments")
    config.objective = PooledObjective(loss="cross-entropy")
    return config


def ave_proportion() -> TrainConfig:
    """MM-Pyramid on AVE, supervised by the share of each video that its event fills (PSP)."""
    config = ave_weak()
    config.objective = PooledObjective(supervision="proportion", pool="mean", loss="cross-entropy")
    return config


def ave_open() -> TrainConfig:
    """MM-Pyramid fully supervised on AVE with the open features of `mmpyramid extract`."""
    config = ave()
    config.model = MMPyramidAVEConfig(
        audio_streams=OPEN_AUDIO, visual_streams=OPEN_VISUAL, map_size=None
    )
    return config


DOUBLING = (1, 2, 4, 8, 16, 32)
"""Windows of six units; the released four are the first ones."""
RELEASED = 4


def ablation(**changes: object) -> Callable[[], TrainConfig]:
    """A recipe that is `llp` but for some fields of the pyramid."""
    return partial(with_pyramid, PyramidConfig(**changes))  # type: ignore[arg-type]


ABLATIONS: dict[str, Callable[[], TrainConfig]] = {
    **{
        f"llp-units-{number}": ablation(windows=DOUBLING[:number])
        for number in range(1, len(DOUBLING) + 1)
        if number != RELEASED
    },
    "llp-windows-linear": ablation(windows=(1, 2, 3, 4)),
    "llp-windows-equal": ablation(windows=(4, 4, 4, 4)),
    "llp-causal": ablation(causal=True),
    "llp-positions": ablation(positions=True),
}
"""Name to recipe; they are not among those of the command line."""
