import threading
import time
from collections.abc import Sequence
from pathlib import Path

import pytest
from structlog.testing import capture_logs

from adaptd.clock import FakeClock
from adaptd.daemon.ledger import Ledger
from adaptd.daemon.posts import EventPost, LetterPost
from adaptd.daemon.relay import REST_SECONDS, Relay
from adaptd.errors import TransientError
from adaptd.registry import dead_letters
from adaptd.registry.dead_letters import DeadLetter
from adaptd.store import epochs, outbox
from adaptd.store.database import Database
from adaptd.store.outbox import Event


class Inbox:
    """A publisher that keeps what it gets and fails as often as it is told to."""

    def __init__(self, failures: int = 0, *, error: Exception | None = None) -> None:
        self.failures = failures
        self.numbers: list[int] = []
        self.is_closed = False
        self._error = error or TransientError("broker unreachable")

    def publish(self, event: Event) -> None:
        if self.failures:
            self.failures -= 1
            raise self._error
        self.numbers.append(event.document["number"])

    def close(self) -> None:
        self.is_closed = True


def post(database: Database, clock: FakeClock, numbers: Sequence[int], stream: str = "s") -> None:
    for number in numbers:
        clock.advance(1)
        with database.write() as connection:
            outbox.add(
                connection,
                stream=stream,
                kind="release",
                document={"number": number},
                now=clock.now(),
            )


def event_post(database: Database, stream: str, inbox: Inbox) -> EventPost:
    """Of a stream that this process owns from here on."""
    with database.write() as connection:
        epoch = epochs.acquire(connection, stream=stream, owner="test", now=FakeClock().now())
    return EventPost(Ledger(stream, epoch), inbox)


def test_events_are_sent_once_and_in_order(database: Database, clock: FakeClock) -> None:
    inbox = Inbox()
    relay = Relay([event_post(database, "s", inbox)], database=database, clock=clock)
    post(database, clock, [1, 2, 3])
    assert relay.send() == 3
    assert relay.send() == 0
    assert inbox.numbers == [1, 2, 3]


def test_a_failed_event_is_sent_again_after_a_rest_and_before_later_ones(
    database: Database, clock: FakeClock
) -> None:
    inbox = Inbox(failures=1)
    relay = Relay([event_post(database, "s", inbox)], database=database, clock=clock)
    post(database, clock, [1, 2])
    assert relay.send() == 0
    assert relay.send() == 0
    assert inbox.failures == 0
    assert inbox.numbers == []
    clock.advance(REST_SECONDS)
    assert relay.send() == 2
    assert inbox.numbers == [1, 2]


@pytest.mark.parametrize("error", [TransientError("broker unreachable"), KeyError("a defect")])
def test_a_failing_stream_holds_up_no_other(
    database: Database, clock: FakeClock, error: Exception
) -> None:
    down, up = Inbox(failures=9, error=error), Inbox()
    relay = Relay(
        [event_post(database, "down", down), event_post(database, "up", up)],
        database=database,
        clock=clock,
    )
    # More than are taken at once.
    post(database, clock, range(120), stream="down")
    post(database, clock, [1, 2], stream="up")
    with capture_logs() as logs:
        assert relay.send() == 2
    assert up.numbers == [1, 2]
    assert down.failures == 8
    assert [entry["stream"] for entry in logs] == ["down"]


def test_an_unexpected_error_is_logged_with_its_traceback_and_told_until_it_is_over(
    database: Database, clock: FakeClock
) -> None:
    told: list[str | None] = []
    inbox = Inbox(failures=2, error=KeyError("a defect"))
    relay = Relay(
        [event_post(database, "s", inbox), event_post(database, "other", Inbox())],
        database=database,
        clock=clock,
        on_trouble=told.append,
    )
    post(database, clock, [1])
    with capture_logs() as logs:
        relay.send()
    assert logs[0]["exc_info"]
    (trouble,) = told
    assert trouble is not None
    assert "stream s" in trouble
    assert "a defect" in trouble
    relay.send()
    clock.advance(REST_SECONDS)
    relay.send()
    assert told == [trouble]
    clock.advance(REST_SECONDS)
    assert relay.send() == 1
    assert told == [trouble, None]


def test_a_receiver_that_cannot_be_reached_is_no_trouble(
    database: Database, clock: FakeClock
) -> None:
    told: list[str | None] = []
    relay = Relay(
        [event_post(database, "s", Inbox(failures=1))],
        database=database,
        clock=clock,
        on_trouble=told.append,
    )
    post(database, clock, [1])
    relay.send()
    clock.advance(REST_SECONDS)
    assert relay.send() == 1
    assert told == []


def test_an_event_that_could_not_be_marked_is_sent_again(tmp_path: Path, clock: FakeClock) -> None:
    database = Database.open(tmp_path / "other.db", busy_timeout_seconds=0.05)
    inbox = Inbox()
    relay = Relay([event_post(database, "s", inbox)], database=database, clock=clock)
    post(database, clock, [1])
    with database.write():
        assert relay.send() == 0
    assert inbox.numbers == [1]
    clock.advance(REST_SECONDS)
    assert relay.send() == 1
    assert inbox.numbers == [1, 1]
    database.close()


def test_events_of_an_unknown_stream_are_kept(database: Database, clock: FakeClock) -> None:
    relay = Relay([], database=database, clock=clock)
    post(database, clock, [1], stream="gone")
    assert relay.send() == 0
    with database.read() as connection:
        assert len(outbox.pending(connection)) == 1


def test_the_thread_outlives_an_unexpected_error_and_close_ends_it(
    database: Database, clock: FakeClock
) -> None:
    told = threading.Event()
    inbox = Inbox(failures=1, error=KeyError("a defect"))
    relay = Relay(
        [event_post(database, "s", inbox)],
        database=database,
        clock=clock,
        on_trouble=lambda _trouble: told.set(),
    )
    post(database, clock, [1])
    relay.start()
    assert told.wait(30)
    clock.advance(REST_SECONDS)
    deadline = time.monotonic() + 30
    while not inbox.numbers:
        assert time.monotonic() < deadline
        time.sleep(0.01)
    relay.close()
    assert inbox.is_closed


def test_nothing_is_sent_for_a_stream_that_another_owner_has_taken_over(
    database: Database, clock: FakeClock
) -> None:
    inbox, office = Inbox(), Office()
    events = event_post(database, "s", inbox)
    with database.write() as connection:
        epoch = epochs.acquire(connection, stream="s", owner="newer", now=clock.now())
        dead_letters.add(
            connection, [DeadLetter("s", "unreadable", 0, 1, "no JSON", b"{", clock.now())]
        )
    post(database, clock, [1])
    letters = LetterPost(Ledger("s", epoch - 1), office)
    with capture_logs() as logs:
        for stale in (events, letters):
            assert Relay([stale], database=database, clock=clock).send() == 0
    assert [(entry["event"], entry["log_level"]) for entry in logs] == [
        ("relay.stopped", "error")
    ] * 2
    assert (inbox.numbers, office.offsets) == ([], [])
    newer = Relay(
        [EventPost(Ledger("s", epoch), inbox), LetterPost(Ledger("s", epoch), office)],
        database=database,
        clock=clock,
    )
    assert newer.send() == 2
    assert (inbox.numbers, office.offsets) == ([1], [1])


class Office:
    """Takes records that were set aside."""

    def __init__(self) -> None:
        self.offsets: list[int] = []

    def deliver(self, letters: Sequence[DeadLetter]) -> None:
        self.offsets += [letter.offset for letter in letters]

    def close(self) -> None:
        pass
