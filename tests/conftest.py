"""Fixtures that every room's tests share."""

import os
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import HealthCheck, settings

from adaptd.clock import FakeClock
from adaptd.store.database import Database
from tests.brokers import kafka, kafka_broker, kafka_jars, secured
from tests.disks import disk
from tests.postgres import postgres

# Before torch is imported: the tests' processes share the machine's cores, and threads that wait
# for each other's turn take several times as long as one.
os.environ.setdefault("OMP_NUM_THREADS", "1")

__all__ = ["disk", "kafka", "kafka_broker", "kafka_jars", "postgres", "secured"]

# A busy machine must not fail a property: only the property itself may.
settings.register_profile(
    "patient", deadline=None, suppress_health_check=[HealthCheck.too_slow], max_examples=50
)
settings.load_profile("patient")


@pytest.fixture(scope="session")
def shared_directory() -> Path:
    """Recorded streams and services beside the checkout; tests that need them skip without."""
    directory = Path(__file__).resolve().parents[2] / "shared"
    if not directory.is_dir():
        pytest.skip(f"no recorded streams at {directory}")
    return directory


@pytest.fixture
def clock() -> FakeClock:
    return FakeClock()


@pytest.fixture(scope="session")
def empty_database(tmp_path_factory: pytest.TempPathFactory) -> bytes:
    """A database as the daemon makes it; migrating for each test would cost more than the test."""
    path = tmp_path_factory.mktemp("empty") / "adaptd.db"
    Database.open(path).close()
    return path.read_bytes()


@pytest.fixture
def database(sqlite_database: Database) -> Database:
    """A store with its tables; some rooms' tests have it of both kinds."""
    return sqlite_database


@pytest.fixture
def sqlite_database(tmp_path: Path, empty_database: bytes) -> Iterator[Database]:
    path = tmp_path / "adaptd.db"
    path.write_bytes(empty_database)
    opened = Database.attach(path)
    yield opened
    opened.close()
