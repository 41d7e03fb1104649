"""`Cluster`: a Kafka cluster and how its clients are connected; why one cannot be."""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Any

from kafka import KafkaConsumer, KafkaProducer
from kafka.errors import (
    KafkaConnectionError,
    KafkaError,
    KafkaTimeoutError,
    SaslAuthenticationFailedError,
    UnsupportedSaslMechanismError,
)
from kafka.net.compat import KafkaNetClient
from kafka.net.manager import KafkaConnectionManager
from kafka.net.selector import NetworkSelector

from adaptd.config import SaslConfig, TlsConfig
from adaptd.errors import SourceError, SourceUnavailable
from adaptd.stream.kafka_security import security_settings

# A question to the broker may take this long. Short enough for a stop to be answered in time.
ANSWER_MS = 2_000

# What the client says where a broker ends a conversation that it did not expect, or answers it with
# an alert of TLS; and now and then where it refuses a sign-in.
_HANGS_UP = ("disconnected", "Invalid frame length")
# By whether we use TLS and sign in; {keys}: of what we sign in with.
_WHERE_IT_HANGS_UP = {
    (False, False): "check that the port is for neither TLS nor sign-in: those need tls and sasl",
    (True, False): "check that the port is for TLS without sign-in: that needs sasl",
    (False, True): "check that the port is for sign-in without TLS, and sasl.{keys}",
    (True, True): "check that the port is for sign-in by TLS, and sasl.{keys}",
}


