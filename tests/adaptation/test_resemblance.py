"""How many records count as one: known where the correlation is."""

import json

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from adaptd.adaptation.resemblance import BLOCKS, Resemblance


def after(differences: np.ndarray) -> float:
    return float(Resemblance().after(differences)[0][-1])


def signs(rng: np.random.Generator, records: int, *, discordance: float) -> np.ndarray:
    return rng.choice(
        [-1.0, 0.0, 1.0], records, p=[discordance / 2, 1 - discordance, discordance / 2]
    )


@pytest.mark.parametrize("discordance", [0.05, 0.3, 1.0])
def test_independent_records_count_one_each(discordance: float) -> None:
    found = [
        after(signs(np.random.default_rng(seed), 4_000, discordance=discordance))
        for seed in range(40)
    ]
    assert np.mean(found) < 1.15
    assert max(found) < 2.5


@pytest.mark.parametrize("copies", [3, 10, 30])
def test_copies_count_as_one(copies: int) -> None:
    drawn = signs(np.random.default_rng(1), 30_000 // copies, discordance=0.3)
    assert after(np.repeat(drawn, copies)) == pytest.approx(copies, rel=0.3)


def test_correlated_differences_count_by_the_sum_of_their_correlations() -> None:
    # An autoregression of 0.8: the variance of a mean is (1 + 0.8) / (1 - 0.8) = 9 times as large.
    rng = np.random.default_rng(2)
    noise, value, series = rng.normal(size=40_000), 0.0, []
    for step in noise:
        value = 0.8 * value + 0.03 * step
        series.append(value)
    assert np.abs(series).max() < 1
    assert after(np.array(series)) == pytest.approx(9, rel=0.15)


def test_a_lead_is_not_taken_for_resemblance_once_there_are_many_blocks() -> None:
    rng = np.random.default_rng(3)
    lead = rng.choice([-1.0, 0.0, 1.0], 400_000, p=[0.1, 0.5, 0.4])
    assert after(lead) < 1.3
    # Among few blocks it might be resemblance, but not much of it: blocks of 64 differ so little.
    assert after(lead[:400]) < 12


def test_it_is_never_below_one() -> None:
    # Wins and losses by turns: the mean of many is surer than that of independent ones.
    assert after(np.tile([1.0, -1.0], 1_000)) == 1
    assert after(np.zeros(1_000)) == 1


@settings(max_examples=40, deadline=None)
@given(
    seed=st.integers(0, 2**32 - 1),
    cuts=st.lists(st.integers(0, 700), max_size=9).map(sorted),
)
def test_it_is_the_same_however_records_are_cut_and_restored(seed: int, cuts: list[int]) -> None:
    rng = np.random.default_rng(seed)
    differences = np.repeat(rng.uniform(-1, 1, 140), 5)
    whole, end = Resemblance().after(differences)
    parts, value = [], Resemblance()
    for start, stop in zip([0, *cuts], [*cuts, 700], strict=True):
        part, value = value.after(differences[start:stop])
        parts.append(part)
        value = Resemblance.restore(json.loads(json.dumps(value.state())))
    assert value == end
    assert (np.concatenate(parts) == whole).all()


def test_state_with_other_blocks_is_refused() -> None:
    with pytest.raises(ValueError, match="blocks"):
        Resemblance.restore({**Resemblance().state(), "blocks": [2, *BLOCKS]})
