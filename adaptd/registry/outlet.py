"""Where messages leave the daemon for good: a file of lines, or a Kafka topic."""

import os
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from kafka.errors import KafkaError

from adaptd.errors import SourceError, SourceUnavailable, TransientError
from adaptd.stream.kafka_connection import Cluster


class LineFile:
    """Appends lines to one file. No other process may write there."""

    def __init__(self, path: Path) -> None:
        self._path = path

    def append(self, lines: Sequence[bytes]) -> None:
        """On disk when it returns. lines: without their ends. Raises TransientError if the file
        cannot be written; some may be there then."""
        try:
            self._path.parent.mkdir(parents=True, exist_ok=True)
            with self._path.open("a+b") as file:
                _drop_torn_line(file.fileno())
                file.writelines(line + b"\n" for line in lines)
                file.flush()
                os.fsync(file.fileno())
        except OSError as error:
            raise TransientError(f"{self._path}: not written: {error}") from error


@dataclass(frozen=True)
class Message:
    """What goes to a topic. headers: name -> value."""

    topic: str
    value: bytes | None
    key: bytes | None = None
    headers: tuple[tuple[str, bytes], ...] = ()


class KafkaOutlet:
    """Sends messages to topics of one cluster and waits for all replicas in sync.

    The producer is made at the first message, so that a broker that is down stops nothing else.
    """

    def __init__(self, cluster: Cluster, *, timeout_seconds: float = 10.0) -> None:
        """timeout_seconds: for each of connecting, finding a topic, and delivery."""
        self._cluster = cluster
        self._timeout_seconds = timeout_seconds
        self._producer: Any = None

    def send(self, messages: Sequence[Message]) -> None:
        """In order. Raises TransientError if one is not acknowledged in time; those before it may
        be there then."""
        current = "its producer"
        try:
            if self._producer is None:
                self._producer = self._cluster.producer(timeout_seconds=self._timeout_seconds)
            sent = []
            for one in messages:
                current = one.topic
                future = self._producer.send(
                    one.topic, key=one.key, value=one.value, headers=list(one.headers)
                )
                sent.append((one.topic, future))
            for current, acknowledged in sent:  # noqa: B007  (for the error)
                # The producer gives up after the timeout by itself. It goes first, so that nothing
                # is left in its buffer that could overtake what is sent next.
                acknowledged.get(timeout=2 * self._timeout_seconds)
        except (KafkaError, SourceError, SourceUnavailable) as error:
            self.close()
            raise TransientError(
                f"{self._cluster}: not acknowledged by {current}: {error}"
            ) from error

    def close(self) -> None:
        """Lets go of the producer. Blocks for two seconds at most."""
        producer, self._producer = self._producer, None
        if producer is None:
            return
        try:
            producer.close(timeout=1)
        except KafkaError:
            # A client that cannot flush stays open: it would send what it has left once it can,
            # after what comes next, from a thread that nobody ends.
            producer._sender.force_close()
            with suppress(KafkaError):
                producer.close(timeout=1)


def _drop_torn_line(descriptor: int) -> None:
    # A kill in the middle of a line; what it was of is still in the store and comes again.
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
