"""Which operations an edge may be reopened to."""

import itertools
import random

import pytest

from adaptd.architecture import Architecture
from adaptd.search.candidates import cell_of, reopening_of, worthwhile
from adaptd.search.caps import Cap, within
from adaptd.space import (
    EdgeCosts,
    Reopening,
    architecture_edges,
    initial_architecture,
    parse_operation,
)
from adaptd.space.alternatives import sequence_candidates
from adaptd.space.openable import made_architecture

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


def table() -> Architecture:
    settings = {"features": 6, "classes": 2, "width": 64}
    return initial_architecture("adaptd.space.tabular:network", settings)


def capped(architecture: Architecture, shape: tuple[int, ...], ratio: float) -> Cap:
    costs = EdgeCosts.of(architecture, shape)
    return Cap(costs, ratio * costs.total(architecture))


def attainable(
    reopening: Reopening, architecture: Architecture, cap: Cap
) -> dict[str, tuple[str, ...]]:
    """Group -> what some combination within the cap has, by trying all of them."""
    found: dict[str, dict[str, None]] = {group: {} for group in reopening.group_names}
    for texts in itertools.product(*map(reopening.operations, reopening.group_names)):
        chosen = dict(zip(reopening.group_names, texts, strict=True))
        changed = {edge: chosen[group] for edge, group in reopening.groups.items()}
        if within((cap,), architecture.with_operations(changed)):
            for group, text in chosen.items():
                found[group].setdefault(text)
    return {
        group: tuple(text for text in reopening.operations(group) if text in found[group])
        for group in reopening.group_names
    }


@pytest.mark.parametrize("ratio", [0.97, 1.0, 1.02, 1.05, 1.1, 2.0])
def test_what_no_combination_within_the_cap_has_is_not_opened(ratio: float) -> None:
    architecture = deployed()
    opened = reopening_of(architecture, SHAPE)
    cap = capped(architecture, SHAPE, ratio)
    left = worthwhile(opened, architecture, (cap,))
    possible = attainable(opened, architecture, cap)
    for group in opened.group_names:
        assert set(left.operations(group)) == {*possible[group], "dw k5 d1"}
    dropped = set(CANDIDATES) - set(left.operations("cells.0"))
    assert bool(dropped) == (ratio < 1.1)


def test_what_is_deployed_stays_also_where_it_is_over_the_cap() -> None:
    architecture = deployed()
    opened = reopening_of(architecture, SHAPE)
    left = worthwhile(opened, architecture, (capped(architecture, SHAPE, 0.1),))
    assert set(left.candidates.values()) == {("dw k5 d1",)}


def test_without_a_cap_all_is_opened_over_sequences() -> None:
    opened = reopening_of(deployed(), SHAPE)
    assert worthwhile(opened, deployed(), ()) == opened


def test_parts_of_a_matrix_are_opened_only_where_cost_has_to_be_saved() -> None:
    architecture = table()
    opened = reopening_of(architecture, (6,))
    roomy = worthwhile(opened, architecture, (capped(architecture, (6,), 20.0),))
    assert set(roomy.operations("blocks.0")) == {"linear", "cross r8", "glu", "resmlp e2"}
    usual = worthwhile(opened, architecture, (capped(architecture, (6,), 1.1),))
    assert set(usual.operations("blocks.0")) == {"linear", "cross r8"}
    tight = worthwhile(opened, architecture, (capped(architecture, (6,), 0.7),))
    assert {"lowrank r4", "block b2", "block b4", "linear"} <= set(tight.operations("blocks.0"))
    assert not {"glu", "resmlp e2"} & set(tight.operations("blocks.0"))


def test_around_a_network_of_a_user_parts_are_opened_only_where_cost_has_to_be_saved() -> None:
    shape = (3, 16)
    settings = {"axes": 1, "width": 16}
    architecture = made_architecture("tests.networks:plain_cnn", settings, shape)
    opened = reopening_of(architecture, shape)
    assert "lowconv r8 k3 d1" in opened.operations("features.4")
    assert "lowrank r2" in opened.operations("head")
    roomy = worthwhile(opened, architecture, (capped(architecture, shape, 20.0),))
    assert set(roomy.operations("features.4")) == {
        text for text in opened.operations("features.4") if not text.startswith("lowconv")
    }
    assert roomy.operations("head") == ("linear",)
    assert worthwhile(opened, architecture, ()) == roomy
    tight = worthwhile(opened, architecture, (capped(architecture, shape, 0.9),))
    assert {"lowconv r8 k3 d1", "lowconv r16 k3 d1"} <= set(tight.operations("features.4"))
    assert "lowrank r2" in tight.operations("head")


def test_a_part_of_a_matrix_that_is_deployed_can_become_the_whole_one() -> None:
    edges = table().operations
    architecture = table().with_operations(dict.fromkeys(edges, "lowrank r4"))
    cap = capped(architecture, (6,), 20.0)
    left = worthwhile(reopening_of(architecture, (6,)), architecture, (cap,))
    assert set(left.operations("blocks.1")) == {
        "lowrank r4", "linear", "cross r8", "glu", "resmlp e2"
    }  # fmt: skip


def test_several_caps_count_each_by_itself() -> None:
    architecture = deployed()
    opened = reopening_of(architecture, SHAPE)
    caps = [capped(architecture, SHAPE, ratio) for ratio in (1.1, 1.02, 5.0)]
    for order in (caps, caps[::-1], random.Random(0).sample(caps, 3)):
        assert worthwhile(opened, architecture, order) == worthwhile(
            opened, architecture, caps[1:2]
        )
