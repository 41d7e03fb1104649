"""From the configuration to where the store is."""

import os

from adaptd.config import SecretConfig, StoreConfig
from adaptd.errors import ConfigError
from adaptd.store.database import Place
from adaptd.store.directory import StateDirectory
from adaptd.store.postgres import PostgresServer
from adaptd.store.sqlite import SqliteFile


def place_of(config: StoreConfig, state: StateDirectory) -> Place:
    """Where the rows are; nothing is opened. Raises ConfigError where the password cannot be
    read."""
    if config.url is None:
        return SqliteFile(state.database)
    return PostgresServer(config.url, None if config.password is None else _read(config.password))


def _read(secret: SecretConfig) -> str:
    if secret.file is not None:
        try:
            value = secret.file.read_text(encoding="utf-8").rstrip("\r\n")
        except (OSError, UnicodeDecodeError) as error:
            raise ConfigError(
                f"store.password.file: {secret.file} cannot be read: {error}"
            ) from error
        if not value:
            raise ConfigError(f"store.password.file: {secret.file} is empty")
        return value
    value = os.environ.get(secret.environment or "", "")
    if not value:
        raise ConfigError(
            f"store.password.environment: variable {secret.environment} is not set, or empty"
        )
    return value
