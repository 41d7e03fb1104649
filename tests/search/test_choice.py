"""The best combination under a cap."""

import itertools
import random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from adaptd.architecture import Architecture
from adaptd.search.candidates import reopening_of
from adaptd.search.caps import Cap
from adaptd.search.choice import Option, best_within, choose, grow
from adaptd.space import EdgeCosts, initial_architecture
from adaptd.space.latency import EdgeLatency

SHAPE = (1, 64)

amounts = st.integers(0, 30)
groups_of_options = st.lists(
    st.lists(st.tuples(st.integers(-20, 20), amounts, amounts, amounts), min_size=1, max_size=5),
    min_size=1,
    max_size=4,
).map(
    lambda groups: {
        f"group {place}": [
            Option(f"operation {number}", float(score), cost, tuple(uses))
            for number, (score, cost, *uses) in enumerate(group)
        ]
        for place, group in enumerate(groups)
    }
)


@given(options=groups_of_options, limits=st.tuples(st.integers(0, 100), st.integers(0, 100)))
def test_no_other_combination_within_the_limits_scores_more_or_as_much_for_less(
    options: dict[str, list[Option]], limits: tuple[int, int]
) -> None:
    chosen = best_within(options, limits)
    fitting = [
        (sum(option.score for option in combination), -sum(option.cost for option in combination))
        for combination in itertools.product(*options.values())
        if all(
            sum(option.uses[place] for option in combination) <= limit
            for place, limit in enumerate(limits)
        )
    ]
    if chosen is None:
        assert not fitting
        return
    picked = [
        next(option for option in options[group] if option.operation == operation)
        for group, operation in chosen.items()
    ]
    outcome = (sum(option.score for option in picked), -sum(option.cost for option in picked))
    assert outcome == max(fitting)


def test_a_limit_holds_exactly_also_where_a_solver_would_let_it_pass() -> None:
    options = {
        str(group): [Option("much", 1, 0, (1 + 1e-12,)), Option("little", 0, 0, (1,))]
        for group in range(3)
    }
    assert best_within(options, [3]) == dict.fromkeys("012", "little")
    assert best_within(options, [3 + 4e-12]) == dict.fromkeys("012", "much")


@pytest.mark.parametrize("unit", [1e-5, 1.0, 1e7])
def test_equal_layers_at_their_limit_are_chosen_whatever_the_unit(unit: float) -> None:
    # Every choice of seven layers of fourteen is exactly at the limit, or just above it.
    options = {
        str(group): [Option("much", 1, 0, (2 * unit,)), Option("little", 0, 0, (unit,))]
        for group in range(14)
    }
    for limit, much in ((21 * unit * (1 + 1e-12), 7), (21 * unit * (1 - 1e-9), 6)):
        chosen = best_within(options, [limit])
        assert chosen is not None
        assert list(chosen.values()).count("much") == much


def test_a_cap_that_the_deployed_architecture_meets_to_the_last_digit_admits_it(
    deployed: Architecture,
) -> None:
    opened = reopening_of(deployed, SHAPE)
    costs = EdgeCosts.of(deployed, SHAPE)
    for seed in range(40):
        randomness = random.Random(seed)
        table = {
            edge: {text: 1e-4 * (1 + randomness.random()) for text in texts}
            for edge, texts in opened.candidates.items()
        }
        for edge, of_edge in table.items():
            of_edge[deployed.operations[edge]] = 1e-4 * randomness.random()
        latency = EdgeLatency(1e-4 * randomness.random(), table, dict(deployed.operations))
        cap = Cap(latency, latency.total(deployed))
        even = {group: dict.fromkeys(opened.operations(group), 1.0) for group in opened.group_names}
        assert choose(deployed, opened, even, costs, caps=[cap]) == deployed


def test_what_is_not_admitted_is_not_chosen() -> None:
    options = {"a": [Option(str(score), score, 0) for score in range(4)]}
    assert best_within(options, admits=lambda chosen: int(chosen["a"]) < 2) == {"a": "1"}
    assert best_within(options, admits=lambda _chosen: False) is None
    assert best_within({"a": []}) is None
    assert best_within({}, [3]) == {}


