"""Several daemons that share the streams of one store, on a real broker."""

import os
import random
import signal
import threading
import time
import uuid
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any
from urllib.error import HTTPError

import pytest
from kafka import KafkaProducer

from adaptd.errors import StoreUnavailable
from adaptd.registry.scores import BlockScore
from adaptd.store.database import Database
from adaptd.store.directory import StateDirectory
from adaptd.store.postgres import PostgresServer
from tests.brokers import make_topic
from tests.integration.conftest import HANG_SECONDS, STREAM, RunningDaemon
from tests.integration.recordings import FIRST, Counted, Recording, counted, recording, stream_of
from tests.integration.sensors import SCENARIO, sensor

pytestmark = [pytest.mark.slow, pytest.mark.timeout(900)]

OTHER = "others"
RECORDS = 8_000
RECORDS_PER_SECOND = 50
# The least that brokers allow: who is killed is missed after it.
SESSION_SECONDS = 6
PARTITIONS = 3

Members = Callable[..., RunningDaemon]


@pytest.fixture
def state(tmp_path: Path) -> StateDirectory:
    return StateDirectory(tmp_path / "state")


@pytest.fixture
def member(tmp_path: Path, state: StateDirectory) -> Iterator[Members]:
    """Makes a daemon over the shared store; keywords as of `RunningDaemon`."""
    made: list[RunningDaemon] = []

    def make(**changes: Any) -> RunningDaemon:
        directory = tmp_path / f"member-{len(made)}"
        directory.mkdir()
        changes.setdefault("members", {"session_seconds": SESSION_SECONDS})
        made.append(RunningDaemon(directory, state=changes.pop("state", state.path), **changes))
        return made[-1]

    yield make
    for running in made:
        running.close()


class Filling:
    """Fills topics with a recording in the background: enough for release 1, and the rest at a pace
    from `go_on` to `hurry`."""

    def __init__(self, broker: str, topics: dict[str, int], made: Recording) -> None:
        """topics: name -> partitions."""
        self._broker, self._topics, self._made = broker, topics, made
        self._going, self._hurrying = threading.Event(), threading.Event()
        self._thread = threading.Thread(target=self._send)

    def go_on(self) -> None:
        self._going.set()

    def hurry(self) -> None:
        self._hurrying.set()

    def __enter__(self) -> "Filling":
        self._thread.start()
        return self

    def __exit__(self, *error: object) -> None:
        self.go_on()
        self.hurry()
        self._thread.join()

    def _send(self) -> None:
        producer = KafkaProducer(bootstrap_servers=self._broker, acks="all")
        for number, line in enumerate(self._made.lines):
            for topic, partitions in self._topics.items():
                producer.send(topic, line.encode(), partition=number % partitions)
            if number == 2 * FIRST:
                producer.flush()
                self._going.wait()
            elif number % 10 == 0 and number > 2 * FIRST:
                producer.flush()
                self._hurrying.wait(10 / RECORDS_PER_SECOND)
        producer.close()


def source(broker: str, topic: str, group: str) -> dict[str, Any]:
    return {"kind": "kafka", "bootstrap_servers": [broker], "topic": topic, "group": group}


def streams(broker: str, topics: list[str], records: int) -> dict[str, Any]:
    """Sections of two streams that are shared in one group."""
    group = uuid.uuid4().hex
    usual = stream_of(records, checkpoint_seconds=0.2)
    other = {"name": OTHER, "source": source(broker, topics[1], group), **usual}
    return {"source": source(broker, topics[0], group), "others": [other], **usual}


def timeless(blocks: tuple[BlockScore, ...]) -> list[tuple[int, int, int, float, str]]:
    return [
        (block.first_record, block.records, block.hits, block.loss, block.release_digest)
        for block in blocks
    ]


def is_whole(found: Counted, made: Recording) -> bool:
    """Whether all of the recording has counted, what is none among it."""
    return len(found.ids) + sum(found.rejects.values()) >= len(made.lines)


def owned(running: RunningDaemon) -> set[str]:
    """The streams that it owns, as its metrics say."""
    found = set()
    for name in (STREAM, OTHER):
        if f'adaptd_stream_owned{{stream="{name}"}} 1.0' in running.fetch("/metrics"):
            found.add(name)
    return found


