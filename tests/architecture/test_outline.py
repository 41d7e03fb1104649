import pytest
from hypothesis import given
from hypothesis import strategies as st

from adaptd.architecture import Architecture
from adaptd.architecture.outline import Entry, outline, printable


def edges(*names: str) -> Architecture:
    return Architecture("a.b:c", {}, dict.fromkeys(names, "dw k3 d1"))


def test_numbers_in_names_count_by_value() -> None:
    drawn = outline(edges("cells.10.edges.0", "cells.9.edges.11", "cells.9.edges.2", "stem"))
    assert [entry.name for entry in drawn.edges] == [
        "cells.9.edges.2",
        "cells.9.edges.11",
        "cells.10.edges.0",
        "stem",
    ]


def test_a_number_longer_than_python_reads_is_only_a_name() -> None:
    long = "cells." + "1" * 5_000
    assert [entry.name for entry in outline(edges(long, "cells.2")).edges] == ["cells.2", long]


def test_the_order_of_the_network_comes_first() -> None:
    drawn = outline(edges("cells.0", "head", "stem"), order=["stem", "cells.0"])
    assert [entry.name for entry in drawn.edges] == ["stem", "cells.0", "head"]
    assert [group.prefix for group in drawn.groups] == ["", "cells", ""]


def test_edges_are_grouped_by_what_stands_before_the_last_dot() -> None:
    drawn = outline(edges("cells.0.edges.0", "cells.0.edges.1", "cells.0.skip", "stem"))
    assert {group.prefix: [entry.name for entry in group.entries] for group in drawn.groups} == {
        "cells.0.edges": ["cells.0.edges.0", "cells.0.edges.1"],
        "cells.0": ["cells.0.skip"],
        "": ["stem"],
    }


def test_each_difference_is_marked() -> None:
    before = Architecture("a.b:c", {"w": 1, "n": "x"}, {"e0": "a", "e1": "a", "e2": "a"})
    after = Architecture("a.b:c", {"w": 1.0, "d": 2}, {"e0": "a", "e1": "b", "e3": "b"})
    drawn = outline(after, before)
    assert drawn.settings == (
        Entry("d", None, "2"),
        Entry("n", '"x"', None),
        Entry("w", "1", "1.0"),
    )
    assert [entry.mark for entry in drawn.settings] == ["added", "removed", "changed"]
    assert [entry.mark for entry in drawn.edges] == ["same", "changed", "removed", "added"]
    assert [entry.name for entry in drawn.edits] == ["d", "n", "w", "e1", "e2", "e3"]
    assert drawn.compares


def test_alone_nothing_is_marked() -> None:
    drawn = outline(edges("e0", "e1"))
    assert drawn.edits == ()
    assert not drawn.compares


def test_two_networks_have_no_common_outline() -> None:
    with pytest.raises(ValueError, match=r"a\.b:other and a\.b:c are different networks"):
        outline(Architecture("a.b:c"), Architecture("a.b:other"))


@given(st.text(st.characters(codec=None)), st.text(st.characters(codec=None)))
def test_every_text_becomes_printable_and_stays_different(one: str, other: str) -> None:
    assert printable(one).isprintable()
    assert (printable(one) == printable(other)) == (one == other)


def test_what_can_be_read_stays_as_it_is() -> None:
    assert printable("cells.0: größe 漢 & <b>") == "cells.0: größe 漢 & <b>"
    assert printable("\n\x00\ud800\u202e") == "\\n\\x00\\ud800\\u202e"
