"""The report as numbers, as a table, and beside others."""

import json

import numpy as np
import parsing_reference
import pytest

from mmpyramid import UserError
from mmpyramid.problems.parsing import (
    LevelScores,
    ParsingReport,
    comparison_table,
    nothing_predicted,
    parsing_report,
    weak_labels_everywhere,
)

COLUMNS = ["audio", "visual", "audio_visual", "type_av", "event_av"]


def scores(first):
    return LevelScores(**{name: first + i / 3 for i, name in enumerate(COLUMNS)})


@pytest.fixture
def report():
    return ParsingReport(segment=scores(60), event=scores(5))


def test_the_json_is_unrounded_and_reads_back(report):
    data = json.loads(json.dumps(report.to_dict()))
    assert list(data) == ["segment", "event"]
    assert [list(level) for level in data.values()] == [COLUMNS, COLUMNS]
    assert data["segment"]["visual"] == 60 + 1 / 3
    assert ParsingReport.from_dict(data) == report


def test_the_table_is_aligned_and_rounded(report):
    heading, segment, event = str(report).splitlines()
    assert heading.split() == ["Audio", "Visual", "AV", "Type@AV", "Event@AV"]
    assert segment.split() == ["segment", "60.00", "60.33", "60.67", "61.00", "61.33"]
    assert event.split() == ["event", "5.00", "5.33", "5.67", "6.00", "6.33"]
    assert len({len(heading), len(segment), len(event)}) == 1
    assert report.table("Test split").splitlines() == ["Test split", heading, segment, event]


def test_reports_stand_below_each_other(report):
    name = "a network with a name of thirty"[:30]
    table = comparison_table({"ours": report, name: report}, title="Test split")
    title, segment, *segment_rows, blank, event, event_row, _ = table.splitlines()
    assert (title, blank) == ("Test split", "")
    assert segment.split() == ["segment", "level", "Audio", "Visual", "AV", "Type@AV", "Event@AV"]
    assert event.split()[:2] == ["event", "level"]
    assert [row[:30].strip() for row in segment_rows] == ["ours", name]
    assert segment_rows[0].split()[1:] == ["60.00", "60.33", "60.67", "61.00", "61.33"]
    assert event_row.split()[1:] == ["5.00", "5.33", "5.67", "6.00", "6.33"]
    assert len({len(line) for line in (segment, event, event_row, *segment_rows)}) == 1
    assert len(segment) <= 80


def test_oracles_are_explained_below_the_table(report):
    *_, blank, note = comparison_table({"ours": report, "labels (oracle)": report}).splitlines()
    assert (blank, note[:9]) == ("", "(oracle):")
    assert "(oracle)" not in comparison_table({"ours": report})


def test_trivial_references():
    *_, audio, visual = parsing_reference.random_masks(seed=1)
    weak = audio.any(axis=1) | visual.any(axis=1)
    nothing = np.zeros_like(audio)
    assert nothing_predicted(audio, visual) == parsing_report(nothing, nothing, audio, visual)
    spread = np.repeat(weak[:, None], audio.shape[1], axis=1)
    expected = parsing_report(spread, spread, audio, visual)
    assert weak_labels_everywhere(weak.astype(np.float32), audio, visual) == expected


def test_weak_labels_stop_where_a_video_ends():
    audio, mask_NT = np.zeros((1, 5, 1), dtype=bool), np.array([[1, 1, 0, 0, 0]], dtype=bool)
    audio[0, :2] = True
    weak = np.ones((1, 1))
    assert weak_labels_everywhere(weak, audio, audio, mask_NT=mask_NT).segment.audio == 100
    assert weak_labels_everywhere(weak, audio, audio).segment.audio < 100
    with pytest.raises(UserError, match=r"weak labels of shape \(1, 1\), got \(2, 1\)"):
        weak_labels_everywhere(np.ones((2, 1)), audio, audio)
