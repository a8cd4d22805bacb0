"""Pages of an evaluated split: one for each video, and one that lists them."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import quote

from mmpyramid.cli._options import progress_bar, write_file
from mmpyramid.cli.predict import predict_item
from mmpyramid.core import AnyScores, Timeline
from mmpyramid.core.errors import UserError
from mmpyramid.datasets import Dataset
from mmpyramid.media import thumbnail
from mmpyramid.models import Network
from mmpyramid.problems import Decoder, annotated, problem_named, rasterize
from mmpyramid.problems.base import VideoScores
from mmpyramid.render.page import LEVELS, MEASURES, Entry, Site, corpus_html, page_assets, to_html

SITE = Site(assets="../assets", home="../index.html")
ON_VIDEO_PAGE = ("type_av", "event_av", "accuracy")
"""Measures on the page of a video; the table of all videos has every measure."""


@dataclass(frozen=True, kw_only=True)
class SplitPages:
    """Writes the pages of a split.

    Attributes:
        network: what is evaluated.
        dataset: the split.
        decoder: settings of the decision rule.
        folder: where the pages are written.
        videos: files to play, by id.
        model: name of the network.
        notes: remarks for the reader.
    """

    network: Network[Any, AnyScores]
    dataset: Dataset
    decoder: Decoder
    folder: Path
    videos: Mapping[str, Path]
    model: str
    notes: Sequence[str] = ()

    def write(self, title: str) -> Path:
        """Write all pages, the index last, and return its path.

        Raises:
            UserError: if there are videos, but none of this split, or features cannot be used.
        """
        self._check_videos()
        for name, content in page_assets().items():
            write_file(self.folder / "assets" / name, content.encode())
        entries = []
        with progress_bar("pages") as update:
            for item_id in self.dataset.ids:
                entries.append(self._write_one(item_id))
                update(len(entries), len(self.dataset.ids))
        index = self.folder / "index.html"
        facts = {"Model": self.model, "Note": "; ".join(self.notes)}
        write_file(index, corpus_html(entries, title=title, facts=facts).encode())
        return index

    def _check_videos(self) -> None:
        ids = self.dataset.ids
        if self.videos and not self.videos.keys() & set(ids):
            raise UserError(
                f"expected videos called by the ids of this split, such as {ids[0]}.mp4, got "
                f"{len(self.videos)} others, such as {next(iter(self.videos.values())).name}"
            )

    def _write_one(self, item_id: str) -> Entry:
        decoder, video = self.decoder, self.videos.get(item_id)
        timeline, scores = predict_item(
            self.network, self.dataset, item_id, decoder, self.model, self.notes
        )
        truth = annotated(self.dataset.truth(item_id), self.dataset.labels, source=item_id)
        measured = self._measure(timeline, truth)
        name = quote(item_id, safe="")  # An id may be any text.
        path = self.folder / "videos" / f"{name}.html"
        page = to_html(
            timeline,
            video=None if video is None else os.path.relpath(video, path.parent),
            embed=False,
            scores=scores,
            truth=truth,
            decoder=decoder,
            facts=_facts(measured),
            site=SITE,
        )
        write_file(path, page.encode())
        return Entry(
            name=item_id,
            page=f"videos/{quote(path.name)}",
            timeline=timeline,
            truth=truth,
            scores=measured,
            thumbnail="" if video is None else self._thumbnail(name, video),
        )

    def _measure(self, timeline: Timeline, truth: Timeline) -> VideoScores:
        num_segments = round(truth.duration)
        found, true = (rasterize(each, num_segments, truth.labels) for each in (timeline, truth))
        return problem_named(self.network.problem).video_scores(found, true)

    def _thumbnail(self, name: str, video: Path) -> str:
        picture = thumbnail(video)
        if picture is None:
            return ""
        write_file(self.folder / "thumbnails" / f"{name}.jpg", picture)
        return f"thumbnails/{quote(name)}.jpg"


def _facts(scores: VideoScores) -> dict[str, str]:
    return {
        f"{MEASURES[measure]}, {LEVELS[level].lower()}": f"{measures[measure]:.1f} %"
        for level, measures in scores.items()
        for measure in ON_VIDEO_PAGE
        if measure in measures
    }
