"""The random rival."""

import pytest

from adaptd.architecture import Architecture, diff
from adaptd.search.neighbour import random_neighbour
from adaptd.space import count_macs, initial_architecture

SHAPE = (1, 32)


@pytest.fixture(scope="module")
def deployed() -> Architecture:
    settings = {"in_channels": 1, "classes": 3, "width": 4}
    return initial_architecture("adaptd.space.sequence:convnet", settings, "dw k5 d1")


def test_it_is_one_edit_away_and_within_the_cap(deployed: Architecture) -> None:
    cap = int(1.05 * count_macs(deployed, SHAPE))
    rivals = [random_neighbour(deployed, macs_cap=cap, seed=seed, shape=SHAPE) for seed in range(8)]
    assert all(len(diff(deployed, rival)) == 1 for rival in rivals)
    assert all(count_macs(rival, SHAPE) <= cap for rival in rivals)
    assert len({rival.digest for rival in rivals}) > 2, "the seed must matter"


def test_the_seed_decides(deployed: Architecture) -> None:
    assert random_neighbour(deployed, macs_cap=10**9, seed=7, shape=SHAPE) == random_neighbour(
        deployed, macs_cap=10**9, seed=7, shape=SHAPE
    )


def test_where_nothing_fits_it_is_what_is_deployed(deployed: Architecture) -> None:
    assert random_neighbour(deployed, macs_cap=1, seed=0, shape=SHAPE) == deployed
