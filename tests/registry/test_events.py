"""Events come with what they tell of, and are as docs/events.yaml says."""

from contextlib import suppress
from typing import Any

import jsonschema
import pytest

from adaptd.clock import FakeClock
from adaptd.registry import alarms, episodes, proposals, watches
from adaptd.registry.publisher import envelope
from adaptd.store import outbox
from adaptd.store.database import Database
from adaptd.stream.reject import REASONS
from tests.events import DOCUMENT, validate_event

NOW = FakeClock().now()


def told(database: Database) -> list[dict[str, Any]]:
    with database.read() as connection:
        return [envelope(event) for event in outbox.pending(connection)]


def test_an_alarm_is_told(database: Database) -> None:
    with database.write() as connection:
        row = alarms.add(
            connection,
            stream="pump",
            signal="loss",
            record=4_224,
            since_record=4_032,
            statistic=0.4,
            now=NOW,
        )
    (event,) = told(database)
    validate_event(event)
    assert event["kind"] == "drift"
    assert event["data"] == {
        "schema_version": 1,
        "id": row.id,
        "signal": "loss",
        "record": 4_224,
        "since_record": 4_032,
        "statistic": 0.4,
        "numbering": "labelled",
    }


def test_a_proposal_is_told_and_each_of_its_moves(database: Database) -> None:
    with database.write() as connection:
        episodes.open_(connection, id="e", stream="pump", trigger={}, now=NOW)
        proposal = proposals.create(
            connection,
            stream="pump",
            episode_id="e",
            digest="d" * 64,
            champion_digest="c" * 64,
            evidence={},
            created_record=8_000,
            now=NOW,
        )
        proposals.move(connection, proposal.id, expected="awaiting", to="approved", now=NOW)
        proposals.move(connection, proposal.id, expected="approved", to="published", now=NOW)
    events = told(database)
    for event in events:
        validate_event(event)
    assert [event["data"]["state"] for event in events] == ["awaiting", "approved", "published"]


def test_what_is_rolled_back_is_not_told(database: Database) -> None:
    with suppress(KeyError), database.write() as connection:
        alarms.add(
            connection,
            stream="pump",
            signal="loss",
            record=1,
            since_record=0,
            statistic=0.0,
            now=NOW,
        )
        raise KeyError
    assert told(database) == []


def test_the_documents_lists_are_the_codes() -> None:
    messages = DOCUMENT["components"]["messages"]
    headers = messages["deadLetter"]["headers"]["properties"]
    assert headers["adaptd-reason"]["enum"] == list(REASONS)
    (_, proposal) = messages["proposal"]["payload"]["allOf"]
    assert proposal["properties"]["data"]["properties"]["state"]["enum"] == list(proposals.STATES)
    (_, watch) = messages["watch"]["payload"]["allOf"]
    states = watch["properties"]["data"]["properties"]["state"]["enum"]
    assert states == ["watching", *watches.OUTCOMES]
    channels = {name for of in DOCUMENT["channels"].values() for name in of["messages"]}
    assert channels == set(messages)


def test_an_event_that_is_not_as_documented_is_noticed() -> None:
    event = {"schema_version": 1, "id": "i", "stream": "s", "kind": "drift", "time": "t"}
    with pytest.raises(jsonschema.ValidationError):
        validate_event({**event, "data": {"record": "many"}})
