"""Multiply-accumulates, counted as a record goes through."""

import pytest
import torch
from torch import nn

from adaptd.space.depthwise import DepthwiseConv1d
from adaptd.space.lattice import Lattice
from adaptd.space.linear import BlockLinear, DiagonalLinear
from adaptd.space.trace import trace, traced_macs


@pytest.mark.parametrize(
    ("layer", "shape", "macs"),
    [
        (nn.Conv1d(4, 8, 3, groups=2, padding=2, dilation=2), (4, 10), 8 * 10 * 2 * 3),
        (nn.Conv2d(4, 8, (1, 5), stride=2), (4, 9, 9), 8 * 5 * 3 * 4 * 5),
        (nn.Conv3d(2, 3, 2), (2, 4, 4, 4), 3 * 27 * 2 * 8),
        (nn.ConvTranspose2d(4, 8, 2, stride=2), (4, 3, 3), 4 * 9 * 8 * 4),
        (nn.Linear(6, 5), (6,), 30),
        (nn.Linear(6, 5), (7, 6), 7 * 30),
        (DepthwiseConv1d(4, Lattice((5,), (2,)), stride=2), (4, 9), 4 * 5 * 5),
        (DiagonalLinear(6), (7, 6), 7 * 6),
        (BlockLinear(6, 4, 2), (6,), 12),
        (nn.BatchNorm1d(4), (4, 10), 0),
    ],
)
def test_layers_are_counted_by_what_they_multiply(
    layer: nn.Module, shape: tuple[int, ...], macs: int
) -> None:
    assert traced_macs(layer, shape) == macs
    assert traced_macs(nn.Sequential(nn.ReLU(), layer), shape) == macs


def test_a_layer_that_is_called_twice_counts_twice() -> None:
    layer = nn.Linear(4, 4)
    assert traced_macs(nn.Sequential(layer, layer), (4,)) == 32


def test_the_record_has_the_networks_device_and_dtype() -> None:
    assert traced_macs(nn.Linear(3, 2, dtype=torch.float64), (3,)) == 6
    assert traced_macs(nn.Linear(3, 2, device="meta"), (3,)) == 6


def test_tracing_leaves_modes_and_hooks_as_they_were_even_if_it_fails() -> None:
    network = nn.Sequential(nn.Conv1d(2, 3, 3), nn.BatchNorm1d(3), nn.ReLU())
    network[1].eval()
    modes = [one.training for one in network.modules()]
    traced_macs(network, (2, 8))
    with pytest.raises(RuntimeError):
        traced_macs(network, (7, 8))
    assert [one.training for one in network.modules()] == modes
    assert not any(one._forward_hooks for one in network.modules())
    torch.testing.assert_close(network[1].running_mean, torch.zeros(3))


def test_each_hook_sees_its_layers_in_and_out() -> None:
    network = nn.Sequential(nn.Linear(3, 2), nn.Linear(2, 5))
    seen = []
    trace(
        network,
        (3,),
        [(network[1], lambda _, inputs, output: seen.append((inputs[0].shape, output.shape)))],
    )
    assert seen == [((1, 2), (1, 5))]
