"""Samples of fixed size, drawn while records come."""

import numpy as np
import pytest

from adaptd.stream.batch import Batch
from adaptd.stream.reservoir import sampled, to_judge, to_rehearse
from tests.daemon.conftest import SCHEMA, records

NOTHING = Batch.empty(SCHEMA.shape)


def numbers(batch: Batch) -> list[int]:
    return [int(number) for number in batch.positions[:, 1]]


def test_the_same_seed_draws_the_same_sample_and_another_one_another() -> None:
    first, again, other = (
        sampled(NOTHING, records(0, 500), before=0, capacity=20, seed=seed) for seed in (1, 1, 2)
    )
    assert numbers(first) == numbers(again) != numbers(other)
    assert len(set(numbers(first))) == 20
    assert np.array_equal(first.x, records(0, 500).x[numbers(first)])


def test_fewer_than_fit_are_all_kept() -> None:
    kept = sampled(NOTHING, records(0, 7), before=0, capacity=20, seed=0)
    assert numbers(kept) == list(range(7))
    assert numbers(sampled(kept, records(7, 13), before=7, capacity=20, seed=1)) == list(range(20))


@pytest.mark.parametrize("parts", [(400,), (250, 100, 50)])
def test_every_record_has_the_same_chance_wherever_a_stretch_ended(parts: tuple[int, ...]) -> None:
    seen = np.zeros(400)
    draws = 500
    for draw in range(draws):
        kept, before = NOTHING, 0
        for part, count in enumerate(parts):
            offered = records(before, count)
            kept = sampled(kept, offered, before=before, capacity=40, seed=10 * draw + part)
            before += count
        seen[numbers(kept)] += 1
    # Each is there 50 times of 500; a group of 100 records 5,000 times of 50,000, with a standard
    # deviation below 67. Beyond 5 of them it fails by chance in less than one run in 10^5.
    assert np.abs(seen.reshape(4, 100).sum(axis=1) - 5_000).max() < 335
    assert seen.min() > 0


def test_a_smaller_capacity_keeps_the_two_halves_apart() -> None:
    kept = sampled(NOTHING, records(0, 500), before=0, capacity=40, seed=0)
    smaller = sampled(kept, NOTHING, before=500, capacity=9, seed=1)
    assert len(smaller) == 9
    assert set(numbers(to_judge(smaller))) <= set(numbers(to_judge(kept)))
    assert set(numbers(to_rehearse(smaller))) <= set(numbers(to_rehearse(kept)))


def test_a_larger_capacity_does_not_favour_what_comes_later() -> None:
    kept = sampled(NOTHING, records(0, 500), before=0, capacity=20, seed=0)
    later = sampled(kept, records(500, 500), before=500, capacity=400, seed=1)
    assert len(later) == 20
    assert any(number < 500 for number in numbers(later))


def test_what_is_judged_by_is_never_rehearsed() -> None:
    sample = records(0, 9)
    assert numbers(to_judge(sample)) == [1, 3, 5, 7]
    assert numbers(to_rehearse(sample)) == [0, 2, 4, 6, 8]


def test_a_sample_holds_at_least_one_record() -> None:
    with pytest.raises(ValueError, match="at least one record, got 0"):
        sampled(NOTHING, records(0, 5), before=0, capacity=0, seed=0)
