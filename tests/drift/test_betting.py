"""Bets on small p-values."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from adaptd.drift.betting import Bets


def _mean_payments(bets: Bets) -> np.ndarray:
    """Exact means under uniform p-values: a step's two levels, weighted by their widths."""
    below, above = np.exp(bets.log_e_values(np.array([0.0, 1.0])))
    bounds = np.array(bets.bounds)
    means: np.ndarray = bounds * below + (1 - bounds) * above
    return means


@given(rate=st.floats(0, 1))
def test_bets_are_fair_while_p_values_are_uniform(rate: float) -> None:
    for bets in (Bets.general(), Bets.on_event(rate)):
        assert _mean_payments(bets) == pytest.approx(1)
        assert np.isfinite(bets.log_e_values(np.linspace(0, 1, 101))).all()


def test_bets_gain_where_small_p_values_are_frequent() -> None:
    p_values = np.random.default_rng(0).random(4_000) ** 2
    assert (Bets.general().log_e_values(p_values).mean(axis=0) > 0).any()


@pytest.mark.parametrize(("bounds", "factors"), [((), ()), ((0.1,), (10.0,)), ((0.1, 0.2), (2.0,))])
def test_what_is_no_density_is_refused(
    bounds: tuple[float, ...], factors: tuple[float, ...]
) -> None:
    with pytest.raises(ValueError, match=r"bet|factor"):
        Bets(bounds, factors)
