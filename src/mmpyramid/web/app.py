"""The page that visitors see, built with Gradio."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import gradio as gr

from mmpyramid.core import Event, Modality
from mmpyramid.datasets.synthetic.planting import ClipPlan
from mmpyramid.datasets.synthetic.rendered import ClipFormat
from mmpyramid.datasets.synthetic.rendered.corpus import render_clip
from mmpyramid.problems import Decoder
from mmpyramid.web.handlers import WELCOME, Handlers, introduction

CLIP = ClipFormat(width=320, height=240)


@dataclass(frozen=True, kw_only=True)
class Example:
    """A clip in which something is heard from second 1 to 7, and seen from 4 to 9.

    Attributes:
        label: which of the rendered classes.
        seed: same seed, same clip.
        model: which of the teachers has a label for it.
        threshold: where they recognize drawings and synthesized sounds.
    """

    label: str
    model: str
    seed: int
    threshold: float


EXAMPLES = (
    Example(label="Bell", model="teachers-ave", seed=3, threshold=0.1),
    Example(label="Clock", model="teachers-ave", seed=2, threshold=0.1),
    Example(label="Engine", model="teachers-ave", seed=1, threshold=0.15),
)


def render_example(example: Example, folder: Path) -> Path:
    """Render the MP4 file of an example, unless it is there.

    Example:
        >>> render_example(EXAMPLES[0], Path("examples")).name  # doctest: +SKIP
        'Clock.mp4'
    """
    events = (
        Event(1.0, 7.0, example.label, Modality.AUDIO, 1.0),
        Event(4.0, 9.0, example.label, Modality.VISUAL, 1.0),
    )
    plan = ClipPlan(example.label, events)
    return render_clip(plan, folder=folder, clip=CLIP, seed=example.seed)


TITLE = "mmpyramid"
CSS = Path(__file__).with_name("app.css").read_text(encoding="utf-8")
THEME = gr.themes.Base(
    primary_hue="blue",
    font=("system-ui", "sans-serif"),
    font_mono=("ui-monospace", "monospace"),
).set(
    body_text_color_subdued="*neutral_600",
    body_text_color_subdued_dark="*neutral_300",
    block_label_text_color="*neutral_700",
    block_info_text_color="*neutral_600",
)
"""Fonts of the visitor's own system, so that nothing is fetched; gray text that can be read."""

USUAL = Decoder().threshold
"""Where thresholds begin; the page of the result has the controls that move them."""


def create_app(handlers: Handlers, examples: Mapping[Example, Path]) -> gr.Blocks:
    """Lay out the page and connect it.

    Args:
        handlers: what happens when a visitor does something.
        examples: clips to try.
    """
    pool = handlers.pool
    app: gr.Blocks
    with gr.Blocks(title=TITLE, analytics_enabled=False, fill_width=True) as app:
        gr.HTML(introduction(pool.limits, pool.setup.sought), elem_classes="introduction")
        with gr.Row():
            with gr.Column(scale=1, min_width=320):
                form = Form.create(list(pool.setup.choices), examples)
            with gr.Column(scale=3, min_width=480, elem_classes="shown"):
                shown = gr.HTML(WELCOME, elem_id="result")
        form.connect(handlers, examples, shown)
        app.unload(handlers.leave)
    app.queue(max_size=pool.limits.max_waiting, default_concurrency_limit=len(pool.workers))
    return app


@dataclass(frozen=True, kw_only=True)
class Form:
    """What a visitor fills in.

    Attributes:
        video: uploads and records.
        examples: a button for each clip to try.
        chosen: says what was uploaded, or why it cannot be taken.
        model: one of those that the server has loaded.
        button: begins.
        threshold: where the thresholds of the result begin.
    """

    video: gr.Video
    examples: Mapping[Example, gr.Button]
    chosen: gr.HTML
    model: gr.Dropdown
    button: gr.Button
    threshold: gr.State

    @classmethod
    def create(cls, models: Sequence[str], examples: Iterable[Example]) -> Form:
        """Lay it out, from top to bottom."""
        return cls(
            video=gr.Video(
                label="Video",
                sources=["upload", "webcam"],
                webcam_options=gr.WebcamOptions(mirror=False),
                height=280,
            ),
            examples=_example_buttons(examples),
            chosen=gr.HTML(elem_classes="chosen"),
            model=gr.Dropdown(list(models), value=models[0], label="Model"),
            button=gr.Button("Parse", variant="primary", interactive=False),
            threshold=gr.State(USUAL),
        )

    def connect(self, handlers: Handlers, clips: Mapping[Example, Path], shown: gr.HTML) -> None:
        """Let it do something.

        Args:
            handlers: what happens.
            clips: the files of the examples.
            shown: where results go.
        """
        self.video.change(
            handlers.choose,
            self.video,
            [self.chosen, self.button],
            queue=False,
            api_visibility="private",
        )
        self.button.click(
            handlers.parse,
            [self.model, self.threshold],
            [shown, self.video],
            show_progress_on=shown,
            api_visibility="private",
        )
        gr.on(
            [self.video.upload, self.video.start_recording, self.video.clear],
            lambda: USUAL,
            None,
            self.threshold,
            queue=False,
            show_progress="hidden",
            api_visibility="private",
        )
        for example, button in self.examples.items():
            self._connect_example(button, example, clips[example])

    def _connect_example(self, button: gr.Button, example: Example, clip: Path) -> None:
        def fill_in() -> list[Any]:
            return [str(clip), example.model, example.threshold]

        button.click(
            fill_in,
            None,
            [self.video, self.model, self.threshold],
            queue=False,
            api_visibility="private",
        )


def _example_buttons(examples: Iterable[Example]) -> dict[Example, gr.Button]:
    with gr.Row(elem_classes="examples"):
        gr.HTML("Try", min_width=40)
        return {example: gr.Button(example.label, size="sm", min_width=60) for example in examples}
