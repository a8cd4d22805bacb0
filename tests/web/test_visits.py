"""What is kept for a visitor ends with the visit."""

from contextlib import nullcontext
from types import SimpleNamespace

import pytest

from mmpyramid.core import Timeline
from mmpyramid.core.errors import UserError
from mmpyramid.pipeline import Parsed
from mmpyramid.problems import Decoder
from mmpyramid.web.access import Visitor
from mmpyramid.web.handlers import Handlers
from mmpyramid.web.limits import BusyError, TooManyError
from mmpyramid.web.uploads import Uploads
from mmpyramid.web.visits import MOST_EACH, MOST_VISITS, Visits

ME, THEM = Visitor("10.0.0.1", "mine"), Visitor("10.0.0.2", "theirs")

PARSED = Parsed(
    timeline=Timeline(source="new.mp4"), scores=None, features={}, decoder=Decoder(threshold=0.2)
)


@pytest.fixture
def clock(monkeypatch):
    seconds = [0.0]
    monkeypatch.setattr("mmpyramid.web.visits.monotonic", lambda: seconds[0])
    return seconds


@pytest.fixture
def visits():
    return Visits()


@pytest.fixture
def upload(tmp_path, store):
    uploads = Uploads(tmp_path)
    return lambda: store(uploads)


def test_another_choice_releases_the_last(visits, upload):
    visit = visits.claim("me", ME)
    first, second, third = upload(), upload(), upload()
    visit.choose(first, second)
    visit.choose(third)
    found = [held.path.exists() for held in (first, second, third)]
    assert found == [False, False, True]


def test_a_bad_upload_does_not_take_along_another_choice(visits, upload):
    visit, bad, good = visits.claim("me", ME), upload(), upload()
    visit.choose(bad, good)
    visit.reject(bad.path)
    visit.reject(bad.path)
    assert visit.uploads == (good,)
    assert (bad.path.exists(), good.path.exists()) == (False, True)


REQUEST = SimpleNamespace(session_hash="me")


def test_a_bad_video_leaves_the_others_and_a_later_choice(visits, tmp_path, store):
    (root := tmp_path / "root").mkdir()
    uploads = Uploads(root)
    visit = visits.claim("me", ME)
    bad, good, later = (store(uploads, name=f"{name}.mp4") for name in ("bad", "good", "later"))

    class Pool:
        def place(self, visitor):
            return nullcontext()

        def take_turn(self, job, on_stage):
            if job.name == "bad.mp4":
                raise UserError(f"{job.name} is no video")
            visit.choose(later)
            return PARSED

    visit.choose(bad, good)
    paths = [str(held.path) for held in (bad, good)]
    run = Handlers(Pool(), uploads, visits).parse(REQUEST, None, paths, None, None, "teachers")
    *_, (listed, shown, *_), (_, _, form, *_) = run
    assert "Bad.mp4 is no video" in listed
    assert "1 of 2 parsed" in listed
    assert 'src="visits/' in shown
    assert form == [(paths[1], "good.mp4")]
    assert visit.uploads == (later,)
    assert [held.path.exists() for held in (bad, good, later)] == [False, True, True]
    visits.end("me")
    assert not good.path.exists()


def test_the_end_deletes_everything_even_what_comes_later(visits, upload):
    visit, token = visits.claim("me", ME), visits.of("me").token
    chosen, shown, late = upload(), upload(), upload()
    visit.choose(chosen)
    visit.show(PARSED, shown)
    assert visits.by_token(token, ME) is visit
    visits.end("me")
    visits.end("me")
    visit.show(PARSED, late)
    assert not any(held.path.exists() for held in (chosen, shown, late))
    assert visits.by_token(token, ME) is None
    assert visits.of("me") is not visit
    assert visits.of("me").ended


def test_a_visit_ends_with_its_last_connection(visits, upload):
    visit, video = visits.claim("me", ME), upload()
    visit.choose(video)
    with visits.watching("me"):
        with visits.watching("me"):
            assert visits.is_here(ME.id)
        assert video.path.exists(), "a connection that broke off may have been replaced"
    assert not video.path.exists()
    assert not visits.is_here(ME.id)
    with visits.watching("nobody"):
        pass


def test_a_connection_of_a_visit_that_ended_ends_no_later_one(visits):
    visits.claim("me", ME)
    with visits.watching("me"):
        visits.end("me")
        later = visits.claim("me", ME)
    assert visits.of("me") is later


def test_idle_visits_end(clock, visits, upload):
    """Soon where no page is connected and no video parsed."""
    watched, parsing = visits.claim("watched", ME), visits.claim("parsing", ME)
    alone, active = visits.claim("alone", ME), visits.claim("active", THEM)
    videos = {visit: upload() for visit in (watched, parsing, alone)}
    for visit, video in videos.items():
        visit.choose(video)

    def end_at(seconds):
        clock[0] = seconds
        visits.by_token(active.token, THEM)
        visits.end_idle(50, 20)
        return [video.path.exists() for video in videos.values()]

    with visits.watching("watched"):
        with visits.keeping(parsing):
            assert end_at(30.0) == [True, True, False]
        assert end_at(45.0) == [True, True, False]
        assert end_at(51.0) == [False, False, False]
    assert len(visits) == 1


def test_a_visit_is_for_the_browser_that_began_it(visits):
    visit = visits.claim("me", ME)
    assert visits.claim("me", ME) is visit
    assert visits.claim("me", THEM) is None
    assert visits.claim("me", Visitor(ME.address, "another browser")) is None
    assert visits.by_token(visit.token, THEM) is None


def test_nobody_has_all_visits(visits):
    for number in range(MOST_EACH):
        visits.claim(f"mine-{number}", ME)
    with pytest.raises(TooManyError, match=f"{MOST_EACH} pages of yours"):
        visits.claim("one more", ME)
    for number in range(MOST_VISITS - MOST_EACH):
        visits.claim(f"{number}", Visitor(f"10.1.{number // 40}.0", "other"))
    with pytest.raises(BusyError):
        visits.claim("one more", Visitor("10.2.0.0", "last"))
    visits.end("mine-0")
    visits.claim("one more", ME)
