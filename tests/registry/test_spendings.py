"""A stream's alpha is spent test by test."""

import pytest
from sqlalchemy.exc import IntegrityError

from adaptd.clock import FakeClock
from adaptd.errors import NotFoundError
from adaptd.registry import episodes, spendings
from adaptd.store.database import Database
from tests.registry.conftest import Rows

NOW = FakeClock().now()


def test_tests_are_numbered_within_their_stream_and_know_what_was_spent_before(
    database: Database, rows: Rows
) -> None:
    with database.write() as connection:
        for test, (id, stream, kind, alpha) in enumerate(
            (
                ("E1", "pump", "trial", 0.025),
                ("E1", "pump", "watch", 0.01),
                ("E2", "fan", "trial", 0.5),
                ("E3", "pump", "trial", 0.004),
            )
        ):
            if kind == "trial":
                rows.episode(connection, now=NOW, id=id, stream=stream)
                episodes.close(connection, id, outcome="no-better", reason=None, now=NOW)
            number = spendings.next_test(connection, stream)
            assert number == (1 if stream == "fan" else test + 1 - (test > 2))
            spendings.add(
                connection,
                stream=stream,
                test=number,
                kind=kind,
                episode_id=id,
                alpha=alpha,
                now=NOW,
            )
    with database.read() as connection:
        third = spendings.of_episode(connection, "E3", kind="trial")
        assert (third.test, third.alpha, third.at) == (3, 0.004, NOW)
        # A watch may err in another way, of which another alpha is the bound.
        assert third.spent_before == pytest.approx(0.025)
        assert spendings.of_episode(connection, "E2", kind="trial").spent_before == 0
        watch = spendings.of_episode(connection, "E1", kind="watch")
        assert (watch.test, watch.spent_before) == (2, 0)


def test_a_number_is_spent_once(database: Database, rows: Rows) -> None:
    how = {"stream": "pump", "test": 1, "episode_id": "E1", "alpha": 0.1, "now": NOW}
    with database.write() as connection:
        rows.episode(connection, now=NOW)
        spendings.add(connection, kind="trial", **how)  # type: ignore[arg-type]
    with pytest.raises(IntegrityError), database.write() as connection:
        spendings.add(connection, kind="watch", **how)  # type: ignore[arg-type]


def test_what_was_not_tested_is_said(database: Database, rows: Rows) -> None:
    with database.write() as connection:
        rows.episode(connection, now=NOW)
        with pytest.raises(NotFoundError, match="no watch"):
            spendings.of_episode(connection, "E1", kind="watch")
        with pytest.raises(ValueError, match="expected one of"):
            spendings.add(
                connection,
                stream="pump",
                test=1,
                kind="guess",
                episode_id="E1",
                alpha=0.1,
                now=NOW,
            )
