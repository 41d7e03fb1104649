"""Which operations an edge may be reopened to."""

from adaptd.architecture import Architecture
from adaptd.search.candidates import cell_of, reopening_of
from adaptd.space import (
    architecture_edges,
    initial_architecture,
    parse_operation,
)
from adaptd.space.alternatives import sequence_candidates

SHAPE = (1, 64)
CANDIDATES = sequence_candidates(64)


def test_edges_belong_to_their_cell_and_others_to_themselves() -> None:
    assert cell_of("cells.0.edges.1") == cell_of("cells.0.edges.2") == "cells.0"
    assert cell_of("cells.1.edges.1") == "cells.1"
    assert cell_of("layer3.conv2") == "layer3.conv2"


def deployed(**changes: str) -> Architecture:
    settings = {"in_channels": 1, "classes": 4}
    architecture = initial_architecture("adaptd.space.sequence:convnet", settings, "dw k5 d1")
    return architecture.with_operations(changes)


def test_what_is_deployed_in_a_cell_is_a_candidate_on_all_its_edges() -> None:
    reopening = reopening_of(deployed(**{"cells.0.edges.0": "dw k7 d4"}), SHAPE)
    assert reopening.operations("cells.0") == (*CANDIDATES, "dw k7 d4")
    assert reopening.operations("cells.1") == CANDIDATES
    assert reopening.edges("cells.0") == tuple(f"cells.0.edges.{place}" for place in range(3))


def test_edges_that_are_not_asked_for_stay_closed() -> None:
    reopening = reopening_of(deployed(), SHAPE, only=("cells.1.edges.2",))
    assert dict(reopening.candidates) == {"cells.1.edges.2": CANDIDATES}


def test_the_edges_of_a_table_are_opened_to_what_fits_their_width() -> None:
    settings = {"features": 6, "classes": 2, "width": 12}
    architecture = initial_architecture("adaptd.space.tabular:network", settings)
    edges = architecture_edges(architecture)
    reopening = reopening_of(architecture, (6,))
    assert reopening.candidates.keys() == edges.keys()
    for edge, texts in reopening.candidates.items():
        assert str(edges[edge].operation) in texts
        assert len(texts) > 4
        assert all(parse_operation(text).fits(edges[edge].site) for text in texts)


def test_another_network_is_opened_layer_by_layer() -> None:
    architecture = initial_architecture("tests.networks:plain_cnn", {})
    reopening = reopening_of(architecture, (3, 16, 16))
    assert reopening.groups == {edge: edge for edge in architecture.operations}
    assert all(len(texts) > 1 for texts in reopening.candidates.values())


def test_over_images_each_edge_decides_for_itself() -> None:
    settings = {"in_channels": 1, "classes": 4}
    architecture = initial_architecture("adaptd.space.image:convnet", settings, "dw k3 d1")
    reopening = reopening_of(architecture, (1, 16, 16))
    assert reopening.groups == {edge: edge for edge in architecture.operations}
    assert set(map(len, reopening.candidates.values())) == {5}
