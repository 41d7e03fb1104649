"""Secrets and certificates of a Kafka client: read when needed, named where they cannot be."""

import ssl
from pathlib import Path

import pytest
import trustme

from adaptd.config import SaslConfig, SecretConfig, TlsConfig
from adaptd.errors import SourceError
from adaptd.stream.kafka_security import read_secret, security_settings
from tests.brokers import pkcs8

VARIABLE = "ADAPTD_TEST_SECRET"


def test_without_tls_and_sign_in_there_is_nothing_to_set() -> None:
    assert security_settings(None, None) == {}


@pytest.mark.parametrize("end", ["", "\n", "\r\n"])
def test_a_secret_is_a_file_less_the_end_of_its_line(tmp_path: Path, end: str) -> None:
    path = tmp_path / "secret"
    path.write_bytes(f" a secret {end}".encode())
    assert read_secret(SecretConfig(file=path), "sasl.password") == " a secret "


def test_a_secret_may_be_in_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(VARIABLE, "a secret")
    assert read_secret(SecretConfig(environment=VARIABLE), "sasl.password") == "a secret"


def test_a_secret_that_is_not_there_is_named_by_its_key(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv(VARIABLE, raising=False)
    empty = tmp_path / "empty"
    empty.touch()
    for secret, text in (
        (SecretConfig(environment=VARIABLE), rf"sasl\.password\.environment.*{VARIABLE}"),
        (SecretConfig(file=tmp_path / "none"), r"sasl\.password\.file.*none cannot be read"),
        (SecretConfig(file=empty), r"sasl\.password\.file.*is empty"),
    ):
        with pytest.raises(SourceError, match=text):
            read_secret(secret, "sasl.password")


def test_a_token_is_read_again_for_each_sign_in(tmp_path: Path) -> None:
    path = tmp_path / "token"
    path.write_text("first")
    sasl = SaslConfig(mechanism="OAUTHBEARER", token=SecretConfig(file=path))
    provider = security_settings(TlsConfig(), sasl)["sasl_oauth_token_provider"]
    assert provider.token() == "first"
    path.write_text("second")
    assert provider.token() == "second"


def test_tls_is_at_least_1_2_and_checks_whom_it_talks_to() -> None:
    settings = security_settings(TlsConfig(), None)
    context = settings["ssl_context"]
    assert settings["security_protocol"] == "SSL"
    assert context.minimum_version == ssl.TLSVersion.TLSv1_2
    assert context.verify_mode == ssl.CERT_REQUIRED
    assert context.check_hostname


def test_a_host_name_may_go_unchecked_and_the_authority_not() -> None:
    context = security_settings(TlsConfig(is_hostname_checked=False), None)["ssl_context"]
    assert not context.check_hostname
    assert context.verify_mode == ssl.CERT_REQUIRED


def test_a_certificate_that_is_none_is_named_by_its_key(tmp_path: Path) -> None:
    nonsense = tmp_path / "nonsense.pem"
    nonsense.write_text("nonsense")
    for tls, text in (
        (TlsConfig(ca_file=tmp_path / "none.pem"), r"tls\.ca_file: .*none\.pem cannot be used"),
        (TlsConfig(ca_file=nonsense), r"tls\.ca_file: .*nonsense\.pem cannot be used"),
        (TlsConfig(certificate_file=nonsense), r"tls\.certificate_file: .*nonsense\.pem cannot"),
    ):
        with pytest.raises(SourceError, match=text):
            security_settings(tls, None)


def test_a_key_with_a_password_needs_it(tmp_path: Path) -> None:
    certificate = trustme.CA().issue_cert("127.0.0.1")
    key = pkcs8(certificate.private_key_pem.bytes(), password="open sesame")
    own = tmp_path / "own.pem"
    own.write_bytes(key + certificate.cert_chain_pems[0].bytes())
    secret = tmp_path / "password"
    secret.write_text("open sesame\n")
    tls = TlsConfig(certificate_file=own, key_password=SecretConfig(file=secret))
    assert "ssl_context" in security_settings(tls, None)
    with pytest.raises(SourceError, match=r"tls\.certificate_file"):
        security_settings(TlsConfig(certificate_file=own), None)
