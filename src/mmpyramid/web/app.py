"""The page that visitors see, built with Gradio."""

from __future__ import annotations

from abc import ABCMeta
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import gradio as gr
from gradio.data_classes import FileData, ListFiles

from mmpyramid.web.handlers import WELCOME, Handlers, introduction

EXAMPLE = Path(__file__).with_name("film.mp4")
"""A clock while a telephone rings elsewhere, then the sea; `docs/site/film.py` draws it."""

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


def _paths(self: gr.File, payload: ListFiles | FileData | None) -> list[str]:
    """What handlers get of the files that a visitor chose."""
    del self
    files = payload if isinstance(payload, ListFiles) else [payload] if payload else []
    return [file.path for file in files]


def _named_files(self: gr.File, value: Sequence[tuple[str, str]] | None) -> ListFiles | None:
    """Files from pairs of path and name."""
    del self
    if not value:
        return None
    return ListFiles(
        root=[
            FileData(path=path, orig_name=name, size=Path(path).stat().st_size)
            for path, name in value
        ]
    )


def subclass(name: str, base: type, members: dict[str, Any]) -> Any:
    """A component like another, without the stub that Gradio's metaclass writes beside its source.

    Should Gradio have a metaclass of another kind one day, it makes the class as it likes.

    Args:
        name: of the class.
        base: the other one.
        members: what differs.
    """
    metaclass = type(base)
    if issubclass(metaclass, ABCMeta):
        return ABCMeta.__new__(metaclass, name, (base,), members)
    return metaclass(name, (base,), members)


# Gradio's own methods make an empty temporary file of each, and show files of the server by their
# names on its disk.
Files = subclass(
    "Files", gr.File, {"is_template": True, "preprocess": _paths, "postprocess": _named_files}
)
"""A field for files of any kind and name, several at once."""


def create_app(handlers: Handlers, example: Path) -> gr.Blocks:
    """Lay out the page and connect it.

    Args:
        handlers: what happens when a visitor does something.
        example: a film to try.
    """
    pool = handlers.pool
    app: gr.Blocks
    with gr.Blocks(title=TITLE, analytics_enabled=False, fill_width=True) as app:
        gr.HTML(introduction(pool.limits, pool.setup.sought), elem_classes="introduction")
        with gr.Row():
            with gr.Column(scale=1, min_width=320):
                form = Form.create(list(pool.setup.choices))
            with gr.Column(scale=3, min_width=480, elem_classes="shown"):
                listed = gr.HTML(elem_id="results")
                shown = gr.HTML(WELCOME, elem_id="result")
        form.connect(handlers, example, listed, shown)
        app.unload(handlers.leave)
    # The pool has its own queue; here nobody waits for those who wait there.
    app.queue(
        max_size=pool.limits.max_waiting,
        default_concurrency_limit=min(pool.capacity, MOST_THREADS),
    )
    poll_seldom(app)
    return app


def poll_seldom(app: Any) -> None:
    """Have the queue of an app look for work as seldom as it does on Windows.

    Elsewhere Gradio looks a thousand times a second, for which an idle server takes a twentieth of
    a core. It has no public option for that; a version without these settings keeps its own.
    """
    queue = getattr(app, "_queue", None)
    for name, seconds in POLL_SECONDS.items():
        if hasattr(queue, name):
            setattr(queue, name, seconds)


POLL_SECONDS = {"sleep_when_free": 0.05, "progress_update_sleep_when_free": 0.1}

MOST_THREADS = 32
"""Of the forty that Gradio has; the others answer what takes no time."""


@dataclass(frozen=True, kw_only=True)
class Form:
    """What a visitor fills in.

    Attributes:
        files: uploads.
        camera: records a video.
        microphone: records a sound.
        example: chooses the film to try.
        chosen: says what was chosen, or why it cannot be taken.
        model: one of those that the server has loaded.
        button: begins.
    """

    files: gr.File
    camera: gr.Video
    microphone: gr.Audio
    example: gr.Button
    chosen: gr.HTML
    model: gr.Dropdown
    button: gr.Button

    @classmethod
    def create(cls, models: Sequence[str]) -> Form:
        """Lay it out, from top to bottom."""
        with gr.Tabs():
            with gr.Tab("Files"):
                files = Files(label="Videos and sounds", file_count="multiple", height=150)
            with gr.Tab("Camera"):
                camera = gr.Video(
                    label="Camera",
                    sources=["webcam"],
                    webcam_options=gr.WebcamOptions(mirror=False),
                    include_audio=True,
                    height=280,
                )
            with gr.Tab("Microphone"):
                microphone = gr.Audio(
                    label="Microphone", sources=["microphone"], type="filepath", editable=False
                )
        return cls(
            files=files,
            camera=camera,
            microphone=microphone,
            example=gr.Button("Try a film: a clock, a telephone, the sea", size="sm"),
            chosen=gr.HTML(elem_classes="chosen"),
            model=gr.Dropdown(list(models), value=models[0], label="Model"),
            button=gr.Button("Parse", variant="primary", interactive=False),
        )

    @property
    def inputs(self) -> list[Any]:
        """What can be parsed."""
        return [self.files, self.camera, self.microphone]

    def connect(
        self,
        handlers: Handlers,
        example: Path,
        listed: gr.HTML,
        shown: gr.HTML,
    ) -> None:
        """Connect the components with the handlers.

        Args:
            handlers: what happens.
            example: the film to try.
            listed: where the list of several results goes.
            shown: where one result goes.
        """
        gr.on(
            [each.change for each in self.inputs],
            handlers.choose,
            self.inputs,
            [self.chosen, self.button],
            queue=False,
            api_visibility="private",
        )
        self.button.click(
            handlers.parse,
            [*self.inputs, self.model],
            [listed, shown, *self.inputs],
            show_progress_on=listed,
            api_visibility="private",
        )
        self.example.click(
            lambda: [[(str(example), EXAMPLE.name)], None, None],
            None,
            self.inputs,
            queue=False,
            api_visibility="private",
        )
