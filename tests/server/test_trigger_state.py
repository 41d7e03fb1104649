"""What waits, as the store knows it."""

from datetime import timedelta
from typing import Any

from adaptd.clock import FakeClock
from adaptd.registry import requests, schedules, usage, waits
from adaptd.server import trigger_state
from adaptd.server.trigger_state import UNSEEN, TriggerState
from adaptd.store.database import Database

STREAM = "press-4"


def read(database: Database, clock: FakeClock) -> TriggerState:
    with database.read() as connection:
        return trigger_state.read(connection, STREAM, now=clock.now())


def ask(database: Database, clock: FakeClock, *, reason: str = "", over: bool = False) -> None:
    with database.write() as connection:
        requests.ask(
            connection,
            stream=STREAM,
            actor="user:ada",
            reason=reason,
            is_over_budget=over,
            now=clock.now(),
        )


def test_of_an_unknown_stream_nothing_waits(database: Database, clock: FakeClock) -> None:
    assert read(database, clock) == TriggerState(queue=(), schedule=None, compute_seconds=0.0)


def test_the_queue_is_in_the_order_in_which_it_is_taken(
    database: Database, story: Any, clock: FakeClock, drifted: Any
) -> None:
    shown = [story.waits(STREAM, kind) for kind in ("schedule", "manual", "drift")]
    with database.write() as connection:
        waits.show(connection, STREAM, shown)
    drift, manual, schedule = read(database, clock).queue
    assert (drift.kind, drift.record, drift.detail) == ("drift", 4_320, "loss")
    # Neither has a record before it begins.
    assert manual.record is schedule.record is None


def test_a_request_shows_before_the_daemon_has_seen_it(
    database: Database, clock: FakeClock, drifted: Any
) -> None:
    ask(database, clock, reason="new bearing")
    asked_at = clock.now()
    clock.advance(60)
    ask(database, clock, reason="it is urgent", over=True)
    (waiting,) = read(database, clock).queue
    assert (waiting.reason, waiting.actor, waiting.detail) == (UNSEEN, "user:ada", "it is urgent")
    assert waiting.is_over_budget
    assert waiting.since == asked_at


def test_once_the_daemon_has_seen_a_request_it_says_why_it_waits(
    database: Database, story: Any, clock: FakeClock, drifted: Any
) -> None:
    ask(database, clock)
    story.waits(STREAM, "manual", reason="episode")
    (waiting,) = read(database, clock).queue
    assert waiting.reason == "episode"


def test_schedule_and_compute_are_of_the_stream_and_of_today(
    database: Database, clock: FakeClock
) -> None:
    today = usage.day_of(clock.now())
    with database.write() as connection:
        schedules.ran(connection, STREAM, at=clock.now(), next_due=None)
        usage.add(connection, stream=STREAM, day=today, cpu_seconds=12.5)
        usage.add(connection, stream=STREAM, day=today - timedelta(days=1), cpu_seconds=99)
        usage.add(connection, stream="other", day=today, cpu_seconds=99)
    state = read(database, clock)
    assert state.schedule is not None
    assert state.schedule.last_run == clock.now()
    assert state.compute_seconds == 12.5
