"""Which edges a cell of DARTS keeps."""

import random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from adaptd.space.cells.darts import CANDIDATES, reductions
from adaptd.space.cells.genotype import PREDECESSORS, Genotype

# The second-order genotype of the paper (Liu et al. 2019), as its authors publish it.
DARTS_V2 = {
    "normal": [
        ("sep_conv_3x3", 0),
        ("sep_conv_3x3", 1),
        ("sep_conv_3x3", 0),
        ("sep_conv_3x3", 1),
        ("sep_conv_3x3", 1),
        ("skip_connect", 0),
        ("skip_connect", 0),
        ("dil_conv_3x3", 2),
    ],
    "reduction": [
        ("max_pool_3x3", 0),
        ("max_pool_3x3", 1),
        ("skip_connect", 2),
        ("max_pool_3x3", 1),
        ("max_pool_3x3", 0),
        ("skip_connect", 2),
        ("skip_connect", 2),
        ("max_pool_3x3", 1),
    ],
}


def weights(strongest: str, weight: float, *, none: float = 0.0) -> dict[str, float]:
    """Of one edge: this operation has the weight, `none` its own, all others hardly any."""
    return {**dict.fromkeys(CANDIDATES, 0.001), "none": none, strongest: weight}


def genotypes() -> st.SearchStrategy[Genotype]:
    def drawn(seed: int) -> Genotype:
        draws = random.Random(seed)
        pairs = [
            tuple(
                (draws.choice(CANDIDATES[1:]), source)
                for node in range(2, 6)
                for source in draws.sample(range(node), 2)
            )
            for _ in range(2)
        ]
        return Genotype(*pairs)

    return st.integers(0, 2**32).map(drawn)


def test_there_are_fourteen_edges_of_four_nodes() -> None:
    assert len(PREDECESSORS) == 2 + 3 + 4 + 5
    assert PREDECESSORS[:5] == ((2, 0), (2, 1), (3, 0), (3, 1), (3, 2))


def test_the_two_strongest_edges_of_each_node_are_kept_whatever_none_weighs() -> None:
    normal = [
        weights("skip", 0.5),
        weights("maxpool k3", 0.4, none=0.9),
        # Node 3: the second edge loses, though with `none` counted it would be first.
        weights("sep_conv k3", 0.6),
        weights("sep_conv k5", 0.2, none=0.8),
        weights("dw k3 d2", 0.3),
        # Node 4: the last and the third.
        weights("skip", 0.1),
        weights("skip", 0.2),
        weights("avgpool k3", 0.7),
        weights("dw k5 d2", 0.9),
        # Node 5: all alike, so the first two.
        *(weights("sep_conv k3", 0.5) for _ in range(5)),
    ]
    reduction = [weights("maxpool k3", 0.9 - place / 100) for place in range(14)]
    alphas = {
        f"{kind}.{place}": edge
        for kind, edges in (("normal", normal), ("reduction", reduction))
        for place, edge in enumerate(edges)
    }
    assert Genotype.derive(alphas) == Genotype(
        normal=(
            *(("skip", 0), ("maxpool k3", 1)),
            *(("sep_conv k3", 0), ("dw k3 d2", 2)),
            *(("avgpool k3", 2), ("dw k5 d2", 3)),
            *(("sep_conv k3", 0), ("sep_conv k3", 1)),
        ),
        reduction=(("maxpool k3", 0), ("maxpool k3", 1)) * 4,
    )


@given(genotypes(), st.integers(3, 9))
def test_genotype_and_operations_are_one_to_one(genotype: Genotype, cells: int) -> None:
    operations = genotype.operations(cells=cells, reductions=reductions(cells))
    assert len(operations) == 14 * cells
    kept = [operation for operation in operations.values() if operation != "none"]
    assert len(kept) == 8 * cells
    assert Genotype.of(operations, reductions=reductions(cells)) == genotype


@given(genotypes())
def test_genotype_and_its_published_form_are_one_to_one(genotype: Genotype) -> None:
    assert Genotype.from_published(**genotype.published()) == genotype


def test_a_published_genotype_is_read() -> None:
    genotype = Genotype.from_published(**DARTS_V2)
    assert genotype.kept("normal")[PREDECESSORS.index((5, 2))] == "dw k3 d2"
    assert genotype.kept("reduction")[PREDECESSORS.index((3, 2))] == "skip"
    with pytest.raises(KeyError, match="conv_7x1_1x7"):
        Genotype.from_published(normal=[("conv_7x1_1x7", 0)] * 8, reduction=[])


def test_a_genotype_that_no_cell_can_have_is_refused() -> None:
    good = Genotype.from_published(**DARTS_V2).normal
    with pytest.raises(ValueError, match="a normal cell keeps 8 edges, got 7"):
        Genotype(good[:7], good)
    with pytest.raises(ValueError, match=r"node 2 of a reduction cell .* got \[0, 2\]"):
        Genotype(good, (("skip", 0), ("skip", 2), *good[2:]))
    with pytest.raises(ValueError, match=r"node 2 of a normal cell .* got \[1, 1\]"):
        Genotype((("skip", 1), ("maxpool k3", 1), *good[2:]), good)
    with pytest.raises(ValueError, match="cannot be 'none'"):
        Genotype((("none", 0), *good[1:]), good)


def test_operations_that_are_no_genotype_are_refused() -> None:
    operations = Genotype.from_published(**DARTS_V2).operations(cells=3, reductions=reductions(3))
    with pytest.raises(ValueError, match="cell 2 differs from the reduction cells before it"):
        Genotype.of({**operations, "cells.2.edges.0": "skip"}, reductions=reductions(3))
    more = {f"cells.{cell}.edges.4": "skip" for cell in range(3)}
    with pytest.raises(ValueError, match="a normal cell keeps 8 edges, got 9"):
        Genotype.of({**operations, **more}, reductions=reductions(3))
