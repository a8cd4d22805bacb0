"""Timelines that hypothesis draws, for properties of formats."""

from hypothesis import strategies as st

from mmpyramid.core import Event, Modality, Timeline
from mmpyramid.core.wording import printable

ANY_TEXT = st.text(st.characters(exclude_categories=["Cs"]), min_size=1)
PRINTABLE = st.text(st.characters().filter(lambda c: printable(c) == c), min_size=1)


def some(text: str) -> bool:
    return bool(text.strip())


@st.composite
def timelines(draw, per_second: int, labels: st.SearchStrategy[str] = ANY_TEXT) -> Timeline:
    """Events on a grid, with scores of two decimals, which every format can hold."""
    known = draw(st.lists(labels.filter(some), min_size=1, max_size=5, unique=True))
    day = 24 * 3600 * per_second
    event = st.builds(
        lambda start, length, label, modality, percent: Event(
            start / per_second, (start + length) / per_second, label, modality, percent / 100
        ),
        st.integers(0, day),
        st.integers(1, day),
        st.sampled_from(known),
        st.sampled_from(Modality),
        st.integers(0, 100),
    )
    return Timeline(
        events=tuple(draw(st.lists(event, max_size=12))),
        duration=draw(st.floats(0, 1e6)),
        labels=tuple(known),
        source=draw(PRINTABLE) + draw(st.sampled_from([".mp4", ".wav", ""])),
        model=draw(ANY_TEXT),
        missing=tuple(draw(st.lists(st.sampled_from(Modality), max_size=2))),
        notes=tuple(draw(st.lists(ANY_TEXT, max_size=2))),
        frame_rate=draw(st.sampled_from(["25", "24000/1001", "30000/1001", "60"])),
    )
