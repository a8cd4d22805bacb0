"""Pages and pictures of the gallery: a rendered clip, and probabilities drawn by chance.

Loaded by mkdocs as hooks (see mkdocs.yml). Nothing of it is kept in the repository.

Axes: T segments of one second, C classes.
"""

from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
from mkdocs.config.defaults import MkDocsConfig
from mkdocs.structure.files import File, Files

from mmpyramid.data.llp import read_llp
from mmpyramid.data.rendered import RENDERED_LABELS, render_corpus
from mmpyramid.decode import annotated, decode
from mmpyramid.labels import LLP_LABELS
from mmpyramid.render import (
    comparison_figure,
    comparison_html,
    to_html,
    to_svg,
    unit_weights_figure,
)
from mmpyramid.types import Array, Modality, Scores, Timeline

NOTES = ("Simulated: the events are planted, and chance blurred them. No network was asked.",)
NUM_UNITS, HOUR = 4, 3600


def on_files(files: Files, config: MkDocsConfig) -> Files:
    """Add what the gallery shows."""
    for name, content in gallery().items():
        files.append(File.generated(config, f"gallery/{name}", content=content))
    return files


def gallery() -> dict[str, str]:
    """The text of each file."""
    rng = np.random.default_rng(0)
    with TemporaryDirectory() as folder:
        truth, video = rendered_clip(Path(folder))
        scores = simulated_scores(truth, rng, blur=0.2)
        ours = decode(scores, source=truth.source, model="simulated", notes=NOTES)
        worse = decode(simulated_scores(truth, rng, blur=0.3), source=truth.source, notes=NOTES)
        systems = {"truth": truth, "one": ours, "another": worse}
        hour = simulated_hour(rng)
        return {
            "clip.html": to_html(ours, video=video, scores=scores, truth=truth),
            "comparison.html": comparison_html(systems, video=video),
            "hour.html": to_html(hour),
            "comparison.svg": to_svg(comparison_figure(systems)),
            "units.svg": to_svg(unit_weights_figure(ours)),
        }


def rendered_clip(folder: Path) -> tuple[Timeline, Path]:
    """A clip whose events are heard only, seen only, and both; and its truth."""
    render_corpus(folder, num_train=1, num_val=1, num_test=8, workers=1)
    annotations = read_llp(folder, "test")
    audio, visual = annotations.truth
    kinds = (audio & ~visual, visual & ~audio, audio & visual)
    index = int(np.logical_and.reduce([kind.any((1, 2)) for kind in kinds]).argmax())
    masks_TC = dict(
        zip(Modality, (audio[index], visual[index], (audio & visual)[index]), strict=True)
    )
    name = annotations.ids[index]
    truth = annotated(masks_TC, RENDERED_LABELS, source=f"{name}.mp4", notes=NOTES)
    return truth, folder / "videos" / f"{name}.mp4"


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
    return decode(scores, source="an hour.mp4", model="simulated", notes=NOTES)


def _blurred(truth: Timeline, rng: np.random.Generator, blur: float) -> Array:
    prob_TC = np.full((int(truth.duration), len(truth.labels)), 0.12, np.float32)
    for event in truth:
        prob_TC[int(event.start) : int(event.end), truth.labels.index(event.label)] = 0.8
    return np.clip(prob_TC + blur * rng.standard_normal(prob_TC.shape), 0, 1).astype(np.float32)
