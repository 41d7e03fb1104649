"""The simulated models are what their names say: equally good, and disagreeing as often."""

import numpy as np
import pytest

from benchmarks.trials.pairs import BEYOND, NULLS, bursts, independent, interleaved

RECORDS = 400_000


@pytest.mark.parametrize("name", [*NULLS, *BEYOND])
def test_models_of_a_null_are_equally_good(name: str) -> None:
    # Bursts of 30 records: 400,000 hold about 4,000 of them, each ±30: a standard deviation of 0.8
    # points; five are allowed. Seeds are fixed.
    first, second = {**NULLS, **BEYOND}[name](np.random.default_rng(1), RECORDS)
    assert first.mean() == pytest.approx(second.mean(), abs=0.04)


@pytest.mark.parametrize("name", [name for name in (*NULLS, *BEYOND) if name[-2:] in ("10", "30")])
def test_models_disagree_on_the_share_that_the_name_says(name: str) -> None:
    first, second = {**NULLS, **BEYOND}[name](np.random.default_rng(2), RECORDS)
    assert (first != second).mean() == pytest.approx(int(name[-2:]) / 100, rel=0.1)


def test_gain_is_what_is_asked() -> None:
    first, second = independent(np.random.default_rng(3), RECORDS, discordance=0.2, gain=0.03)
    assert first.mean() - second.mean() == pytest.approx(0.03, abs=0.005)


def test_one_sided_bursts_resemble_each_other_and_others_do_not() -> None:
    for is_one_sided in (False, True):
        first, second = bursts(
            np.random.default_rng(4),
            RECORDS,
            discordance=0.3,
            length=10,
            is_one_sided=is_one_sided,
        )
        lead = first.astype(float) - second
        correlation = np.corrcoef(lead[:-1], lead[1:])[0, 1]
        assert correlation == pytest.approx(0.9 if is_one_sided else 0, abs=0.03)


def test_of_sources_that_take_turns_each_resembles_itself() -> None:
    first, second = interleaved(
        np.random.default_rng(5), RECORDS, sources=4, draw=NULLS["autocorrelated-30"]
    )
    lead = first.astype(float) - second
    for apart, expected in ((1, 0.0), (2, 0.0), (4, 0.9), (8, 0.81)):
        correlation = np.corrcoef(lead[:-apart], lead[apart:])[0, 1]
        assert correlation == pytest.approx(expected, abs=0.03)
