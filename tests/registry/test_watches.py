"""A watch begins with a release and ends once."""

import pytest
from sqlalchemy import Connection
from sqlalchemy.exc import IntegrityError

from adaptd.clock import FakeClock
from adaptd.errors import NotFoundError
from adaptd.registry import watches
from adaptd.store import outbox
from adaptd.store.database import Database
from tests.registry.conftest import Rows

NOW = FakeClock().now()
EVIDENCE = {
    "records": 0,
    "accuracy": {"released": None, "predecessor": None},
    "log_e_value": 0.0,
    "alpha": 0.01,
}


@pytest.fixture
def begun(database: Database, rows: Rows) -> Database:
    """Release b has replaced a and is watched; c has replaced b."""
    with database.write() as connection:
        for digest, expected in (("a", None), ("b", "a"), ("c", "b")):
            rows.release(connection, digest, now=NOW, expected=expected)
        begin(connection, "b", "a")
    return database


def begin(connection: Connection, release: str, predecessor: str) -> None:
    watches.begin(
        connection,
        stream="pump",
        release_digest=release,
        predecessor_digest=predecessor,
        evidence=EVIDENCE,
        now=NOW,
    )


def end(connection: Connection, outcome: str, **more: str) -> bool:
    return watches.end(connection, "b", outcome=outcome, reason="why", now=NOW, **more)  # type: ignore[arg-type]


def told(connection: Connection) -> list[tuple[str, str | None]]:
    return [
        (event.document["state"], event.document["rollback"])
        for event in outbox.pending(connection)
        if event.kind == "watch"
    ]


def test_it_runs_until_it_is_ended_and_both_are_told(begun: Database) -> None:
    with begun.write() as connection:
        running = watches.running(connection, "pump")
        assert running is not None
        assert (running.release_digest, running.outcome) == ("b", None)
        assert watches.running(connection, "fan") is None
        assert end(connection, "rolled-back", rollback_digest="c")
        assert watches.running(connection, "pump") is None
        assert told(connection) == [("watching", None), ("rolled-back", "c")]
        back = watches.ended_with(connection, "c")
        assert back is not None
        assert (back.predecessor_digest, back.reason, back.ended_at) == ("a", "why", NOW)
        assert watches.ended_with(connection, "b") is None


def test_who_comes_second_changes_and_tells_nothing(begun: Database) -> None:
    with begun.write() as connection:
        assert end(connection, "ended")
        assert not end(connection, "kept")
        watches.report(connection, "b", evidence={**EVIDENCE, "records": 7})
        watch = watches.get(connection, "b")
        assert (watch.outcome, watch.evidence) == ("ended", EVIDENCE)
        assert told(connection) == [("watching", None), ("ended", None)]


def test_how_far_it_is_can_be_seen(begun: Database) -> None:
    with begun.write() as connection:
        watches.report(connection, "b", evidence={**EVIDENCE, "records": 7})
        assert watches.get(connection, "b").evidence["records"] == 7
        assert [watch.release_digest for watch in watches.listing(connection)] == ["b"]
        assert watches.listing(connection, "fan") == []


def test_a_stream_has_one_at_a_time_and_a_release_one_in_its_life(begun: Database) -> None:
    with pytest.raises(IntegrityError), begun.write() as connection:
        begin(connection, "c", "b")
    with begun.write() as connection:
        end(connection, "superseded")
        begin(connection, "c", "b")
    with pytest.raises(IntegrityError), begun.write() as connection:
        begin(connection, "b", "a")


def test_what_there_is_not_is_said(begun: Database) -> None:
    with begun.write() as connection:
        with pytest.raises(ValueError, match="rolled-back"):
            end(connection, "better")
        with pytest.raises(NotFoundError, match="never watched"):
            watches.end(connection, "c", outcome="kept", reason="", now=NOW)
