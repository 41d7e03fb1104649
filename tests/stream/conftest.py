"""Brokers, schemas and batches for the stream's tests."""

import numpy as np
import pytest

from adaptd.stream.batch import Batch, id_column
from adaptd.stream.schema import Schema


@pytest.fixture
def schema() -> Schema:
    return Schema(shape=(2, 3), classes=("calm", "rough"), features=("left", "right"))


def batch_of(records: int, *, first: int = 0) -> Batch:
    """Records of shape (2, 3) in which every number tells which record it is of."""
    numbers = np.arange(first, first + records)
    return Batch(
        x=np.repeat(numbers, 6).reshape(records, 2, 3).astype(np.float32),
        target=numbers % 2,
        ids=id_column([f"record {number}" for number in numbers]),
        timestamps=numbers.astype(np.float64) + 0.5,
        positions=np.stack([numbers % 3, numbers], axis=1),
    )
