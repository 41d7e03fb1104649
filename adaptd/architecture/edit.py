"""What lies between two architectures, and what lies a few steps away from one."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import combinations, product
from typing import TypeVar

from adaptd.architecture.architecture import Architecture, Setting
from adaptd.architecture.canonical import canonical_json

_Value = TypeVar("_Value")


@dataclass(frozen=True)
class Edit:
    """One edge whose operation changes."""

    edge: str
    before: str
    after: str

    def __str__(self) -> str:
        return f"{self.edge}: {self.before} becomes {self.after}"


@dataclass(frozen=True)
class EdgeAdded:
    """An edge that only the later architecture names."""

    edge: str
    operation: str

    def __str__(self) -> str:
        return f"{self.edge}: added with {self.operation}"


@dataclass(frozen=True)
class EdgeRemoved:
    """An edge that only the earlier architecture names."""

    edge: str
    operation: str

    def __str__(self) -> str:
        return f"{self.edge}: removed, it held {self.operation}"


@dataclass(frozen=True)
class SettingEdit:
    """One setting of the factory that changes; None where it is not stated: the factory's default
    holds."""

    setting: str
    before: Setting | None
    after: Setting | None

    def __str__(self) -> str:
        before, after = (
            "the default" if value is None else canonical_json(value)
            for value in (self.before, self.after)
        )
        return f"setting {self.setting}: {before} becomes {after}"


ArchitectureEdit = Edit | EdgeAdded | EdgeRemoved | SettingEdit


def diff(before: Architecture, after: Architecture) -> tuple[ArchitectureEdit, ...]:
    """The edits from one architecture to the other: settings by name, then edges by name.

    Empty exactly where the two are equal; 1, 1.0 and True are different settings, as in the
    document. `apply_edits` leads across.
    Raises ValueError if the networks differ: no edit leads from one factory to another.
    """
    if before.network != after.network:
        raise ValueError(f"{before.network} and {after.network} are different networks")
    settings = (
        SettingEdit(name, before.settings.get(name), after.settings.get(name))
        for name in sorted(before.settings.keys() | after.settings.keys())
    )
    edges = (
        _edge_edit(edge, before.operations.get(edge), after.operations.get(edge))
        for edge in sorted(before.operations.keys() | after.operations.keys())
    )
    return (
        *(edit for edit in settings if not _are_same(edit.before, edit.after)),
        *(edit for edit in edges if edit is not None),
    )


def operation_edits(before: Architecture, after: Architecture) -> tuple[Edit, ...]:
    """The edits by edge name, where nothing but operations changes.

    Raises ValueError if network, settings or edges differ.
    """
    edits = diff(before, after)
    of_operations = tuple(edit for edit in edits if isinstance(edit, Edit))
    if len(of_operations) != len(edits):
        others = "; ".join(str(edit) for edit in edits if not isinstance(edit, Edit))
        raise ValueError(f"architectures differ in more than their edges' operations: {others}")
    return of_operations


def apply_edits(architecture: Architecture, edits: Iterable[ArchitectureEdit]) -> Architecture:
    """The architecture after these edits, one after the other.

    Raises ValueError for an edit that does not start from what is there.
    """
    settings: dict[str, Setting] = dict(architecture.settings)
    operations = dict(architecture.operations)
    for edit in edits:
        match edit:
            case SettingEdit(name, before, after):
                _expect(edit, before, settings.get(name))
                _put(settings, name, after)
            case Edit(edge, operation, after):
                _expect(edit, operation, operations.get(edge))
                _put(operations, edge, after)
            case EdgeAdded(edge, operation):
                _expect(edit, None, operations.get(edge))
                _put(operations, edge, operation)
            case EdgeRemoved(edge, operation):
                _expect(edit, operation, operations.get(edge))
                _put(operations, edge, None)
    return Architecture(architecture.network, settings, operations)


def neighbours(
    architecture: Architecture, candidates: Mapping[str, Sequence[str]], radius: int = 1
) -> Iterator[Architecture]:
    """Every architecture with another operation on at least one and at most `radius` edges.

    candidates: edge -> operations it may hold; the one it holds now is passed over. The
    architecture itself is no neighbour. Each comes once and only when asked for, as their number
    grows with the power of the radius: nearest first, and at one distance in the order of the
    edges and of their candidates.
    Raises KeyError for an edge that the architecture does not have, ValueError for a radius below
    1.
    """
    if radius < 1:
        raise ValueError(f"radius must be at least 1, got {radius}")
    others: dict[str, tuple[str, ...]] = {}
    for edge, operations in candidates.items():
        if edge not in architecture.operations:
            raise KeyError(
                f"no edge {edge!r}; this architecture has {list(architecture.operations)}"
            )
        distinct = dict.fromkeys(operations)
        distinct.pop(architecture.operations[edge], None)
        others[edge] = tuple(distinct)
    return _within(architecture, others, radius)


def _within(
    architecture: Architecture, others: Mapping[str, tuple[str, ...]], radius: int
) -> Iterator[Architecture]:
    for distance in range(1, min(radius, len(others)) + 1):
        for edges in combinations(others, distance):
            for operations in product(*(others[edge] for edge in edges)):
                yield architecture.with_operations(dict(zip(edges, operations, strict=True)))


def _edge_edit(edge: str, before: str | None, after: str | None) -> ArchitectureEdit | None:
    if before == after:
        return None
    if before is None:
        return None if after is None else EdgeAdded(edge, after)
    return EdgeRemoved(edge, before) if after is None else Edit(edge, before, after)


def _are_same(one: Setting | None, other: Setting | None) -> bool:
    # As documents: in Python 1 == 1.0 == True, but their digests differ.
    return canonical_json(one) == canonical_json(other)


def _expect(edit: ArchitectureEdit, expected: Setting | None, found: Setting | None) -> None:
    if not _are_same(expected, found):
        raise ValueError(f"cannot apply '{edit}': the architecture has {found!r} there")


def _put(mapping: dict[str, _Value], name: str, value: _Value | None) -> None:
    if value is None:
        mapping.pop(name, None)
    else:
        mapping[name] = value
