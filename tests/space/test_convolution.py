"""A convolution layer of any network."""

from typing import Any

import pytest
import torch
from torch import nn

from adaptd.space.cell import CellSite
from adaptd.space.convolution import Convolution, ConvSite
from adaptd.space.operation import LinearOperation, parse_operation
from adaptd.space.trace import traced_macs

LAYERS: dict[str, dict[str, Any]] = {
    "padded": {"kernel_size": 3, "padding": 1},
    "stride": {"kernel_size": 3, "padding": 1, "stride": 2},
    "grouped": {"kernel_size": 3, "padding": 1, "groups": 2, "bias": False},
    "depthwise": {"kernel_size": 5, "padding": 2, "groups": 8},
    "no padding": {"kernel_size": 3},
    "more padding": {"kernel_size": 3, "padding": 4},
    "same": {"kernel_size": 5, "padding": "same", "dilation": 2},
    "valid": {"kernel_size": 5, "padding": "valid"},
    "even": {"kernel_size": 4, "padding": 1, "stride": 2},
}
OPERATIONS = [
    *("conv k1 d1", "conv k3 d1", "conv k5 d1", "conv k3 d2", "conv k2 d1", "conv k4 d1"),
    *("conv k2 d3", "conv k6 d1", "sepconv k3 d1", "sepconv k4 d1", "lowconv r2 k3 d1"),
    *("lowconv r3 k4 d1", "conv k1x3 d1", "conv k3x5 d1", "lowconv r2 k1x3 d1"),
]


def layer(axes: int, **settings: Any) -> nn.Conv1d | nn.Conv2d:
    kind = nn.Conv1d if axes == 1 else nn.Conv2d
    return kind(8, 8, **settings)


CASES = [
    pytest.param(ConvSite.of(layer(axes, **settings)), text, id=f"{name} {axes}d {text}")
    for axes in (1, 2)
    for name, settings in LAYERS.items()
    for text in OPERATIONS
    if parse_operation(text).fits(ConvSite.of(layer(axes, **settings)))
]


def test_the_cases_hold_every_operation_and_layer() -> None:
    names = " ".join(str(case.id) for case in CASES)
    assert all(name in names for name in (*LAYERS, *OPERATIONS))


@pytest.mark.parametrize(("site", "text"), CASES)
def test_whatever_fits_gives_what_the_layer_gives_and_its_kernel_is_a_convolution(
    site: ConvSite, text: str
) -> None:
    operation = parse_operation(text)
    assert isinstance(operation, LinearOperation)
    module = site.place(operation)
    x = torch.randn(2, 8, *(13, 12)[: site.axes])
    outcome = module(x)
    assert outcome.shape[0] == 2
    assert outcome[0, 0].numel() == site.positions(tuple(x.shape[1:]))
    lattice = operation.lattice(site)
    plain = site.layer(lattice, groups=site.groups)
    kernel = operation.kernel(site, site.kernel_module_of(module))
    bias = site.frame_of(module).get_parameter("bias") if site.bias else None
    plain.weight = nn.Parameter(kernel.reshape(plain.weight.shape).detach())
    plain.register_parameter("bias", bias)
    torch.testing.assert_close(outcome, plain(x), atol=1e-5, rtol=1e-5)
    assert operation.macs(site, tuple(x.shape[1:])) == traced_macs(module, tuple(x.shape[1:]))


@pytest.mark.parametrize("axes", [1, 2])
@pytest.mark.parametrize("name", LAYERS)
def test_a_site_puts_back_the_layer_it_was_read_from(name: str, axes: int) -> None:
    original = layer(axes, **LAYERS[name])
    site, operation = ConvSite.of(original), Convolution.of(original)
    assert site.axes == axes
    assert operation.fits(site)
    again = site.place(operation)
    assert type(again) is type(original)
    again.load_state_dict(original.state_dict())
    x = torch.randn(2, 8, *(13, 12)[:axes])
    torch.testing.assert_close(again(x), original(x))
    assert ConvSite.of(again) == site


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("padded", "conv k4 d1"),
        ("even", "conv k3 d1"),
        ("no padding", "conv k1 d1"),
        ("padded", "lowconv r8 k1 d1"),
        ("grouped", "sepconv k3 d1"),
        ("depthwise", "lowconv r2 k3 d1"),
        ("padded", "dw k3 d1"),
        ("padded", "linear"),
    ],
)
def test_what_would_change_the_outcomes_shape_or_makes_no_sense_does_not_fit(
    name: str, text: str
) -> None:
    site = ConvSite.of(layer(2, **LAYERS[name]))
    assert not parse_operation(text).fits(site)
    with pytest.raises(ValueError, match=f"{text} does not fit"):
        site.place(parse_operation(text))


def test_an_operation_of_two_axes_does_not_fit_a_sequence() -> None:
    assert not parse_operation("conv k1x3 d1").fits(ConvSite.of(layer(1, kernel_size=3)))
    assert not parse_operation("conv k3 d1").fits(CellSite(1, 8))


def test_padding_other_than_zeros_on_both_sides_is_refused() -> None:
    with pytest.raises(ValueError, match="padding mode 'reflect' cannot be merged"):
        ConvSite.of(nn.Conv1d(4, 4, 3, padding=1, padding_mode="reflect"))
    with pytest.raises(ValueError, match="'same' padding of an even kernel is not symmetric"):
        ConvSite.of(nn.Conv1d(4, 4, 4, padding="same"))


@pytest.mark.parametrize("text", ["conv k3 d1", "sepconv k3 d1", "lowconv r2 k3 d1"])
def test_an_operation_is_projected_to_a_kernel_of_its_own_kind(text: str) -> None:
    site = ConvSite.of(layer(2, kernel_size=3, padding=1))
    operation = parse_operation(text)
    assert isinstance(operation, LinearOperation)
    source, target = operation.kernel_module(site), operation.kernel_module(site)
    kernel = operation.kernel(site, source).detach()
    operation.project(site, target, kernel)
    torch.testing.assert_close(operation.kernel(site, target), kernel, atol=1e-6, rtol=1e-5)


@pytest.mark.parametrize(("text", "rank"), [("sepconv k3 d1", 1), ("lowconv r2 k3 d1", 2)])
def test_of_another_kernel_the_projection_leaves_out_the_least(text: str, rank: int) -> None:
    site = ConvSite.of(layer(2, kernel_size=3, padding=1))
    operation = parse_operation(text)
    assert isinstance(operation, LinearOperation)
    module, kernel = operation.kernel_module(site), torch.randn(8, 8, 9)
    operation.project(site, module, kernel)
    # A separable convolution has a matrix [outputs, taps] for each input, a low-rank one has one.
    matrices = kernel.transpose(0, 1) if rank == 1 else kernel.flatten(1)
    missing = (operation.kernel(site, module) - kernel).square().sum()
    torch.testing.assert_close(missing, torch.linalg.svdvals(matrices)[..., rank:].square().sum())


def test_equal_numbers_are_one() -> None:
    assert Convolution((3, 3), (1, 1)) == Convolution((3,), (1,))
    assert str(Convolution((3, 3), (1, 2))) == "conv k3 d1x2"
    for text in ("conv k0 d1", "conv k3 d0", "lowconv r0 k3 d1"):
        with pytest.raises(ValueError, match="must be at least 1"):
            parse_operation(text)


def test_growing_adds_a_tap_on_either_side_of_each_axis_that_has_several() -> None:
    assert Convolution((3,), (2,)).grown() == Convolution((5,), (2,))
    assert Convolution((1, 5), (1, 1)).grown() == Convolution((1, 7), (1, 1))
