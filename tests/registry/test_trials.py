from datetime import UTC, datetime, timedelta

import pytest

from adaptd.registry import episodes, trials
from adaptd.store.database import Database
from adaptd.store.pins import Wanted

NOW = datetime(2026, 1, 1, tzinfo=UTC)


def open_(database: Database, id: str, *, minutes: int = 0) -> None:
    at = NOW + timedelta(minutes=minutes)
    with database.write() as connection:
        running = episodes.active(connection, "pump")
        if running is not None:
            episodes.close(connection, running.id, outcome="no-better", reason=None, now=at)
        episodes.open_(connection, id=id, stream="pump", trigger={}, now=at)


def begin(database: Database, id: str, *, first: int, minutes: int = 0) -> None:
    with database.write() as connection:
        trials.begin(
            connection,
            episode_id=id,
            stream="pump",
            kind="weights",
            terms={"alpha": 0.05},
            members={"retrained": {"architecture": "a", "weights": None}},
            made_by={"training": {"torch": "2.13.0"}, "trial": {}},
            first_record=first,
            now=NOW + timedelta(minutes=minutes),
        )


def end(database: Database, id: str, *, end: int) -> None:
    with database.write() as connection:
        trials.end(
            connection, id, end_record=end, counted={"ranges": []}, evidence={"records": 3}, now=NOW
        )


def test_trials_of_an_episode_are_numbered_and_come_back(database: Database) -> None:
    open_(database, "E1")
    begin(database, "E1", first=10)
    end(database, "E1", end=20)
    begin(database, "E1", first=30)
    with database.read() as connection:
        first, second = trials.of_episode(connection, "E1")
    assert (first.number, first.first_record, first.end_record) == (1, 10, 20)
    assert first.evidence == {"records": 3}
    assert first.ended_at == NOW
    assert first.made_by["training"] == {"torch": "2.13.0"}
    assert (second.number, second.end_record, second.evidence) == (2, None, None)


def test_an_end_without_a_beginning_is_none(database: Database) -> None:
    open_(database, "E1")
    end(database, "E1", end=20)
    with database.read() as connection:
        assert trials.of_episode(connection, "E1") == []


@pytest.mark.parametrize("limit", [0, 1, 2, 9])
def test_the_latest_episodes_are_those_that_have_tried_something(
    database: Database, limit: int
) -> None:
    for number in range(3):
        open_(database, f"E{number}", minutes=number)
        begin(database, f"E{number}", first=0, minutes=number)
        begin(database, f"E{number}", first=9, minutes=number)
    open_(database, "E3", minutes=3)
    with database.read() as connection:
        found = trials.latest_episodes(connection, "pump", limit)
    assert found == ["E2", "E1", "E0"][:limit]


def test_a_trial_that_was_broken_off_wants_no_records(database: Database) -> None:
    open_(database, "E1")
    begin(database, "E1", first=10)
    end(database, "E1", end=20)
    begin(database, "E1", first=30)
    with database.read() as connection:
        assert trials.wanted(connection, ["E1"]) == [Wanted("E1", 10, 20), Wanted("E1", 30, None)]
        assert trials.wanted(connection, ["E2"]) == []
    open_(database, "E2")
    with database.read() as connection:
        assert trials.wanted(connection, ["E1"]) == [Wanted("E1", 10, 20)]
