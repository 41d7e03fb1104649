"""Blocks as signals read them."""

import json

import numpy as np
import pytest

from adaptd.drift.array_state import from_state, to_state
from adaptd.drift.block import SignalBlock, joined


def test_state_is_exact() -> None:
    x = np.random.default_rng(0).standard_normal((4, 2, 3)).astype(np.float32)
    x[0, 0, 0] = np.nan
    block = SignalBlock(96, x, hits=np.array([True, False, True, True]))
    restored = SignalBlock.restored(json.loads(json.dumps(block.state(), allow_nan=False)))
    assert restored.first_record == 96
    assert restored.x.tobytes() == x.tobytes()
    assert restored.hits is not None
    assert restored.hits.tolist() == [True, False, True, True]
    assert restored.losses is None
    big_endian = np.arange(3, dtype=">f8")
    assert from_state(to_state(big_endian)).tolist() == [0.0, 1.0, 2.0]


def test_joining_keeps_what_all_have() -> None:
    one = SignalBlock(0, np.zeros((2, 3), np.float32), target=np.array([0, 1]))
    other = SignalBlock(2, np.ones((2, 3), np.float32))
    both = joined([one, other])
    assert both.target is None
    assert both.records.tolist() == [0, 1, 2, 3]
    assert both.channels.shape == (4, 3, 1)
    with pytest.raises(ValueError, match="no blocks"):
        joined([])


def test_columns_are_of_one_length() -> None:
    with pytest.raises(ValueError, match="columns of 2 records"):
        SignalBlock(0, np.zeros((2, 3), np.float32), target=np.zeros(3, np.int64))


def test_what_several_signals_read_is_reckoned_once_and_not_written_to() -> None:
    block = SignalBlock(0, np.arange(12, dtype=np.float32).reshape(2, 2, 3))
    for name in ("channels", "fault_shares"):
        values = getattr(block, name)
        assert getattr(block, name) is values
        with pytest.raises(ValueError, match="read-only"):
            values[0] = 1
