"""Zero-shot teachers: scores from the open backbones' own classifiers, without any training.

They are the default scorer until a trained checkpoint is chosen, a source of pseudo-labels, and a
baseline. What their class lists have no counterpart for, they never find:

- LLP, seen: Speech, Cheering, Fire_alarm, Singing, Baby_laughter, Helicopter, Baby_cry_infant_cry,
  Blender, Clapping. LLP, heard: every label has a counterpart.
- AVE, seen: male and female speech, Helicopter, Ukulele, Shofar, Baby cry, Mandolin. AVE, heard:
  male and female speech, for the classes of YAMNet do not tell voices apart.
"""

from mmpyramid.teachers.maps import LABEL_SETS, LabelSet
from mmpyramid.teachers.zero_shot import Teacher, load_teacher

__all__ = ["LABEL_SETS", "LabelSet", "Teacher", "load_teacher"]
