"""The inverted residual block."""

import pytest
import torch
from torch import nn

from adaptd.space.cell import CellSite
from adaptd.space.inherit import inherit
from adaptd.space.inverted_residual import Excitation
from adaptd.space.operation import parse_operation


def inherited(site: CellSite, before: str, after: str) -> tuple[nn.Module, nn.Module]:
    torch.manual_seed(0)
    first, second = parse_operation(before), parse_operation(after)
    source, successor = site.place(first), site.place(second)
    source(3 * torch.randn(16, site.channels, *(8,) * site.dimensions))
    inherit(site, first, source, second, successor)
    return source.eval(), successor.eval()


@pytest.mark.parametrize("dimensions", [1, 2])
@pytest.mark.parametrize("stride", [1, 2])
def test_a_larger_kernel_starts_as_the_smaller_one(dimensions: int, stride: int) -> None:
    site = CellSite(dimensions, 4, stride)
    source, successor = inherited(site, "mbconv k3 e3 se", "mbconv k7 e3 se")
    x = torch.randn(2, 4, *(9,) * dimensions)
    torch.testing.assert_close(successor(x), source(x), atol=1e-5, rtol=1e-5)


def test_a_wider_block_inherits_the_channels_of_the_narrower_one_and_back() -> None:
    site = CellSite(2, 4)
    source, successor = inherited(site, "mbconv k3 e3", "mbconv k5 e6")
    narrow, wide = source.get_parameter("body.project.0.weight"), None
    wide = successor.get_parameter("body.project.0.weight")
    torch.testing.assert_close(wide[:, :12], narrow)
    back = inherited(site, "mbconv k5 e6", "mbconv k3 e1")
    depthwise = "body.depthwise.0.weight"
    torch.testing.assert_close(
        back[1].get_parameter(depthwise), back[0].get_parameter(depthwise)[:4, :, 1:4, 1:4]
    )


def test_the_input_is_added_only_where_the_stride_is_one() -> None:
    x = torch.randn(2, 3, 6, 6)
    for stride, wanted in ((1, x), (2, torch.zeros(2, 3, 3, 3))):
        module = CellSite(2, 3, stride).place(parse_operation("mbconv k3 e3"))
        nn.init.zeros_(module.get_parameter("body.project.1.weight"))
        torch.testing.assert_close(module(x), wanted)


def test_nothing_is_rectified_after_the_last_part() -> None:
    module = CellSite(2, 3, 2).place(parse_operation("mbconv k3 e3"))
    assert (module(torch.randn(8, 3, 6, 6)) < 0).any()


def test_squeeze_excite_weighs_whole_channels_by_the_means_of_all() -> None:
    excitation = Excitation(4, 2)
    x = torch.rand(3, 4, 5, 5) + 0.5
    gate = excitation(x) / x
    torch.testing.assert_close(gate, gate[:, :, :1, :1].expand_as(gate))
    assert ((gate > 0) & (gate < 1)).all()
    moved = x.clone()
    moved[:, 0] *= 9
    assert not torch.allclose(excitation(moved)[:, 1], excitation(x)[:, 1])
