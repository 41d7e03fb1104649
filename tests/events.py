"""What docs/events.yaml says of events, to hold real ones against."""

from pathlib import Path
from typing import Any

import jsonschema
import yaml

DOCUMENT: dict[str, Any] = yaml.safe_load(
    (Path(__file__).parents[1] / "docs" / "events.yaml").read_text(encoding="utf-8")
)


def validate_event(event: dict[str, Any]) -> None:
    """Raises ValidationError where an event is not as it is documented for its kind."""
    _validate(DOCUMENT["components"]["messages"][event["kind"]]["payload"], event)


def validate_headers(headers: dict[str, str]) -> None:
    """Of a record that was set aside, likewise."""
    _validate(DOCUMENT["components"]["messages"]["deadLetter"]["headers"], headers)


def _validate(schema: dict[str, Any], value: object) -> None:
    whole = {**schema, "components": DOCUMENT["components"]}
    jsonschema.Draft202012Validator(whole).validate(value)
