"""Events as a table for spreadsheets and scripts."""

from __future__ import annotations

import csv
import io

from mmpyramid.types import Timeline

COLUMNS = ("label", "modality", "start", "end", "score")


def to_csv(timeline: Timeline) -> str:
    """Write one row per event under a header row; times in seconds, rounded to six decimals.

    Example:
        >>> print(to_csv(Timeline()), end="")
        label,modality,start,end,score
    """
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(COLUMNS)
    for event in timeline:
        numbers = [round(float(number), 6) for number in (event.start, event.end, event.score)]
        writer.writerow([event.label, event.modality.value, *numbers])
    return text.getvalue()
