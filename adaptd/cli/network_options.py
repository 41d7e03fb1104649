"""Options that describe a network and its records, as several commands take them."""

import yaml

from adaptd.architecture import Setting
from adaptd.errors import ConfigError


def sizes(text: str) -> tuple[int, ...]:
    """One record's sizes: `3,32,32`. Raises ConfigError."""
    try:
        found = tuple(map(int, text.split(",")))
    except ValueError:
        found = ()
    if not found or min(found) < 1:
        raise ConfigError(f"--shape {text!r}: expected one record's sizes, such as 3,32,32 or 12")
    return found


def setting(text: str) -> tuple[str, Setting]:
    """A factory's setting: `width=16`. Raises ConfigError."""
    key, sign, value = text.partition("=")
    try:
        parsed = yaml.safe_load(value)
    except yaml.YAMLError:
        parsed = None
    if not sign or not key.isidentifier() or not isinstance(parsed, bool | int | float | str):
        raise ConfigError(
            f"--set {text!r}: expected KEY=VALUE with a number, true, false or a word, "
            "such as width=16"
        )
    return key, parsed
