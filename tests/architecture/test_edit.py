from itertools import islice

import pytest
from hypothesis import given
from hypothesis import strategies as st

from adaptd.architecture import (
    Architecture,
    EdgeAdded,
    EdgeRemoved,
    Edit,
    SettingEdit,
    apply_edits,
    diff,
    neighbours,
    operation_edits,
)

BEFORE = Architecture("a.b:c", {"width": 8}, {"e0": "dw k3 d1", "e1": "dw k3 d1"})
OPERATIONS = ("dw k3 d1", "dw k5 d1", "dw k5 d4")

# Few names and values, so that two architectures often share some and differ in others; 1, 1.0 and
# True are equal in Python and different in a document.
ARCHITECTURES = st.builds(
    Architecture,
    st.just("a.b:c"),
    st.dictionaries(
        st.sampled_from(["width", "depth", "norm"]),
        st.sampled_from([1, 1.0, True, 0, False, -0.0, 16, "", "batch", "1"]),
    ),
    st.dictionaries(
        st.sampled_from(["stem", "cells.0", "cells.1", "cells.10"]), st.sampled_from(OPERATIONS)
    ),
)


def test_diff_names_each_edge_that_changes() -> None:
    after = BEFORE.with_operations({"e1": "dw k5 d4"})
    assert diff(BEFORE, after) == (Edit("e1", "dw k3 d1", "dw k5 d4"),)
    assert str(diff(BEFORE, after)[0]) == "e1: dw k3 d1 becomes dw k5 d4"


def test_settings_and_edges_of_one_side_are_edits_with_a_sentence_each() -> None:
    after = Architecture(
        "a.b:c", {"width": 12, "norm": "batch"}, {"e1": "dw k3 d1", "e2": "dw k5 d4"}
    )
    edits = diff(BEFORE, after)
    assert edits == (
        SettingEdit("norm", None, "batch"),
        SettingEdit("width", 8, 12),
        EdgeRemoved("e0", "dw k3 d1"),
        EdgeAdded("e2", "dw k5 d4"),
    )
    assert [str(edit) for edit in edits] == [
        'setting norm: the default becomes "batch"',
        "setting width: 8 becomes 12",
        "e0: removed, it held dw k3 d1",
        "e2: added with dw k5 d4",
    ]
    assert str(diff(after, BEFORE)[0]) == 'setting norm: "batch" becomes the default'


def test_settings_that_only_documents_tell_apart_are_an_edit() -> None:
    whole, real = (Architecture("a.b:c", {"width": width}) for width in (1, 1.0))
    (edit,) = diff(whole, real)
    assert str(edit) == "setting width: 1 becomes 1.0"


def test_diff_across_networks_is_refused() -> None:
    other = Architecture("a.b:other", BEFORE.settings, BEFORE.operations)
    with pytest.raises(ValueError, match=r"a\.b:c and a\.b:other are different networks"):
        diff(BEFORE, other)


@given(ARCHITECTURES, ARCHITECTURES)
def test_diff_is_empty_exactly_between_equals(one: Architecture, other: Architecture) -> None:
    assert diff(one, one) == ()
    assert (diff(one, other) == ()) == (one == other)


@given(ARCHITECTURES, ARCHITECTURES)
def test_the_edits_of_a_diff_lead_from_one_to_the_other(
    before: Architecture, after: Architecture
) -> None:
    assert apply_edits(before, diff(before, after)) == after
    assert len(diff(before, after)) == len(diff(after, before))


@pytest.mark.parametrize(
    ("edit", "found"),
    [
        (Edit("e0", "dw k5 d1", "dw k5 d4"), "'dw k3 d1'"),
        (Edit("e9", "dw k5 d1", "dw k5 d4"), "None"),
        (EdgeAdded("e0", "dw k5 d1"), "'dw k3 d1'"),
        (EdgeRemoved("e9", "dw k5 d1"), "None"),
        (SettingEdit("width", 9, 10), "8"),
        (SettingEdit("width", 8.0, 10), "8"),
    ],
)
def test_an_edit_from_elsewhere_is_not_applied(
    edit: Edit | EdgeAdded | EdgeRemoved | SettingEdit, found: str
) -> None:
    with pytest.raises(ValueError, match=f"cannot apply .* has {found} there"):
        apply_edits(BEFORE, [edit])


