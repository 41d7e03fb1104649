from dataclasses import replace

import numpy as np
import pytest

from adaptd.stream.batch import Batch, id_column
from tests.stream.conftest import batch_of


def test_a_slice_cuts_every_column_alike() -> None:
    part = batch_of(10)[3:6]
    assert len(part) == 3
    assert part.x[:, 0, 0].tolist() == [3, 4, 5]
    assert part.target.tolist() == [1, 0, 1]
    assert part.ids.tolist() == ["record 3", "record 4", "record 5"]
    assert part.timestamps.tolist() == [3.5, 4.5, 5.5]
    assert part.positions.tolist() == [[0, 3], [1, 4], [2, 5]]


def test_slices_put_together_are_the_whole() -> None:
    whole = batch_of(10)
    joined = Batch.concatenate([whole[:4], whole[4:4], whole[4:]])
    for name in ("x", "target", "ids", "timestamps", "positions"):
        np.testing.assert_array_equal(getattr(joined, name), getattr(whole, name))
    assert joined.x.dtype == np.float32
    assert joined.target.dtype == np.int64


def test_a_mask_keeps_the_order() -> None:
    kept = batch_of(6).where(np.array([True, False, False, True, True, False]))
    assert kept.ids.tolist() == ["record 0", "record 3", "record 4"]
    assert kept.x[:, 1, 2].tolist() == [0, 3, 4]


def test_an_empty_batch_has_the_shape_and_joins_with_others() -> None:
    empty = Batch.empty((2, 3))
    assert len(empty) == 0
    assert empty.shape == (2, 3)
    assert len(Batch.concatenate([empty, batch_of(2)])) == 2


def test_columns_of_different_lengths_are_refused() -> None:
    batch = batch_of(3)
    with pytest.raises(ValueError, match="one length"):
        Batch(batch.x, batch.target[:2], batch.ids, batch.timestamps, batch.positions)


def test_weights_go_with_their_records_and_others_weigh_one() -> None:
    plain = batch_of(3)
    heavy = replace(plain, weight=np.array([2, 3, 4], np.float32))
    for part in (heavy[1:], heavy.where(np.array([False, True, True])), heavy.at(np.array([1, 2]))):
        assert part.weight is not None
        assert part.weight.tolist() == [3, 4]
    joined = Batch.concatenate([plain, heavy])
    assert joined.weight is not None
    assert joined.weight.tolist() == [1, 1, 1, 2, 3, 4]
    assert joined.weight.dtype == np.float32
    assert Batch.concatenate([plain, plain]).weight is None
    with pytest.raises(ValueError, match="'weight': 2"):
        replace(plain, weight=np.ones(2, np.float32))


def test_no_batch_at_all_cannot_be_joined() -> None:
    with pytest.raises(ValueError, match="not enough"):
        Batch.concatenate([])


def test_ids_of_one_length_stay_one_column() -> None:
    column = id_column(["ab", "cd"])
    assert column.shape == (2,)
    assert id_column([7]).tolist() == ["7"]
