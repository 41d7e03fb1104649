"""Where release events go: a file of JSON lines, or a Kafka topic."""

import os
from contextlib import suppress
from datetime import UTC
from pathlib import Path
from typing import Any, Protocol

from kafka.errors import KafkaError

from adaptd.architecture.canonical import canonical_json
from adaptd.errors import SourceError, SourceUnavailable, TransientError
from adaptd.store.outbox import Event
from adaptd.stream.kafka_connection import Cluster

SCHEMA_VERSION = 1


class Publisher(Protocol):
    """Sends events one at a time, in the order of the outbox."""

    def publish(self, event: Event) -> None:
        """Blocks until the receiver has it for good. An event may be published twice.

        Raises TransientError if it has not; the event stays in the outbox then.
        """
        ...

    def close(self) -> None:
        """Lets go of the receiver. Blocks for seconds at most."""
        ...


def envelope(event: Event) -> dict[str, Any]:
    """What receivers get: schema_version, id, stream, kind, time (ISO 8601, UTC), data."""
    return {
        "schema_version": SCHEMA_VERSION,
        "id": event.id,
        "stream": event.stream,
        "kind": event.kind,
        "time": event.created_at.astimezone(UTC).isoformat(timespec="microseconds"),
        "data": event.document,
    }


class FilePublisher:
    """Appends a line for each event to one file. No other process may write there."""

    def __init__(self, path: Path) -> None:
        self._path = path

    def publish(self, event: Event) -> None:
        """On disk when it returns. Raises TransientError if the file cannot be written."""
        line = canonical_json(envelope(event)).encode() + b"\n"
        try:
            self._path.parent.mkdir(parents=True, exist_ok=True)
            with self._path.open("a+b") as file:
                _drop_torn_line(file.fileno())
                file.write(line)
                file.flush()
                os.fsync(file.fileno())
        except OSError as error:
            raise TransientError(f"{self._path}: event {event.id} not written: {error}") from error

    def close(self) -> None:
        pass


class KafkaPublisher:
    """Sends each event to one topic, keyed by its stream, and waits for all replicas in sync.

    The producer is made at the first event, so that a broker that is down stops nothing else.
    """

    def __init__(self, cluster: Cluster, topic: str, *, timeout_seconds: float = 10.0) -> None:
        """timeout_seconds: for each of connecting, finding the topic, and delivery."""
        self._cluster = cluster
        self._topic = topic
        self._timeout_seconds = timeout_seconds
        self._producer: Any = None

    def publish(self, event: Event) -> None:
        """Raises TransientError if the event is not acknowledged in time."""
        try:
            if self._producer is None:
                self._producer = self._cluster.producer(timeout_seconds=self._timeout_seconds)
            acknowledged = self._producer.send(
                self._topic,
                key=event.stream.encode(),
                value=canonical_json(envelope(event)).encode(),
            )
            # The producer gives up after the timeout by itself. It goes first, so that nothing is
            # left in its buffer that could overtake what is published next.
            acknowledged.get(timeout=2 * self._timeout_seconds)
        except (KafkaError, SourceError, SourceUnavailable) as error:
            self.close()
            raise TransientError(
                f"{self._cluster}: event {event.id} not acknowledged on {self._topic}: {error}"
            ) from error

    def close(self) -> None:
        producer, self._producer = self._producer, None
        if producer is not None:
            with suppress(KafkaError):
                producer.close(timeout=1)


def _drop_torn_line(descriptor: int) -> None:
    # A kill in the middle of a line; its event is still in the outbox and comes again.
    end = os.fstat(descriptor).st_size
    while end > 0:
        start = max(0, end - 4096)
        chunk = os.pread(descriptor, end - start, start)
        newline = chunk.rfind(b"\n")
        if newline >= 0:
            end = start + newline + 1
            break
        end = start
    os.ftruncate(descriptor, end)