def test_operation_edits_are_those_of_diff_where_nothing_else_changes() -> None:
    after = BEFORE.with_operations({"e0": "dw k5 d1", "e1": "dw k5 d4"})
    assert operation_edits(BEFORE, after) == diff(BEFORE, after)
    assert operation_edits(BEFORE, BEFORE) == ()


@pytest.mark.parametrize(
    ("other", "named"),
    [
        (Architecture("a.b:other", {"width": 8}, BEFORE.operations), "different networks"),
        (
            Architecture("a.b:c", {"width": 9}, BEFORE.operations),
            "differ in more than .*: setting width: 8 becomes 9",
        ),
        (
            Architecture("a.b:c", {"width": 8}, {"e0": "dw k5 d1"}),
            "differ in more than .*: e1: removed",
        ),
    ],
)
def test_operation_edits_refuse_and_name_what_is_none(other: Architecture, named: str) -> None:
    with pytest.raises(ValueError, match=named):
        operation_edits(BEFORE, other)


def test_neighbours_are_every_single_edit_once() -> None:
    candidates = dict.fromkeys(BEFORE.operations, OPERATIONS)
    found = list(neighbours(BEFORE, candidates))
    assert len(found) == len(set(found)) == 4
    assert all(len(diff(BEFORE, neighbour)) == 1 for neighbour in found)


def test_neighbours_come_in_the_order_of_edges_and_candidates() -> None:
    # Seeded draws among them must stay what they are.
    found = neighbours(BEFORE, {"e1": OPERATIONS[::-1], "e0": OPERATIONS})
    assert [str(diff(BEFORE, neighbour)[0]) for neighbour in found] == [
        "e1: dw k3 d1 becomes dw k5 d4",
        "e1: dw k3 d1 becomes dw k5 d1",
        "e0: dw k3 d1 becomes dw k5 d1",
        "e0: dw k3 d1 becomes dw k5 d4",
    ]


@given(
    ARCHITECTURES,
    st.lists(st.sampled_from(OPERATIONS), max_size=4),
    st.integers(min_value=1, max_value=6),
)
def test_neighbours_are_all_within_the_radius_once_and_nearest_first(
    architecture: Architecture, operations: list[str], radius: int
) -> None:
    found = list(
        neighbours(architecture, dict.fromkeys(architecture.operations, operations), radius)
    )
    distances = [len(diff(architecture, neighbour)) for neighbour in found]
    assert len(set(found)) == len(found)
    assert distances == sorted(distances)
    assert set(distances) <= set(range(1, radius + 1))
    # By distance: the coefficients of the product of (1 + choices * x) over the edges.
    counts = [1]
    for held in architecture.operations.values():
        choices = len(set(operations) - {held})
        counts = [
            one + choices * other for one, other in zip([*counts, 0], [0, *counts], strict=True)
        ]
    assert len(found) == sum(counts[1 : radius + 1])


def test_neighbours_are_made_only_when_asked_for() -> None:
    # 3 ** 60 of them.
    edges = {f"cells.{number}": "dw k3 d1" for number in range(60)}
    found = neighbours(Architecture("a.b:c", {}, edges), dict.fromkeys(edges, OPERATIONS), 60)
    assert len(list(islice(found, 200))) == 200


@pytest.mark.parametrize("radius", [0, -1])
def test_a_radius_below_one_is_refused_at_the_call(radius: int) -> None:
    with pytest.raises(ValueError, match=f"radius must be at least 1, got {radius}"):
        neighbours(BEFORE, {}, radius)


def test_neighbours_of_an_unknown_edge_are_refused() -> None:
    with pytest.raises(KeyError, match="e9"):
        neighbours(BEFORE, {"e9": ("dw k5 d1",)})
