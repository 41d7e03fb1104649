"""State and positions together."""

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from adaptd.clock import FakeClock
from adaptd.store import checkpoints
from adaptd.store.checkpoints import Checkpoint
from adaptd.store.database import Database


def test_there_is_none_before_the_first(database: Database) -> None:
    with database.read() as connection:
        assert checkpoints.load(connection, "pump") is None


@settings(max_examples=20, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    positions=st.dictionaries(st.integers(0, 2**31 - 1), st.integers(0, 2**63 - 1), max_size=3),
    next_record=st.integers(0, 2**63 - 1),
)
def test_the_latest_of_a_stream_comes_back(
    database: Database, clock: FakeClock, positions: dict[int, int], next_record: int
) -> None:
    other = Checkpoint("fan", {"observer": {}}, {0: 1}, 1)
    latest = Checkpoint("pump", {"observer": {"block": [1.5, None]}}, positions, next_record)
    with database.write() as connection:
        checkpoints.save(connection, other, now=clock.now())
        checkpoints.save(connection, Checkpoint("pump", {}, {}, 0), now=clock.now())
        checkpoints.show(connection, "pump", {"earlier": 1})
        checkpoints.show(connection, "pump", {"broken": {"left": "stuck"}})
        checkpoints.save(connection, latest, now=clock.now())
    with database.read() as connection:
        assert checkpoints.load(connection, "pump") == latest
        assert checkpoints.load(connection, "fan") == other
        assert checkpoints.next_record(connection, "pump") == next_record
        assert checkpoints.next_record(connection, "no") == 0
        assert checkpoints.shown(connection, "pump") == {"broken": {"left": "stuck"}}
        assert checkpoints.shown(connection, "fan") is checkpoints.shown(connection, "no") is None
