"""Which operations are skips."""

import pytest

from adaptd.search.guards.skips import (
    is_nothing,
    is_skip,
    skip_places,
    skips_by_cell,
)


@pytest.mark.parametrize(
    ("operation", "skips", "gives_nothing"),
    [
        ("skip", True, False),
        ("identity", True, False),
        ("none", False, True),
        ("zero", False, True),
        ("dw k3 d1", False, False),
        ("mbconv k5 e3 se", False, False),
    ],
)
def test_skips_and_nothings_are_told_apart(
    operation: str, skips: bool, gives_nothing: bool
) -> None:
    assert is_skip(operation) == skips
    assert is_nothing(operation) == gives_nothing


def test_skips_are_counted_by_cell() -> None:
    operations = {
        "cells.0.edges.0": "skip",
        "cells.0.edges.1": "identity",
        "cells.1.edges.0": "zero",
        "cells.1.edges.1": "skip",
        "stem": "conv k3 d1",
    }
    assert skips_by_cell(operations, operations) == {"cells.0": 2, "cells.1": 1}
    assert skips_by_cell(operations, ["cells.0.edges.1", "stem"]) == {"cells.0": 1}


def test_places_are_those_among_the_candidates() -> None:
    assert skip_places(("dw k3 d1", "skip", "none", "identity")) == (1, 3)
