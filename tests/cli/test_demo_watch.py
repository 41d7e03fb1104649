"""The watcher tells what happens, once, and stops the daemon in time."""

from threading import Event

import pytest

from adaptd.cli.demo_display import View
from adaptd.cli.demo_setup import Demo
from adaptd.cli.demo_watch import watch
from adaptd.clock import FakeClock
from adaptd.registry.proposals import Proposal
from adaptd.store.database import Database


class RecordingDisplay:
    """Keeps every view, lets time pass with each, and sets `stop` after so many."""

    def __init__(self, clock: FakeClock, stop: Event, *, views: int, seconds: float = 0.0) -> None:
        self.views: list[View] = []
        self._clock = clock
        self._stop = stop
        self._limit = views
        self._seconds = seconds

    def show(self, view: View) -> None:
        self.views.append(view)
        self._clock.advance(self._seconds)
        if len(self.views) >= self._limit:
            self._stop.set()


class BrokenDisplay:
    def show(self, view: View) -> None:
        raise BrokenPipeError(f"nobody reads {view.fresh}")


def test_it_stops_the_daemon_once_the_demo_has_ended(
    finished: Database, demo: Demo, clock: FakeClock
) -> None:
    stop = Event()
    display = RecordingDisplay(clock, stop, views=10)
    watch(finished, demo, display, stop=stop, clock=clock, limit_seconds=60, poll_seconds=0)
    assert stop.is_set()
    assert len(display.views) == 1
    assert any("takes over" in text for text in display.views[0].fresh)


def test_it_ends_when_it_is_told_to_and_tells_each_event_once(
    alarmed: Database, demo: Demo, clock: FakeClock
) -> None:
    stop = Event()
    display = RecordingDisplay(clock, stop, views=2, seconds=0.5)
    watch(alarmed, demo, display, stop=stop, clock=clock, limit_seconds=60, poll_seconds=0)
    first, second = display.views
    assert any("drift alarm" in text for text in first.fresh)
    assert list(second.fresh) == []
    assert (first.rate, second.rate) == (None, 0.0)
    assert second.elapsed_seconds == 0.5


def test_it_gives_up_at_the_limit(alarmed: Database, demo: Demo, clock: FakeClock) -> None:
    stop = Event()
    display = RecordingDisplay(clock, stop, views=10, seconds=40)
    watch(alarmed, demo, display, stop=stop, clock=clock, limit_seconds=60, poll_seconds=0)
    assert stop.is_set()
    assert len(display.views) == 3


def test_a_person_may_take_longer_than_the_limit(
    alarmed: Database, proposed: Proposal, demo: Demo, clock: FakeClock
) -> None:
    stop = Event()
    display = RecordingDisplay(clock, stop, views=5, seconds=40)
    watch(alarmed, demo, display, stop=stop, clock=clock, limit_seconds=60, poll_seconds=0)
    assert len(display.views) == 5


def test_the_daemon_is_stopped_even_where_nothing_can_be_shown(
    alarmed: Database, demo: Demo, clock: FakeClock
) -> None:
    stop = Event()
    with pytest.raises(BrokenPipeError):
        watch(
            alarmed, demo, BrokenDisplay(), stop=stop, clock=clock, limit_seconds=60, poll_seconds=0
        )
    assert stop.is_set()
