"""Several processes over one store, and where that is."""

from typing import Any

import pytest
from pydantic import ValidationError

from adaptd.config import Config, StoreConfig, WatchConfig, parse
from adaptd.errors import ConfigError

KAFKA = {"kind": "kafka", "bootstrap_servers": ["kafka:9092"], "topic": "pump"}


def config_of(source: dict[str, Any] = KAFKA, **changes: Any) -> Config:
    stream = {"name": "pump", "source": source, "record": {"shape": [1, 8], "classes": ["a", "b"]}}
    return parse({"state_directory": "state", "streams": [stream], **changes}, origin="c.yaml")


def test_a_process_is_alone_on_sqlite_unless_told_otherwise() -> None:
    config = config_of()
    assert config.members is None
    assert config.store.url is None
    members = config_of(members={}).members
    assert members is not None
    assert members.session_seconds == 45


def test_only_topics_can_be_shared() -> None:
    with pytest.raises(ConfigError, match=r"members: only kafka .*streams\.0 is of kind replay"):
        config_of({"kind": "replay", "path": __file__}, members={})


def test_a_store_is_named_without_its_password() -> None:
    url = "postgresql+psycopg://adaptd@db:5432/adaptd"
    assert config_of(store={"url": url, "password": {"environment": "P"}}).store.url == url
    with pytest.raises(ConfigError, match=r"stands in store\.password") as told:
        config_of(store={"url": "postgresql+psycopg://adaptd:hunter2@db/adaptd"})
    assert "configurations are kept" in str(told.value)


@pytest.mark.parametrize(
    "url", ["sqlite:///x", "postgresql://db/adaptd", "postgresql+psycopg://db", "nonsense"]
)
def test_another_url_is_refused_with_the_form_expected(url: str) -> None:
    with pytest.raises(ConfigError, match=r"store\.url: expected postgresql\+psycopg://"):
        config_of(store={"url": url})


def test_a_password_needs_a_server() -> None:
    with pytest.raises(ConfigError, match=r"store\.password: only store\.url"):
        config_of(store={"password": {"environment": "P"}})


@pytest.mark.parametrize("query", ["password=secret", "passfile=/etc/pass", "options=-c%20a=b"])
def test_no_secret_hides_in_a_store_s_url(query: str) -> None:
    with pytest.raises(ValidationError, match=r"store\.password"):
        StoreConfig(url=f"postgresql+psycopg://adaptd@db/adaptd?{query}")
    assert StoreConfig(url="postgresql+psycopg://adaptd@db/adaptd?sslmode=require").url


def test_a_number_without_end_is_none() -> None:
    with pytest.raises(ValidationError, match="finite"):
        WatchConfig.model_validate({"alpha": float("inf")})
