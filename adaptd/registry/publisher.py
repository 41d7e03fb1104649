"""Where release events go: a file of JSON lines, or a Kafka topic."""

from datetime import UTC
from pathlib import Path
from typing import Any, Protocol

from adaptd.architecture.canonical import canonical_json
from adaptd.registry.outlet import LineFile, Message, Topic
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
    """Sends each event to one topic, keyed by its stream, and waits for all replicas in sync."""

    def __init__(self, cluster: Cluster, topic: str, *, timeout_seconds: float = 10.0) -> None:
        """timeout_seconds: for each of connecting, finding the topic, and delivery."""
        self._topic = Topic(cluster, topic, timeout_seconds=timeout_seconds)

    def publish(self, event: Event) -> None:
        """Raises TransientError if the event is not acknowledged in time."""
        value = canonical_json(envelope(event)).encode()
        self._topic.send([Message(value, key=event.stream.encode())])

    def close(self) -> None:
        self._topic.close()
