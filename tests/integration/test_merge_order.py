"""A topic of several partitions, read twice by real daemons: the same blocks, the same alarm."""

import json
import signal
import time
import uuid
from contextlib import ExitStack, closing
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from kafka import KafkaProducer

from adaptd.registry import alarms
from adaptd.store.database import Database
from adaptd.stream.scenario import generate
from tests.brokers import make_topic
from tests.integration.conftest import STREAM, RunningDaemon
from tests.integration.recordings import FIRST, SCENARIO, counted

pytestmark = [pytest.mark.slow, pytest.mark.xdist_group("kafka"), pytest.mark.timeout(600)]

RECORDS, DRIFT_AT, PARTITIONS = 1_600, 900, 3


@pytest.fixture
def topic(kafka_broker: str) -> str:
    """A stream that drifts, over the partitions by chance, from senders whose clocks differ."""
    name = f"records-{uuid.uuid4().hex}"
    make_topic(kafka_broker, name, partitions=PARTITIONS)
    x, target = generate(SCENARIO, seed=0, first=0, count=RECORDS, drift_at=DRIFT_AT)
    randomness = np.random.default_rng(2)
    began = int(time.time() * 1_000)
    producer = KafkaProducer(bootstrap_servers=kafka_broker, acks="all")
    for number in range(RECORDS):
        record = {
            "id": f"r{number}",
            "x": x[number].round(3).tolist(),
            "target": SCENARIO.classes[target[number]],
            "time": float(number),
        }
        producer.send(
            name,
            json.dumps(record).encode(),
            partition=int(randomness.integers(PARTITIONS)),
            timestamp_ms=began + 10 * number + int(randomness.integers(-80, 80)),
        )
    producer.close()
    return name


def has_counted(running: RunningDaemon, records: int) -> bool:
    return len(counted(running.state).ids) >= records


def read_through(running: RunningDaemon, *, kills_at: tuple[int, ...] = ()) -> dict[str, Any]:
    """What the store has of the whole topic; killed where so many records have counted."""
    for reached in (*kills_at, RECORDS):
        running.start().wait_for_event("daemon.started")
        running.wait_for(partial(has_counted, running, reached), name=f"{reached} records")
        if reached < RECORDS:
            running.end(signal.SIGKILL)
    assert running.end(signal.SIGTERM) == 0
    found = counted(running.state)
    with closing(Database.attach(running.state.database)) as database, database.read() as rows:
        raised = [
            (alarm.signal, alarm.record, alarm.since_record, alarm.statistic)
            for alarm in alarms.listing(rows, STREAM)
        ]
    return {
        "ids": found.ids,
        "blocks": [(one.first_record, one.records, one.hits, one.loss) for one in found.blocks],
        "alarms": raised,
    }


def test_the_same_topic_gives_the_same_order_blocks_and_alarm_through_kills(
    kafka_broker: str, topic: str, tmp_path: Path
) -> None:
    sections: dict[str, Any] = {
        "source": {"kind": "kafka", "bootstrap_servers": [kafka_broker], "topic": topic},
        "record": {"shape": list(SCENARIO.shape), "classes": list(SCENARIO.classes)},
        "initial": {"records": FIRST, "steps": 150},
        "alarm": {"warm_up_blocks": 5},
        # So that the drift is answered by nothing: what that takes is a matter of time.
        "episode": {"records": 100 * RECORDS, "steps": 20},
        "window_records": 200 * RECORDS,
        "checkpoint": {"seconds": 0.1},
    }
    found = []
    with ExitStack() as stack:
        for name, kills_at in (("whole", ()), ("killed", (1, FIRST + 1))):
            directory = tmp_path / name
            directory.mkdir()
            running = stack.enter_context(closing(RunningDaemon(directory, **sections)))
            found.append(read_through(running, kills_at=kills_at))
    whole, killed = found
    assert sorted(whole["ids"]) == sorted(f"r{number}" for number in range(RECORDS))
    assert whole["ids"] != tuple(f"r{number}" for number in range(RECORDS))
    assert len(whole["blocks"]) > 30
    assert whole["alarms"]
    assert killed == whole
