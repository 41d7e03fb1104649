"""Block scores and the accuracy over the latest records."""

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlalchemy.exc import IntegrityError

from adaptd.clock import FakeClock
from adaptd.registry import scores
from adaptd.registry.scores import BlockScore
from adaptd.store.database import Database
from adaptd.store.tables import scores as table

NOW = FakeClock().now()


def _blocks(sizes_and_hits: list[tuple[int, int]], stream: str = "pump") -> list[BlockScore]:
    made, first_record = [], 0
    for block, (records, hits) in enumerate(sizes_and_hits):
        made.append(BlockScore(stream, block, first_record, records, hits, 0.5, "a", NOW))
        first_record += records
    return made


def test_the_series_is_the_latest_blocks_oldest_first(database: Database) -> None:
    blocks = _blocks([(32, 20), (32, 30), (32, 32)])
    with database.write() as connection:
        scores.add(connection, [])
        scores.add(connection, blocks[:2])
        scores.add(connection, blocks[2:])
        scores.add(connection, _blocks([(32, 0)], "fan"))
    with database.read() as connection:
        assert scores.series(connection, "pump") == blocks
        assert scores.series(connection, "pump", limit=2) == blocks[1:]
        assert scores.series(connection, "absent") == []


def test_a_block_counts_once(database: Database) -> None:
    blocks = _blocks([(32, 20)])
    with database.write() as connection:
        scores.add(connection, blocks)
    with pytest.raises(IntegrityError), database.write() as connection:
        scores.add(connection, blocks)


def test_the_latest_blocks_of_a_stream_that_never_ends_are_kept(database: Database) -> None:
    more = scores.KEPT + 3 * scores.TRIM_EVERY
    with database.write() as connection:
        scores.add(connection, _blocks([(32, 0)] * 3, "fan"))
        made = _blocks([(32, 20)] * more)
        for start in range(0, more, 7_000):
            scores.add(connection, made[start : start + 7_000])
        kept = scores.series(connection, "pump", limit=2 * more)
        # As many as are let go at once, at most.
        assert scores.KEPT <= len(kept) <= scores.KEPT + scores.TRIM_EVERY
        assert kept == made[-len(kept) :]
        assert len(scores.series(connection, "fan")) == 3
        # Block by block, as they come in.
        late = _blocks([(32, 20)] * (more + 2 * scores.TRIM_EVERY))[more:]
        for block in late:
            scores.add(connection, [block])
        kept = scores.series(connection, "pump", limit=2 * more)
    assert scores.KEPT <= len(kept) <= scores.KEPT + scores.TRIM_EVERY
    assert kept[-1] == late[-1]


sizes_and_hits = st.lists(
    st.integers(1, 50).flatmap(lambda size: st.tuples(st.just(size), st.integers(0, size))),
    max_size=12,
)


@settings(
    max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(blocks=sizes_and_hits, records=st.integers(1, 300))
def test_accuracy_is_over_the_fewest_latest_blocks_that_hold_the_records(
    database: Database, blocks: list[tuple[int, int]], records: int
) -> None:
    with database.write() as connection:
        connection.execute(table.delete())
        scores.add(connection, _blocks([(10, 10)], "fan"))
        scores.add(connection, _blocks(blocks))
    seen = right = 0
    for size, hits in reversed(blocks):
        if seen >= records:
            break
        seen += size
        right += hits
    with database.read() as connection:
        accuracy = scores.accuracy(connection, "pump", records=records)
    assert accuracy == (right / seen if seen else None)


def test_what_a_broken_sensor_spoiled_is_no_reference(database: Database) -> None:
    with database.write() as connection:
        scores.add(connection, _blocks([(32, 32), (32, 32), (32, 0), (32, 0), (32, 31)]))
        scores.add(connection, _blocks([(32, 16)], "fan"))
        scores.mark_broken(connection, "pump", first=64, end=128)
    with database.read() as connection:
        broken = [block.block for block in scores.series(connection, "pump") if block.is_broken]
        accuracy = [
            scores.accuracy_before(connection, stream, 160, release_digest="a", records=1_000)
            for stream in ("pump", "fan")
        ]
    assert broken == [2, 3]
    assert accuracy == [95 / 96, 0.5]
