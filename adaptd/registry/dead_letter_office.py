"""Where records go that could not be used: a Kafka topic, or a file of JSON lines."""

import base64
from collections.abc import Mapping, Sequence
from datetime import UTC
from pathlib import Path
from typing import Protocol

from adaptd.architecture.canonical import canonical_json
from adaptd.registry.dead_letters import DeadLetter
from adaptd.registry.outlet import KafkaOutlet, LineFile, Message
from adaptd.stream.kafka_connection import Cluster

SCHEMA_VERSION = 1

# Of one record, in bytes; a broker takes a little more by default. What is longer is cut: a record
# that its topic does not take must not hold up all that come after it.
MOST_BYTES = 900_000


class DeadLetterOffice(Protocol):
    """Takes what was set aside, in that order, some of it perhaps twice: source, partition and
    offset say what is the same."""

    def deliver(self, letters: Sequence[DeadLetter]) -> None:
        """Blocks until the receiver has them for good. Raises TransientError if it has not."""
        ...

    def close(self) -> None:
        """Lets go of the receiver. Blocks for seconds at most."""
        ...


class FileOffice:
    """Appends a line for each record, its bytes in base64. No other process may write there."""

    def __init__(self, path: Path, *, sources: Mapping[str, str]) -> None:
        """sources: records or labels -> what they come from, such as a file's name."""
        self._file = LineFile(path)
        self._sources = sources

    def deliver(self, letters: Sequence[DeadLetter]) -> None:
        """On disk when it returns. Raises TransientError if the file cannot be written."""
        self._file.append(
            [
                canonical_json(
                    {
                        "schema_version": SCHEMA_VERSION,
                        "source": self._sources[letter.origin],
                        **_facts(letter),
                        "payload": base64.b64encode(letter.payload).decode(),
                    }
                ).encode()
                for letter in letters
            ]
        )

    def close(self) -> None:
        pass


class KafkaOffice:
    """Sends each record's own bytes to one topic; what is known of it stands in headers `adaptd-…`:
    schema-version, stream, source (the topic), partition, offset, reason, detail, time; and
    truncated, its length, where it is longer than 900,000 bytes and cut there."""

    def __init__(
        self,
        cluster: Cluster,
        topic: str,
        *,
        sources: Mapping[str, str],
        timeout_seconds: float = 10.0,
    ) -> None:
        """sources: records or labels -> topic that they come from. timeout_seconds: as of
        `KafkaOutlet`."""
        self._outlet = KafkaOutlet(cluster, timeout_seconds=timeout_seconds)
        self._topic = topic
        self._sources = sources

    def deliver(self, letters: Sequence[DeadLetter]) -> None:
        """Raises TransientError if one is not acknowledged in time."""
        self._outlet.send([self._message(letter) for letter in letters])

    def close(self) -> None:
        self._outlet.close()

    def _message(self, letter: DeadLetter) -> Message:
        facts = {
            "schema-version": SCHEMA_VERSION,
            "source": self._sources[letter.origin],
            **_facts(letter),
        }
        if len(letter.payload) > MOST_BYTES:
            facts["truncated"] = len(letter.payload)
        return Message(
            self._topic,
            letter.payload[:MOST_BYTES],
            key=letter.stream.encode(),
            headers=tuple((f"adaptd-{name}", str(value).encode()) for name, value in facts.items()),
        )


def _facts(letter: DeadLetter) -> dict[str, str | int]:
    return {
        "stream": letter.stream,
        "partition": letter.partition,
        "offset": letter.offset,
        "reason": letter.reason,
        "detail": letter.detail,
        "time": letter.at.astimezone(UTC).isoformat(timespec="microseconds"),
    }
