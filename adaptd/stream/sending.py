"""Sends the records of a source to a topic, as its schema parses them."""

from collections.abc import Callable, Iterator
from typing import Any

from kafka.errors import KafkaError

from adaptd.clock import Clock
from adaptd.errors import SourceUnavailable
from adaptd.stream.batch import Batch
from adaptd.stream.event_pace import EventPace
from adaptd.stream.parsed import Document
from adaptd.stream.schema import Schema
from adaptd.stream.source import Source

# Records read and acknowledged at a time; with a pace few, so that it shows soon how it goes.
_STRIDE, _PACED_STRIDE = 500, 20
# Seconds that a source that waits for records may take before it is asked whether to stop.
_WAIT_SECONDS = 0.5
# Seconds for a broker to acknowledge what was sent.
_ACKNOWLEDGED_SECONDS = 30.0

Sent = Callable[[int, int], None]


def send(
    source: Source,
    producer: Any,
    topic: str,
    *,
    clock: Clock,
    sleep: Callable[[float], None],
    speed: float | None = None,
    should_stop: Callable[[], bool] = lambda: False,
    progress: Sent = lambda _sent, _rejected: None,
) -> tuple[int, int]:
    """Sends until the source ends or should_stop; keyed by id. Returns records sent and rejected.

    producer: as `Cluster.producer` gives it. speed: so many seconds of event time a second, from
    the first record on; None: as fast as the broker takes them. progress: called with both counts
    now and then. Raises SourceError, and SourceUnavailable where the broker does not take them.
    """
    pace = None if speed is None else EventPace(speed, clock)
    sent = rejected = 0
    is_over = False
    while not is_over and not should_stop():
        poll = source.poll(
            maximum=_STRIDE if pace is None else _PACED_STRIDE, timeout_seconds=_WAIT_SECONDS
        )
        is_over = poll.is_exhausted
        rejected += len(poll.rejects)
        waiting: list[Any] = []
        try:
            for place, value in enumerate(_messages(poll.batch, source.schema)):
                due_in = 0.0 if pace is None else pace.due_in(float(poll.batch.timestamps[place]))
                if due_in > 0:
                    sleep(due_in)
                if should_stop():
                    break
                key = str(poll.batch.ids[place]).encode()
                waiting.append(producer.send(topic, key=key, value=value))
                sent += 1
            for acknowledged in waiting:
                acknowledged.get(timeout=_ACKNOWLEDGED_SECONDS)
        except KafkaError as error:
            raise SourceUnavailable(
                f"topic {topic}: not acknowledged after {sent - len(waiting)} records: {error}"
            ) from error
        progress(sent, rejected)
    return sent, rejected


def _messages(batch: Batch, schema: Schema) -> Iterator[bytes]:
    for place in range(len(batch)):
        yield schema.encode(
            Document(
                id=batch.ids[place],
                x=batch.x[place],
                target=int(batch.target[place]),
                time=float(batch.timestamps[place]),
                weight=1.0 if batch.weight is None else float(batch.weight[place]),
            )
        )
