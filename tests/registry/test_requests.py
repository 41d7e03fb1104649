"""A person asks; one request waits at a time."""

import pytest

from adaptd.clock import FakeClock
from adaptd.errors import ConflictError, NotFoundError
from adaptd.registry import episodes, requests
from adaptd.registry.requests import MAXIMUM_REASON, Answer
from adaptd.store import epochs
from adaptd.store.database import Database
from tests.registry.conftest import Rows

STREAM = "pump"


def ask(
    database: Database, clock: FakeClock, *, actor: str = "user:ada", over: bool = False
) -> Answer:
    with database.write() as connection:
        return requests.ask(
            connection,
            stream=STREAM,
            actor=actor,
            reason="new bearing",
            is_over_budget=over,
            now=clock.now(),
        )


@pytest.fixture
def started(database: Database, clock: FakeClock, rows: Rows) -> Database:
    """A stream with a release, taken up by a daemon."""
    with database.write() as connection:
        epochs.acquire(connection, stream=STREAM, owner="test", now=clock.now())
        rows.release(connection, "a1", now=clock.now(), stream=STREAM)
    return database


def test_who_asked_why_and_when_is_kept_until_an_episode_answers(
    started: Database, clock: FakeClock
) -> None:
    answer = ask(started, clock)
    assert answer.is_new
    with started.write() as connection:
        assert requests.waiting(connection, STREAM) == [answer.request]
        assert requests.waiting(connection, "fan") == []
        episodes.open_(connection, id="E1", stream=STREAM, trigger={}, now=clock.now())
        requests.answer(connection, ids=[answer.request.id], episode_id="E1")
        assert requests.waiting(connection, STREAM) == []
    request = answer.request
    assert (request.actor, request.reason, request.asked_at) == (
        "user:ada",
        "new bearing",
        clock.now(),
    )


def test_asking_again_while_one_waits_adds_nothing_and_says_which_one_waits(
    started: Database, clock: FakeClock
) -> None:
    first = ask(started, clock)
    clock.advance(5)
    assert ask(started, clock, actor="user:bob") == Answer(first.request, is_new=False)
    with started.read() as connection:
        assert len(requests.waiting(connection, STREAM)) == 1


def test_asking_again_over_the_budget_is_new_and_only_once(
    started: Database, clock: FakeClock
) -> None:
    ask(started, clock)
    clock.advance(5)
    assert ask(started, clock, actor="user:bob", over=True).is_new
    assert not ask(started, clock, over=True).is_new
    assert not ask(started, clock).is_new
    with started.read() as connection:
        waiting = requests.waiting(connection, STREAM)
    assert [(one.actor, one.is_over_budget) for one in waiting] == [
        ("user:ada", False),
        ("user:bob", True),
    ]


def test_a_stream_that_nobody_runs_is_not_found(database: Database, clock: FakeClock) -> None:
    with pytest.raises(NotFoundError, match="'pump'"):
        ask(database, clock)


def test_before_its_first_release_there_is_nothing_to_adapt(
    database: Database, clock: FakeClock
) -> None:
    with database.write() as connection:
        epochs.acquire(connection, stream=STREAM, owner="test", now=clock.now())
    with pytest.raises(ConflictError, match="no release yet"):
        ask(database, clock)


def test_a_reason_without_an_end_is_refused(started: Database, clock: FakeClock) -> None:
    with started.write() as connection, pytest.raises(ValueError, match="2,000"):
        requests.ask(
            connection,
            stream=STREAM,
            actor="user:ada",
            reason="x" * (MAXIMUM_REASON + 1),
            is_over_budget=False,
            now=clock.now(),
        )
