"""Figures are read back: texts and bars from the SVG, sizes and colors from the PNG."""

import dataclasses
import itertools
import math
import subprocess
import sys

import matplotlib as mpl
import numpy as np
import pytest

from mmpyramid.core import Event, Modality, Timeline
from mmpyramid.core.errors import UserError
from mmpyramid.core.labels import AVE_LABELS
from mmpyramid.core.palette import PALETTE
from mmpyramid.render import comparison_figure, timeline_figure, to_png, to_svg, unit_weights_figure
from mmpyramid.render.figures.sheet import system_style, width_of, wrap
from mmpyramid.render.page.document import style_sheet
from render.picture_parts import Drawing, pixel_at, pixels, text_boxes

LONG = "A label as long as if whoever wrote it had been paid by the word"
ODD = 'cost $x$ & <b> "\udcff"'


def timeline_of(*rows, **fields):
    events = tuple(Event(start, end, label, modality, 0.9) for label, modality, start, end in rows)
    labels = tuple(dict.fromkeys(event.label for event in events))
    return Timeline(**{"events": events, "labels": labels, "duration": 10.0, **fields})


TRUTH = timeline_of(("Singing", "audio", 4, 10), ("Dog", "visual", 0, 10), source="a.mp4")
HAN = timeline_of(("Dog", "visual", 1, 9), source="a.mp4", notes=("simulated features",))
OURS = timeline_of(
    ("Singing", "audio", 5, 7), ("Singing", "audio", 8, 9.5), ("Dog", "visual", 0, 10)
)
SYSTEMS = {"truth": TRUTH, "HAN": HAN, "ours": OURS}


def weighted(timeline, num_units=4):
    segments = max(math.ceil(timeline.duration), 1)
    weights = np.random.default_rng(0).random((2, num_units, segments))
    return dataclasses.replace(timeline, unit_weights=weights)


def figures_of(timeline):
    yield timeline_figure(timeline)
    yield comparison_figure({"truth": timeline, "a system with a longer name": Timeline()})
    yield unit_weights_figure(weighted(timeline))


def extremes():
    modalities = itertools.cycle(Modality)
    every = [(label, next(modalities), 3 * i, 3 * i + 1) for i, label in enumerate(AVE_LABELS)]
    return {
        "every label": timeline_of(*every, duration=95.5),
        "long": timeline_of(
            (LONG, "audio", 0, 5), ("W" * 60, "visual", 1, 9), source=f"{'long' * 40}.mp4"
        ),
        "odd": timeline_of((ODD, "audio_visual", 0, 9), source=ODD, model=ODD, notes=(LONG * 3,)),
    }


def test_pages_and_pictures_have_one_palette(short):
    sheet = style_sheet(["base"])
    for modality, hue in PALETTE.items():
        name = modality.replace("_", "-")
        assert f"--{name}: light-dark({hue.light}, {hue.dark});" in sheet
        assert f"--{name}-edge: light-dark({hue.edge}, " in sheet
    drawn = to_svg(timeline_figure(short))
    for modality in {event.modality for event in short}:
        assert PALETTE[modality].light in drawn, "bars"
        assert PALETTE[modality].edge in drawn, "frames"


def test_a_comparison_has_a_row_for_each_system_in_each_lane():
    drawing = Drawing(to_svg(comparison_figure(SYSTEMS)))
    spans = [(bar.start, bar.end) for bar in drawing.bars]
    assert spans == [(4, 10), (5, 7), (8, 9.5), (0, 10), (1, 9), (0, 10)]
    singing, dog = (y for text, _, y in drawing.places if text in {"Singing", "Dog"})
    truth, *ours = (bar.middle for bar in drawing.bars[:3])
    assert truth < singing < ours[0] == ours[1], "the row of HAN is left empty"
    assert drawing.bars[3].middle < drawing.bars[4].middle < drawing.bars[5].middle
    assert singing < dog
    assert {"truth", "HAN", "ours", "audible", "visible", "seconds"} < set(drawing.texts)
    assert "both" not in drawing.texts


