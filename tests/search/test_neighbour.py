"""The random rival."""

import pytest

from adaptd.architecture import Architecture, diff
from adaptd.search.candidates import reopening_of
from adaptd.search.caps import Cap
from adaptd.search.neighbour import random_neighbour
from adaptd.space import EdgeCosts, count_macs, initial_architecture

SHAPE = (1, 32)


@pytest.fixture(scope="module")
def deployed() -> Architecture:
    settings = {"in_channels": 1, "classes": 3, "width": 4}
    return initial_architecture("adaptd.space.sequence:convnet", settings, "dw k5 d1")


def test_it_is_one_edit_away_and_within_the_cap(deployed: Architecture) -> None:
    cap = int(1.05 * count_macs(deployed, SHAPE))
    caps = [Cap(EdgeCosts.of(deployed, SHAPE), cap)]
    opened = reopening_of(deployed, SHAPE)
    rivals = [random_neighbour(deployed, opened, caps=caps, seed=seed) for seed in range(8)]
    assert all(len(diff(deployed, rival)) == 1 for rival in rivals)
    assert all(count_macs(rival, SHAPE) <= cap for rival in rivals)
    assert len({rival.digest for rival in rivals}) > 2, "the seed must matter"


def test_the_seed_decides(deployed: Architecture) -> None:
    opened = reopening_of(deployed, SHAPE)
    first, second = (random_neighbour(deployed, opened, caps=(), seed=7) for _ in range(2))
    assert first == second


def test_where_nothing_fits_it_is_what_is_deployed(deployed: Architecture) -> None:
    caps = [Cap(EdgeCosts.of(deployed, SHAPE), 1)]
    assert random_neighbour(deployed, reopening_of(deployed, SHAPE), caps=caps, seed=0) == deployed


@pytest.mark.parametrize(
    ("factory", "settings", "operation", "shape"),
    [
        (
            "adaptd.space.image:convnet",
            {"in_channels": 1, "classes": 3, "width": 4},
            "dw k3 d1",
            (1, 8, 8),
        ),
        ("adaptd.space.tabular:network", {"features": 5, "classes": 3}, "linear", (5,)),
    ],
)
def test_it_draws_from_what_suits_the_network(
    factory: str, settings: dict[str, int], operation: str, shape: tuple[int, ...]
) -> None:
    deployed = initial_architecture(factory, settings, operation)
    opened = reopening_of(deployed, shape)
    rivals = {random_neighbour(deployed, opened, caps=(), seed=seed) for seed in range(20)}
    changed = {
        (edge, operation)
        for rival in rivals
        for edge, operation in rival.operations.items()
        if operation != deployed.operations[edge]
    }
    assert len(changed) > 5
    assert all(operation in opened.candidates[edge] for edge, operation in changed)
