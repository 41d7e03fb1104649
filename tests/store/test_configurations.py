"""Numbered versions."""

from adaptd.clock import FakeClock
from adaptd.store import configurations
from adaptd.store.database import Database


def test_equal_documents_have_one_number_and_others_the_next(
    database: Database, clock: FakeClock
) -> None:
    first = {"seed": 0, "streams": [{"name": "pump", "window_records": 6_000}]}
    turned = {"streams": [{"window_records": 6_000, "name": "pump"}], "seed": 0}
    other = {**first, "seed": 1}
    with database.write() as connection:
        numbers = [
            configurations.accept(connection, document, now=clock.now())
            for document in (first, turned, other, first)
        ]
    assert numbers == [1, 1, 2, 1]
