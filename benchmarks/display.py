"""A benchmark's document as tables, whatever its keys are."""

from collections.abc import Mapping, Sequence
from typing import Any

from rich.console import Console, RenderableType
from rich.table import Table

from adaptd.cli.console import open_table


def show(console: Console, document: Mapping[str, Any], *, title: str) -> None:
    """Prints one table of the single values, then one of each mapping and each list of rows."""
    facts = open_table(console, "", "", title=title)
    tables: list[RenderableType] = []
    for key, value in document.items():
        if isinstance(value, Mapping) and value:
            tables.append(_mapping(console, value, title=_words(key)))
        elif _is_rows(value):
            tables.append(_rows(console, value, title=_words(key)))
        else:
            facts.add_row(_words(key), cell(value))
    for table in (facts, *tables):
        console.print()
        console.print(table)


def cell(value: Any) -> str:
    """A value in few characters: three decimals below one, two above."""
    if value is None:
        return "-"
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, int | float):
        return _number(value)
    if isinstance(value, Mapping):
        return ", ".join(f"{_words(key)} {cell(inner)}" for key, inner in value.items())
    if isinstance(value, Sequence) and not isinstance(value, str):
        return ", ".join(map(cell, value))
    return str(value)


def _number(value: float) -> str:
    if isinstance(value, int):
        return f"{value:,}"
    if 0 < abs(value) < 0.001:
        return f"{value:.2g}"
    return f"{value:.3f}" if abs(value) < 1 else f"{value:,.2f}"


def _mapping(console: Console, mapping: Mapping[str, Any], *, title: str) -> Table:
    """A row a key; columns are the keys of the inner mappings, where all values are such."""
    inner = list(mapping.values())
    if not all(isinstance(value, Mapping) for value in inner):
        table = open_table(console, "", "", title=title)
        for key, value in mapping.items():
            table.add_row(_words(key), cell(value))
        return table
    return _rows(console, [{"": key, **value} for key, value in mapping.items()], title=title)


def _rows(console: Console, rows: Sequence[Mapping[str, Any]], *, title: str) -> Table:
    """A column for each key that any row has, in the order of their first appearance."""
    columns = list(dict.fromkeys(key for row in rows for key in row))
    table = open_table(console, *map(_words, columns), title=title)
    for column, key in zip(table.columns, columns, strict=True):
        if not any(isinstance(row.get(key), str) for row in rows):
            column.justify = "right"
    for row in rows:
        table.add_row(*(cell(row[key]) if key in row else "" for key in columns))
    return table


def _is_rows(value: Any) -> bool:
    return (
        isinstance(value, Sequence)
        and not isinstance(value, str)
        and len(value) > 0
        and all(isinstance(row, Mapping) for row in value)
    )


def _words(key: str) -> str:
    return key.replace("_", " ")
