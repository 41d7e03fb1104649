import pytest
from sqlalchemy import Connection

from adaptd.clock import FakeClock
from adaptd.daemon.ledger import Ledger
from adaptd.errors import StaleEpochError
from adaptd.registry import progress, schedules
from adaptd.store import epochs
from adaptd.store.database import Database


@pytest.fixture
def ledger(database: Database, clock: FakeClock) -> Ledger:
    with database.write() as connection:
        epoch = epochs.acquire(connection, stream="s", owner="a", now=clock.now())
    return Ledger("s", epoch)


def test_effects_land_together_or_not_at_all(
    database: Database, clock: FakeClock, ledger: Ledger
) -> None:
    def fail(_connection: Connection) -> None:
        raise RuntimeError("no")

    ledger.add(lambda c: schedules.ran(c, "s", at=clock.now(), next_due=None), is_urgent=True)
    with pytest.raises(RuntimeError):
        ledger.commit(database, fail)
    with database.read() as connection:
        assert schedules.get(connection, "s") is None
    assert ledger.is_urgent
    ledger.commit(database)
    with database.read() as connection:
        row = schedules.get(connection, "s")
    assert row is not None
    assert row.last_run == clock.now()
    assert not ledger.is_urgent


def test_effects_are_written_once(database: Database, ledger: Ledger) -> None:
    calls: list[int] = []
    ledger.add(lambda _connection: calls.append(1))
    ledger.commit(database)
    ledger.commit(database)
    assert calls == [1]


def test_only_the_latest_progress_is_written(
    database: Database, clock: FakeClock, ledger: Ledger
) -> None:
    written: list[int] = []
    ledger.put_progress(lambda _connection: written.append(1))
    ledger.put_progress(lambda _connection: written.append(2))
    ledger.put_progress(
        lambda connection: progress.report(
            connection, stream="s", episode_id=None, document={"step": 9}, now=clock.now()
        )
    )
    ledger.commit(database)
    with database.read() as connection:
        latest = progress.latest(connection, "s")
    assert latest is not None
    assert latest["step"] == 9
    assert written == []


def test_an_older_owner_can_write_nothing(
    database: Database, clock: FakeClock, ledger: Ledger
) -> None:
    with database.write() as connection:
        epochs.acquire(connection, stream="s", owner="b", now=clock.now())
    ledger.add(lambda c: schedules.ran(c, "s", at=clock.now(), next_due=None))
    with pytest.raises(StaleEpochError):
        ledger.commit(database)
    with database.read() as connection:
        assert schedules.get(connection, "s") is None
