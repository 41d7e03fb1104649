"""What changes in the architecture: its settings and edges side by side, as rows."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from adaptd.server.wording import ABSENT


@dataclass(frozen=True)
class PartRow:
    """One edge with its operation, or a setting of the network with its value, in the champion
    (before) and in the challenger (after)."""

    part: str
    before: str
    after: str
    is_changed: bool


def parts(champion: Mapping[str, Any], challenger: Mapping[str, Any]) -> tuple[PartRow, ...]:
    """Of two architectures as documents: every setting of the network that differs, then every
    edge, changed ones first."""
    settings = _rows(champion, challenger, "settings", absent="default")
    edges = _rows(champion, challenger, "operations", absent=ABSENT)
    return (
        *(row for row in settings if row.is_changed),
        *sorted(edges, key=lambda row: not row.is_changed),
    )


def _rows(
    champion: Mapping[str, Any], challenger: Mapping[str, Any], key: str, *, absent: str
) -> list[PartRow]:
    before, after = (_texts(document.get(key)) for document in (champion, challenger))
    return [
        PartRow(name, old, new, old != new)
        for name in sorted(before.keys() | after.keys())
        for old, new in [(before.get(name, absent), after.get(name, absent))]
    ]


def _texts(mapping: object) -> dict[str, str]:
    """Stored documents may be of any version."""
    if not isinstance(mapping, dict):
        return {}
    return {str(name): str(value) for name, value in mapping.items()}
