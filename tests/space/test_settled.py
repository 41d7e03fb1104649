"""Device and dtype of a fresh module."""

import torch
from torch import nn

from adaptd.space.settled import floats_of, settled


def test_a_fresh_module_takes_device_and_dtype_of_the_first_numbers_there_are() -> None:
    meta = nn.Linear(2, 2, device="meta", dtype=torch.float64)
    moved = settled(nn.Linear(2, 2), nn.ReLU(), meta, nn.Linear(2, 2))
    assert moved.weight.device.type == "meta"
    assert moved.weight.dtype == torch.float64


def test_without_a_pattern_it_stays_as_it_is() -> None:
    layer = nn.Linear(2, 2)
    assert settled(layer, nn.ReLU()) is layer
    assert layer.weight.dtype == torch.float32


def test_counters_are_no_pattern() -> None:
    norm = nn.BatchNorm1d(2, affine=False).double()
    assert [one.dtype for one in floats_of(norm)] == [torch.float64] * 2
