"""A linear layer of any network."""

import pytest
import torch
from torch import nn
from torch.nn import functional

from adaptd.space.cost import saved_activation_bytes
from adaptd.space.linear import BlockLinear, LinearMap, LinearSite
from adaptd.space.operation import LinearOperation, parse_operation
from adaptd.space.trace import traced_macs

OPERATIONS = ["linear", "lowrank r1", "lowrank r3", "diagonal", "block b2", "block b4"]
SITES = [LinearSite(8, 8, True), LinearSite(8, 4, False), LinearSite(4, 8, True)]


@pytest.mark.parametrize("shape", [(8,), (5, 8), (2, 3, 8)])
@pytest.mark.parametrize("site", SITES, ids=str)
@pytest.mark.parametrize("text", OPERATIONS)
def test_a_placed_operation_is_a_matrix_and_the_bias(
    text: str, site: LinearSite, shape: tuple[int, ...]
) -> None:
    operation = parse_operation(text)
    assert isinstance(operation, LinearOperation)
    if not operation.fits(site):
        assert text == "diagonal"
        return
    shape = (*shape[:-1], site.inputs)
    module = site.place(operation)
    kernel = operation.kernel(site, site.kernel_module_of(module))
    assert kernel.shape == (site.outputs, site.inputs, 1)
    bias = site.frame_of(module).get_parameter("bias") if site.bias else None
    assert sum(one is bias for one in module.parameters()) == int(site.bias)
    x = torch.randn(4, *shape)
    expected = functional.linear(x, kernel.squeeze(2), bias)
    torch.testing.assert_close(module(x), expected, atol=1e-5, rtol=1e-5)
    assert operation.macs(site, shape) == traced_macs(module, shape)


@pytest.mark.parametrize("text", OPERATIONS)
def test_an_operation_is_projected_to_a_kernel_of_its_own_kind(text: str) -> None:
    site = SITES[0]
    operation = parse_operation(text)
    assert isinstance(operation, LinearOperation)
    source, target = operation.kernel_module(site), operation.kernel_module(site)
    kernel = operation.kernel(site, source).detach()
    operation.project(site, target, kernel)
    torch.testing.assert_close(operation.kernel(site, target), kernel, atol=1e-6, rtol=1e-5)


@pytest.mark.parametrize("text", ["diagonal", "block b2", "block b4"])
def test_a_pattern_takes_the_numbers_of_its_places(text: str) -> None:
    site = SITES[0]
    operation = parse_operation(text)
    assert isinstance(operation, LinearOperation)
    module, kernel = operation.kernel_module(site), torch.randn(8, 8, 1)
    operation.project(site, module, kernel)
    own = operation.kernel(site, module)
    places = own != 0
    torch.testing.assert_close(own[places], kernel[places])
    assert places.sum() == operation.macs(site, (8,))


def test_a_low_rank_takes_the_largest_part() -> None:
    site, operation = SITES[0], parse_operation("lowrank r3")
    assert isinstance(operation, LinearOperation)
    module, kernel = operation.kernel_module(site), torch.randn(8, 8, 1)
    operation.project(site, module, kernel)
    missing = (operation.kernel(site, module) - kernel).square().sum()
    singular = torch.linalg.svdvals(kernel.squeeze(2))
    torch.testing.assert_close(missing, singular[3:].square().sum())


@pytest.mark.parametrize(
    ("text", "site"),
    [
        ("diagonal", LinearSite(8, 4, True)),
        ("block b3", LinearSite(8, 9, True)),
        ("lowrank r4", LinearSite(8, 4, True)),
        ("conv k1 d1", LinearSite(8, 8, True)),
    ],
)
def test_what_makes_no_sense_does_not_fit(text: str, site: LinearSite) -> None:
    with pytest.raises(ValueError, match=f"{text} does not fit"):
        site.place(parse_operation(text))


def test_impossible_operations_cannot_be_made() -> None:
    with pytest.raises(ValueError, match="rank must be at least 1"):
        parse_operation("lowrank r0")
    with pytest.raises(ValueError, match="blocks must be at least 2"):
        parse_operation("block b1")


def test_a_full_matrix_is_torchs_own_layer() -> None:
    layer = nn.Linear(6, 3, bias=False)
    site = LinearSite.of(layer)
    assert site == LinearSite(6, 3, False)
    placed = site.place(LinearMap())
    assert type(placed) is nn.Linear
    assert placed.bias is None


def test_blocks_are_not_copied_for_each_record() -> None:
    x, target = torch.randn(256, 64), torch.zeros(256, dtype=torch.int64)
    kept = saved_activation_bytes(BlockLinear(64, 64, 4), x, target)
    # What comes in and what cross entropy keeps, with room for one more copy.
    assert kept < 4 * x.nbytes
