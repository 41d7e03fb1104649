"""The life of an episode."""

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    invariant,
    rule,
    run_state_machine_as_test,
)
from sqlalchemy.exc import IntegrityError

from adaptd.clock import FakeClock
from adaptd.errors import ConflictError, NotFoundError
from adaptd.registry import episodes
from adaptd.store.database import Database
from adaptd.store.tables import episodes as table

NOW = FakeClock().now()


def test_an_episode_goes_through_its_states(database: Database, clock: FakeClock) -> None:
    with database.write() as connection:
        opened = episodes.open_(
            connection, id="E1", stream="pump", trigger={"kind": "drift"}, now=clock.now()
        )
    assert opened.state == "collecting"
    assert opened.trigger == {"kind": "drift"}
    assert (opened.plan, opened.result, opened.outcome) == ({}, {}, None)
    for state in ("searching", "trial", "proposed"):
        clock.advance(60)
        with database.write() as connection:
            moved = episodes.advance(connection, "E1", state=state, now=clock.now())
        assert (moved.state, moved.updated_at) == (state, clock.now())
    with database.write() as connection:
        closed = episodes.close(
            connection, "E1", outcome="released", reason="release 2", now=clock.now()
        )
    assert (closed.state, closed.outcome, closed.reason) == ("closed", "released", "release 2")
    assert closed.opened_at == opened.opened_at
    assert closed.closed_at == clock.now()
    with database.read() as connection:
        assert episodes.active(connection, "pump") is None
        assert episodes.get(connection, "E1") == closed


def test_plan_and_result_are_kept_until_they_are_replaced(database: Database) -> None:
    with database.write() as connection:
        episodes.open_(connection, id="E1", stream="pump", trigger={}, now=NOW)
        episodes.advance(connection, "E1", state="searching", plan={"steps": 800}, now=NOW)
        episodes.advance(connection, "E1", state="searching", plan={"steps": 700}, now=NOW)
        moved = episodes.advance(connection, "E1", state="trial", result={"members": {}}, now=NOW)
    assert moved.plan == {"steps": 700}
    assert moved.result == {"members": {}}


def test_one_episode_of_a_stream_at_a_time(database: Database) -> None:
    with database.write() as connection:
        episodes.open_(connection, id="E1", stream="pump", trigger={}, now=NOW)
        episodes.open_(connection, id="F1", stream="fan", trigger={}, now=NOW)
        with pytest.raises(ConflictError, match="E1 is collecting"):
            episodes.open_(connection, id="E2", stream="pump", trigger={}, now=NOW)
        episodes.close(connection, "E1", outcome="failed", reason="killed", now=NOW)
        episodes.open_(connection, id="E2", stream="pump", trigger={}, now=NOW)
        # Whatever asks or does not ask before.
        with pytest.raises(IntegrityError):
            connection.execute(table.update().where(table.c.id == "E1").values(closed_at=None))


def test_an_episode_cannot_jump_or_go_back(database: Database) -> None:
    with database.write() as connection:
        episodes.open_(connection, id="E1", stream="pump", trigger={}, now=NOW)
        with pytest.raises(ConflictError, match="collecting, it cannot become trial"):
            episodes.advance(connection, "E1", state="trial", now=NOW)
        episodes.advance(connection, "E1", state="searching", now=NOW)
        with pytest.raises(ConflictError, match="searching, it cannot become collecting"):
            episodes.advance(connection, "E1", state="collecting", now=NOW)


def test_words_that_are_none_are_refused(database: Database) -> None:
    with database.write() as connection:
        episodes.open_(connection, id="E1", stream="pump", trigger={}, now=NOW)
        with pytest.raises(ValueError, match="'closed'"):
            episodes.advance(connection, "E1", state="closed", now=NOW)
        with pytest.raises(ValueError, match="'great'"):
            episodes.close(connection, "E1", outcome="great", reason=None, now=NOW)
        with pytest.raises(NotFoundError, match="absent"):
            episodes.advance(connection, "absent", state="trial", now=NOW)
        with pytest.raises(NotFoundError, match="absent"):
            episodes.close(connection, "absent", outcome="failed", reason=None, now=NOW)


def test_history_is_newest_first_and_limited(database: Database, clock: FakeClock) -> None:
    with database.write() as connection:
        for number in range(3):
            clock.advance(1)
            episodes.open_(connection, id=f"E{number}", stream="pump", trigger={}, now=clock.now())
            episodes.close(
                connection, f"E{number}", outcome="no-better", reason=None, now=clock.now()
            )
        episodes.open_(connection, id="F0", stream="fan", trigger={}, now=clock.now())
        assert [row.id for row in episodes.history(connection, "pump", 2)] == ["E2", "E1"]


class Lives(RuleBasedStateMachine):
    """Any calls in any order, beside a model of what should have come of them."""

    database: Database

    def __init__(self) -> None:
        super().__init__()
        self.states: dict[str, str] = {}
        with self.database.write() as connection:
            connection.execute(table.delete())

    @rule(id=st.sampled_from(["E1", "E2", "E3"]))
    def open(self, id: str) -> None:
        if id in self.states:
            return
        is_free = all(state == "closed" for state in self.states.values())
        try:
            with self.database.write() as connection:
                episodes.open_(connection, id=id, stream="pump", trigger={}, now=NOW)
        except ConflictError:
            assert not is_free
        else:
            assert is_free
            self.states[id] = "collecting"

    @rule(id=st.sampled_from(["E1", "E2", "E3"]), state=st.sampled_from(episodes.STATES))
    def move(self, id: str, state: str) -> None:
        held = self.states.get(id)
        try:
            with self.database.write() as connection:
                if state == "closed":
                    episodes.close(connection, id, outcome="failed", reason=None, now=NOW)
                else:
                    episodes.advance(connection, id, state=state, now=NOW)
        except NotFoundError:
            assert held is None
        except ConflictError:
            order = episodes.STATES.index
            assert held is not None
            assert held == "closed" or (
                state != "closed" and order(state) - order(held) not in (0, 1)
            )
        else:
            assert held not in (None, "closed")
            self.states[id] = state

    @invariant()
    def the_store_agrees(self) -> None:
        with self.database.read() as connection:
            found = {row.id: row.state for row in episodes.history(connection, "pump")}
            active = episodes.active(connection, "pump")
        assert found == self.states
        running = [id for id, state in self.states.items() if state != "closed"]
        assert ([active.id] if active else []) == running


def test_no_order_of_calls_breaks_an_episode(database: Database) -> None:
    lives = type("LivesHere", (Lives,), {"database": database})
    run_state_machine_as_test(
        lives, settings=settings(max_examples=8, stateful_step_count=15, deadline=None)
    )
