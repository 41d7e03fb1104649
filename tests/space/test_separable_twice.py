"""Two separable convolutions in a row."""

import pytest
import torch
from torch import nn

from adaptd.space.cell import CellSite
from adaptd.space.inherit import inherit
from adaptd.space.operation import parse_operation


@pytest.mark.parametrize("dimensions", [1, 2])
def test_only_the_first_has_the_stride(dimensions: int) -> None:
    module = CellSite(dimensions, 4, 2).place(parse_operation("sep_conv k3"))
    first, second = module.get_submodule("body").children()
    x = torch.randn(2, 4, *(9,) * dimensions)
    assert first(x).shape[2:] == (5,) * dimensions
    assert second(x).shape == x.shape
    torch.testing.assert_close(module.eval()(x), second.eval()(first.eval()(x)))


@pytest.mark.parametrize("dimensions", [1, 2])
def test_each_half_is_a_separable_convolution_of_the_cell(dimensions: int) -> None:
    site = CellSite(dimensions, 4)
    half = site.place(parse_operation("sep_conv k5")).get_submodule("body.1").eval()
    one = site.place(parse_operation("dw k5 d1")).eval()
    one.load_state_dict(half.state_dict())
    x = torch.randn(3, 4, *(7,) * dimensions)
    torch.testing.assert_close(half(x), one(x), atol=1e-5, rtol=1e-5)


def test_a_larger_kernel_starts_as_the_smaller_one() -> None:
    site = CellSite(2, 4)
    small, large = parse_operation("sep_conv k3"), parse_operation("sep_conv k5")
    source, successor = site.place(small), site.place(large)
    source(torch.randn(8, 4, 7, 7))
    inherit(site, small, source, large, successor)
    x = torch.randn(2, 4, 7, 7)
    torch.testing.assert_close(successor.eval()(x), source.eval()(x), atol=1e-5, rtol=1e-5)


def test_a_dense_convolution_is_not_taken_for_one_of_its_parts() -> None:
    site = CellSite(2, 4)
    dense, twice = parse_operation("nor_conv k3"), parse_operation("sep_conv k3")
    torch.manual_seed(0)
    source, successor = site.place(dense), site.place(twice)
    before = {name: tensor.clone() for name, tensor in successor.state_dict().items()}
    nn.init.constant_(source.get_parameter("body.convolution.weight"), 7.0)
    inherit(site, dense, source, twice, successor)
    torch.testing.assert_close(dict(successor.state_dict()), before, atol=0, rtol=0)
