"""From a YAML file and the environment to a `Config`, or to an error that says what to change."""

import os
import re
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import yaml
from pydantic import ValidationError
from pydantic_core import ErrorDetails

from adaptd.config.fault import OTHER
from adaptd.config.source import ReplaySourceConfig
from adaptd.config.tree import Config, StreamConfig
from adaptd.errors import ConfigError

# ADAPTD__SERVER__PORT=8081 sets server.port; a list takes its index: ADAPTD__STREAMS__0__NAME.
PREFIX = "ADAPTD__"

# Keys in or below which somebody may have written what no log shall show.
_SECRETS = re.compile(r"pass|pw|secret|token|credential|sasl|tls", re.IGNORECASE)

# Keys from the top of the document down, list indexes as numbers.
Location = tuple[int | str, ...]


class _Loader(yaml.SafeLoader):
    """YAML in which a key that is given twice is an error: the first would be lost without a
    word."""

    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict[Any, Any]:
        seen: set[str] = set()
        for key, _ in node.value:
            # A merged mapping (`<<`) may have what stands beside it.
            if isinstance(key, yaml.ScalarNode) and key.tag == "tag:yaml.org,2002:str":
                if key.value in seen:
                    raise yaml.constructor.ConstructorError(
                        None, None, f"the key {key.value!r} is given twice", key.start_mark
                    )
                seen.add(key.value)
        return super().construct_mapping(node, deep)


def load(path: Path, environment: Mapping[str, str] = os.environ) -> Config:
    """The configuration in the file, with what the environment sets in its place.

    Relative paths in it are taken from the working directory.
    Raises ConfigError, naming file or environment variable, key, value seen and value expected.
    """
    try:
        text = path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigError(f"{path}: cannot be read: {error}") from error
    try:
        document = yaml.load(text, _Loader)
    except yaml.YAMLError as error:
        raise ConfigError(f"{path}: not valid YAML: {error}") from error
    if not isinstance(document, dict):
        raise ConfigError(f"{path}: expected keys at the top level, got {_shown(document)}")
    variables: dict[Location, str] = {}
    for name, value in environment.items():
        if name.startswith(PREFIX):
            _override(document, name, value, variables)
    return _parse(document, str(path), variables)


def parse(document: Mapping[str, Any], *, origin: str) -> Config:
    """Checks a document that is already in memory; `origin` names it in errors.

    Raises ConfigError with one line for each thing that is wrong.
    """
    return _parse(document, origin, {})


def _parse(document: Mapping[str, Any], origin: str, variables: Mapping[Location, str]) -> Config:
    """variables: which environment variable has set what stands at a location."""
    try:
        config = Config.model_validate(document)
    except ValidationError as error:
        items = error.errors()
        lines = [_line(item, origin, variables) for item in items if not _is_echo(item, items)]
        raise ConfigError("\n".join(lines)) from error
    missing = [
        _line(
            {
                "type": "missing_file",
                "loc": ("streams", number, *keys),
                "msg": "expected an existing file",
                "input": str(path),
            },
            origin,
            variables,
        )
        for number, stream in enumerate(config.streams)
        for keys, path in _files(stream)
        if not path.is_file()
    ]
    if missing:
        raise ConfigError("\n".join(missing))
    return config


def _files(stream: StreamConfig) -> Iterator[tuple[tuple[str, ...], Path]]:
    """Files that a stream cannot be read without, and the keys below it that name them."""
    if isinstance(stream.source, ReplaySourceConfig):
        yield ("source", "path"), stream.source.path
    if stream.record is not None and stream.record.avro is not None:
        avro = stream.record.avro
        yield ("record", "avro", "schema_file"), avro.schema_file
        if avro.labels_schema_file is not None:
            yield ("record", "avro", "labels_schema_file"), avro.labels_schema_file


def _override(
    document: dict[str, Any], name: str, value: str, variables: dict[Location, str]
) -> None:
    keys = name.removeprefix(PREFIX).lower().split("__")
    here: Any = document
    location: Location = ()
    for index, key in enumerate(keys):
        is_last = index == len(keys) - 1
        if isinstance(here, list):
            if not key.isdigit() or int(key) >= len(here):
                raise ConfigError(
                    f"environment: {name}: {'.'.join(keys[:index])} has "
                    f"items 0 to {len(here) - 1}, "
                    f"got {key!r}"
                )
            slot: Any = int(key)
        elif isinstance(here, dict):
            slot = key
        else:
            raise ConfigError(
                f"environment: {name}: {'.'.join(keys[:index])} is a value and has no keys"
            )
        location = (*location, slot)
        if is_last:
            try:
                here[slot] = yaml.safe_load(value)
            except yaml.YAMLError:
                # Not the value, nor what YAML says of it, which repeats it: it may be a secret.
                raise ConfigError(f"environment: {name}: not valid YAML; quote it") from None
            variables[location] = name
        elif isinstance(here, dict):
            if here.get(slot) is None:
                # What this section lacks is this variable's fault, too: the file has none.
                variables[location] = name
                here[slot] = {}
            here = here[slot]
        else:
            here = here[slot]


def _line(item: ErrorDetails, origin: str, variables: Mapping[Location, str]) -> str:
    location = _location(item["loc"])
    name = _setter(location, variables)
    other = item.get("ctx", {}).get(OTHER)
    if name is None and other is not None:
        # Sound by itself, and at variance with a value that the environment may have set.
        name = _setter((*location[:2], *other.split(".")), variables)
    where = origin if name is None else f"environment: {name}"
    if item["type"] == "missing" or item["input"] is None:
        got = "nothing"
    elif any(_SECRETS.search(str(part)) for part in location):
        got = "what is not shown here"
    else:
        got = _shown(item["input"])
    key = ".".join(str(part) for part in location) or "the document"
    return f"{where}: {key}: {_expected(item['msg'])}, got {got}"


def _setter(location: Location, variables: Mapping[Location, str]) -> str | None:
    """The variable that has set the value at a location, or what the value is part of."""
    sizes = range(len(location), 0, -1)
    return next(
        (variables[location[:size]] for size in sizes if location[:size] in variables), None
    )


def _is_echo(item: ErrorDetails, items: Sequence[ErrorDetails]) -> bool:
    # A sequence whose items failed is also reported as too short, which its reader cannot see.
    size = len(item["loc"])
    return item["type"] == "too_short" and any(
        len(other["loc"]) > size and other["loc"][:size] == item["loc"] for other in items
    )


def _location(location: Location) -> Location:
    # The union's own tag stands in the location, after `source`; a reader's file has no such key.
    return tuple(
        part
        for before, part in zip(("", *location), location, strict=False)
        if before != "source" or part not in ("scenario", "replay", "kafka")
    )


def _expected(message: str) -> str:
    message = message.removeprefix("Value error, ")
    if message == "Extra inputs are not permitted":
        return "no such key"
    # The reader writes YAML, which has lists.
    message = message.replace("valid tuple", "list")
    return message[:1].lower() + message[1:]


def _shown(value: Any, limit: int = 80) -> str:
    text = repr(value)
    return text if len(text) <= limit else text[: limit - 1] + "…"
