"""What all operations on the edge of a cell have in common."""

from math import prod

import pytest
import torch

from adaptd.space.cell import CellSite
from adaptd.space.convolution import ConvSite
from adaptd.space.operation import LinearOperation, Operation, parse_operation
from adaptd.space.trace import traced_macs

TEXTS = (
    "maxpool k3",
    "maxpool k5",
    "avgpool k3",
    "skip",
    "none",
    "sep_conv k3",
    "sep_conv k5",
    "nor_conv k1",
    "nor_conv k3",
    "mbconv k3 e1",
    "mbconv k5 e3",
    "mbconv k7 e6 se",
    "mbconv k3 e1 se",
    "identity",
    "avg k3",
    "dw k5 d2",
)
every_operation = pytest.mark.parametrize("text", TEXTS)
every_axes = pytest.mark.parametrize("dimensions", [1, 2])


def entering(site: CellSite, *lengths: int) -> torch.Tensor:
    generator = torch.Generator().manual_seed(0)
    return torch.randn(4, site.channels, *lengths[: site.dimensions], generator=generator)


@every_operation
def test_text_and_operation_are_one_to_one(text: str) -> None:
    assert str(parse_operation(text)) == text


@pytest.mark.parametrize(
    "text",
    [
        *("mbconv k4 e3", "mbconv k3 e0", "mbconv k3", "mbconv k3 e3 SE", "mbconv se"),
        *("maxpool k2", "maxpool k1", "avgpool k4", "skip k3", "sep_conv k2", "nor_conv k0"),
        "none d1",
    ],
)
def test_impossible_texts_are_refused(text: str) -> None:
    with pytest.raises(ValueError, match=text.partition(" ")[0]):
        parse_operation(text)


@every_operation
@every_axes
@pytest.mark.parametrize("stride", [1, 2])
@pytest.mark.parametrize("channels", [1, 5])
def test_channels_stay_and_the_stride_divides_each_axis_rounded_up(
    text: str, dimensions: int, stride: int, channels: int
) -> None:
    site = CellSite(dimensions, channels, stride)
    module = site.place(parse_operation(text))
    for lengths in ((8, 6), (7, 9), (1, 1), (2, 3)):
        x = entering(site, *lengths)
        wanted = tuple(-(-length // stride) for length in lengths[:dimensions])
        assert module(x).shape == (4, channels, *wanted)


@every_operation
@every_axes
@pytest.mark.parametrize("stride", [1, 2])
def test_macs_are_those_of_the_module(text: str, dimensions: int, stride: int) -> None:
    site = CellSite(dimensions, 6, stride)
    operation = parse_operation(text)
    for lengths in ((8, 6), (7, 9)):
        shape = (6, *lengths[:dimensions])
        assert operation.macs(site, shape) == traced_macs(site.place(operation), shape)


@pytest.mark.parametrize("text", ["mbconv k5 e3 se", "nor_conv k3", "sep_conv k5", "skip"])
def test_macs_are_those_of_the_formula(text: str) -> None:
    site, shape = CellSite(2, 8, stride=2), (8, 10, 12)
    entered, left = prod(shape[1:]), 5 * 6
    wanted = {
        "mbconv k5 e3 se": entered * 8 * 24 + left * 24 * (25 + 8) + 2 * 24 * 2,
        "nor_conv k3": left * 8 * 8 * 9,
        "sep_conv k5": 2 * left * 8 * (25 + 8),
        "skip": left * 8 * 8,
    }
    assert parse_operation(text).macs(site, shape) == wanted[text]


@every_operation
def test_they_stand_in_cells_alone(text: str) -> None:
    elsewhere = ConvSite(4, 4, 1, (1,), (0,), (False,), bias=False)
    assert not parse_operation(text).fits(elsewhere)


@pytest.mark.parametrize("text", ["maxpool k3", "avgpool k3", "skip", "none", "sep_conv k3"])
def test_what_is_no_kernel_in_the_shared_frame_does_not_merge(text: str) -> None:
    operation: Operation = parse_operation(text)
    assert not isinstance(operation, LinearOperation)


@every_operation
@every_axes
def test_the_gradient_reaches_input_and_parameters_unless_nothing_passes(
    text: str, dimensions: int
) -> None:
    site = CellSite(dimensions, 4)
    module = site.place(parse_operation(text))
    x = entering(site, 8, 8).requires_grad_()
    outcome = module(x)
    if text == "none":
        assert not outcome.any()
        assert not outcome.requires_grad
        return
    outcome.square().mul(torch.linspace(0, 1, outcome.shape[-1])).sum().backward()
    assert x.grad is not None
    assert x.grad.any()
    assert all(parameter.grad is not None for parameter in module.parameters())
