"""How a topic's consumer is connected and set."""

from collections.abc import Sequence
from typing import Any

from kafka import KafkaConsumer
from kafka.errors import KafkaError
from kafka.net.compat import KafkaNetClient

from adaptd.errors import SourceError

# A question to the broker may take this long. Short enough for a stop to be answered in time.
ANSWER_MS = 2_000


def connect(servers: Sequence[str], *, group: str | None = None) -> Any:
    """A consumer that has reached a broker; with a group, one that may commit for it.

    Raises KafkaError where no broker answers, SourceError for an address that is none.
    """
    clients: list[KafkaNetClient] = []

    def client(**settings: Any) -> KafkaNetClient:
        made = KafkaNetClient(**settings)
        # The consumer does not hand its `allow_auto_create_topics` on, and a misspelt topic must
        # not come into being by our asking for it.
        made.cluster.config["allow_auto_create_topics"] = False
        clients.append(made)
        return made

    try:
        return KafkaConsumer(
            bootstrap_servers=list(servers),
            group_id=group,
            # Where to begin is for our positions to say, never for the client.
            auto_offset_reset="none",
            enable_auto_commit=False,
            isolation_level="read_committed",
            # New partitions and leaders are seen within seconds, not minutes.
            metadata_max_age_ms=5_000,
            reconnect_backoff_max_ms=1_000,
            # A broker that was cut off without a word is given up after this.
            request_timeout_ms=10_000,
            bootstrap_timeout_ms=ANSWER_MS,
            metrics_enabled=False,
            kafka_client=client,
        )
    except KafkaError:
        # A consumer that cannot be made leaves its thread behind.
        for made in clients:
            made.close()
        raise
    except ValueError as error:
        raise SourceError(
            f"source.bootstrap_servers: expected host:port, got {', '.join(servers)}: {error}"
        ) from error
