"""Timelines to look at: short, an hour long, a single segment, with nothing in it."""

import pytest

from mmpyramid.core import Event, Modality, Timeline
from mmpyramid.core.labels import LLP_LABELS


@pytest.fixture(scope="session")
def short() -> Timeline:
    """Ten seconds: a dog heard, seen, and both."""
    events = (
        Event(0.0, 2.0, "Frying_(food)", Modality.VISUAL, 0.44),
        Event(2.0, 9.0, "Dog", Modality.AUDIO, 0.81),
        Event(4.0, 10.0, "Dog", Modality.VISUAL, 0.97),
        Event(4.0, 9.0, "Dog", Modality.AUDIO_VISUAL, 0.81),
    )
    return Timeline(
        events=events,
        duration=10.0,
        labels=LLP_LABELS,
        source="clips/dog.mp4",
        model="teachers",
        frame_rate="25",
    )


@pytest.fixture(scope="session")
def hour() -> Timeline:
    """An hour with an event of every label and modality every ten minutes."""
    events = tuple(
        Event(600.0 * k + 7 * i, 600.0 * k + 7 * i + 3, label, modality, 0.5)
        for k in range(6)
        for i, label in enumerate(LLP_LABELS)
        for modality in Modality
    )
    return Timeline(
        events=events,
        duration=3600.0,
        labels=LLP_LABELS,
        source="hour.mkv",
        frame_rate="30000/1001",
    )


@pytest.fixture(scope="session")
def single() -> Timeline:
    """One sound in a file of 0.4 seconds without pictures."""
    return Timeline(
        events=(Event(0.0, 0.4, "Clapping", Modality.AUDIO, 0.7),),
        duration=0.4,
        labels=LLP_LABELS,
        source="clap.wav",
        missing=(Modality.VISUAL,),
    )


@pytest.fixture(scope="session")
def empty() -> Timeline:
    """Nothing found in a damaged file without sound."""
    return Timeline(
        duration=10.0,
        labels=LLP_LABELS,
        source="quiet.mp4",
        missing=(Modality.AUDIO,),
        notes=("The file is damaged after 0:07.",),
    )


@pytest.fixture(params=["short", "hour", "single", "empty"])
def timeline(request: pytest.FixtureRequest) -> Timeline:
    """Each of them."""
    return request.getfixturevalue(request.param)
