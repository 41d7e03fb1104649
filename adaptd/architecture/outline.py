"""`Outline`: what every drawing of an architecture shows, in what order, with what marked."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from itertools import groupby
from typing import Any, Literal, Protocol

from adaptd.architecture.canonical import canonical_json

Mark = Literal["same", "changed", "added", "removed"]


class Described(Protocol):
    """What of an architecture is drawn."""

    @property
    def network(self) -> str: ...

    @property
    def settings(self) -> Mapping[str, Any]: ...

    @property
    def operations(self) -> Mapping[str, str]: ...


@dataclass(frozen=True)
class Entry:
    """A setting or an edge with its value before and after; None on the side that lacks it."""

    name: str
    before: str | None
    after: str | None

    @property
    def mark(self) -> Mark:
        """What became of it."""
        if self.before is None:
            return "added"
        if self.after is None:
            return "removed"
        return "same" if self.before == self.after else "changed"


@dataclass(frozen=True)
class Group:
    """Edges in succession under one dotted prefix; that of a name without a dot is empty."""

    prefix: str
    entries: tuple[Entry, ...]


@dataclass(frozen=True)
class Outline:
    """Settings by name, and edges in the order of the network, grouped. All text is printable.

    compares: whether a mark other than `same` can occur.
    """

    network: str
    settings: tuple[Entry, ...]
    groups: tuple[Group, ...]
    compares: bool

    @property
    def edges(self) -> tuple[Entry, ...]:
        """The edges of all groups, in order."""
        return tuple(entry for group in self.groups for entry in group.entries)

    @property
    def edits(self) -> tuple[Entry, ...]:
        """The settings and edges that differ."""
        return tuple(entry for entry in (*self.settings, *self.edges) if entry.mark != "same")


def outline(
    architecture: Described, compared_with: Described | None = None, *, order: Sequence[str] = ()
) -> Outline:
    """The outline of an architecture, or of the way to it from the one it is compared with.

    order: edges as the network lists them. An architecture sorts its edges by name; those that are
    not in `order` come last, by their dotted parts, numbers by value: the order of registration
    within a list of modules, but not more than a guess between modules of different names.
    Raises ValueError if the two are of different networks.
    """
    before = architecture if compared_with is None else compared_with
    if before.network != architecture.network:
        raise ValueError(
            f"{before.network} and {architecture.network} are different networks; "
            "compare architectures of one"
        )
    places = {edge: place for place, edge in enumerate(order)}
    edges = sorted(
        before.operations.keys() | architecture.operations.keys(),
        key=lambda edge: (places.get(edge, len(places)), tuple(_parts(edge)), edge),
    )
    return Outline(
        network=printable(architecture.network),
        settings=tuple(
            Entry(
                printable(name), _value(before.settings, name), _value(architecture.settings, name)
            )
            for name in sorted(before.settings.keys() | architecture.settings.keys())
        ),
        groups=tuple(
            Group(printable(prefix), tuple(_edge(edge, before, architecture) for edge in members))
            for prefix, members in groupby(edges, key=_prefix)
        ),
        compares=compared_with is not None,
    )


def printable(text: str) -> str:
    """The text with what cannot be shown (controls, lone surrogates, marks that turn the direction
    of writing) as an escape; different texts stay different."""
    return "".join(
        character
        if character.isprintable() and character != "\\"
        else character.encode("unicode_escape").decode("ascii")
        for character in text
    )


def _parts(edge: str) -> Iterable[tuple[bool, int, str]]:
    for part in edge.split("."):
        is_number = part.isascii() and part.isdecimal()
        # Of two numbers without leading zeros the longer one is larger.
        digits = part.lstrip("0") if is_number else part
        yield not is_number, len(digits) if is_number else 0, digits


def _prefix(edge: str) -> str:
    return edge.rpartition(".")[0]


def _value(settings: Mapping[str, Any], name: str) -> str | None:
    return canonical_json(settings[name]) if name in settings else None


def _edge(edge: str, before: Described, after: Described) -> Entry:
    old, new = (
        printable(side.operations[edge]) if edge in side.operations else None
        for side in (before, after)
    )
    return Entry(printable(edge), old, new)
