"""Who owns a stream."""

from contextlib import suppress

import pytest

from adaptd.clock import FakeClock
from adaptd.errors import StaleEpochError
from adaptd.store import epochs
from adaptd.store.database import Database


def test_a_new_owner_makes_the_old_epoch_stale(database: Database, clock: FakeClock) -> None:
    with database.write() as connection:
        old = epochs.acquire(connection, stream="pump", owner="host:1", now=clock.now())
        epochs.verify(connection, stream="pump", epoch=old)
        new = epochs.acquire(connection, stream="pump", owner="host:2", now=clock.now())
    assert (old, new) == (1, 2)
    with database.read() as connection:
        epochs.verify(connection, stream="pump", epoch=new)
        with pytest.raises(StaleEpochError, match=r"'pump'.*epoch 1.*2 of host:2"):
            epochs.verify(connection, stream="pump", epoch=old)


def test_streams_have_their_own_epochs(database: Database, clock: FakeClock) -> None:
    with database.write() as connection:
        epochs.acquire(connection, stream="pump", owner="host:1", now=clock.now())
        assert epochs.acquire(connection, stream="fan", owner="host:1", now=clock.now()) == 1
        epochs.verify(connection, stream="pump", epoch=1)


def test_an_epoch_that_was_never_acquired_is_stale(database: Database) -> None:
    with database.read() as connection, pytest.raises(StaleEpochError, match="never acquired"):
        epochs.verify(connection, stream="pump", epoch=1)


def test_an_epoch_outlives_its_process_but_not_a_rollback(
    database: Database, clock: FakeClock
) -> None:
    with database.write() as connection:
        epochs.acquire(connection, stream="pump", owner="host:1", now=clock.now())
    with suppress(KeyError), database.write() as connection:
        epochs.acquire(connection, stream="pump", owner="host:2", now=clock.now())
        raise KeyError
    with database.read() as connection:
        epochs.verify(connection, stream="pump", epoch=1)
