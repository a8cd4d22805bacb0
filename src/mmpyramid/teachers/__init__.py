"""Zero-shot teachers: scores from the open backbones' own classifiers, without any training.

They are the default scorer until a trained checkpoint is chosen, a source of pseudo-labels, and a
baseline. They find the labels of a vocabulary: `everyday`, the benchmarks' `llp` and `ave`, or a
file of one's own. What the class lists have no counterpart for, they never find, and say so.
"""

from mmpyramid.teachers.beside import Beside
from mmpyramid.teachers.text import TextTeacher, load_prompts, load_text_teacher, prompts_for
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
    "TextTeacher",
    "Vocabulary",
    "load_prompts",
    "load_teacher",
    "load_text_teacher",
    "load_vocabulary",
    "parse_vocabulary",
    "prompts_for",
    "record_vocabulary",
    "recorded_vocabulary",
]
