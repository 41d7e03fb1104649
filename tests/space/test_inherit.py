"""What one module takes over from another."""

import pytest
import torch
from torch import nn

from adaptd.space.cell import CellSite
from adaptd.space.convolution import ConvSite
from adaptd.space.inherit import gaussian, inherit, kernel_size, overlay
from adaptd.space.linear import LinearSite
from adaptd.space.operation import parse_operation
from adaptd.space.site import Site

CELL = CellSite(1, 6)
CONV = ConvSite.of(nn.Conv2d(6, 4, 3, padding=1))
LINEAR = LinearSite(6, 6, True)


def taken_over(site: Site, before: str, after: str, **how: object) -> tuple[nn.Module, nn.Module]:
    """The old module and the new one, both in evaluation."""
    old, new = parse_operation(before), parse_operation(after)
    source, successor = site.place(old).eval(), site.place(new).eval()
    for buffer in source.buffers():
        if buffer.is_floating_point():
            buffer.uniform_(0.5, 2)
    inherit(site, old, source, new, successor, **how)  # type: ignore[arg-type]
    return source, successor


@pytest.mark.parametrize(
    ("site", "before", "after", "shape"),
    [
        (CELL, "dw k3 d1", "dw k9 d1", (6, 20)),
        (CELL, "dw k3 d4", "dw k9 d4", (6, 20)),
        (CELL, "avg k3", "dw k5 d1", (6, 20)),
        (CELL, "identity", "dw k3 d7", (6, 20)),
        (CONV, "conv k3 d1", "conv k5 d1", (6, 9, 8)),
        (CONV, "sepconv k3 d1", "conv k3 d1", (6, 9, 8)),
        (CONV, "lowconv r1 k3 d1", "lowconv r2 k5 d1", (6, 9, 8)),
        (CONV, "sepconv k1x3 d1", "sepconv k5 d1", (6, 9, 8)),
        (LINEAR, "diagonal", "linear", (6,)),
        (LINEAR, "lowrank r2", "linear", (6,)),
        (LINEAR, "lowrank r2", "lowrank r4", (6,)),
        (LINEAR, "diagonal", "block b3", (6,)),
    ],
)
def test_what_can_be_all_of_its_predecessor_computes_the_same(
    site: Site, before: str, after: str, shape: tuple[int, ...]
) -> None:
    source, successor = taken_over(site, before, after)
    x = torch.randn(3, *shape)
    torch.testing.assert_close(successor(x), source(x), atol=1e-5, rtol=1e-5)


def test_what_cannot_takes_the_nearest_kernel_and_all_that_is_shared() -> None:
    source, successor = taken_over(CONV, "conv k3 d1", "conv k1 d1")
    torch.testing.assert_close(
        successor.get_parameter("weight")[..., 0, 0], source.get_parameter("weight")[..., 1, 1]
    )
    torch.testing.assert_close(successor.get_parameter("bias"), source.get_parameter("bias"))


def test_noise_is_a_share_of_the_kernels_size_and_comes_from_its_source() -> None:
    def weight(noise: float) -> torch.Tensor:
        torch.manual_seed(0)
        generator = torch.Generator().manual_seed(1)
        _, successor = taken_over(
            LinearSite(80, 80, True), "linear", "linear", noise=noise, generator=generator
        )
        return successor.get_parameter("weight").detach()

    plain, noisy = weight(0.0), weight(0.3)
    share = (noisy - plain).square().mean().sqrt() / plain.square().mean().sqrt()
    # 6 400 normal numbers: their size is known to one per cent.
    assert float(share) == pytest.approx(0.3, rel=0.05)
    torch.testing.assert_close(weight(0.3), noisy, atol=0, rtol=0)


def test_the_successor_has_parameters_of_its_own() -> None:
    source, successor = taken_over(CELL, "dw k3 d1", "dw k5 d1")
    before = [one.clone() for one in source.parameters()]
    with torch.no_grad():
        for one in successor.parameters():
            one.zero_()
    torch.testing.assert_close(list(source.parameters()), before)


def test_a_kernel_without_size_counts_as_a_fresh_one() -> None:
    assert kernel_size(torch.zeros(4, 3, 5)) == pytest.approx(15**-0.5)
    assert kernel_size(torch.full((4, 3, 5), -2.0)) == 2


def test_normal_numbers_have_the_kernels_dtype() -> None:
    assert gaussian(torch.zeros(3, dtype=torch.bfloat16), None).dtype == torch.bfloat16


def test_an_overlay_copies_what_overlaps_channels_from_the_start_taps_from_the_middle() -> None:
    small, large = nn.Conv1d(2, 3, 3), nn.Conv1d(4, 5, 7)
    before = large.weight.detach().clone()
    overlay(large, small)
    torch.testing.assert_close(large.weight[:3, :2, 2:5], small.weight)
    assert not large.weight[:3, :2, [0, 1, 5, 6]].any(), "a larger kernel is the old one in zeros"
    torch.testing.assert_close(large.weight[3:], before[3:])
    torch.testing.assert_close(large.get_parameter("bias")[:3], small.bias)
    again = nn.Conv1d(2, 3, 3)
    overlay(again, large)
    torch.testing.assert_close(again.state_dict(), small.state_dict())


def test_an_overlay_leaves_what_has_another_name_or_more_axes() -> None:
    layer, norm = nn.Linear(3, 3), nn.BatchNorm1d(3)
    before = layer.weight.detach().clone()
    overlay(layer, norm)
    torch.testing.assert_close(layer.weight, before)
    torch.testing.assert_close(layer.bias, norm.bias)
