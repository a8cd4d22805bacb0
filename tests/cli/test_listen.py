"""`mmpyramid listen`: what parsing a file tells, while it comes."""

import json
import os
import signal
import subprocess
import sys
import threading

import pytest

import media_files

# Untrained networks find every label everywhere.
LOW = ("--threshold", "0.3", "--video-threshold", "0.1")


@pytest.fixture(scope="module")
def recording(tmp_path_factory):
    path = tmp_path_factory.mktemp("live") / "clip.ts"
    return media_files.write_media(path, media_files.steady(40), media_files.tone(440, 4.0))


@pytest.mark.network
@pytest.mark.slow
def test_the_events_are_those_of_the_file(recording, open_model, run, tmp_path, capsys):
    words = ("--model", open_model, "--device", "cpu", *LOW)
    assert run("parse", recording, "--out", tmp_path, "--formats", "json", *words) == 0
    parsed = json.loads((tmp_path / "clip.json").read_text())["events"]
    capsys.readouterr()
    lines = tmp_path / "new" / "events.jsonl"
    assert run("listen", recording, "--json", "--out", lines, *words) == 0
    printed = capsys.readouterr().out
    told = [json.loads(line) for line in printed.splitlines()]
    names = ("start", "end", "label", "modality")
    assert len(parsed) > 3
    assert sorted(tuple(event[name] for name in names) for event in told) == sorted(
        tuple(event[name] for name in names) for event in parsed
    )
    assert all("T" in event["began"] and not event["inferred"] for event in told)
    assert lines.read_text() == printed
    with lines.open("a") as file:
        file.write('{"start": 3.0, "en')  # As if it had been killed.
    assert run("listen", recording, "--out", lines, "--seconds", 2, *words) == 0
    shown = capsys.readouterr().out
    assert "listening for the" in shown
    later = [json.loads(line) for line in lines.read_text().splitlines()[len(told) + 1 :]]
    assert {event["end"] for event in later} == {2.0}
    assert all(f"0:00–0:02  {event['label']}  " in shown for event in later)


@pytest.mark.network
@pytest.mark.slow
@pytest.mark.parametrize("interrupt", [signal.SIGINT, signal.SIGTERM])
def test_an_interrupt_ends_it_well(recording, open_model, tmp_path, interrupt):
    """The pipe stays open; what lasts when the interrupt comes is written."""
    fifo, lines = tmp_path / "fifo", tmp_path / "events.jsonl"
    os.mkfifo(fifo)
    words = ["listen", str(fifo), "--model", str(open_model), "--out", str(lines), *LOW]
    process = subprocess.Popen(
        [sys.executable, "-m", "mmpyramid", *words],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        env={**os.environ, "FORCE_COLOR": "1", "TERM": "xterm"},  # The status is shown.
    )
    watch = threading.Timer(120, process.kill)
    watch.start()
    with fifo.open("wb") as pipe:
        pipe.write(recording.read_bytes())
        pipe.flush()
        shown = b""
        while b"0:02" not in shown and (part := process.stdout.read1(4096)):
            shown += part
        process.send_signal(interrupt)
        _, errors = process.communicate()
    watch.cancel()
    assert process.returncode == 0, errors.decode()
    assert errors == b""
    events = [json.loads(line) for line in lines.read_text().splitlines()]
    assert len(events) > 3
    assert {event["end"] for event in events} <= {2.0, 3.0, 4.0}


def test_mistakes(run, tmp_path, capsys):
    for words, message in {
        ("gopher://x",): "begins with http, https, rtmp, rtsp",
        (tmp_path / "none",): "cannot be opened (No such file",
        (tmp_path,): "is a folder",
        ("-", "--allow-references"): "address of a playlist, http:// or https://, got '-'",
        ("-", "--every", 0): "--every of at least 1, got 0",
        ("-", "--out", tmp_path): "it is a folder",
    }.items():
        assert run("listen", *words) == 2
        message_shown = capsys.readouterr().err
        assert message in message_shown
        assert "Traceback" not in message_shown
