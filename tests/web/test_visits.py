"""What is kept for a visitor ends with the visit."""

import io

import pytest

from mmpyramid.web.uploads import Uploads
from mmpyramid.web.visits import Visits


@pytest.fixture
def clock():
    return [0.0]


@pytest.fixture
def visits(clock):
    return Visits(clock=lambda: clock[0])


@pytest.fixture
def upload(tmp_path):
    uploads = Uploads(tmp_path)
    return lambda: uploads.write(io.BytesIO(b"video"), "a.mp4")


def test_another_choice_lets_go_of_the_last(visits, upload):
    visit = visits.of("me")
    first, second = upload(), upload()
    visit.choose(first)
    visit.choose(second)
    assert (first.path.exists(), second.path.exists()) == (False, True)


def test_other_thresholds_keep_the_video(visits, upload):
    visit, video = visits.of("me"), upload()
    visit.show(None, video)
    visit.show(None, video)
    assert video.path.exists()
    assert visit.version == 2
    visit.show(None, upload())
    assert not video.path.exists()


def test_the_end_deletes_everything_even_what_comes_later(visits, upload):
    visit, token = visits.of("me"), visits.of("me").token
    chosen, shown, late = upload(), upload(), upload()
    visit.choose(chosen)
    visit.show(None, shown)
    assert visits.by_token(token) is visit
    visits.end("me")
    visits.end("me")
    visit.show(None, late)
    assert not any(held.path.exists() for held in (chosen, shown, late))
    assert visits.by_token(token) is None
    assert visits.of("me") is not visit


def test_idle_visits_end(visits, clock, upload):
    mine, theirs = visits.of("me"), visits.of("them")
    video = upload()
    mine.choose(video)
    clock[0] = 100.0
    visits.by_token(theirs.token)
    visits.end_idle(50)
    assert not video.path.exists()
    assert len(visits) == 1
