"""What earlier searches leave to the next."""

import pytest

from adaptd.search.concentration import PULL, prior_logits, updated

OPERATIONS = ("dw k3 d1", "dw k5 d1")


def test_without_counts_the_start_is_uniform() -> None:
    assert prior_logits(OPERATIONS, {}) == [0, 0]


def test_counts_tilt_the_start_mildly_towards_what_was_found() -> None:
    low, high = prior_logits(OPERATIONS, {"dw k5 d1": 2.0})
    assert 0 < high - low < 0.6
    assert low + high == pytest.approx(0)
    assert PULL < 1


def test_an_update_decays_what_was_and_adds_what_is() -> None:
    counts = {"a": {"dw k3 d1": 1.0, "dw k7 d1": 0.4}, "closed": {"dw k3 d1": 0.3}}
    successor = updated(counts, {"a": {"dw k3 d1": 0.25, "dw k5 d1": 0.75}})
    assert successor == {
        "a": {"dw k3 d1": 0.75, "dw k5 d1": 0.75, "dw k7 d1": 0.2},
        "closed": {"dw k3 d1": 0.3},
    }


def test_counts_stay_bounded_over_many_searches_and_forget() -> None:
    counts: dict[str, dict[str, float]] = {}
    for _ in range(50):
        counts = updated(counts, {"a": {"dw k3 d1": 1.0, "dw k5 d1": 0.0}})
    assert sum(counts["a"].values()) <= 2
    for _ in range(4):
        counts = updated(counts, {"a": {"dw k3 d1": 0.0, "dw k5 d1": 1.0}})
    assert counts["a"]["dw k5 d1"] > 10 * counts["a"]["dw k3 d1"]
