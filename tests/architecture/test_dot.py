"""Read back with the quoting rules of the DOT language, as no Graphviz need be installed."""

import html
import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from adaptd.architecture import Architecture, to_dot

BEFORE = Architecture(
    "pack.module:factory",
    {"width": 16, "norm": "batch"},
    {"cells.0.edges.0": "dw k3 d1", "cells.0.edges.1": "dw k3 d1", "stem": "dw k3 d1"},
)
STRING = r'"((?:[^"\\]|\\.)*)"'
NODE = re.compile(rf"^ *{STRING} \[label={STRING}(.*)\];$", re.MULTILINE)
ARROW = re.compile(rf"^ *{STRING} -> {STRING} \[style=invis\];$", re.MULTILINE)
TEXT = st.text(st.characters(codec=None), max_size=12)


def shown(label: str) -> str:
    """What Graphviz writes for a label."""
    text = re.sub(r"\\(.)", lambda match: {"n": "\n", "l": "\n"}.get(match[1], match[1]), label)
    return html.unescape(text)


def nodes(dot: str) -> dict[str, tuple[str, str]]:
    """Name -> label as shown, other attributes."""
    return {match[1]: (shown(match[2]), match[3]) for match in NODE.finditer(dot)}


def test_each_edge_is_a_node_with_its_operation_in_the_cluster_of_its_prefix() -> None:
    dot = to_dot(BEFORE)
    assert {name: label for name, (label, _) in nodes(dot).items()} == {
        edge: f"{edge}\n{operation}" for edge, operation in BEFORE.operations.items()
    }
    (cluster,) = re.findall(r"subgraph cluster_\d+ \{(.*?)\n  \}", dot, re.DOTALL)
    assert 'label="cells.0.edges";' in cluster
    assert list(nodes(cluster)) == ["cells.0.edges.0", "cells.0.edges.1"]


def test_settings_stand_in_the_label_of_the_graph() -> None:
    found = re.search(rf"^ *graph \[label={STRING}", to_dot(BEFORE), re.MULTILINE)
    assert found is not None
    assert shown(found[1]) == 'pack.module:factory\nnorm = "batch"\nwidth = 16\n'


def test_nodes_are_kept_in_order_by_arrows_that_are_not_seen() -> None:
    architecture = Architecture("a.b:c", {}, {f"cells.{n}": "dw k3 d1" for n in (10, 9, 1)})
    assert ARROW.findall(to_dot(architecture)) == [("cells.1", "cells.9"), ("cells.9", "cells.10")]
    assert ARROW.findall(to_dot(architecture, order=["cells.10"]))[0] == ("cells.10", "cells.1")


def test_a_comparison_shows_both_sides_of_each_edit_without_need_of_colour() -> None:
    after = Architecture(
        "pack.module:factory",
        {"width": 24, "norm": "batch"},
        {"cells.0.edges.0": "dw k9 d4", "cells.0.edges.2": "dw k5 d1", "stem": "dw k3 d1"},
    )
    dot = to_dot(after, BEFORE)
    found = nodes(dot)
    label, frame = found["cells.0.edges.0"]
    assert label == "cells.0.edges.0\nchanged: dw k3 d1 -> dw k9 d4"
    assert "penwidth=3" in frame
    label, frame = found["cells.0.edges.1"]
    assert label == "cells.0.edges.1\nremoved: dw k3 d1"
    assert "dashed" in frame
    assert found["cells.0.edges.2"][0] == "cells.0.edges.2\nadded: dw k5 d1"
    assert found["stem"] == ("stem\ndw k3 d1", "")
    assert "width: changed: 16 -> 24" in dot


def test_the_method_says_the_same() -> None:
    after = BEFORE.with_operations({"stem": "dw k5 d1"})
    assert after.to_dot() == to_dot(after)
    assert after.to_dot(BEFORE) == to_dot(after, BEFORE)
    assert after.to_dot(BEFORE) != after.to_dot()


def test_architectures_of_two_networks_are_not_compared() -> None:
    with pytest.raises(ValueError, match="different networks"):
        to_dot(BEFORE, Architecture("a.b:c"))


def test_signs_that_mean_something_to_graphviz_are_shown_as_they_are() -> None:
    dot = to_dot(Architecture("a.b:c", {}, {'a "b" & <i>': "x;]} &amp; y"}))
    ((label, _),) = nodes(dot).values()
    assert label == 'a "b" & <i>\nx;]} &amp; y'


@given(st.dictionaries(TEXT, TEXT, max_size=5), st.dictionaries(TEXT, TEXT, max_size=3))
def test_any_names_give_one_node_an_edge_and_text_that_can_be_written(
    operations: dict[str, str], settings: dict[str, str]
) -> None:
    dot = to_dot(Architecture("a.b:c", settings, operations))
    assert len(nodes(dot)) == len(operations)
    assert len(ARROW.findall(dot)) == max(len(operations) - 1, 0)
    # No quote is left open: without its strings the text is made of keywords alone.
    assert re.fullmatch(r"[\w\s{}\[\]=,;>.\-]*", re.sub(STRING, "", dot))
    dot.encode()
