"""Watches a running demo through its store, and stops it when it has shown all."""

from collections import deque
from threading import Event

from adaptd.cli.demo_display import Display, View
from adaptd.cli.demo_events import events
from adaptd.cli.demo_facts import Facts, awaiting, ending, read
from adaptd.cli.demo_setup import Demo
from adaptd.clock import Clock
from adaptd.errors import StoreUnavailable
from adaptd.store.database import Database

# Often enough to look alive, seldom enough to cost the stream nothing.
POLL_SECONDS = 0.5
# The shown rate is taken over so many polls.
RATE_POLLS = 10


def watch(
    database: Database,
    demo: Demo,
    display: Display,
    *,
    stop: Event,
    clock: Clock,
    limit_seconds: float,
    poll_seconds: float = POLL_SECONDS,
) -> None:
    """Shows what happens until the demo has ended or `stop` is set; sets `stop` however it ends.

    Time in which a proposal waits for a decision does not count against the limit.
    """
    started = clock.monotonic()
    deadline = started + limit_seconds
    shown: set[str] = set()
    counts: deque[tuple[float, int]] = deque(maxlen=RATE_POLLS)
    try:
        while True:
            facts = _facts(database, demo)
            now = clock.monotonic()
            if facts is not None:
                counts.append((now, facts.records))
                fresh = [event for event in events(facts, demo) if event.key not in shown]
                shown.update(event.key for event in fresh)
                display.show(
                    View(
                        facts=facts,
                        fresh=[event.text for event in fresh],
                        rate=_rate(counts),
                        elapsed_seconds=now - started,
                    )
                )
                if ending(facts, demo) is not None:
                    return
                if awaiting(facts) is not None:
                    deadline = now + limit_seconds
            if now > deadline or stop.wait(poll_seconds):
                return
    finally:
        stop.set()


def _facts(database: Database, demo: Demo) -> Facts | None:
    try:
        with database.read() as connection:
            return read(connection, demo.stream)
    except StoreUnavailable:
        # The daemon holds the lock for a moment; the next poll will do.
        return None


def _rate(counts: deque[tuple[float, int]]) -> float | None:
    (first_time, first), (last_time, last) = counts[0], counts[-1]
    return None if last_time <= first_time else (last - first) / (last_time - first_time)
