"""An interrupt that Python drops is sent again."""

import signal
import sys
import threading
import time
import weakref

import pytest

from mmpyramid.core.interrupts import interrupts_kept


class Thing:
    """Something that a weak reference can refer to."""


def interrupt(_=None):
    signal.raise_signal(signal.SIGINT)


def be_interrupted_where_nothing_can_be_raised(times=1, then_wait=0.0):
    for _ in range(times):
        thing = Thing()
        reference = weakref.ref(thing, interrupt)
        del thing
        assert reference() is None
    time.sleep(then_wait)


@pytest.fixture(autouse=True)
def _heeded():
    """Python keeps ignoring interrupts where a shell started the tests in the background."""
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    yield
    signal.signal(signal.SIGINT, before)


@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")
def test_python_drops_it():
    be_interrupted_where_nothing_can_be_raised(then_wait=0.1)


def test_it_is_sent_again():
    with pytest.raises(KeyboardInterrupt), interrupts_kept():
        be_interrupted_where_nothing_can_be_raised(then_wait=60)


def test_it_is_not_lost_at_the_end():
    with pytest.raises(KeyboardInterrupt), interrupts_kept():
        be_interrupted_where_nothing_can_be_raised()


def test_so_are_several():
    with pytest.raises(KeyboardInterrupt), interrupts_kept():
        be_interrupted_where_nothing_can_be_raised(times=3, then_wait=60)


def test_one_that_comes_too_early_is_sent_once_more(monkeypatch):
    class Early(threading.Timer):
        def start(self):
            monkeypatch.undo()
            interrupt()

    monkeypatch.setattr(threading, "Timer", Early)
    with pytest.raises(KeyboardInterrupt), interrupts_kept():
        be_interrupted_where_nothing_can_be_raised(then_wait=60)


def test_other_exceptions_are_reported_as_before(monkeypatch):
    told = []
    monkeypatch.setattr(sys, "unraisablehook", lambda args: told.append(args.exc_type))
    with interrupts_kept():
        thing = Thing()
        reference = weakref.ref(thing, lambda _: 1 / 0)
        del thing
    assert reference() is None
    assert told == [ZeroDivisionError]


def test_an_ordinary_interrupt_stays_one():
    with pytest.raises(KeyboardInterrupt), interrupts_kept():
        interrupt()
