"""`Architecture`: one operation per edge, a value."""

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Any

from adaptd.architecture.canonical import canonical_json, digest_of
from adaptd.architecture.dot import to_dot

SCHEMA_VERSION = 1

Setting = bool | int | float | str


@dataclass(frozen=True, eq=False)
class Architecture:
    """Which network, with which settings, and which operation stands on each edge.

    network: `package.module:factory` of an ordinary `torch.nn.Module`.
    settings: the factory's keyword arguments.
    operations: edge (the dotted name of a submodule) -> operation, e.g. `cells.0.edges.1` -> `dw
    k5 d4`.
    Equal and of the same digest where all three are equal, whatever their order. Needs no torch.
    """

    network: str
    settings: Mapping[str, Setting] = field(default_factory=dict)
    operations: Mapping[str, str] = field(default_factory=dict)

    def __post_init__(self) -> None:
        module, _, factory = self.network.partition(":")
        if not module or not factory:
            raise ValueError(f"network must be 'package.module:factory', got {self.network!r}")
        object.__setattr__(self, "settings", MappingProxyType(dict(sorted(self.settings.items()))))
        object.__setattr__(
            self, "operations", MappingProxyType(dict(sorted(self.operations.items())))
        )

    def __reduce__(self) -> tuple[type["Architecture"], tuple[object, ...]]:
        # Copies and pickles: read-only mappings have neither.
        return type(self), (self.network, dict(self.settings), dict(self.operations))

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, Architecture):
            return NotImplemented
        return self.to_json() == other.to_json()

    def __hash__(self) -> int:
        return hash(self.to_json())

    def with_operations(self, changes: Mapping[str, str]) -> "Architecture":
        """The same network with other operations on some edges. Raises KeyError for an unknown
        edge."""
        for edge in changes:
            if edge not in self.operations:
                raise KeyError(f"no edge {edge!r}; this architecture has {list(self.operations)}")
        return Architecture(self.network, self.settings, {**self.operations, **changes})

    @property
    def digest(self) -> str:
        """Hex sha256 of the canonical document."""
        return digest_of(self.to_document())

    def to_document(self) -> dict[str, Any]:
        """Plain dictionaries, with `schema_version`."""
        return {
            "schema_version": SCHEMA_VERSION,
            "network": self.network,
            "settings": dict(self.settings),
            "operations": dict(self.operations),
        }

    def to_json(self) -> str:
        """The canonical document as text."""
        return canonical_json(self.to_document())

    def to_dot(self, compared_with: "Architecture | None" = None) -> str:
        """As a Graphviz text; see `adaptd.architecture.to_dot`."""
        return to_dot(self, compared_with)

    @classmethod
    def from_document(cls, document: Any) -> "Architecture":
        """The way back. Raises ValueError, with what is wrong, for anything else."""
        if not isinstance(document, dict):
            raise ValueError(f"an architecture is an object, got {type(document).__name__}")
        version = document.get("schema_version")
        if version != SCHEMA_VERSION:
            raise ValueError(
                f"architecture schema_version must be {SCHEMA_VERSION}, got {version!r}"
            )
        network, settings, operations = (
            document.get(key) for key in ("network", "settings", "operations")
        )
        if not isinstance(network, str):
            raise ValueError(f"network must be a string, got {network!r}")
        if not isinstance(settings, dict) or not all(
            isinstance(value, Setting) for value in settings.values()
        ):
            raise ValueError(f"settings must map names to plain values, got {settings!r}")
        if not isinstance(operations, dict) or not all(
            isinstance(value, str) for value in operations.values()
        ):
            raise ValueError(f"operations must map edges to operation names, got {operations!r}")
        return cls(network, settings, operations)

    @classmethod
    def from_json(cls, text: str) -> "Architecture":
        """Raises ValueError for text that is no architecture."""
        return cls.from_document(json.loads(text))
