import pytest

from adaptd.store import join_rows
from adaptd.store.database import Database
from adaptd.store.join_rows import JoinRow

WAITING = JoinRow(
    "a",
    0,
    "waiting",
    7.0,
    10.0,
    None,
    2,
    17,
    99.5,
    b"\0\1\2\3",
    ("release", "episode/member"),
    b"\4\5",
    0.5,
)


@pytest.fixture
def filled(database: Database) -> Database:
    with database.write() as connection:
        join_rows.replace(
            connection,
            "s",
            [WAITING, JoinRow("b", 1, "early", 0.0, 20.0, 3), JoinRow("c", 2, "met", 0.0, 30.0, 1)],
        )
        join_rows.replace(connection, "other", [JoinRow("a", 0, "early", 0.0, 1.0, 0)])
    return database


def test_a_row_comes_back_as_it_was(filled: Database) -> None:
    with filled.read() as connection:
        assert join_rows.fetch(connection, "s", ["a", "nobody"]) == [WAITING]
        assert [row.id for row in join_rows.latest(connection, "s", 2)] == ["b", "c"]


def test_more_ids_than_a_statement_takes_are_looked_up(filled: Database) -> None:
    ids = [f"r{number}" for number in range(70_000)]
    with filled.read() as connection:
        found = join_rows.fetch(connection, "s", [*ids, "c", "a"])
    assert {row.id for row in found} == {"a", "c"}


def test_an_id_has_one_row(filled: Database) -> None:
    with filled.write() as connection:
        join_rows.replace(connection, "s", [JoinRow("a", 5, "met", 0.0, 40.0, 2)])
        assert join_rows.counts(connection, "s") == {"waiting": 0, "early": 1, "met": 2}
        assert join_rows.counts(connection, "other") == {"waiting": 0, "early": 1, "met": 0}


def test_what_is_dropped_is_counted(filled: Database) -> None:
    with filled.write() as connection:
        assert join_rows.drop_before(connection, "s", 10.0) == {"waiting": 0, "early": 0, "met": 0}
        assert join_rows.drop_before(connection, "s", 20.5) == {"waiting": 1, "early": 1, "met": 0}
        assert join_rows.counts(connection, "other")["early"] == 1


def test_the_oldest_go_by_their_number(filled: Database) -> None:
    with filled.write() as connection:
        first, dropped = join_rows.drop_oldest(connection, "s", 2)
        assert (first, dropped) == (2, {"waiting": 1, "early": 1, "met": 0})
        assert [row.id for row in join_rows.latest(connection, "s", 10)] == ["c"]