def ready(running: RunningDaemon) -> str:
    """What `/readyz` says of one that is; nothing where it is not."""
    try:
        return running.fetch("/readyz")
    except HTTPError:
        return ""


def test_every_record_counts_once_through_a_storm_of_rebalances(
    member: Members, state: StateDirectory, tmp_path: Path, kafka_broker: str
) -> None:
    made = recording(RECORDS)
    topics = [f"many-{uuid.uuid4().hex}", f"one-{uuid.uuid4().hex}"]
    make_topic(kafka_broker, topics[0], partitions=PARTITIONS)
    make_topic(kafka_broker, topics[1])
    sections = streams(kafka_broker, topics, RECORDS)
    with Filling(kafka_broker, {topics[0]: PARTITIONS, topics[1]: 1}, made) as filling:
        trio = [member(**sections) for _ in range(3)]
        trio[0].start()
        for name in (STREAM, OTHER):
            trio[0].wait_for_event("release.published", stream=name)
        filling.go_on()
        trio[1].start().wait_for_event("daemon.started")
        trio[1].wait_for(lambda: len(owned(trio[1])) == 1, name="share")
        trio[0].wait_for(lambda: len(owned(trio[0])) == 1, name="rest")
        assert owned(trio[0]) | owned(trio[1]) == {STREAM, OTHER}
        # Each went over whole: nothing was lost to it, so nothing was read again.
        (handed,) = trio[0].events("stream.let_go")
        assert trio[1].wait_for_event("stream.resumed")["stream"] == handed["stream"]
        trio[2].start()
        trio[2].wait_for_event("stream.standby", stream=STREAM)
        trio[2].wait_for(lambda: "standby, owner is" in ready(trio[2]), name="readiness")
        chance = random.Random(0)
        for turn in range(6):
            leaving = trio[turn % 3]
            # Before that a signal would only end the interpreter.
            leaving.wait_for_event("daemon.started")
            number = signal.SIGKILL if turn % 3 == 2 else signal.SIGTERM
            code = leaving.end(number)
            assert code == (-number if number == signal.SIGKILL else 0), leaving.log[-2000:]
            time.sleep(chance.uniform(0, 3))
            leaving.start()
            time.sleep(chance.uniform(0, 3))
        # Else the storm was over before it began.
        assert len(counted(state).ids) < len(made.ids)
        filling.hurry()
        trio[0].wait_for(
            lambda: all(is_whole(counted(state, name), made) for name in (STREAM, OTHER)),
            name="all records",
        )
        for running in trio:
            assert running.end(signal.SIGTERM) == 0, running.log[-2000:]
    lone = member(state=tmp_path / "lone", **{**sections, "members": None}).start()
    lone.wait_for(
        lambda: (
            lone.state.database.exists()
            and lone.events("release.published")
            and all(is_whole(counted(lone.state, name), made) for name in (STREAM, OTHER))
        ),
        name="all records without a storm",
    )
    assert lone.end(signal.SIGTERM) == 0
    for name in (STREAM, OTHER):
        stormy, calm = counted(state, name), counted(lone.state, name)
        assert sorted(stormy.ids) == sorted(calm.ids) == sorted(made.ids)
        assert stormy.rejects == calm.rejects == {"unreadable": len(made.poison)}
        ends = [block.first_record + block.records for block in stormy.blocks]
        assert [block.first_record for block in stormy.blocks[1:]] == ends[:-1]
        assert len(stormy.blocks) == len(calm.blocks)
    # Within a partition the order is the topic's.
    place = {name: offset for offset, name in enumerate(made.ids)}
    for partition in range(PARTITIONS):
        of_partition = [
            place[name]
            for name in counted(state, STREAM).ids
            if int(name.removeprefix("r")) % PARTITIONS == partition
        ]
        assert of_partition == sorted(of_partition)
    # With one partition there is one order: then all of it is the same, to the last bit.
    stormy, calm = counted(state, OTHER), counted(lone.state, OTHER)
    assert stormy.ids == calm.ids
    assert timeless(stormy.blocks) == timeless(calm.blocks)


