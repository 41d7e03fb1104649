import base64
import json
import socket
import threading
import time
from pathlib import Path
from typing import Any

import pytest
import trustme

from adaptd.clock import FakeClock
from adaptd.config import SaslConfig, TlsConfig
from adaptd.errors import SourceError, SourceUnavailable
from adaptd.stream.kafka import KafkaSource
from adaptd.stream.kafka_connection import Cluster
from adaptd.stream.kafka_topic import KafkaTopic
from adaptd.stream.schema import Schema
from tests.brokers import PASSWORD, USER, Listeners


def source(schema: Schema, address: str) -> KafkaSource:
    return KafkaSource(
        schema,
        KafkaTopic(Cluster((address,)), "t", group="g", clock=FakeClock()),
        clock=FakeClock(),
    )


@pytest.fixture
def closed_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as server:
        port: int = server.getsockname()[1]
    return port


def test_a_broker_that_is_not_there_is_transient_and_leaves_no_thread_behind(
    schema: Schema, closed_port: int
) -> None:
    threads = threading.active_count()
    opened = source(schema, f"127.0.0.1:{closed_port}")
    with pytest.raises(SourceUnavailable, match=str(closed_port)):
        opened.poll(maximum=1, timeout_seconds=0)
    assert opened.lag() == {}
    opened.close()
    opened.close()
    assert threading.active_count() == threads


def test_an_address_that_is_none_is_permanent(schema: Schema) -> None:
    with pytest.raises(SourceError, match="host:port"):
        source(schema, "127.0.0.1:http").poll(maximum=1, timeout_seconds=0)


def test_a_broker_that_is_not_there_says_what_to_check(closed_port: int) -> None:
    with pytest.raises(SourceUnavailable, match="check bootstrap_servers and that the broker runs"):
        Cluster((f"127.0.0.1:{closed_port}",)).consumer()


def trusting(listeners: Listeners, directory: Path, **changes: Any) -> TlsConfig:
    """Trusts who signed the broker's certificate."""
    path = directory / "authority.pem"
    listeners.authority.cert_pem.write_to_path(path)
    return TlsConfig(**{"ca_file": path, **changes})


def signed_in(mechanism: str, secret: Path, *, username: str = USER) -> SaslConfig:
    if mechanism == "OAUTHBEARER":
        return SaslConfig.model_validate({"mechanism": mechanism, "token": {"file": secret}})
    return SaslConfig.model_validate(
        {"mechanism": mechanism, "username": username, "password": {"file": secret}}
    )


def written(directory: Path, secret: str) -> Path:
    path = directory / "secret"
    path.write_text(f"{secret}\n")
    return path


def token(subject: str) -> str:
    """One without a signature, which a broker takes that was set up to."""
    now = int(time.time())
    claims = {"sub": subject, "iat": now, "exp": now + 600}
    parts = [
        base64.urlsafe_b64encode(json.dumps(part).encode()).rstrip(b"=").decode()
        for part in ({"alg": "none"}, claims)
    ]
    return ".".join([*parts, ""])


def reached(cluster: Cluster) -> bool:
    """Whether a consumer and a producer get to the broker."""
    consumer = cluster.consumer()
    producer = cluster.producer(timeout_seconds=20)
    try:
        return isinstance(consumer.topics(), set) and producer.config["acks"] == -1
    finally:
        producer.close()
        consumer.close(autocommit=False)


# Now and then a broker hangs up before its refusal is read; the line names the same to check.
REFUSED = (SourceError, SourceUnavailable)

broker_test = [pytest.mark.slow, pytest.mark.xdist_group("kafka")]


class TestASecuredBroker:
    pytestmark = broker_test

    @pytest.mark.parametrize("mechanism", ["PLAIN", "SCRAM-SHA-256", "SCRAM-SHA-512"])
    def test_lets_in_who_has_the_password(
        self, secured: Listeners, tmp_path: Path, mechanism: str
    ) -> None:
        sasl = signed_in(mechanism, written(tmp_path, PASSWORD))
        assert reached(Cluster((secured.sasl,), trusting(secured, tmp_path), sasl))

    def test_lets_in_who_has_a_token(self, secured: Listeners, tmp_path: Path) -> None:
        sasl = signed_in("OAUTHBEARER", written(tmp_path, token(USER)))
        assert reached(Cluster((secured.sasl,), trusting(secured, tmp_path), sasl))

    def test_lets_in_who_has_a_certificate(self, secured: Listeners, tmp_path: Path) -> None:
        own = tmp_path / "own.pem"
        certificate = secured.authority.issue_cert(f"{USER}@example.org", common_name=USER)
        certificate.private_key_and_cert_chain_pem.write_to_path(own)
        tls = trusting(secured, tmp_path, certificate_file=own)
        assert reached(Cluster((secured.tls,), tls))

    @pytest.mark.parametrize("mechanism", ["PLAIN", "SCRAM-SHA-256"])
    def test_refuses_a_wrong_password(
        self, secured: Listeners, tmp_path: Path, mechanism: str
    ) -> None:
        sasl = signed_in(mechanism, written(tmp_path, "through-the-looking-glass"))
        cluster = Cluster((secured.sasl,), trusting(secured, tmp_path), sasl)
        with pytest.raises(REFUSED, match=r"sasl\.username and sasl\.password") as caught:
            cluster.consumer()
        if isinstance(caught.value, SourceError):
            assert USER in str(caught.value)
            assert mechanism in str(caught.value)
        assert "looking-glass" not in str(caught.value)

    def test_refuses_a_wrong_token(self, secured: Listeners, tmp_path: Path) -> None:
        sasl = signed_in("OAUTHBEARER", written(tmp_path, "no.token.x"))
        cluster = Cluster((secured.sasl,), trusting(secured, tmp_path), sasl)
        with pytest.raises(REFUSED, match=r"sasl\.token"):
            cluster.consumer()

    def test_is_not_trusted_with_another_authority(
        self, secured: Listeners, tmp_path: Path
    ) -> None:
        other = tmp_path / "other.pem"
        trustme.CA().cert_pem.write_to_path(other)
        sasl = signed_in("PLAIN", written(tmp_path, PASSWORD))
        cluster = Cluster((secured.sasl,), TlsConfig(ca_file=other), sasl)
        with pytest.raises(SourceError, match=r"check tls\.ca_file"):
            cluster.consumer()

    def test_wants_tls_where_it_wants_tls(self, secured: Listeners) -> None:
        with pytest.raises(SourceUnavailable, match="those need tls and sasl"):
            Cluster((secured.tls,)).consumer()

    def test_speaks_no_tls_on_a_plain_port(
        self, kafka_broker: str, secured: Listeners, tmp_path: Path
    ) -> None:
        with pytest.raises(SourceUnavailable, match="check that the port is for TLS"):
            Cluster((kafka_broker,), trusting(secured, tmp_path)).consumer()
