"""P-values of scores among those before them."""

import json

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import kstest

from adaptd.drift.conformal import Bag, EventBag


def _p_values(scores: list[float], *, capacity: int, seed: int, size: int) -> list[float]:
    bag, randomness = Bag(capacity), np.random.default_rng(seed)
    found: list[float] = []
    for start in range(0, len(scores), size):
        found += bag.p_values(np.array(scores[start : start + size]), randomness).tolist()
    return found


@pytest.mark.parametrize("capacity", [10_000, 50])
@pytest.mark.parametrize("kind", ["continuous", "two values", "one value"])
def test_p_values_of_exchangeable_scores_are_uniform_and_independent(
    capacity: int, kind: str
) -> None:
    randomness = np.random.default_rng(4)
    scores = {
        "continuous": randomness.standard_cauchy(4_000),
        "two values": (randomness.random(4_000) < 0.1).astype(float),
        "one value": np.zeros(4_000),
    }[kind]
    found = np.array(_p_values(scores.tolist(), capacity=capacity, seed=1, size=32))
    # A true hypothesis fails each with 1e-3; the seeds are fixed.
    assert kstest(found, "uniform").pvalue > 1e-3
    assert abs(np.corrcoef(found[:-1], found[1:])[0, 1]) < 3.3 / np.sqrt(len(found))


@given(
    scores=st.lists(st.integers(0, 3).map(float), min_size=1, max_size=40),
    sizes=st.tuples(st.integers(1, 40), st.integers(1, 40)),
)
def test_ranks_do_not_depend_on_how_scores_are_cut(
    scores: list[float], sizes: tuple[int, int]
) -> None:
    # Ties are broken by as many random numbers in the same order, whatever the cut.
    one, other = (_p_values(scores, capacity=1_000, seed=3, size=size) for size in sizes)
    assert one == pytest.approx(other)


def test_the_strangest_of_all_has_the_smallest_p_value() -> None:
    bag, randomness = Bag(100), np.random.default_rng(0)
    bag.p_values(np.arange(99.0), randomness)
    (p_value,) = bag.p_values(np.array([1e6]), randomness)
    assert 0 <= p_value <= 1 / 100


def test_a_full_bag_keeps_its_size_and_its_state_is_exact() -> None:
    bag, randomness = Bag(64), np.random.default_rng(0)
    bag.p_values(randomness.random(200), randomness)
    assert len(bag) == 64
    other = Bag(64)
    other.restore(json.loads(json.dumps(bag.state())))
    scores = randomness.random(32)
    twice = [one.p_values(scores, np.random.default_rng(5)).tolist() for one in (bag, other)]
    assert twice[0] == twice[1]


@given(
    scores=st.lists(st.sampled_from([0.0, 1.0]), min_size=1, max_size=60),
    size=st.integers(1, 60),
)
def test_counts_of_events_rank_as_the_events_themselves_do(scores: list[float], size: int) -> None:
    bag, counts = Bag(1_000), EventBag(1_000)
    for start in range(0, len(scores), size):
        cut = np.array(scores[start : start + size])
        one, other = (of.p_values(cut, np.random.default_rng(start)) for of in (bag, counts))
        assert other == pytest.approx(one)
    assert len(counts) == len(bag)
    restored = EventBag(1_000)
    for of in (bag, counts):
        restored.restore(json.loads(json.dumps(of.state())))
        assert restored.state() == counts.state()


def test_p_values_of_events_are_uniform_and_independent_in_a_bag_that_is_full() -> None:
    scores = (np.random.default_rng(4).random(4_000) < 0.1).astype(float)
    bag, randomness = EventBag(50), np.random.default_rng(1)
    found = np.concatenate([bag.p_values(cut, randomness) for cut in np.split(scores, 125)])
    assert len(bag) == 50
    assert kstest(found, "uniform").pvalue > 1e-3
    assert abs(np.corrcoef(found[:-1], found[1:])[0, 1]) < 3.3 / np.sqrt(len(found))


def test_a_bag_of_events_takes_nothing_else() -> None:
    with pytest.raises(ValueError, match="neither 0 nor 1"):
        EventBag(10).p_values(np.array([1.0, 0.5]), np.random.default_rng(0))


def test_what_is_no_number_is_refused() -> None:
    with pytest.raises(ValueError, match="not a number"):
        Bag(10).p_values(np.array([1.0, np.nan]), np.random.default_rng(0))
