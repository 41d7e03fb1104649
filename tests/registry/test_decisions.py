"""The decisions and their chain."""

from contextlib import suppress
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlalchemy import Connection, delete, update
from sqlalchemy.exc import IntegrityError

from adaptd.clock import FakeClock
from adaptd.errors import ArtifactError, ConflictError, NotFoundError
from adaptd.registry import decisions, proposals
from adaptd.registry.decisions import Decision
from adaptd.store.database import Database
from adaptd.store.tables import decisions as table
from tests.registry.conftest import Rows


def _decide(connection: Connection, proposal_id: str, clock: FakeClock, **changes: str) -> Decision:
    said = {"digest": "challenger", "verdict": "approve", "actor": "ada", "comment": "it is better"}
    return decisions.decide(
        connection, proposal_id=proposal_id, now=clock.now(), **{**said, **changes}
    )


@pytest.fixture
def proposal_id(database: Database, clock: FakeClock, rows: Rows) -> str:
    with database.write() as connection:
        rows.episode(connection, now=clock.now())
        return rows.proposal(connection, now=clock.now()).id


@pytest.fixture
def chain(database: Database, clock: FakeClock, rows: Rows) -> list[Decision]:
    made = []
    with database.write() as connection:
        rows.episode(connection, now=clock.now())
        for verdict in ("reject", "approve", "reject", "approve"):
            clock.advance(0.25)
            proposal = rows.proposal(connection, now=clock.now())
            made.append(_decide(connection, proposal.id, clock, verdict=verdict))
    return made


@pytest.mark.parametrize(("verdict", "state"), [("approve", "approved"), ("reject", "rejected")])
def test_a_verdict_settles_the_proposal_and_is_recorded(
    database: Database, clock: FakeClock, proposal_id: str, verdict: str, state: str
) -> None:
    clock.advance(60)
    with database.write() as connection:
        made = _decide(connection, proposal_id, clock, verdict=verdict)
    with database.read() as connection:
        proposal = proposals.get(connection, proposal_id)
        assert (proposal.state, proposal.settled_at) == (state, clock.now())
        assert decisions.listing(connection) == [made]
    assert (made.number, made.stream, made.verdict) == (1, "pump", verdict)
    assert (made.digest, made.actor, made.comment) == ("challenger", "ada", "it is better")
    assert made.at == clock.now()


def test_a_decision_on_another_digest_settles_nothing(
    database: Database, clock: FakeClock, proposal_id: str
) -> None:
    with database.write() as connection, pytest.raises(ConflictError, match=r"challenger.*other"):
        _decide(connection, proposal_id, clock, digest="other")
    with database.read() as connection:
        assert proposals.get(connection, proposal_id).state == "awaiting"
        assert decisions.listing(connection) == []


def test_the_second_decision_loses(database: Database, clock: FakeClock, proposal_id: str) -> None:
    with database.write() as connection:
        made = _decide(connection, proposal_id, clock, verdict="reject")
    with database.write() as connection, pytest.raises(ConflictError, match="rejected by now"):
        _decide(connection, proposal_id, clock)
    with database.read() as connection:
        assert proposals.get(connection, proposal_id).state == "rejected"
        assert decisions.listing(connection) == [made]


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"comment": ""}, "comment"),
        ({"comment": "  \n"}, "comment"),
        ({"actor": " "}, "actor"),
        ({"verdict": "maybe"}, "maybe"),
    ],
)
def test_a_decision_needs_its_words(
    database: Database,
    clock: FakeClock,
    proposal_id: str,
    changes: dict[str, str],
    message: str,
) -> None:
    with database.write() as connection, pytest.raises(ValueError, match=message):
        _decide(connection, proposal_id, clock, **changes)
    with database.read() as connection:
        assert proposals.get(connection, proposal_id).state == "awaiting"


def test_a_policy_needs_no_comment(database: Database, clock: FakeClock, proposal_id: str) -> None:
    with database.write() as connection:
        made = _decide(connection, proposal_id, clock, actor="policy:automatic", comment="")
    assert made.actor == "policy:automatic"


