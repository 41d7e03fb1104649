"""The rows of the window's files."""

import pytest

from adaptd.store import segments
from adaptd.store.database import Database
from adaptd.store.segments import SegmentRow


def _row(first_record: int, records: int = 100, stream: str = "pump") -> SegmentRow:
    return SegmentRow(
        stream, first_record, records, f"{first_record:064x}", f"segments/{stream}/{first_record}"
    )


def test_segments_are_listed_in_the_order_of_their_records(database: Database) -> None:
    rows = [_row(900), _row(1_000, 50), _row(10_000)]
    with database.write() as connection:
        for row in rows:
            segments.add(connection, row)
        segments.add(connection, _row(0, stream="fan"))
    with database.read() as connection:
        assert segments.listing(connection, "pump") == rows


def test_only_what_lies_wholly_before_the_record_is_dropped(database: Database) -> None:
    rows = [_row(0), _row(100), _row(200)]
    with database.write() as connection:
        for row in rows:
            segments.add(connection, row)
        segments.add(connection, _row(0, stream="fan"))
        assert segments.drop_before(connection, "pump", 99) == []
        assert segments.drop_before(connection, "pump", 200) == rows[:2]
        assert segments.drop_before(connection, "pump", 200) == []
    with database.read() as connection:
        assert segments.listing(connection, "pump") == rows[2:]
        assert segments.listing(connection, "fan") == [_row(0, stream="fan")]


def test_records_are_in_one_segment_only(database: Database) -> None:
    with database.write() as connection:
        segments.add(connection, _row(0))
        with pytest.raises(ValueError, match=r"reach to record 100.*begins at 99"):
            segments.add(connection, _row(99))
        with pytest.raises(ValueError, match="at least one"):
            segments.add(connection, _row(100, records=0))