@dataclass(frozen=True)
class Cluster:
    """servers: host:port, of some brokers. tls, sasl: None for neither encryption nor sign-in."""

    servers: tuple[str, ...]
    tls: TlsConfig | None = None
    sasl: SaslConfig | None = None

    def __str__(self) -> str:
        return ", ".join(self.servers)

    def consumer(self, *, group: str | None = None) -> Any:
        """A consumer that has reached a broker; with a group, one that may commit for it.

        Raises SourceError where trying again does not help (an address that is none, a secret that
        is missing, a sign-in that is refused, a certificate that is not trusted), SourceUnavailable
        where no broker answers. Both name what to check.
        """
        # Where to begin is for our positions to say, never for the client.
        return self._consumer(group_id=group, auto_offset_reset="none")[0]

    def member(
        self, group: str, *, assignor: object, session_seconds: float, instance: str | None = None
    ) -> tuple[Any, Callable[[float], Awaitable[None]]]:
        """A consumer that can join a group, and how its rebalance listener sleeps, for seconds.

        assignor: shares topics out. instance: None for a member that is new at each start. Raises
        as `consumer` does.
        """
        milliseconds = round(session_seconds * 1_000)
        consumer, client = self._consumer(
            group_id=group,
            group_instance_id=instance,
            session_timeout_ms=milliseconds,
            heartbeat_interval_ms=min(3_000, milliseconds // 4),
            partition_assignment_strategy=(assignor,),
            # For one that reads nothing it only has to be something.
            auto_offset_reset="latest",
        )
        return consumer, client.sleep

    def _consumer(self, **settings: Any) -> tuple[Any, "_Client"]:
        return self._connected(
            KafkaConsumer,
            creates_topics=False,
            enable_auto_commit=False,
            isolation_level="read_committed",
            # New partitions and leaders are seen within seconds, not minutes.
            metadata_max_age_ms=5_000,
            reconnect_backoff_max_ms=1_000,
            # A broker that was cut off without a word is given up after this.
            request_timeout_ms=10_000,
            bootstrap_timeout_ms=ANSWER_MS,
            metrics_enabled=False,
            **settings,
        )

    def producer(self, *, timeout_seconds: float) -> Any:
        """An idempotent producer that waits for all replicas in sync.

        timeout_seconds: for each of connecting, finding a topic, and delivery. Raises as `consumer`
        does.
        """
        milliseconds = round(timeout_seconds * 1_000)
        return self._connected(
            KafkaProducer,
            creates_topics=True,
            client_id="adaptd",
            acks="all",
            enable_idempotence=True,
            bootstrap_timeout_ms=milliseconds,
            max_block_ms=milliseconds,
            # Half, so that a lost request is sent again before the record is given up.
            request_timeout_ms=milliseconds // 2,
            delivery_timeout_ms=milliseconds,
        )[0]

    def _connected(
        self, client_type: Callable[..., Any], *, creates_topics: bool, **settings: Any
    ) -> tuple[Any, "_Client"]:
        clients: list[_Client] = []

        def client(**settings: Any) -> _Client:
            made = _Client(**settings)
            # Consumers do not hand their setting of that name on, and a misspelt topic must not
            # come into being by our asking for it.
            made.cluster.config["allow_auto_create_topics"] = creates_topics
            clients.append(made)
            return made

        try:
            made = client_type(
                bootstrap_servers=list(self.servers),
                kafka_client=client,
                **security_settings(self.tls, self.sasl),
                **settings,
            )
            return made, clients[-1]
        except KafkaError as error:
            # One that cannot be made leaves its thread behind.
            for failed in clients:
                failed.close()
            raise self._failure(clients[-1].refusal if clients else None, error) from error
        except ValueError as error:
            raise SourceError(
                f"bootstrap_servers: expected host:port, got {self}: {error}"
            ) from error

    def _failure(
        self, refusal: Exception | None, error: KafkaError
    ) -> SourceError | SourceUnavailable:
        """refusal: what a connection ended with. The client tells of its time-out only."""
        if not isinstance(error, KafkaTimeoutError):
            refusal = error
        text = f"Kafka at {self}: "
        if isinstance(refusal, UnsupportedSaslMechanismError) and self.sasl is not None:
            return SourceError(
                f"{text}does not offer {self.sasl.mechanism}; check sasl.mechanism and the port"
            )
        if isinstance(refusal, SaslAuthenticationFailedError) and self.sasl is not None:
            who = f" as {self.sasl.username}" if self.sasl.username else ""
            return SourceError(
                f"{text}sign-in{who} with {self.sasl.mechanism} was refused; "
                f"check sasl.{self._sign_in_keys} ({refusal})"
            )
        told = str(refusal)
        if isinstance(refusal, KafkaConnectionError) and "SSL" in told:
            if "CERTIFICATE_VERIFY_FAILED" in told:
                advice = "check tls.ca_file, and that the certificate names the host"
                return SourceError(f"{text}the certificate is not trusted; {advice} ({told})")
            advice = "check that the port is for TLS, and tls.certificate_file if it asks for one"
            return SourceUnavailable(f"{text}no TLS connection; {advice} ({told})")
        advice = "check bootstrap_servers and that the broker runs"
        if refusal is not error and any(text in told for text in _HANGS_UP):
            advice = _WHERE_IT_HANGS_UP[self.tls is not None, self.sasl is not None].format(
                keys=self._sign_in_keys
            )
        return SourceUnavailable(f"{text}cannot be reached; {advice} ({refusal or error})")

    @property
    def _sign_in_keys(self) -> str:
        return "token" if self.sasl and self.sasl.token else "username and sasl.password"


class _Client(KafkaNetClient):  # type: ignore[misc]
    """Keeps why a connection was refused."""

    def __init__(self, **settings: Any) -> None:
        net = NetworkSelector(**settings)
        manager = _Manager(net, **settings)
        super().__init__(net=net, manager=manager, **settings)
        self._refusals = manager
        # For coroutines on the client's own loop.
        self.sleep: Callable[[float], Awaitable[None]] = net.sleep

    @property
    def refusal(self) -> Exception | None:
        """What the connection ended with that tells the most of those that failed."""
        return self._refusals.refusal


class _Manager(KafkaConnectionManager):  # type: ignore[misc]
    def __init__(self, net: NetworkSelector, **settings: Any) -> None:
        super().__init__(net, **settings)
        self.refusal: Exception | None = None

    def get_connection(self, *arguments: Any, **settings: Any) -> Any:
        connection = super().get_connection(*arguments, **settings)
        connection.init_future.add_errback(self._refused)
        return connection

    def _refused(self, error: Exception) -> None:
        # A broker may hang up on the next one before it says the same again.
        if self.refusal is None or _telling(error) >= _telling(self.refusal):
            self.refusal = error


def _telling(error: Exception) -> int:
    if isinstance(error, SaslAuthenticationFailedError | UnsupportedSaslMechanismError):
        return 2
    return 1 if "SSL" in str(error) else 0
