"""Parquet (.parquet), for tables of events in R, Spark and databases; needs the extra `parquet`."""

from __future__ import annotations

from io import BytesIO

from mmpyramid.core import Timeline
from mmpyramid.core.wording import INFERRED, printable
from mmpyramid.formats.registry import Format, register


def to_parquet(timeline: Timeline) -> bytes:
    """Write a row per event: source, label, modality (text), start, end (seconds), score (double).

    The tables of many videos can be read as one. The metadata of the file have model and duration.

    Example:
        >>> to_parquet(Timeline())[:4]
        b'PAR1'
    """
    import pyarrow as pa
    from pyarrow import parquet

    text = {"source": [timeline.source] * len(timeline), "label": [e.label for e in timeline]}
    text["modality"] = [event.modality.value for event in timeline]
    numbers = {
        name: [getattr(event, name) for event in timeline] for name in ("start", "end", "score")
    }
    columns = {
        **{name: pa.array(map(printable, values), pa.string()) for name, values in text.items()},
        **{name: pa.array(values, pa.float64()) for name, values in numbers.items()},
        INFERRED: pa.array([event.inferred for event in timeline], pa.bool_()),
    }
    facts = {"model": printable(timeline.model), "duration": repr(timeline.duration)}
    table = pa.table(columns).replace_schema_metadata(facts)
    content = BytesIO()
    parquet.write_table(table, content, compression="snappy")
    return content.getvalue()


register(
    Format(
        name="parquet",
        description="a row per event, with its source",
        programs="pandas, R (arrow), DuckDB, Polars, Spark",
        write=to_parquet,
        package="pyarrow",
        media_type="application/vnd.apache.parquet",
    )
)
