"""Progress is the same for whoever reports it: bars, lines now and then, or JSON for programs."""

import io
import json
import logging
import re
import time
from pathlib import Path

import jsonschema
import numpy as np
import pytest

from mmpyramid.cli import main
from mmpyramid.core import progress as module
from mmpyramid.core.progress import Display, progress, progress_schema, report, shown

PUBLISHED = Path(__file__).parents[2] / "docs" / "progress.schema.json"
SIMULATE = ("simulate", "--train", "3", "--val", "1", "--test", "1", "--out")


@pytest.fixture
def clock(monkeypatch):
    """Seconds, which pass when they are set."""
    now = [100.0]
    monkeypatch.setattr(module, "monotonic", lambda: now[0])
    return now


def lines_of(text):
    schema = json.loads(PUBLISHED.read_text())
    lines = [json.loads(line) for line in text.splitlines()]
    for line in lines:
        jsonschema.Draft202012Validator(schema).validate(line)
    return lines


def test_the_published_schema_is_that_of_the_code():
    """Write it anew by `json.dumps(progress_schema(), indent=2)` and a line break."""
    assert json.loads(PUBLISHED.read_text()) == json.loads(json.dumps(progress_schema()))


def test_a_command_writes_nothing_but_json_on_its_standard_error(tmp_path, capsys):
    assert main([*SIMULATE, str(tmp_path / "made"), "--json"]) == 0
    told = capsys.readouterr()
    first, *_, last_step, end = lines_of(told.err)
    assert first["event"] == "progress"
    assert last_step | {"seconds": 0, "rate": 0} == {
        "event": "progress",
        "step": "simulate",
        "completed": 5,
        "total": 5,
        "unit": "videos",
        "seconds": 0,
        "rate": 0,
        "seconds_left": 0.0,
    }
    assert end == {"event": "end", "exit_code": 0}
    assert "3 train" in told.out


def test_what_goes_wrong_is_json_as_well(tmp_path, capsys):
    stream = tmp_path / "features" / "vggish"
    stream.mkdir(parents=True)
    np.save(stream / "sound.npy", np.zeros((10, 128), np.float32))
    (stream / "broken.npy").write_bytes(b"no array")
    words = ["store", "import", str(stream.parent), "--out", str(tmp_path / "store"), "--json"]
    assert main(words) == 1
    *_, failed, end = lines_of(capsys.readouterr().err)
    assert (failed["event"], failed["item"]) == ("failed", "broken")
    assert "broken.npy" in failed["reason"]
    assert end == {"event": "end", "exit_code": 1}
    absent = str(tmp_path / "absent")
    assert main(["store", "check", absent, "--json"]) == 2
    (end,) = lines_of(capsys.readouterr().err)
    assert (end["event"], end["exit_code"]) == ("end", 2)
    assert absent in end["error"]


def test_quiet_is_silent_and_does_the_work(tmp_path, capsys):
    assert main([*SIMULATE, str(tmp_path / "made"), "--quiet"]) == 0
    assert capsys.readouterr() == ("", "")
    assert (tmp_path / "made" / "SIMULATED.json").is_file()
    assert main(["store", "check", str(tmp_path / "absent"), "--quiet"]) == 2
    assert str(tmp_path / "absent") in capsys.readouterr().err


def test_quiet_and_json_contradict_each_other(tmp_path, capsys):
    assert main([*SIMULATE, str(tmp_path / "made"), "--quiet", "--json"]) == 2
    assert "--quiet or --json" in capsys.readouterr().err


def test_rate_and_time_left_are_of_this_run(clock, capsys):
    """What an earlier run did is no work of this one."""
    with shown(Display(kind="json")), progress("extract") as update:
        update(10, 30)
        clock[0] += 2
        update(15, 30, detail="clip.mp4")
        clock[0] += 0.1
        update(16, 30)  # Too soon after the last line.
        update(17, 30)
    _, second, last = lines_of(capsys.readouterr().err)
    assert (second["rate"], second["seconds_left"], second["seconds"]) == (2.5, 6.0, 2.0)
    assert second["detail"] == "clip.mp4"
    assert last["completed"] == 17


@pytest.mark.parametrize(("step", "named"), [("read", "read: "), ("extract", "")])
def test_without_a_terminal_a_line_is_written_now_and_then(step, named, clock, capsys):
    with shown(Display(kind="lines", name="mmpyramid extract")), progress(step) as update:
        for second in range(31):
            clock[0] = 100.0 + second
            update(second, 3600)
    assert capsys.readouterr().err.splitlines() == [
        f"mmpyramid extract: {named}{second} of 3600 videos, 1 videos/s, {left} left"
        for second, left in ((3, "59:57"), (13, "59:47"), (23, "59:37"))
    ]


def test_a_terminal_shows_bars_that_go_away(monkeypatch):
    screen = io.StringIO()
    screen.isatty = lambda: True
    monkeypatch.setattr("sys.stderr", screen)
    monkeypatch.setenv("TERM", "xterm")
    monkeypatch.setenv("COLUMNS", "100")
    with shown(Display(kind="bars")), progress("load", unit="bytes") as update:
        update(1_500_000, 3_000_000, detail="[x] of y")
        with progress("inner") as other:
            other(1, 2)
            report("epoch 1")
            deadline = time.monotonic() + 10
            while "1 of 2 videos" not in screen.getvalue() and time.monotonic() < deadline:
                time.sleep(0.02)
    text = re.sub(r"\x1b\[[0-9;?]*[A-Za-z]", "", screen.getvalue())
    assert "1.5 of 3.0 MB" in text
    assert "([x] of y)" in text
    assert "1 of 2 videos" in text
    assert "epoch 1\n" in text


def test_reports_without_a_display_go_nowhere(capsys):
    with progress("extract") as update:
        update(1, 2)
    report("something")
    assert capsys.readouterr() == ("", "")


@pytest.mark.parametrize("level", ["info", "warning"])
def test_messages_are_shown_from_their_level_on(level, capsys):
    with shown(Display(kind="lines", name="mmpyramid parse"), level):
        logging.getLogger("mmpyramid.store").info("opened")
        logging.getLogger("mmpyramid.store").warning("slow")
        with progress("extract") as update:
            update(2, 3)
    told = capsys.readouterr().err
    assert ("mmpyramid parse: info: opened\n" in told) == (level == "info")
    assert ("mmpyramid parse: info: extract: 2 videos in 0.0 s\n" in told) == (level == "info")
    assert "mmpyramid parse: warning: slow\n" in told
