import io

from rich.cells import cell_len
from rich.console import Console

from mmpyramid.core import Event, Modality, Timeline
from mmpyramid.core.labels import LLP_LABELS
from mmpyramid.render.terminal import TerminalView, to_text

SHORT = """\
clips/dog.mp4  0:10  teachers

                       0:00       0:02        0:04       0:06        0:08   0:10
                       ┬──────────┬───────────┬──────────┬───────────┬─────────┬
Frying (food)  visible ▀▀▀▀▀▀▀▀▀▀▀··············································
Dog            audible ···········▄▄▄▄▄▄▄▄▄▄▄▄▄▄▄▄▄▄▄▄▄▄▄▄▄▄▄▄▄▄▄▄▄▄▄▄▄▄▄▄······
               visible ·······················▀▀▀▀▀▀▀▀▀▀▀▀▀▀▀▀▀▀▀▀▀▀▀▀▀▀▀▀▀▀▀▀▀▀
               both    ·······················████████████████████████████······

0:00 - 0:02  ▀ visible  0.44  Frying (food)
0:02 - 0:09  ▄ audible  0.81  Dog
0:04 - 0:09  █ both     0.81  Dog
0:04 - 0:10  ▀ visible  0.97  Dog
"""

SINGLE = """\
clap.wav  0:00.4
! This file has no video track, so nothing
could be seen.

                  0:00
                  ┬─────────────────────────
Clapping  audible ▄▄▄▄▄▄▄▄▄▄▄▄▄▄▄▄▄▄▄▄▄▄▄▄▄▄

  0:00 - 0:00.4  ▄ audible  0.70  Clapping
"""

EMPTY = """\
quiet.mp4  0:10
! This file has no audio track, so nothing could be heard.
! The file is damaged after 0:07.
Nothing found: no label is sure enough. A higher sensitivity shows weaker ones.
"""


def test_golden_text(short, single, empty):
    assert to_text(short) == SHORT
    assert to_text(single, width=44) == SINGLE
    assert to_text(empty) == EMPTY


def test_of_a_note_with_details_only_the_gist_is_printed():
    timeline = Timeline(source="a.mp4", duration=10.0, notes=("Two labels are left out\nDog; Cat",))
    assert to_text(timeline).splitlines()[1:] == [
        "! Two labels are left out",
        "Nothing found: no label is sure enough. A higher sensitivity shows weaker ones.",
    ]


def test_lanes_of_labels_with_wide_letters_begin_together():
    events = [Event(0.0, 5.0, label, Modality.AUDIO) for label in ("犬の鳴き声", "Dog", "猫" * 20)]
    labels = tuple(event.label for event in events)
    timeline = Timeline(events=tuple(events), duration=10.0, labels=labels)
    lanes = [line for line in to_text(timeline).splitlines() if "▄▄" in line]
    assert len({cell_len(lane.partition("audible")[0]) for lane in lanes}) == 1
    assert {cell_len(lane) for lane in lanes} == {80}


def test_a_long_path_is_never_cut():
    timeline = Timeline(source="clips/" * 20 + "a.mp4", model="runs/" * 20 + "model", duration=10.0)
    for soft_wrap in (False, True):  # a terminal, a pipe
        console = Console(file=io.StringIO(), width=80, soft_wrap=soft_wrap)
        console.print(TerminalView(timeline))
        text = console.file.getvalue().replace("\n", "")
        assert timeline.source in text
        assert timeline.model in text


def test_an_hour_fits_into_80_columns_and_hides_no_short_event(hour):
    lines = to_text(hour).splitlines()
    lanes = [line for line in lines if line.endswith("·")]
    assert max(map(len, lines)) == 80
    assert len(lanes) == 3 * len(LLP_LABELS)
    for glyph, rows in zip("▄▀█", (lanes[0::3], lanes[1::3], lanes[2::3]), strict=True):
        assert all(row.count(glyph) == 6 for row in rows)


def test_an_event_that_ends_after_the_video_stays_on_the_axis():
    event = Event(9.0, 10.0, "Dog", Modality.AUDIO)
    text = to_text(Timeline(events=(event,), duration=9.6, labels=("Dog",)), width=40)
    assert max(map(len, text.splitlines())) == 40
    assert "·▄▄▄\n" in text


def test_long_labels_leave_room_for_the_lane():
    label = "Male speech, man speaking in a very large hall"
    timeline = Timeline(events=(Event(0, 1, label, Modality.AUDIO),), duration=2, labels=(label,))
    lane = to_text(timeline, width=60).splitlines()[4]
    assert lane.startswith("Male speech, man sp…  audible ▄▄▄")
    assert len(lane) == 60


def test_the_list_of_events_can_be_cut(hour):
    assert to_text(hour, max_events=2).endswith("Speech\n... and 448 more events\n")
    assert "more events" not in to_text(hour)


def test_names_cannot_steer_the_terminal():
    event = Event(0, 1, "[red]Dog\x1b[2J", Modality.AUDIO)
    timeline = Timeline(events=(event,), duration=1, labels=(event.label,), source="\x1b]0;x\x07")
    text = to_text(timeline)
    assert "\x1b" not in text
    assert "[red]Dog" in text


def test_a_terminal_gets_colors(short):
    text = io.StringIO()
    Console(file=text, force_terminal=True, color_system="standard").print(TerminalView(short))
    assert "\x1b[33m▄" in text.getvalue()
    assert "\x1b[34m▀" in text.getvalue()
    assert "\x1b[32m█" in text.getvalue()
