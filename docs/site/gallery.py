"""Pages and pictures of the gallery: a rendered clip, and probabilities drawn by chance.

Loaded by mkdocs as hooks (see mkdocs.yml). Nothing of it is kept in the repository.

Axes: T segments of one second, C classes.
"""

from collections.abc import Sequence
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
from mkdocs.config.defaults import MkDocsConfig
from mkdocs.structure.files import File, Files

from mmpyramid.core import Array, Modality, Scores, Timeline
from mmpyramid.core.labels import LLP_LABELS
from mmpyramid.datasets import open_dataset
from mmpyramid.datasets.synthetic.rendered import render_corpus
from mmpyramid.media import thumbnail
from mmpyramid.problems import ParsingProblem, annotated, decode, rasterize
from mmpyramid.render import (
    comparison_figure,
    comparison_html,
    to_html,
    to_svg,
    unit_weights_figure,
)
from mmpyramid.render.page import Entry, corpus_html

NOTES = ("Simulated: scores are the planted truth plus random noise, without a network.",)
CHANCE = ("Simulated: the probabilities are random, and there is no video.",)
NUM_UNITS, HOUR = 4, 3600


def on_files(files: Files, config: MkDocsConfig) -> Files:
    """Add what the gallery shows."""
    for name, content in gallery().items():
        files.append(File.generated(config, f"gallery/{name}", content=content))
    return files


def gallery() -> dict[str, str | bytes]:
    """The content of each file."""
    rng = np.random.default_rng(0)
    with TemporaryDirectory() as folder:
        clips = rendered_clips(Path(folder))
        truth, video = next(clip for clip in clips if {e.modality for e in clip[0]} == {*Modality})
        scores = simulated_scores(truth, rng, blur=0.2)
        ours = decode(scores, source=truth.source, model="simulated", notes=NOTES)
        noisy = simulated_scores(truth, rng, blur=0.3)
        worse = decode(noisy, source=truth.source, model="simulated", notes=NOTES)
        systems = {"truth": truth, "one": ours, "another": worse}
        return {
            "clip.html": to_html(ours, video=video, scores=scores, truth=truth),
            "comparison.html": comparison_html(systems, video=video),
            "hour.html": to_html(simulated_hour(rng)),
            "comparison.svg": to_svg(comparison_figure(systems)),
            "units.svg": to_svg(unit_weights_figure(ours)),
            **simulated_corpus(clips, rng),
        }


def rendered_clips(folder: Path) -> list[tuple[Timeline, Path]]:
    """Clips with planted events: the truth and the file of each."""
    render_corpus(folder, num_train=1, num_val=1, num_test=8, workers=1)
    test = open_dataset(folder, "test")
    clips = []
    for name in test.ids:
        truth = annotated(test.truth(name), test.labels, source=f"{name}.mp4", notes=NOTES)
        clips.append((truth, folder / "videos" / truth.source))
    return clips


def simulated_corpus(
    clips: Sequence[tuple[Timeline, Path]], rng: np.random.Generator
) -> dict[str, str | bytes]:
    """The table of an evaluated corpus, and the pages that it leads to."""
    entries, files = [], dict[str, str | bytes]()
    for truth, video in clips:
        scores = simulated_scores(truth, rng, blur=0.22)
        found = decode(scores, source=truth.source, model="simulated", notes=NOTES)
        masks = (rasterize(each, scores.num_segments, truth.labels) for each in (found, truth))
        files[f"corpus/{video.stem}.html"] = to_html(found, scores=scores, truth=truth)
        picture = thumbnail(video)
        assert picture is not None, "rendered clips have pictures"
        files[f"corpus/{video.stem}.jpg"] = picture
        entries.append(
            Entry(
                name=video.stem,
                page=f"{video.stem}.html",
                timeline=found,
                truth=truth,
                scores=ParsingProblem().video_scores(*masks),
                thumbnail=f"{video.stem}.jpg",
            )
        )
    index = corpus_html(entries, title="Rendered clips", facts={"Note": NOTES[0]})
    return {**files, "corpus/index.html": index}


def simulated_scores(truth: Timeline, rng: np.random.Generator, blur: float) -> Scores:
    """Probabilities around the truth, and weights of units drawn by chance."""
    audio_TC, visual_TC = (_blurred(truth.of(m), rng, blur) for m in list(Modality)[:2])
    weights_T2L = rng.beta(2, 2, (len(audio_TC), 2, NUM_UNITS)).astype(np.float32)
    return Scores(
        audio=audio_TC,
        visual=visual_TC,
        video=np.maximum(audio_TC, visual_TC).max(axis=0),
        labels=truth.labels,
        unit_weights=weights_T2L,
    )


def simulated_hour(rng: np.random.Generator) -> Timeline:
    """An hour with events of all labels of LLP."""
    shape = (HOUR // 10, len(LLP_LABELS))
    audio_TC, visual_TC = (
        np.repeat(rng.beta(0.3, 2, shape), 10, axis=0).astype(np.float32) for _ in range(2)
    )
    scores = Scores(
        audio=audio_TC,
        visual=visual_TC,
        video=np.ones(len(LLP_LABELS), np.float32),
        labels=LLP_LABELS,
    )
    return decode(scores, source="hour.mp4", model="simulated", notes=CHANCE)


def _blurred(truth: Timeline, rng: np.random.Generator, blur: float) -> Array:
    prob_TC = np.full((int(truth.duration), len(truth.labels)), 0.12, np.float32)
    for event in truth:
        prob_TC[int(event.start) : int(event.end), truth.labels.index(event.label)] = 0.8
    return np.clip(prob_TC + blur * rng.standard_normal(prob_TC.shape), 0, 1).astype(np.float32)
