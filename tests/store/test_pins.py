from datetime import UTC, datetime

import pytest

from adaptd.registry import episodes
from adaptd.store import pins, segments
from adaptd.store.database import Database
from adaptd.store.pins import Wanted
from adaptd.store.segments import SegmentRow

NOW = datetime(2026, 1, 1, tzinfo=UTC)


def row(first: int, records: int = 10) -> SegmentRow:
    return SegmentRow("pump", first, records, f"{first:064x}", f"segments/pump/{first}.arrow")


@pytest.fixture
def store(database: Database) -> Database:
    with database.write() as connection:
        for id in ("E1", "E2"):
            episodes.open_(connection, id=id, stream="pump", trigger={}, now=NOW)
            episodes.close(connection, id, outcome="no-better", reason=None, now=NOW)
    return database


@pytest.mark.parametrize(
    ("first", "end", "kept"),
    [(10, 20, [10]), (9, 21, [0, 10, 20]), (15, 16, [10]), (15, None, [10, 20]), (30, None, [])],
)
def test_only_segments_with_a_record_that_is_wanted_are_kept(
    store: Database, first: int, end: int | None, kept: list[int]
) -> None:
    with store.write() as connection:
        pins.keep(connection, [row(0), row(10), row(20)], [Wanted("E1", first, end)])
        assert [one.first_record for one in pins.of_episode(connection, "E1")] == kept


def test_two_trials_in_one_segment_pin_it_once(store: Database) -> None:
    with store.write() as connection:
        pins.keep(connection, [row(0)], [Wanted("E1", 0, 4), Wanted("E1", 6, 9)])
        assert pins.of_episode(connection, "E1") == [row(0)]


def test_a_file_goes_when_the_last_that_names_it_has_gone(store: Database) -> None:
    with store.write() as connection:
        both = [Wanted("E1", 0, 20), Wanted("E2", 10, 20)]
        pins.keep(connection, [row(0), row(10)], both)
        dropped = pins.drop(connection, "pump", keep=["E2"])
        assert dropped == [row(0), row(10)]
        assert pins.unnamed(connection, dropped) == [row(0)]
        segments.add(connection, row(10))
        dropped = pins.drop(connection, "pump", keep=[])
        assert pins.unnamed(connection, dropped) == []
        assert pins.paths(connection, "pump") == set()


def test_another_streams_pins_stay(store: Database) -> None:
    with store.write() as connection:
        pins.keep(connection, [row(0)], [Wanted("E1", 0, 5)])
        assert pins.drop(connection, "valve", keep=[]) == []
        assert pins.paths(connection, "pump") == {row(0).path}
