"""The official numbers: pure functions, a stateful wrapper, a readable report.

The torchmetrics wrapper is in `stateful`, so that scoring needs numpy alone.
"""

from mmpyramid.problems.parsing.gates import llp_masks
from mmpyramid.problems.parsing.metrics import (
    event_counts,
    parsing_f_scores,
    parsing_report,
    segment_counts,
    video_f_scores,
)
from mmpyramid.problems.parsing.predictions import Predictions, read_predictions, score_predictions
from mmpyramid.problems.parsing.references import nothing_predicted, weak_labels_everywhere
from mmpyramid.problems.parsing.report import LevelScores, ParsingReport, comparison_table

__all__ = [
    "LevelScores",
    "ParsingReport",
    "Predictions",
    "comparison_table",
    "event_counts",
    "llp_masks",
    "nothing_predicted",
    "parsing_f_scores",
    "parsing_report",
    "read_predictions",
    "score_predictions",
    "segment_counts",
    "video_f_scores",
    "weak_labels_everywhere",
]
