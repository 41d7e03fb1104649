import time
from collections.abc import Sequence

import pytest

from adaptd.clock import FakeClock
from adaptd.daemon.relay import Relay
from adaptd.errors import TransientError
from adaptd.store import outbox
from adaptd.store.database import Database
from adaptd.store.outbox import Event


class Inbox:
    """A publisher that keeps what it gets and fails as often as it is told to."""

    def __init__(self, failures: int = 0) -> None:
        self.failures = failures
        self.numbers: list[int] = []
        self.is_closed = False

    def publish(self, event: Event) -> None:
        if self.failures:
            self.failures -= 1
            raise TransientError("broker unreachable")
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


def test_events_are_sent_once_and_in_order(database: Database, clock: FakeClock) -> None:
    inbox = Inbox()
    relay = Relay(database=database, publishers={"s": inbox}, clock=clock)
    post(database, clock, [1, 2, 3])
    assert relay.send() == 3
    assert relay.send() == 0
    assert inbox.numbers == [1, 2, 3]


def test_a_failed_event_is_sent_again_before_later_ones(
    database: Database, clock: FakeClock
) -> None:
    inbox = Inbox(failures=1)
    relay = Relay(database=database, publishers={"s": inbox}, clock=clock)
    post(database, clock, [1, 2])
    with pytest.raises(TransientError):
        relay.send()
    assert relay.send() == 2
    assert inbox.numbers == [1, 2]


def test_events_of_an_unknown_stream_are_kept(database: Database, clock: FakeClock) -> None:
    relay = Relay(database=database, publishers={}, clock=clock)
    post(database, clock, [1], stream="gone")
    assert relay.send() == 0
    with database.read() as connection:
        assert len(outbox.pending(connection)) == 1


def test_the_thread_sends_and_close_ends_it(database: Database, clock: FakeClock) -> None:
    inbox = Inbox()
    relay = Relay(database=database, publishers={"s": inbox}, clock=clock)
    post(database, clock, [1])
    relay.start()
    while not inbox.numbers:
        time.sleep(0.01)
    relay.close()
    assert inbox.is_closed
