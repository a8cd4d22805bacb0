"""A third problem from outside: dense events, several classes at once, each heard and seen."""

from dataclasses import dataclass, field, replace
from functools import partial
from typing import Any, ClassVar, NamedTuple

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional as F
from torchmetrics import MetricCollection
from torchmetrics.classification import BinaryF1Score

from mmpyramid.core import AnyScores, Array, Decoder, Modality
from mmpyramid.core.batch import Batch, Streams, collate
from mmpyramid.core.runs import Mask, tidy
from mmpyramid.datasets import Dataset, Layout, base
from mmpyramid.models import Network, NetworkConfig, StreamProjection, register
from mmpyramid.models.mm_pyramid import PyramidConfig, PyramidEncoder
from mmpyramid.problems import Objective, Problem, register_problem
from mmpyramid.problems.base import VideoScores

NAME, LABELS, WIDTHS = "dense-events", ("Dog", "Cat", "Car"), {"ear": 5, "eye": 6}


@dataclass(frozen=True, kw_only=True, eq=False)
class DenseScores(AnyScores):
    problem: ClassVar[str] = NAME
    happens: Array
    labels: tuple[str, ...]
    unit_weights: Array | None = None

    num_segments = property(lambda self: len(self.happens))

    def per_segment(self) -> dict[str, Array]:
        return {"happens": self.happens}


@dataclass(kw_only=True, slots=True)
class DenseConfig(NetworkConfig):
    architecture: ClassVar[str] = "toy-dense"
    labels: tuple[str, ...] = LABELS
    audio_streams: dict[str, int] = field(default_factory=lambda: {"ear": WIDTHS["ear"]})
    visual_streams: dict[str, int] = field(default_factory=lambda: {"eye": WIDTHS["eye"]})


class Dense(NamedTuple):
    logit_BTC: Tensor


@register
class DenseNetwork(Network[Dense, DenseScores]):
    problem, config_class, reach = NAME, DenseConfig, 40

    def __init__(self, config: DenseConfig) -> None:
        super().__init__(config)
        self.audio = StreamProjection(config.audio_streams, config.width)
        self.visual = StreamProjection(config.visual_streams, config.width)
        self.encoder = PyramidEncoder(config.width, PyramidConfig(num_heads=2))
        self.head = nn.Linear(2 * config.width, len(config.labels))

    def score(self, streams: dict[str, Tensor], mask_BT: Tensor, present_BM: Tensor) -> Dense:
        encoded = self.encoder(self.audio(streams), self.visual(streams), mask_BT)
        return Dense(self.head(encoded.fused_BTMD.flatten(2)))

    def results(self, batch: Batch) -> list[DenseScores]:
        happens_BTC = self(batch.streams, batch.mask_BT, batch.present_BM).logit_BTC.sigmoid()
        rows = zip(happens_BTC.cpu().numpy(), batch.mask_BT.sum(1).tolist(), strict=True)
        return [DenseScores(happens=row[:length], labels=self.labels) for row, length in rows]


@dataclass(kw_only=True, slots=True)
class DenseObjective(Objective):
    problem: ClassVar[str] = NAME

    def __call__(self, output: Dense, batch: Batch) -> Tensor:
        logit, truth = output.logit_BTC[batch.mask_BT], batch.audio_BTC[batch.mask_BT]
        return F.binary_cross_entropy_with_logits(logit, truth)


class DenseReport(NamedTuple):
    f_score: float
    to_dict = property(lambda self: self._asdict)


class DenseProblem(Problem[DenseScores, DenseReport]):
    name, selection, selection_title = NAME, "f_score", "F-score of segments"
    settings = frozenset(("threshold", "max_gap", "min_length"))

    def decide(self, scores: DenseScores, decoder: Decoder) -> dict[Modality, Mask]:
        mask_TC = scores.happens >= decoder.threshold
        return {Modality.AUDIO_VISUAL: tidy(mask_TC, decoder.max_gap, decoder.min_length)}

    def values(self, scores: DenseScores) -> dict[Modality, Array]:
        return {Modality.AUDIO_VISUAL: scores.happens}

    def video_scores(self, predicted: tuple[Mask, Mask], truth: tuple[Mask, Mask]) -> VideoScores:
        return {"segment": {"accuracy": 100 * float(np.mean(predicted[0] == truth[0]))}}

    def metrics(self, decoder: Decoder) -> MetricCollection:
        return MetricCollection({"f_score": BinaryF1Score(threshold=decoder.threshold)})

    def update(self, metric: MetricCollection, output: Dense, batch: Batch) -> None:
        prob = output.logit_BTC.float().sigmoid()
        metric.update(prob[batch.mask_BT], batch.audio_BTC[batch.mask_BT].long())

    def evaluate(self, network, dataset, decoder=None, *, predictions=None) -> DenseReport:
        metric = self.metrics(decoder or network.decoder)
        for output, batch in self.outputs(network, dataset):
            self.update(metric, output, batch)
        return DenseReport(100 * float(metric.compute()["f_score"]))

    def references(self, dataset: Dataset) -> dict[str, DenseReport]:
        share = dataset.masks[0].mean()
        return {"everything": DenseReport(100 * float(2 * share / (1 + share)))}

    def table(self, reports: dict[str, DenseReport], title: str) -> str:
        return "\n".join([title, *(f"{name} {r.f_score:.2f}" for name, r in reports.items())])


register_problem(DenseProblem())


class DenseDataset(Dataset):
    labels, num_segments = LABELS, 8

    def __init__(self, split: str) -> None:
        random, directions = np.random.default_rng(len(split)), np.random.default_rng(0)
        self.ids = tuple(f"{split}-{row}" for row in range(24))
        self.mask_NTC = random.random((24, 8, 3)) < 0.4
        self.values = {
            name: (self.mask_NTC @ directions.normal(size=(3, width))).astype(np.float32)
            for name, width in WIDTHS.items()
        }

    def __len__(self) -> int:
        return len(self.ids)

    weak = property(lambda self: self.mask_NTC.any(1).astype(np.float32))
    masks = property(lambda self: (self.mask_NTC, self.mask_NTC))

    def batch(self, rows: Any) -> Batch:
        videos = [{name: x[row] for name, x in self.values.items()} for row in rows]
        truth_BTC = torch.from_numpy(self.mask_NTC[list(rows)].astype(np.float32))
        batch = collate(videos, Streams(audio={"ear": 5}, visual={"eye": 6}))
        return replace(batch, audio_BTC=truth_BTC, visual_BTC=truth_BTC)

    def item(self, video_id: str) -> dict[str, Array]:
        return {name: x[self.ids.index(video_id)] for name, x in self.values.items()}

    def truth(self, video_id: str) -> dict[Modality, Mask]:
        return {Modality.AUDIO_VISUAL: self.mask_NTC[self.ids.index(video_id)]}

    def digest(self) -> dict[str, str]:
        return {"annotations": base.digest_of(self.mask_NTC)}

    def describe(self) -> str:
        return "made-up dense events"

    def check(self) -> "DenseDataset":
        return self


opener = partial(lambda data, split, streams, **_: DenseDataset(split))
base.register(Layout(name="dense", files=("dense.txt",), open=opener, problem=NAME))
