"""Where events go: a file of JSON lines, or a Kafka topic for each kind."""

from collections.abc import Mapping
from datetime import UTC
from pathlib import Path
from typing import Any, Protocol

from adaptd.architecture.canonical import canonical_json
from adaptd.registry.outlet import KafkaOutlet, LineFile, Message
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
        self._file = LineFile(path)

    def publish(self, event: Event) -> None:
        """On disk when it returns. Raises TransientError if the file cannot be written."""
        self._file.append([canonical_json(envelope(event)).encode()])

    def close(self) -> None:
        pass


class KafkaPublisher:
    """Sends each event to the topic of its kind, keyed by its stream, and waits for all replicas in
    sync."""

    def __init__(
        self, cluster: Cluster, topics: Mapping[str, str], *, timeout_seconds: float = 10.0
    ) -> None:
        """topics: kind -> where such events go. timeout_seconds: as of `KafkaOutlet`."""
        self._outlet = KafkaOutlet(cluster, timeout_seconds=timeout_seconds)
        self._topics = dict(topics)

    def publish(self, event: Event) -> None:
        """Raises TransientError if the event is not acknowledged in time, KeyError for a kind that
        has no topic."""
        value = canonical_json(envelope(event)).encode()
        self._outlet.send([Message(self._topics[event.kind], value, key=event.stream.encode())])

    def close(self) -> None:
        self._outlet.close()
