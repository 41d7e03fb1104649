"""Counts that live on."""

import pytest
from sqlalchemy.exc import IntegrityError

from adaptd.clock import FakeClock
from adaptd.registry import concentrations
from adaptd.store.database import Database
from tests.registry.conftest import Rows


def test_counts_come_back_with_their_release(
    database: Database, clock: FakeClock, rows: Rows
) -> None:
    counts = {"cells.0": {"dw k3 d1": 1.25, "dw k5 d4": 3}, "cells.1": {}}
    with database.write() as connection:
        for digest, expected in [("a", None), ("b", "a")]:
            rows.release(connection, digest, expected=expected, now=clock.now())
        for held in ({"cells.0": {"dw k3 d1": 9.0}}, counts):
            concentrations.save(
                connection, stream="pump", release_digest="a", counts=held, now=clock.now()
            )
    with database.read() as connection:
        assert concentrations.load(connection, "a") == counts
        assert concentrations.load(connection, "b") == {}


def test_counts_need_their_release(database: Database, clock: FakeClock) -> None:
    with pytest.raises(IntegrityError), database.write() as connection:
        concentrations.save(
            connection, stream="pump", release_digest="absent", counts={}, now=clock.now()
        )
