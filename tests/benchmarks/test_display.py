from io import StringIO
from typing import Any

import pytest
from rich.console import Console

from benchmarks.display import cell, show


def _shown(document: dict[str, Any]) -> list[list[str]]:
    """The words of each line that is not empty."""
    output = StringIO()
    show(Console(file=output, width=200), document, title="Title")
    return [line.split() for line in output.getvalue().splitlines() if line.strip()]


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (None, "-"),
        (True, "yes"),
        (False, "no"),
        (15_625, "15,625"),
        (0.0, "0.000"),
        (0.25, "0.250"),
        (-0.00002, "-2e-05"),
        (97.346, "97.35"),
        ("dw k5 d1", "dw k5 d1"),
        ([0, 1, 2], "0, 1, 2"),
        ({"a_b": 1, "c": None}, "a b 1, c -"),
    ],
)
def test_a_value_is_short(value: Any, text: str) -> None:
    assert cell(value) == text


def test_single_values_stand_in_one_table_under_the_title() -> None:
    assert _shown({"peak_bytes": 12, "is_met": True}) == [
        ["Title"],
        ["peak", "bytes", "12"],
        ["is", "met", "yes"],
    ]


def test_a_mapping_of_mappings_has_a_column_for_every_key() -> None:
    lines = _shown({"gap": {"ours": {"x": 0.5, "y": 1.5}, "theirs": {"y": 2.5, "z": 3.5}}})
    assert lines == [
        ["Title"],
        ["gap"],
        ["x", "y", "z"],
        ["ours", "0.500", "1.50"],
        ["theirs", "2.50", "3.50"],
    ]


def test_a_flat_mapping_and_a_list_of_rows_are_tables_too() -> None:
    lines = _shown({"a": {"b": 1}, "rows": [{"c": 2, "d": "x"}, {"c": 3, "d": "y"}]})
    assert lines == [["Title"], ["a"], ["b", "1"], ["rows"], ["c", "d"], ["2", "x"], ["3", "y"]]
