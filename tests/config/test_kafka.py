"""How a cluster is reached: what belongs together, and that no secret stands in a configuration."""

import traceback
from pathlib import Path
from typing import Any

import pytest

from adaptd.config import KafkaSourceConfig, load, parse
from adaptd.errors import ConfigError

PASSWORD = {"environment": "KAFKA_PASSWORD"}


def source_of(**changes: Any) -> KafkaSourceConfig:
    document = {
        "state_directory": "state",
        "streams": [
            {
                "name": "pump",
                "source": {
                    "kind": "kafka",
                    "bootstrap_servers": ["kafka:9093"],
                    "topic": "pump",
                    **changes,
                },
                "record": {"shape": [1, 8], "classes": ["a", "b"]},
            }
        ],
    }
    source = parse(document, origin="test").streams[0].source
    assert isinstance(source, KafkaSourceConfig)
    return source


def sasl(mechanism: str, **keys: Any) -> dict[str, Any]:
    return {"sasl": {"mechanism": mechanism, **keys}}


def test_neither_is_usual_and_empty_tls_is_tls() -> None:
    assert (source_of().tls, source_of().sasl) == (None, None)
    tls = source_of(tls={}).tls
    assert tls is not None
    assert tls.is_hostname_checked


@pytest.mark.parametrize("mechanism", ["PLAIN", "SCRAM-SHA-256", "SCRAM-SHA-512"])
def test_a_name_goes_with_a_password(mechanism: str) -> None:
    found = source_of(**sasl(mechanism, username="adaptd", password=PASSWORD)).sasl
    assert found is not None
    assert (found.username, found.password) == ("adaptd", found.password)


@pytest.mark.parametrize(
    ("changes", "text"),
    [
        (sasl("PLAIN", username="adaptd"), "source.sasl.password: needed with mechanism PLAIN"),
        (sasl("PLAIN", password=PASSWORD), "source.sasl.username: needed with mechanism PLAIN"),
        (sasl("OAUTHBEARER"), "source.sasl.token: needed with mechanism OAUTHBEARER"),
        (
            sasl("OAUTHBEARER", token=PASSWORD, username="adaptd"),
            "source.sasl.username: has no place beside mechanism OAUTHBEARER",
        ),
        (
            sasl("PLAIN", username="adaptd", password=PASSWORD, token=PASSWORD),
            "source.sasl.token: has no place beside mechanism PLAIN",
        ),
        (sasl("GSSAPI", username="adaptd", password=PASSWORD), "source.sasl.mechanism: "),
        (sasl("PLAIN", username="adaptd", password="hunter2"), "source.sasl.password: "),
        (
            sasl("PLAIN", username="adaptd", password={}),
            "source.sasl.password: expected either file or environment",
        ),
        (
            sasl("PLAIN", username="adaptd", password={"file": "a", "environment": "B"}),
            "source.sasl.password: expected either file or environment",
        ),
        ({"tls": {"cafile": "ca.pem"}}, "source.tls.cafile: no such key"),
    ],
)
def test_what_does_not_belong_together_is_named_by_its_key(
    changes: dict[str, Any], text: str
) -> None:
    with pytest.raises(ConfigError) as caught:
        source_of(**changes)
    assert f"test: streams.0.{text}" in str(caught.value)


@pytest.mark.parametrize(
    "changes",
    [
        sasl("PLAIN", username="adaptd", password="hunter2"),
        sasl("PLAIN", username="adaptd", sasl_plain_password="hunter2"),
        {"sasl": "adaptd:hunter2"},
        {"tls": {"key_pasword": "hunter2"}},
        {"sasl_plain_password": "hunter2"},
        {"api_secret": "hunter2"},
    ],
)
def test_a_secret_in_the_wrong_place_is_not_repeated(changes: dict[str, Any]) -> None:
    with pytest.raises(ConfigError) as caught:
        source_of(**changes)
    assert "hunter2" not in str(caught.value)


def test_nor_is_one_in_the_environment(tmp_path: Path) -> None:
    path = tmp_path / "c.yaml"
    path.write_text("state_directory: state\nstreams: [{name: pump, source: {kind: kafka}}]\n")
    name = "ADAPTD__STREAMS__0__SOURCE__SASL__PASSWORD"
    for value in ("@hunter2", "hunter2", "{hunter2"):
        with pytest.raises(ConfigError) as caught:
            load(path, {name: value})
        assert "hunter2" not in "".join(traceback.format_exception(caught.value))
        assert name in str(caught.value)
