"""How a Kafka cluster is reached: encryption and sign-in."""

from pathlib import Path
from typing import Literal, Self

from pydantic import Field, ValidationInfo, field_validator, model_validator

from adaptd.config.section import Section


class SecretConfig(Section):
    """Where a secret stands: in a file, or in a variable of the environment. Never here: accepted
    configurations are kept."""

    file: Path | None = Field(default=None, description="its content, less what ends the last line")
    environment: str | None = Field(default=None, min_length=1, description="name of a variable")

    @model_validator(mode="after")
    def _is_in_one_place(self) -> Self:
        if (self.file is None) == (self.environment is None):
            raise ValueError("expected either file or environment")
        return self


class TlsConfig(Section):
    """Encryption, TLS 1.2 or newer. `tls: {}` trusts whom this machine trusts."""

    ca_file: Path | None = Field(
        default=None, description="PEM of who signed the brokers' certificates; None: the system's"
    )
    certificate_file: Path | None = Field(
        default=None, description="PEM of our own certificate, where brokers ask for one"
    )
    key_file: Path | None = Field(
        default=None, description="PEM of its key; None: it is in certificate_file"
    )
    key_password: SecretConfig | None = None
    is_hostname_checked: bool = Field(
        default=True, description="whether a broker's certificate must name its host"
    )


class SaslConfig(Section):
    """Sign-in. PLAIN and SCRAM take username and password, OAUTHBEARER a token."""

    mechanism: Literal["PLAIN", "SCRAM-SHA-256", "SCRAM-SHA-512", "OAUTHBEARER"]
    username: str | None = Field(default=None, min_length=1, validate_default=True)
    password: SecretConfig | None = Field(default=None, validate_default=True)
    token: SecretConfig | None = Field(
        default=None,
        validate_default=True,
        description="read again for each connection, so whoever renews it replaces the file",
    )

    @field_validator("username", "password", "token")
    @classmethod
    def _suits_mechanism(cls, value: object, info: ValidationInfo) -> object:
        mechanism = info.data.get("mechanism")
        if mechanism is None:
            return value
        is_wanted = (info.field_name == "token") == (mechanism == "OAUTHBEARER")
        if is_wanted and value is None:
            raise ValueError(f"needed with mechanism {mechanism}")
        if not is_wanted and value is not None:
            raise ValueError(f"has no place beside mechanism {mechanism}")
        return value
