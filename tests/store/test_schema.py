"""The migrations make the tables that the code means."""

from contextlib import suppress

from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext
from sqlalchemy import Connection, inspect

from adaptd.clock import FakeClock
from adaptd.registry import episodes, schedules
from adaptd.registry.schedules import ScheduleRow
from adaptd.registry.spendings import next_test
from adaptd.store import schema
from adaptd.store.database import Database
from adaptd.store.tables import metadata


def test_the_migrations_make_exactly_the_tables_of_the_code(database: Database) -> None:
    with database.read() as connection:
        context = MigrationContext.configure(
            connection, opts={"compare_type": True, "compare_server_default": True}
        )
        assert compare_metadata(context, metadata) == []


def test_partial_indexes_are_partial_in_the_database_too(sqlite_database: Database) -> None:
    # compare_metadata does not look at conditions.
    expected = {
        str(index.name): str(index.dialect_options["sqlite"]["where"])
        for table in metadata.tables.values()
        for index in table.indexes
        if index.dialect_options["sqlite"]["where"] is not None
    }
    with sqlite_database.read() as connection:
        rows = connection.exec_driver_sql(
            "SELECT name, substr(sql, instr(sql, 'WHERE ') + 6) AS condition FROM sqlite_master "
            "WHERE type = 'index' AND sql LIKE '%WHERE%'"
        )
        found = {row.name: row.condition for row in rows}
    assert found == expected
    assert expected


def test_every_table_that_concerns_a_stream_says_which() -> None:
    without = {name for name, table in metadata.tables.items() if "stream" not in table.columns}
    assert without == {"configurations"}


def test_an_upgrade_that_is_cut_off_leaves_the_tables_as_they_were(database: Database) -> None:
    with database.read() as connection:
        before = sorted(inspect(connection).get_table_names())
    with suppress(KeyError), database.write() as connection:
        for table in reversed(metadata.sorted_tables):
            table.drop(connection)
        connection.exec_driver_sql("DELETE FROM alembic_version")
        schema.upgrade(connection)
        raise KeyError
    with database.read() as connection:
        assert sorted(inspect(connection).get_table_names()) == before
        assert schema.revision_of(connection) == schema.newest_revision()


def _made_by(connection: Connection, revision: str) -> None:
    """The empty tables of an earlier version."""
    for table in reversed(metadata.sorted_tables):
        table.drop(connection)
    connection.exec_driver_sql("DELETE FROM alembic_version")
    schema.upgrade(connection, revision)


def test_a_state_from_before_alpha_was_shared_out_keeps_its_episodes_and_has_spent_nothing(
    database: Database,
) -> None:
    with database.write() as connection:
        _made_by(connection, "0003")
        now = FakeClock().now()
        episodes.open_(connection, id="E1", stream="pump", trigger={"kind": "drift"}, now=now)
        schema.upgrade(connection)
    with database.read() as connection:
        assert schema.revision_of(connection) == schema.newest_revision()
        assert episodes.get(connection, "E1").stream == "pump"
        assert next_test(connection, "pump") == 1


def test_a_state_from_before_triggers_waited_keeps_when_its_schedule_ran(
    database: Database,
) -> None:
    at = "2026-01-01T00:00:00.000000+00:00"
    with database.write() as connection:
        _made_by(connection, "0004")
        connection.exec_driver_sql(f"INSERT INTO schedules VALUES ('pump', '{at}', NULL)")
        schema.upgrade(connection)
        assert schedules.get(connection, "pump") == ScheduleRow(
            "pump", FakeClock().now(), None, None
        )
        schedules.expect(connection, "fan", next_due=None, timing="every 5 s")


def test_the_newest_revision_is_known() -> None:
    assert schema.newest_revision() in schema.known_revisions()