def test_a_decision_needs_its_proposal(database: Database, clock: FakeClock) -> None:
    with database.write() as connection, pytest.raises(NotFoundError, match="absent"):
        _decide(connection, "absent", clock)


def test_an_empty_chain_holds(database: Database) -> None:
    with database.read() as connection:
        decisions.verify_chain(connection)


def test_the_chain_runs_over_all_streams(
    database: Database, clock: FakeClock, rows: Rows, chain: list[Decision]
) -> None:
    with database.write() as connection:
        rows.episode(connection, id="F1", stream="fan", now=clock.now())
        proposal = rows.proposal(connection, stream="fan", episode_id="F1", now=clock.now())
        fan = _decide(connection, proposal.id, clock)
    with database.read() as connection:
        decisions.verify_chain(connection)
        assert decisions.listing(connection) == [*chain, fan]
        assert decisions.listing(connection, "fan") == [fan]
    assert [row.number for row in [*chain, fan]] == [1, 2, 3, 4, 5]
    assert chain[0].previous_hash == "0" * 64
    assert fan.previous_hash == chain[-1].hash


@pytest.mark.parametrize("statement", [update(table).values(comment="changed"), delete(table)])
def test_the_database_refuses_to_change_a_decision(
    database: Database, chain: list[Decision], statement: Any
) -> None:
    with pytest.raises(IntegrityError, match="append-only"), database.write() as connection:
        connection.execute(statement)
    with database.read() as connection:
        assert decisions.listing(connection) == chain


def _without_the_triggers(connection: Connection) -> None:
    of = " ON decisions" if connection.dialect.name == "postgresql" else ""
    for action in ("update", "delete"):
        connection.exec_driver_sql(f"DROP TRIGGER decisions_refuse_{action}{of}")


CHANGES: dict[str, object] = {
    "stream": "fan",
    "digest": "other",
    "verdict": "maybe",
    "actor": "eve",
    "comment": "it is worse",
    "previous_hash": "1" * 64,
    "hash": "1" * 64,
}


@settings(max_examples=25, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(number=st.integers(1, 4), name=st.sampled_from(sorted(CHANGES)))
def test_a_change_behind_the_triggers_breaks_the_chain_there(
    database: Database, chain: list[Decision], number: int, name: str
) -> None:
    with suppress(KeyError), database.write() as connection:
        _without_the_triggers(connection)
        connection.execute(
            update(table).where(table.c.number == number).values(**{name: CHANGES[name]})
        )
        with pytest.raises(ArtifactError, match=f"decision {number} "):
            decisions.verify_chain(connection)
        raise KeyError
    with database.read() as connection:
        decisions.verify_chain(connection)


@pytest.mark.parametrize("number", [1, 2, 3])
def test_a_decision_taken_out_breaks_the_chain_there(
    database: Database, chain: list[Decision], number: int
) -> None:
    with database.write() as connection:
        _without_the_triggers(connection)
        connection.execute(delete(table).where(table.c.number == number))
        with pytest.raises(ArtifactError, match=f"decision {number} is missing"):
            decisions.verify_chain(connection)


def test_a_decision_rewritten_with_a_fitting_hash_breaks_the_chain_behind_it(
    database: Database, chain: list[Decision], clock: FakeClock, rows: Rows
) -> None:
    with database.write() as connection:
        _without_the_triggers(connection)
        connection.execute(delete(table).where(table.c.number == 4))
        forged = rows.proposal(connection, now=clock.now())
        hashed = _decide(connection, forged.id, clock, comment="forged").hash
        connection.execute(delete(table).where(table.c.number == 3))
        assert hashed != chain[3].hash
        connection.execute(update(table).where(table.c.number == 4).values(number=3))
        with pytest.raises(ArtifactError, match="decision 3 does not follow"):
            decisions.verify_chain(connection)
