"""The official numbers: pure functions, a stateful wrapper, a readable report.

The torchmetrics wrapper is in `mmpyramid.metrics.stateful`, so that scoring needs numpy alone.
"""

from mmpyramid.metrics.functional import (
    event_counts,
    parsing_f_scores,
    parsing_report,
    segment_counts,
    video_f_scores,
)
from mmpyramid.metrics.gates import llp_masks
from mmpyramid.metrics.predictions import Predictions, read_predictions, score_predictions
from mmpyramid.metrics.references import nothing_predicted, weak_labels_everywhere
from mmpyramid.metrics.report import LevelScores, ParsingReport, comparison_table

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
