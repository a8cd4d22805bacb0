"""Audio-visual video parsing (LLP): the decision rule, the official numbers, the losses.

What needs torch is in `losses` and `stateful`, so that scoring needs numpy alone.
"""

from mmpyramid.problems.counts import event_counts, segment_counts, video_f_scores
from mmpyramid.problems.parsing.decisions import llp_masks, segment_masks
from mmpyramid.problems.parsing.metrics import (
    LevelScores,
    ParsingReport,
    comparison_table,
    parsing_f_scores,
    parsing_report,
)
from mmpyramid.problems.parsing.predictions import Predictions, read_predictions, score_predictions
from mmpyramid.problems.parsing.problem import nothing_predicted, weak_labels_everywhere

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
    "segment_masks",
    "video_f_scores",
    "weak_labels_everywhere",
]
