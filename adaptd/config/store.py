"""Where the store's rows are kept."""

from pydantic import Field, ValidationInfo, field_validator
from sqlalchemy import make_url
from sqlalchemy.exc import ArgumentError

from adaptd.config.kafka import SecretConfig
from adaptd.config.section import Section

_EXPECTED = "expected postgresql+psycopg://user@host:port/database"


class StoreConfig(Section):
    """The database; the files of windows, episodes and releases stay in the state directory."""

    url: str | None = Field(
        default=None,
        description="postgresql+psycopg://user@host:port/database, for members on several hosts, "
        "whose state_directory is one volume; None: a SQLite file in the state directory, for "
        "processes of one host",
    )
    password: SecretConfig | None = Field(
        default=None, validate_default=True, description="None: the server asks for none"
    )

    @field_validator("url")
    @classmethod
    def _is_postgresql(cls, url: str | None) -> str | None:
        if url is None:
            return None
        try:
            made = make_url(url)
        except (ArgumentError, ValueError):
            raise ValueError(_EXPECTED) from None
        if made.drivername != "postgresql+psycopg" or not made.database:
            raise ValueError(_EXPECTED)
        if made.password is not None or {"password", "passfile", "options"} & made.query.keys():
            raise ValueError(
                "a password stands in store.password, since configurations are kept, and no "
                "options in the URL"
            )
        return url

    @field_validator("password")
    @classmethod
    def _has_server(cls, password: SecretConfig | None, info: ValidationInfo) -> object:
        if password is not None and info.data.get("url", "") is None:
            raise ValueError("only store.url has a use for it")
        return password
