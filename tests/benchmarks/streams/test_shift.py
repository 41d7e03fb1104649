from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from benchmarks.streams.shift import (
    AFTER_RECORDS,
    Concept,
    Records,
    Samples,
    Shift,
    balanced,
    generated,
    load,
)

NOWHERE = Path("nowhere")


def _noise(
    randomness: np.random.Generator, records: int, *, is_after: bool
) -> tuple[NDArray[np.float32], NDArray[np.int64]]:
    x = randomness.random((records, 2)) + is_after
    return x.astype(np.float32), balanced(randomness, records, 3)


def _shift(concept: Concept = _noise, name: str = "noise") -> Shift:
    return Shift(
        name=name,
        kind="tabular",
        shape=(2,),
        classes=3,
        champion=None,
        synthetic=True,
        control=False,
        draw=generated(concept),
    )


def test_the_parts_are_of_their_sizes_and_their_side_and_share_nothing() -> None:
    records = load(_shift(), seed=0, data=NOWHERE)
    parts = (records.before, records.before_check, records.after, records.after_test)
    assert [len(part) for part in parts] == [4_000, 1_000, 1_500, 4_000]
    assert [bool((part.x > 1).all()) for part in parts] == [False, False, True, True]
    first = [float(part.x[0, 0] % 1) for part in parts]
    assert len(set(first)) == 4


def test_the_same_seed_gives_the_same_and_another_seed_or_name_something_else() -> None:
    x = load(_shift(), seed=5, data=NOWHERE).after.x
    np.testing.assert_array_equal(load(_shift(), seed=5, data=NOWHERE).after.x, x)
    assert not (load(_shift(), seed=6, data=NOWHERE).after.x == x).any(axis=1).any()
    assert not (load(_shift(name="b"), seed=5, data=NOWHERE).after.x == x).any(axis=1).any()


def test_records_that_are_not_as_the_table_says_are_refused() -> None:
    with pytest.raises(ValueError, match=r"shape \(3,\)"):
        load(replace(_shift(), shape=(3,)), seed=0, data=NOWHERE)
    with pytest.raises(ValueError, match="2 classes"):
        load(replace(_shift(), classes=2), seed=0, data=NOWHERE)

    def short(sequence: np.random.SeedSequence, data: Path) -> Records:
        records = _shift().draw(sequence, data)
        after = Samples(records.after.x[1:], records.after.target[1:])
        return replace(records, after=after)

    with pytest.raises(ValueError, match=f"expected {AFTER_RECORDS} records after"):
        load(replace(_shift(), draw=short), seed=0, data=NOWHERE)


def test_balanced_classes_are_shuffled_and_differ_by_one_record_at_most() -> None:
    target = balanced(np.random.default_rng(0), 1_000, 6)
    counts = np.bincount(target)
    assert counts.max() - counts.min() <= 1
    assert (target[:6] != np.arange(6)).any()
    assert target.dtype == np.int64
