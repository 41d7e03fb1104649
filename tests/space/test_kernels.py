"""Linear operations on the edges of a cell."""

from itertools import pairwise

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch.nn import functional

from adaptd.space.cell import CellSite
from adaptd.space.kernels import AveragePool, Depthwise, Identity, Zero
from adaptd.space.operation import LinearOperation, parse_operation
from adaptd.space.trace import traced_macs

SITES = [CellSite(1, 6), CellSite(2, 6), CellSite(1, 6, 2), CellSite(2, 6, 2)]
OPERATIONS = ["dw k1 d1", "dw k5 d1", "dw k3 d4", "avg k3", "avg k5", "identity", "zero"]

depthwise = st.builds(
    Depthwise, st.integers(0, 40).map(lambda half: 2 * half + 1), st.integers(1, 40)
)


@given(depthwise)
def test_taps_lie_evenly_about_the_middle_and_end_at_the_reach(operation: Depthwise) -> None:
    offsets = [position[0] for position in operation.lattice(CellSite(1, 4)).positions]
    assert len(offsets) == operation.taps
    assert offsets == [-offset for offset in reversed(offsets)]
    assert offsets[-1] == operation.reach
    assert {b - a for a, b in pairwise(offsets)} <= {operation.dilation}


@pytest.mark.parametrize(("taps", "dilation"), [(0, 1), (-3, 1), (2, 1), (3, 0), (3, -1)])
def test_impossible_operations_cannot_be_made(taps: int, dilation: int) -> None:
    with pytest.raises(ValueError, match="must be"):
        Depthwise(taps, dilation)


@pytest.mark.parametrize("taps", [1, 4])
def test_a_mean_needs_a_middle_and_neighbours(taps: int) -> None:
    with pytest.raises(ValueError, match=f"taps must be odd and at least 3, got {taps}"):
        AveragePool(taps)


@pytest.mark.parametrize("site", SITES, ids=str)
@pytest.mark.parametrize("text", OPERATIONS)
def test_a_kernel_module_is_the_convolution_with_its_kernel(text: str, site: CellSite) -> None:
    operation = parse_operation(text)
    assert isinstance(operation, LinearOperation)
    module = operation.kernel_module(site)
    lattice = operation.lattice(site)
    kernel = operation.kernel(site, module)
    assert kernel.shape == (6, 1, lattice.count)
    x = torch.randn(2, 6, *(11,) * site.dimensions)
    convolution = functional.conv1d if site.dimensions == 1 else functional.conv2d
    expected = convolution(
        x,
        kernel.reshape(6, 1, *lattice.taps),
        stride=site.stride,
        padding=[span // 2 for span in lattice.span],
        dilation=lattice.dilation,
        groups=6,
    )
    torch.testing.assert_close(module(x), expected, atol=1e-5, rtol=1e-5)


@pytest.mark.parametrize("site", SITES, ids=str)
def test_pooling_identity_and_zero_are_torchs(site: CellSite) -> None:
    x = torch.randn(2, 6, *(9,) * site.dimensions)
    pool = functional.avg_pool1d if site.dimensions == 1 else functional.avg_pool2d
    torch.testing.assert_close(AveragePool(3).kernel_module(site)(x), pool(x, 3, site.stride, 1))
    kept = (
        x[..., :: site.stride] if site.dimensions == 1 else x[..., :: site.stride, :: site.stride]
    )
    torch.testing.assert_close(Identity().kernel_module(site)(x), kept)
    assert not Zero().kernel_module(site)(x).any()


def test_constant_kernels_are_neither_trained_nor_saved() -> None:
    module = AveragePool(3).kernel_module(CellSite(1, 4))
    assert not list(module.parameters())
    assert not module.state_dict()


def test_a_free_kernel_becomes_what_it_is_projected_to() -> None:
    site = CellSite(2, 6)
    operation = Depthwise(3, 2)
    module = operation.kernel_module(site)
    kernel = torch.randn(6, 1, 9)
    operation.project(site, module, kernel)
    torch.testing.assert_close(operation.kernel(site, module), kernel)


def test_macs_are_depthwise_plus_pointwise() -> None:
    assert Depthwise(5, 4).macs(CellSite(1, 16), (16, 64)) == 64 * (16 * 5 + 16 * 16)


@pytest.mark.parametrize("site", SITES, ids=str)
@pytest.mark.parametrize("text", OPERATIONS)
def test_macs_are_those_that_are_counted_as_a_record_goes_through(
    text: str, site: CellSite
) -> None:
    operation, shape = parse_operation(text), (6, *(11,) * site.dimensions)
    assert operation.macs(site, shape) == traced_macs(site.place(operation), shape)


def test_growing_adds_a_tap_on_either_side() -> None:
    assert Depthwise(5, 4).grown() == Depthwise(7, 4)
    assert Identity().grown() is None
