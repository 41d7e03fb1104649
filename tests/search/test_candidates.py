"""Which operations an edge may be reopened to."""

from adaptd.architecture import Architecture
from adaptd.search.candidates import CANDIDATES, group_of, reopening_of
from adaptd.space import parse_operation


def test_edges_of_a_cell_are_one_group_and_others_their_own() -> None:
    assert group_of("cells.0.edges.1") == group_of("cells.0.edges.2") == "cells.0"
    assert group_of("cells.1.edges.1") == "cells.1"
    assert group_of("layer3.conv2") == "layer3.conv2"


def test_what_is_deployed_in_a_cell_is_a_candidate_on_all_its_edges() -> None:
    architecture = Architecture(
        "m:f",
        {},
        {
            "cells.0.edges.0": "dw k7 d4",
            "cells.0.edges.1": "dw k5 d1",
            "cells.1.edges.0": "dw k3 d1",
        },
    )
    reopening = reopening_of(architecture)
    assert reopening.operations("cells.0") == (*CANDIDATES, "dw k7 d4")
    assert reopening.operations("cells.1") == CANDIDATES
    assert reopening.edges("cells.0") == ("cells.0.edges.0", "cells.0.edges.1")


def test_candidates_are_operations_in_their_one_text() -> None:
    assert all(str(parse_operation(text)) == text for text in CANDIDATES)
