"""Pooling on the edge of a cell."""

import pytest
import torch

from adaptd.space.cell import CellSite
from adaptd.space.operation import parse_operation


@pytest.mark.parametrize("text", ["maxpool k3", "avgpool k3"])
@pytest.mark.parametrize("dimensions", [1, 2])
def test_pools_have_neither_activation_nor_norm_nor_parameter(text: str, dimensions: int) -> None:
    module = CellSite(dimensions, 2).place(parse_operation(text))
    constant = torch.full((3, 2, *(5,) * dimensions), -2.0)
    torch.testing.assert_close(module(constant), constant)
    assert not list(module.parameters())
    assert not list(module.buffers())