def test_many_edges_and_three_caps_are_chosen_at_once() -> None:
    randomness = random.Random(0)
    options = {
        str(group): [
            Option(
                str(place),
                randomness.random(),
                randomness.random(),
                tuple(randomness.random() for _ in range(3)),
            )
            for place in range(10)
        ]
        for group in range(30)
    }
    chosen = best_within(options, [10, 11, 12])
    assert chosen is not None
    for place, limit in enumerate([10, 11, 12]):
        used = sum(options[group][int(chosen[group])].uses[place] for group in options)
        # Some cap is what bounds it, and none is broken.
        assert used <= limit
    score = sum(options[group][int(chosen[group])].score for group in options)
    greedy = sum(max(of, key=lambda option: option.score).score for of in options.values())
    assert 0.6 * greedy < score < greedy


@pytest.fixture(scope="module")
def deployed() -> Architecture:
    settings = {"in_channels": 1, "classes": 4}
    return initial_architecture("adaptd.space.sequence:convnet", settings, "dw k5 d1")


@pytest.fixture(scope="module")
def costs(deployed: Architecture) -> EdgeCosts:
    return EdgeCosts.of(deployed, SHAPE)


def weights(**shares: float) -> dict[str, float]:
    texts = {"k3d1": "dw k3 d1", "k5d1": "dw k5 d1", "k9d1": "dw k9 d1", "k5d4": "dw k5 d4"}
    return {text: shares.get(name, 0.01) for name, text in texts.items()}


def test_the_likeliest_operations_are_chosen_where_the_cap_allows(
    deployed: Architecture, costs: EdgeCosts
) -> None:
    alphas = {"cells.0": weights(k9d1=0.9), "cells.1": weights(k3d1=0.9)}
    chosen = choose(deployed, reopening_of(deployed, SHAPE), alphas, costs)
    assert set(chosen.operations.values()) == {"dw k9 d1", "dw k3 d1"}
    assert chosen.operations["cells.0.edges.2"] == "dw k9 d1"


def test_a_tight_cap_gives_the_best_that_fits(deployed: Architecture, costs: EdgeCosts) -> None:
    alphas = {
        "cells.0": weights(k9d1=0.6, k5d4=0.3),
        "cells.1": weights(k9d1=0.6, k3d1=0.39),
    }
    cap = costs.total(deployed)
    chosen = choose(deployed, reopening_of(deployed, SHAPE), alphas, costs, caps=[Cap(costs, cap)])
    assert costs.total(chosen) <= cap
    assert chosen.operations["cells.0.edges.0"] == "dw k5 d4"
    assert chosen.operations["cells.1.edges.0"] == "dw k3 d1"


def test_a_cap_below_everything_is_refused_with_both_figures(
    deployed: Architecture, costs: EdgeCosts
) -> None:
    alphas = {"cells.0": weights(), "cells.1": weights()}
    with pytest.raises(ValueError, match=f"at most 1000 .* takes {costs.total(deployed)} mult"):
        choose(deployed, reopening_of(deployed, SHAPE), alphas, costs, caps=[Cap(costs, 1_000)])


def test_taps_grow_at_the_chosen_dilation_until_the_cap(
    deployed: Architecture, costs: EdgeCosts
) -> None:
    chosen = deployed.with_operations(dict.fromkeys(deployed.operations, "dw k5 d4"))
    cap = int(1.1 * costs.total(deployed))
    grown = grow(chosen, deployed, reopening_of(deployed, SHAPE), costs, caps=[Cap(costs, cap)])
    assert set(grown.operations.values()) == {"dw k7 d4"}
    assert costs.total(grown) <= cap


def test_nothing_grows_that_does_not_reach_further_than_what_is_deployed(
    deployed: Architecture, costs: EdgeCosts
) -> None:
    grown = grow(deployed, deployed, reopening_of(deployed, SHAPE), costs, caps=())
    assert grown == deployed


def test_no_kernel_grows_beyond_half_of_its_sequence(
    deployed: Architecture, costs: EdgeCosts
) -> None:
    chosen = deployed.with_operations(dict.fromkeys(deployed.operations, "dw k5 d4"))
    grown = grow(chosen, deployed, reopening_of(deployed, SHAPE), costs, caps=())
    assert grown.operations["cells.0.edges.0"] == "dw k17 d4"
    assert grown.operations["cells.1.edges.0"] == "dw k9 d4"
