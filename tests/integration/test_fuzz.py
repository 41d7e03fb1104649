"""A topic of 100,000 fuzzed messages through a real daemon."""

import json
import random
import re
import signal
import time
import uuid
from pathlib import Path

import pytest
from kafka import KafkaConsumer

from adaptd.registry import dead_letters
from adaptd.store import checkpoints, segments
from adaptd.store.database import Database
from adaptd.stream.segment import read_segment
from tests.brokers import PATIENCE_SECONDS, make_topic, produce
from tests.fuzz import fuzzed
from tests.integration.conftest import STREAM, DaemonMaker, RunningDaemon
from tests.integration.recordings import FIRST, Recording, recording, stream_of

pytestmark = [pytest.mark.slow, pytest.mark.xdist_group("kafka"), pytest.mark.timeout(600)]

MESSAGES = 100_000
# One message in so many is as it should be.
GOOD_EVERY = 50
# Of memory, in MB, that may come on top of what release 1 took: a look-back of letters that wait,
# what a client has fetched ahead, and what the allocator keeps. All messages together have 120 MB,
# and more as objects.
MEMORY_MB = 100


def messages_of(made: Recording, count: int) -> list[bytes | None]:
    """First what release 1 needs, then fuzz with good records in it."""
    chance = random.Random(0)
    good = [line for line in made.lines if line.startswith('{"id"')]
    values: list[bytes | None] = [line.encode() for line in good[:FIRST]]
    rest = good[FIRST:]
    for number in range(count):
        line = rest[number // GOOD_EVERY % len(rest)]
        if number % GOOD_EVERY == 0:
            values.append(line.encode())
        else:
            values.append(fuzzed(chance, json.loads(line)))
    return values


def memory_mb(running: RunningDaemon) -> float:
    assert running.process is not None
    status = Path(f"/proc/{running.process.pid}/status").read_text()
    (kilobytes,) = re.findall(r"VmRSS:\s+(\d+) kB", status)
    return int(kilobytes) / 1_024


def taken(running: RunningDaemon) -> list[int]:
    """Offsets of the records that counted, in the order of the window."""
    database = Database.attach(running.state.database)
    try:
        with database.read() as connection:
            rows = segments.listing(connection, STREAM)
    finally:
        database.close()
    found: list[int] = []
    for row in rows:
        found += read_segment(running.state.path / row.path, row.digest).positions[:, 1].tolist()
    return found


def position(running: RunningDaemon) -> int:
    """Offset of the next message, by the latest checkpoint."""
    database = Database.attach(running.state.database)
    try:
        with database.read() as connection:
            checkpoint = checkpoints.load(connection, STREAM)
    finally:
        database.close()
    return 0 if checkpoint is None else checkpoint.positions.get(0, 0)


def rejects(running: RunningDaemon) -> dict[str, int]:
    database = Database.attach(running.state.database)
    try:
        with database.read() as connection:
            return dead_letters.counts(connection, STREAM)
    finally:
        database.close()


def set_aside(address: str, topic: str, count: int) -> dict[int, tuple[str, bytes | None]]:
    """Offset -> reason and bytes of what was delivered, once so many different ones are there."""
    found: dict[int, tuple[str, bytes | None]] = {}
    deadline = time.monotonic() + 2 * PATIENCE_SECONDS
    consumer = KafkaConsumer(topic, bootstrap_servers=address, auto_offset_reset="earliest")
    try:
        while len(found) < count:
            assert time.monotonic() < deadline, f"only {len(found)} of {count} were delivered"
            for some in consumer.poll(timeout_ms=500).values():
                for message in some:
                    headers = dict(message.headers)
                    reason = headers["adaptd-reason"].decode()
                    found[int(headers["adaptd-offset"])] = (reason, message.value)
    finally:
        consumer.close(autocommit=False)
    return found


def test_fuzzed_messages_are_all_set_aside_or_counted_and_memory_stays(
    daemon: DaemonMaker, kafka_broker: str
) -> None:
    topic = f"fuzz-{uuid.uuid4().hex}"
    make_topic(kafka_broker, topic)
    values = messages_of(recording(4 * FIRST), MESSAGES)
    running = daemon(
        source={"kind": "kafka", "bootstrap_servers": [kafka_broker], "topic": topic},
        rejects={"maximum_share": 1},
        **stream_of(MESSAGES, checkpoint_seconds=0.5),
    ).start()
    produce(kafka_broker, topic, [(0, value) for value in values[:FIRST]])
    running.wait_for_event("release.published", number=1)
    before = memory_mb(running)
    produce(kafka_broker, topic, [(0, value) for value in values[FIRST:]])
    running.wait_for(
        lambda: position(running) == len(values),
        name="all messages",
    )
    after = memory_mb(running)
    counted, counts = taken(running), rejects(running)
    delivered = set_aside(kafka_broker, f"{topic}.dead-letters", sum(counts.values()))
    assert running.end(signal.SIGTERM) == 0
    assert "Traceback" not in running.log
    assert counted == sorted(set(counted))
    assert set(counted) | set(delivered) == set(range(len(values)))
    assert not set(counted) & set(delivered)
    good = {*range(FIRST), *range(FIRST, len(values), GOOD_EVERY)}
    assert good <= set(counted)
    for reason, count in counts.items():
        assert sum(told == reason for told, _ in delivered.values()) == count
    assert set(counts) == {
        *("unreadable", "missing-field", "wrong-type", "wrong-shape", "not-finite"),
        *("unknown-class", "time-ahead"),
    }
    for offset, (_, value) in delivered.items():
        assert (value or b"") == (values[offset] or b"")
    assert after < before + MEMORY_MB, f"{before:.0f} MB before, {after:.0f} MB after"


def test_fuzz_beyond_the_share_that_is_allowed_stops_the_stream_for_good(
    daemon: DaemonMaker, kafka_broker: str
) -> None:
    topic = f"fuzz-{uuid.uuid4().hex}"
    make_topic(kafka_broker, topic)
    values = messages_of(recording(4 * FIRST), 2_000)
    produce(kafka_broker, topic, [(0, value) for value in values])
    running = daemon(
        source={"kind": "kafka", "bootstrap_servers": [kafka_broker], "topic": topic},
        rejects={"maximum_share": 0.25, "window_records": 400},
        **stream_of(MESSAGES, checkpoint_seconds=0.5),
    ).start()
    assert running.process is not None
    for _ in range(2):
        # The only stream there is: without it the daemon has nothing to do.
        assert running.process.wait(2 * PATIENCE_SECONDS) == 1
        assert "101 of the latest" in running.log.splitlines()[-1]
        assert sum(rejects(running).values()) <= 100
        running.start()
    running.process.wait(2 * PATIENCE_SECONDS)