@pytest.fixture(params=["sqlite", "postgresql"])
def server_of_store(request: pytest.FixtureRequest) -> PostgresServer | None:
    """None: members share a SQLite file."""
    if request.param == "sqlite":
        return None
    made: PostgresServer = request.getfixturevalue("postgres").make_database()
    return made


def stop(running: RunningDaemon) -> None:
    """Stops it; over SQLite where it holds no lock: there nobody can take over within its
    transaction, where a server throws it out."""
    assert running.process is not None
    if isinstance(running.place, PostgresServer):
        os.kill(running.process.pid, signal.SIGSTOP)
        return
    database = Database.attach(running.state.database, busy_timeout_seconds=0.2)
    deadline = time.monotonic() + HANG_SECONDS
    try:
        while time.monotonic() < deadline:
            os.kill(running.process.pid, signal.SIGSTOP)
            try:
                with database.write():
                    return
            except StoreUnavailable:
                os.kill(running.process.pid, signal.SIGCONT)
                time.sleep(0.05)
    finally:
        database.close()
    raise AssertionError("the write lock was never free")


def test_one_that_was_stopped_for_long_is_replaced_and_does_no_harm(
    member: Members,
    state: StateDirectory,
    kafka_broker: str,
    server_of_store: PostgresServer | None,
) -> None:
    made = recording(RECORDS)
    topic = f"sensors-{uuid.uuid4().hex}"
    make_topic(kafka_broker, topic, partitions=PARTITIONS)
    sections = {
        "source": source(kafka_broker, topic, uuid.uuid4().hex),
        **stream_of(RECORDS, checkpoint_seconds=0.2),
        "server_of_store": server_of_store,
    }

    def found() -> Counted:
        return counted(state, place=server_of_store)

    with Filling(kafka_broker, {topic: PARTITIONS}, made) as filling:
        paused, other = member(**sections).start(), member(**sections)
        paused.wait_for_event("release.published")
        filling.go_on()
        other.start()
        other.wait_for_event("stream.standby")
        stop(paused)
        other.wait_for_event("stream.owned", epoch=2)
        resumed = other.wait_for_event("stream.resumed")
        before = len(found().ids)
        assert resumed["next_record"] <= before
        other.wait_for(lambda: len(found().ids) > before + 200, name="records")
        assert paused.process is not None
        paused.process.send_signal(signal.SIGCONT)
        assert paused.process.wait(HANG_SECONDS) == 1
        assert "Traceback" not in paused.log
        assert "this process no longer owns the stream" in paused.log.splitlines()[-1]
        # It may come back, and is another one's standby then.
        paused.start()
        paused.wait_for_event("stream.standby", epoch=2)
        filling.hurry()
        other.wait_for(lambda: is_whole(found(), made), name="all records")
        for running in (paused, other):
            assert running.end(signal.SIGTERM) == 0, running.log[-2000:]
    assert sorted(found().ids) == sorted(made.ids)
    assert found().rejects == {"unreadable": len(made.poison)}


def test_an_episode_goes_on_at_the_member_that_takes_over(
    member: Members, kafka_broker: str
) -> None:
    topic = f"sensors-{uuid.uuid4().hex}"
    make_topic(kafka_broker, topic, partitions=2)
    sections = {
        "source": source(kafka_broker, topic, uuid.uuid4().hex),
        "record": {"shape": list(SCENARIO.shape), "classes": list(SCENARIO.classes)},
    }
    with sensor(kafka_broker, topic):
        first, second = member(**sections).start(), member(**sections)
        first.wait_for_event("release.published", number=1)
        second.start()
        second.wait_for_event("stream.standby")
        opened = first.wait_for_event("episode.opened")
        first.wait_for_event("episode.advanced", state="searching")
        assert first.end(signal.SIGTERM) == 0
        second.wait_for_event("stream.resumed")
        second.wait_for_event("episode.advanced", state="trial", episode=opened["episode"])
        second.wait_for_event("release.published", number=2)
        assert second.end(signal.SIGTERM) == 0
