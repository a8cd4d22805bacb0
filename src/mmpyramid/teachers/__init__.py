"""Zero-shot teachers: scores from the open backbones' own classifiers, without any training.

They are the default scorer until a trained checkpoint is chosen, a source of pseudo-labels, and a
baseline. They find the labels of a vocabulary: `everyday`, the benchmarks' `llp` and `ave`, or a
file of one's own. What the class lists have no counterpart for, they never find, and say so.
"""

from mmpyramid.teachers.beside import Beside
from mmpyramid.teachers.vocabulary import (
    VOCABULARIES,
    Entry,
    Vocabulary,
    load_vocabulary,
    parse_vocabulary,
    record_vocabulary,
    recorded_vocabulary,
)
from mmpyramid.teachers.zero_shot import Teacher, load_teacher

__all__ = [
    "VOCABULARIES",
    "Beside",
    "Entry",
    "Teacher",
    "Vocabulary",
    "load_teacher",
    "load_vocabulary",
    "parse_vocabulary",
    "record_vocabulary",
    "recorded_vocabulary",
]
