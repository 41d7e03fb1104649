"""TLS and sign-in of a Kafka client, with secrets read when they are needed."""

import os
import ssl
from collections.abc import Mapping
from typing import Any

from kafka.net.sasl.oauth import AbstractTokenProvider

from adaptd.config import SaslConfig, SecretConfig, TlsConfig
from adaptd.errors import SourceError


def security_settings(tls: TlsConfig | None, sasl: SaslConfig | None) -> dict[str, Any]:
    """Settings of kafka-python's clients; {} without either.

    Files and secrets are read now, so that a renewed one serves the next connection. Raises
    SourceError, naming the key, for one that cannot be read.
    """
    if tls is None and sasl is None:
        return {}
    protocol = f"{'SASL_' if sasl else ''}{'SSL' if tls else 'PLAINTEXT'}"
    settings: dict[str, Any] = {"security_protocol": protocol}
    if tls is not None:
        settings["ssl_context"] = _context(tls)
    if sasl is not None:
        settings |= _sign_in(sasl)
    return settings


def read_secret(secret: SecretConfig, key: str) -> str:
    """key: of the secret in the configuration, for errors. Raises SourceError where it is not."""
    if secret.file is not None:
        try:
            value = secret.file.read_text(encoding="utf-8").rstrip("\r\n")
        except (OSError, UnicodeDecodeError) as error:
            raise SourceError(f"{key}.file: {secret.file} cannot be read: {error}") from error
        if not value:
            raise SourceError(f"{key}.file: {secret.file} is empty")
        return value
    value = os.environ.get(secret.environment or "", "")
    if not value:
        raise SourceError(f"{key}.environment: variable {secret.environment} is not set, or empty")
    return value


def _context(tls: TlsConfig) -> ssl.SSLContext:
    key = "tls.ca_file"
    try:
        context = ssl.create_default_context(cafile=tls.ca_file)
        context.minimum_version = ssl.TLSVersion.TLSv1_2
        context.check_hostname = tls.is_hostname_checked
        if tls.certificate_file is not None:
            key = "tls.certificate_file"
            password = read_secret(tls.key_password, "tls.key_password") if tls.key_password else ""
            # Never None: OpenSSL would ask a person at the terminal.
            context.load_cert_chain(tls.certificate_file, tls.key_file, password)
    except (OSError, ssl.SSLError) as error:
        seen = tls.ca_file if key == "tls.ca_file" else tls.certificate_file
        raise SourceError(f"{key}: {seen} cannot be used: {error}") from error
    return context


def _sign_in(sasl: SaslConfig) -> Mapping[str, Any]:
    if sasl.token is not None:
        provider = _Token(sasl.token)
        provider.token()
        return {"sasl_mechanism": sasl.mechanism, "sasl_oauth_token_provider": provider}
    if sasl.password is None:
        raise ValueError(f"{sasl.mechanism} needs a password")
    return {
        "sasl_mechanism": sasl.mechanism,
        "sasl_plain_username": sasl.username,
        "sasl_plain_password": read_secret(sasl.password, "sasl.password"),
    }


class _Token(AbstractTokenProvider):  # type: ignore[misc]
    """Reads the token for each sign-in: a client signs in again before the old one ends."""

    def __init__(self, secret: SecretConfig) -> None:
        super().__init__()
        self._secret = secret

    def token(self) -> str:
        return read_secret(self._secret, "sasl.token")

    def extensions(self) -> dict[str, str]:
        return {}
