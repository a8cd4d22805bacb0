"""`mmpyramid score` on detections: the file, mean average precision, intervals, two systems."""

import itertools
import json
from dataclasses import replace

import numpy as np
import pytest

import tiny_unav
from mmpyramid.datasets import open_dataset
from mmpyramid.problems.dense.detections import (
    MEASURES,
    DetectionStudy,
    read_detections,
    table_of,
    write_detections,
)
from mmpyramid.problems.detection import match_detections


@pytest.fixture(scope="module")
def unav(tmp_path_factory):
    return tiny_unav.make(tmp_path_factory.mktemp("corpus") / "unav")


@pytest.fixture(scope="module")
def dataset(unav):
    return open_dataset(unav, "test")


def near_the_truth(dataset, seconds, seed=0):
    """Every event with other times, and as many that are none."""
    random = np.random.default_rng(seed)
    rows = []
    for event in dataset.events:
        start, end = np.sort(np.array([event.start, event.end]) + seconds * random.normal(size=2))
        rows.append((event.video, event.label, start, end + 0.1, random.uniform(0.3, 1)))
        rows.append((event.video, random.integers(3), 0, 1 + random.random(), random.random()))
    return table_of(rows)


@pytest.fixture
def good(dataset, tmp_path):
    write_detections(tmp_path / "good.json", near_the_truth(dataset, 0.3), dataset)
    return tmp_path / "good.json"


@pytest.fixture
def bad(dataset, tmp_path):
    write_detections(tmp_path / "bad.json", near_the_truth(dataset, 3, seed=1), dataset)
    return tmp_path / "bad.json"


def test_two_systems_are_compared(good, bad, unav, dataset, run, tmp_path, capsys):
    written = tmp_path / "numbers.json"
    words = ("--against", bad, "--tables", "--json", written, "--resamples", 200)
    assert run("score", good, "--labels", unav, *words) == 0
    shown = capsys.readouterr().out
    assert "test, 8 videos, per cent, with 95 % intervals (200 draws of the videos)" in shown
    assert f"{good} minus {bad}" in shown
    assert f"{bad}: average precision by class" in shown
    numbers = json.loads(written.read_text())
    expected = DetectionStudy.of(near_the_truth(dataset, 0.3), dataset).report.to_dict()
    assert {name: numbers[name] for name in MEASURES} == expected
    assert set(numbers["classes"]) == set(tiny_unav.LABELS)
    mean = np.mean([row["mAP@0.5"] for row in numbers["classes"].values()])
    assert mean == pytest.approx(numbers["mAP@0.5"])
    low, high = numbers["intervals"]["mAP"]
    assert low < numbers["mAP"] < high
    difference = numbers["difference"]["mAP"]
    assert difference["difference"] == pytest.approx(numbers["mAP"] - numbers["other"]["mAP"])
    assert 0 < difference["low"] < difference["difference"] < difference["high"]
    assert difference["p"] < 0.1, "eight videos allow no more"


def test_p_is_that_of_all_exchanges(dataset):
    """Three videos can be exchanged in eight ways, each of which is scored for itself here."""
    few = [event for event in dataset.events if event.video < 3]
    truth = table_of([(*event, 1.0) for event in few])
    systems = [near_the_truth(dataset, seconds, seed=2) for seconds in (0.2, 2)]

    def only(table, videos):
        rows = np.isin(table.video, list(videos))
        return [row[rows] for row in (getattr(table, name) for name in COLUMNS)]

    def study(*tables):
        predicted = table_of(np.concatenate([np.stack(table, axis=1) for table in tables]))
        return DetectionStudy(
            matches=match_detections(predicted, truth, 3, 3), labels=tiny_unav.LABELS
        )

    every = range(3)
    found = study(only(systems[0], every)).against(study(only(systems[1], every)), 4_999)
    differences = []
    for count in range(4):
        for mine in itertools.combinations(every, count):
            rest = set(every) - set(mine)
            one = study(only(systems[0], mine), only(systems[1], rest)).report.mean
            other = study(only(systems[1], mine), only(systems[0], rest)).report.mean
            differences.append(abs(one - other))
    exact = np.mean(np.array(differences) >= abs(found.difference[-1]) - 1e-9)
    assert found.p[-1] == pytest.approx(exact, abs=0.03)
    assert found.difference[-1] != 0


COLUMNS = ("video", "label", "start", "end", "score")


def test_a_system_does_not_differ_from_itself(good, dataset):
    study = DetectionStudy.of(read_detections(good, dataset), dataset)
    test = study.against(study, 50)
    assert not test.difference.any()
    assert (test.p == 1).all()


def test_what_is_written_is_read(dataset, tmp_path):
    table = near_the_truth(dataset, 1)
    write_detections(tmp_path / "found.json", table, dataset)
    again = read_detections(tmp_path / "found.json", dataset)
    assert DetectionStudy.of(again, dataset).report == DetectionStudy.of(table, dataset).report
    none = replace(table, **{name: getattr(table, name)[:0] for name in COLUMNS})
    write_detections(tmp_path / "none.json", none, dataset)
    assert (
        DetectionStudy.of(read_detections(tmp_path / "none.json", dataset), dataset).report.mean
        == 0
    )


def test_other_corpora_are_scored_by_whole_seconds(corpus, run, tmp_path, capsys):
    dataset = open_dataset(corpus, "test")
    exact = table_of([(*event, 0.5) for event in dataset.events])
    write_detections(tmp_path / "exact.json", exact, dataset)
    words = ("--labels", corpus, "--json", tmp_path / "numbers.json")
    assert run("score", tmp_path / "exact.json", *words) == 0
    assert json.loads((tmp_path / "numbers.json").read_text())["mAP"] == pytest.approx(100)
    assert "999 draws" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ('{"results": {"gone": []}}', "videos that are not in the split: 1 ('gone')"),
        ('{"results": {"test_0": [EVENT]}}', "labels that the annotations lack"),
        (
            '{"results": {"test_0": [{"segment": [2, 1], "label": "raining", "score": 1}]}}',
            "2..1 s",
        ),
        ('{"results": {"test_0": [{"segment": [2], "label": "raining", "score": 1}]}}', "segment"),
        ('{"results": []}', "found.json"),
        ("{}", "results"),
        ("[" * 100_000, "found.json"),
        ("", "found.json"),
    ],
)
def test_files_of_another_form(content, message, unav, run, tmp_path, capsys):
    event = '{"segment": [0, 1], "label": "a cat", "score": 1}'
    (tmp_path / "found.json").write_text(content.replace("EVENT", event))
    assert run("score", tmp_path / "found.json", "--labels", unav) == 2
    told = capsys.readouterr().err
    assert message in told
    assert "Traceback" not in told


@pytest.mark.parametrize(
    "words", [("--threshold", 0.4), ("--tune", "x.npz"), ("--report", "x.html")]
)
def test_flags_of_probabilities_are_refused(words, good, unav, run, capsys):
    assert run("score", good, "--labels", unav, *words) == 2
    assert "are for probabilities in .npz files" in capsys.readouterr().err


def test_clips_of_one_video_are_refused(events, run, tmp_path, capsys):
    (tmp_path / "found.json").write_text('{"results": {}}')
    assert run("score", tmp_path / "found.json", "--labels", events[0]) == 2
    assert "videos are annotated as a whole" in capsys.readouterr().err
