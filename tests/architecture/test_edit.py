import pytest

from adaptd.architecture import Architecture, Edit, diff, neighbours

BEFORE = Architecture("a.b:c", {"width": 8}, {"e0": "dw k3 d1", "e1": "dw k3 d1"})


def test_diff_names_each_edge_that_changes() -> None:
    after = BEFORE.with_operations({"e1": "dw k5 d4"})
    assert diff(BEFORE, after) == (Edit("e1", "dw k3 d1", "dw k5 d4"),)
    assert str(diff(BEFORE, after)[0]) == "e1: dw k3 d1 becomes dw k5 d4"


def test_equal_architectures_have_no_edits() -> None:
    assert diff(BEFORE, BEFORE) == ()


@pytest.mark.parametrize(
    "other",
    [
        Architecture("a.b:other", {"width": 8}, dict(BEFORE.operations)),
        Architecture("a.b:c", {"width": 9}, dict(BEFORE.operations)),
        Architecture("a.b:c", {"width": 8}, {"e0": "dw k3 d1"}),
    ],
)
def test_diff_refuses_what_no_edit_of_operations_reaches(other: Architecture) -> None:
    with pytest.raises(ValueError, match="differ in more"):
        diff(BEFORE, other)


def test_neighbours_are_every_single_edit_once() -> None:
    candidates = dict.fromkeys(BEFORE.operations, ("dw k3 d1", "dw k5 d1", "dw k5 d4"))
    found = list(neighbours(BEFORE, candidates))
    assert len(found) == len(set(found)) == 4
    assert all(len(diff(BEFORE, neighbour)) == 1 for neighbour in found)


def test_neighbours_of_an_unknown_edge_are_refused() -> None:
    with pytest.raises(KeyError):
        list(neighbours(BEFORE, {"e9": ("dw k5 d1",)}))