def test_what_a_reader_should_know_stands_above():
    texts = Drawing(to_svg(comparison_figure(SYSTEMS))).texts
    assert texts[:3] == ["a.mp4", "duration 0:10", "HAN: simulated features"]
    both = {"truth": HAN, "ours": HAN}
    assert "simulated features" in Drawing(to_svg(comparison_figure(both))).texts


def test_one_timeline_has_no_legend(short, empty):
    drawing = Drawing(to_svg(timeline_figure(short)))
    assert [(bar.start, bar.end) for bar in drawing.bars] == [(2, 9), (0, 2), (4, 10), (4, 9)]
    assert {"dog.mp4", "duration 0:10 · teachers", "Frying (food)", "both"} < set(drawing.texts)
    assert {"no events", "This file has no audio track, so nothing could be heard."} < set(
        Drawing(to_svg(timeline_figure(empty))).texts
    )


def test_weights_stand_in_their_cells_over_the_events():
    timeline = dataclasses.replace(TRUTH, unit_weights=np.arange(60).reshape(2, 3, 10) / 100)
    drawing = Drawing(to_svg(unit_weights_figure(timeline)))
    numbers = [f"{value / 100:.2f}" for value in range(60)]
    places = {text: (x, y) for text, x, y in drawing.places}
    assert all(number in places for number in numbers)
    for number, (x, y) in ((n, places[n]) for n in numbers):
        second, row = int(number[-1]), (int(number[-2:]) // 10) % 3
        assert drawing.seconds(x) == pytest.approx(second + 0.5, abs=0.01)
        unit_y = [unit_y for text, _, unit_y in drawing.places if text == f"unit {row + 1}"]
        assert min(abs(y - other) for other in unit_y) < 2
    assert drawing.texts.count("unit 3") == 2
    assert max(y for _, y in map(places.get, numbers)) < min(bar.middle for bar in drawing.bars)


def test_heat_grows_with_the_weight():
    weights = np.linspace(0, 1, 10)
    timeline = Timeline(duration=10.0, unit_weights=np.broadcast_to(weights, (2, 1, 10)))
    figure = unit_weights_figure(timeline)
    picture = pixels(to_png(figure, dpi=100))
    panels = [axes for axes in figure.axes if axes.collections][:2]
    for axes in panels:
        low, high = sorted(axes.get_ylim())
        corner = low + 0.1 * (high - low)  # Beside the number in the middle.
        places = [pixel_at(figure, axes, t + 0.1, corner, 100) for t in range(10)]
        brightness = [picture[place].sum() for place in places]
        assert all(np.diff(brightness) < -0.05)


def test_an_hour_shares_cells_and_shows_its_shortest_event():
    timeline = timeline_of(
        ("Dog", "audio", 1800, 1800.1), duration=3600.0, unit_weights=np.ones((2, 4, 3600))
    )
    svg = to_svg(unit_weights_figure(timeline))
    assert len(svg) < 1_000_000
    assert "1.00" not in Drawing(svg).texts
    assert {"0:00", "30:00", "1:00:00", "time (h:min:s)"} < set(Drawing(svg).texts)
    plain = pixels(to_png(timeline_figure(dataclasses.replace(timeline, events=()))))
    shown = pixels(to_png(timeline_figure(timeline)))
    orange = np.abs(shown - np.array([0xD9, 0x82, 0x00]) / 255).max(axis=2) < 0.1
    assert 1 <= orange.any(axis=0).sum() <= 4
    assert not (np.abs(plain - np.array([0xD9, 0x82, 0x00]) / 255).max(axis=2) < 0.1).any()


@pytest.mark.parametrize("dpi", [72, 150])
def test_a_png_has_the_size_of_the_figure(short, dpi):
    figure = timeline_figure(short)
    height, width, _ = pixels(to_png(figure, dpi=dpi)).shape
    wide, tall = figure.get_size_inches()
    assert (width, height) == (int(wide * dpi), int(tall * dpi))


@pytest.mark.slow
def test_equal_timelines_give_equal_files(short):
    for first, second in zip(figures_of(short), figures_of(short), strict=True):
        assert to_svg(first) == to_svg(second) == to_svg(first)
        assert to_png(first) == to_png(second)


@pytest.mark.slow
def test_settings_of_the_user_change_nothing_and_are_left_alone(short):
    expected = to_svg(timeline_figure(short))
    with mpl.rc_context({"font.size": 30, "axes.facecolor": "black", "svg.fonttype": "path"}):
        before = dict(mpl.rcParams)
        assert to_svg(timeline_figure(short)) == expected
        assert dict(mpl.rcParams) == before


@pytest.mark.slow
def test_a_figure_opens_no_window_and_keeps_no_state():
    code = (
        "import sys; from mmpyramid.render import *; from mmpyramid.core import Timeline; "
        "assert 'matplotlib' not in sys.modules; to_png(timeline_figure(Timeline())); "
        "assert 'matplotlib' in sys.modules; assert 'matplotlib.pyplot' not in sys.modules"
    )
    subprocess.run([sys.executable, "-c", code], check=True)


def assert_nothing_is_cut_or_overlaps(figure):
    boxes = text_boxes(figure)
    (page,) = boxes.pop("")
    flat = [(text, box) for text, some in boxes.items() for box in some]
    for text, box in flat:
        assert page.x0 <= box.x0, text
        assert box.x1 <= page.x1, text
        assert page.y0 <= box.y0 <= box.y1 <= page.y1, text
    for (text, box), (other, other_box) in itertools.combinations(flat, 2):
        across = min(box.x1, other_box.x1) - max(box.x0, other_box.x0)
        down = min(box.y1, other_box.y1) - max(box.y0, other_box.y0)
        # Lines may touch where one has descenders and the next accents.
        assert across < 0.5 or down < 3, (text, other)


@pytest.mark.slow
def test_texts_are_whole_and_apart(timeline):
    for figure in figures_of(timeline):
        assert_nothing_is_cut_or_overlaps(figure)


@pytest.mark.slow
@pytest.mark.parametrize("name", extremes())
def test_texts_of_extremes_are_whole_and_apart(name):
    for figure in figures_of(extremes()[name]):
        assert_nothing_is_cut_or_overlaps(figure)
        to_svg(figure).encode("utf-8")


def test_many_systems_keep_apart():
    names = [f"system {'with a name ' * (k % 4)}{k}" for k in range(9)]
    figure = comparison_figure(dict.fromkeys(names, TRUTH))
    assert_nothing_is_cut_or_overlaps(figure)
    styles = [system_style(number) for number in range(50)]
    assert len(set(styles)) == len(styles)


def test_dollars_are_no_formulas():
    texts = Drawing(to_svg(timeline_figure(timeline_of((ODD, "audio", 0, 1), source=ODD)))).texts
    assert 'cost $x$ & <b> "\ufffd"' in texts


@pytest.mark.parametrize("limit", [0.3, 1.0, 2.4])
def test_wrapped_lines_fit_and_lose_nothing(limit):
    lines = wrap(LONG, 9, limit)
    assert "".join(lines).replace(" ", "") == LONG.replace(" ", "")
    assert all(width_of(line, 9) <= limit for line in lines)
    assert wrap("", 9, limit) == []


def test_what_cannot_be_drawn_is_said(short):
    with pytest.raises(UserError, match=r"clips/dog\.mp4 has no weights of pyramid units"):
        unit_weights_figure(short)
    with pytest.raises(UserError, match="at least one timeline"):
        comparison_figure({})


@pytest.mark.parametrize(("name", "told"), [("png", "no glyphs for の声犬; boxes"), ("svg", "")])
def test_letters_that_the_font_lacks_are_told(name, told, tmp_path):
    """By a sentence, and not by the warnings of matplotlib."""
    path = tmp_path / "a.json"
    timeline_of(("犬の声 Гав", "audio", 0, 5)).save(path)
    command = [sys.executable, "-m", "mmpyramid", "render", str(path), "--to", name]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    assert told in done.stderr
    assert len(done.stderr.splitlines()) == bool(told)
