"""An inspection's document as tables."""

from collections.abc import Mapping, Sequence
from itertools import groupby
from typing import Any

from rich.console import Console
from rich.table import Table

from adaptd.cli.console import open_table

# Columns from which a layer's name, operation and shapes stand side by side; else in two lines.
_WIDE = 150


def print_inspection(
    console: Console, document: Mapping[str, Any], *, is_detailed: bool = False
) -> None:
    """The layers, the totals and what cannot be opened. is_detailed: each candidate has its row.

    document: of `Inspection.to_document`.
    """
    edges, refused = document["edges"], document["refused"]
    if edges:
        console.print(_overview(console, edges))
    if is_detailed:
        for edge in edges:
            console.print()
            console.print(_detail(console, edge))
        console.print()
    for line in _totals(document):
        console.print(line)
    if refused and not is_detailed:
        console.print()
        console.print(_refusals(console, refused))


def _overview(console: Console, edges: Sequence[Mapping[str, Any]]) -> Table:
    is_wide = console.width >= _WIDE
    heads = ("layer", "is", "channels", "enters") if is_wide else ("layer", "channels")
    table = open_table(console, *heads)
    for column in table.columns:
        column.overflow = "fold"
    table.add_column("MACs", justify="right", no_wrap=True)
    table.add_column("opening", justify="right", no_wrap=True)
    table.add_column("may become", ratio=1)
    for edge in edges:
        name, operation = edge["name"], edge["operation"]
        channels, entering = _channels(edge), _sizes(edge["shape"])
        first = (
            (name, operation, channels, entering)
            if is_wide
            else (f"{name}\n  {operation}", f"{channels}\n{entering}")
        )
        table.add_row(
            *first,
            _count(edge["macs"]),
            f"+{_bytes(edge['open_bytes'])}",
            _families([one["operation"] for one in edge["candidates"][1:]]),
        )
    return table


def _detail(console: Console, edge: Mapping[str, Any]) -> Table:
    table = open_table(console, title=f"{edge['name']}, candidates")
    table.show_header = True
    table.add_column("operation")
    table.add_column("MACs", justify="right")
    table.add_column("of the layer's", justify="right")
    table.add_column("while open")
    for candidate in edge["candidates"]:
        share = candidate["macs"] / edge["macs"] if edge["macs"] else 1.0
        table.add_row(
            candidate["operation"],
            _count(candidate["macs"]),
            f"{share:.0%}",
            "in the one kernel" if candidate["merges"] else "a path of its own",
        )
    return table


def _refusals(console: Console, refused: Sequence[Mapping[str, Any]]) -> Table:
    table = open_table(console, "layer", "kind", "why", title="Stay as they are")
    for column in table.columns:
        column.overflow = "fold"
    for one in refused:
        table.add_row(one["name"] or "(the network)", one["kind"], one["reason"])
    return table


def _totals(document: Mapping[str, Any]) -> list[str]:
    edges = document["edges"]
    candidates = sum(len(edge["candidates"]) for edge in edges)
    lines = []
    if edges:
        lines.append(
            f"{_many(len(edges), 'layer')} to open, with {_many(candidates, 'candidate')}; "
            f"{document['merged_share']:.0%} of them merge into their layer's one kernel."
        )
    else:
        lines.append("No layer can be opened.")
    lines.append(
        f"A record of {_sizes(document['shape'])} takes {_count(document['macs'])} "
        "multiply-accumulates."
    )
    lines.append(
        f"A training step on {_many(document['batch'], 'record')} keeps "
        f"{_bytes(document['step_bytes'])} beside the parameters, and "
        f"at most {_bytes(document['open_bytes'])} more with all layers above open."
    )
    if document["is_marked"]:
        lines.append("The network marks its own edges; nothing else of it is looked at.")
    return lines


def _channels(edge: Mapping[str, Any]) -> str:
    if edge["inputs"] is None:
        return ""
    groups = f" /{edge['groups']}" if edge["groups"] > 1 else ""
    return f"{edge['inputs']}→{edge['outputs']}{groups}"


def _families(operations: Sequence[str]) -> str:
    """`conv k1 d1, conv k5 d1` as `conv k1 d1, k5 d1`: each name once."""
    if not operations:
        return "nothing else fits"
    split = [operation.partition(" ") for operation in operations]
    return "; ".join(
        f"{name} {', '.join(rest for _, _, rest in members)}".strip()
        for name, members in groupby(split, key=lambda parts: parts[0])
    )


def _sizes(shape: Sequence[int]) -> str:
    return ",".join(map(str, shape))


def _count(number: int) -> str:
    for unit, size in (("G", 10**9), ("M", 10**6), ("k", 10**3)):
        if number >= size:
            return f"{number / size:.3g} {unit}"
    return str(number)


def _bytes(number: int) -> str:
    for unit, size in (("GiB", 2**30), ("MiB", 2**20), ("KiB", 2**10)):
        if abs(number) >= size:
            return f"{number / size:.3g} {unit}"
    return f"{number} B"


def _many(count: int, noun: str) -> str:
    return f"1 {noun}" if count == 1 else f"{count} {noun}s"
