"""Several networks of one structure, computed as one."""

from collections.abc import Callable, Sequence

import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional

from adaptd.space.channel_major import ChannelNorm1d, PointwiseConv1d
from adaptd.space.depthwise import DepthwiseConv1d
from adaptd.space.lattice import Lattice
from adaptd.space.stack import Stack, Unstackable


def built(*factories: Callable[[], nn.Module]) -> list[nn.Module]:
    """A network of each, in float64: what is left of a difference is not rounding."""
    networks = []
    with torch.random.fork_rng(devices=[]):
        for seed, factory in enumerate(factories):
            torch.manual_seed(seed)
            networks.append(factory().double())
    return networks


def records(*shape: int) -> Tensor:
    return torch.randn(shape, generator=torch.Generator().manual_seed(9), dtype=torch.float64)


def depthwise(taps: int, dilation: int) -> DepthwiseConv1d:
    return DepthwiseConv1d(4, Lattice((taps,), (dilation,)))


def around(layer: nn.Module, channels: int = 4) -> nn.Module:
    """The layer between two products, so that its input has a gradient too."""
    return nn.Sequential(nn.Conv1d(3, channels, 1), layer, nn.ReLU(), nn.LazyConv1d(2, 1))


def assert_one_step_is_the_same(
    stacked: Sequence[nn.Module], alone: Sequence[nn.Module], x: Tensor
) -> None:
    """Outputs, and weights and buffers after a step of plain gradient descent."""
    for network in (*stacked, *alone):
        network(x)  # lazy layers take their shape
        network.train()
    for network, one in zip(stacked, alone, strict=True):
        network.load_state_dict(one.state_dict())
    stack = Stack(stacked)
    stack.check(x)
    outputs = stack(x)
    (outputs**3).sum().backward()  # type: ignore[no-untyped-call]
    torch.optim.SGD(stack.parameters, lr=1e-3).step()
    for member, (network, one) in enumerate(zip(stacked, alone, strict=True)):
        output = one(x)
        torch.testing.assert_close(outputs[member], output)
        (output**3).sum().backward()
        torch.optim.SGD(one.parameters(), lr=1e-3).step()
        assert not _is_close(network, one)
        stack.unstack(member)
        torch.testing.assert_close(network.state_dict(), one.state_dict())


def _is_close(first: nn.Module, second: nn.Module) -> bool:
    pairs = zip(first.parameters(), second.parameters(), strict=True)
    return all(torch.allclose(one, other) for one, other in pairs)


@pytest.mark.parametrize(
    "layer",
    [
        lambda: nn.Conv1d(4, 5, 3, padding=1),
        lambda: nn.Conv1d(4, 4, 2, stride=2, bias=False),
        lambda: nn.Conv1d(4, 6, 4, stride=3, padding=2, dilation=2),
        lambda: nn.Conv1d(4, 4, 3, padding="valid"),
        lambda: nn.Conv1d(4, 4, 3, padding="same"),
        lambda: nn.Conv1d(4, 4, 3, groups=2),
        lambda: nn.Conv1d(4, 4, 3, padding=1, padding_mode="circular"),
        lambda: PointwiseConv1d(4, 6),
        lambda: nn.BatchNorm1d(4),
        lambda: ChannelNorm1d(4, momentum=0.3, eps=0.1),
        lambda: nn.BatchNorm1d(4, affine=False),
        lambda: nn.BatchNorm1d(4, momentum=None),
        lambda: nn.GroupNorm(2, 4),
        lambda: nn.Linear(14, 9),
        lambda: nn.Linear(14, 9, bias=False),
        lambda: depthwise(5, 2),
    ],
)
def test_a_layer_does_what_it_does_alone(layer: Callable[[], nn.Module]) -> None:
    factories = [lambda: around(layer())] * 3
    assert_one_step_is_the_same(built(*factories), built(*factories), records(7, 3, 14))


@pytest.mark.parametrize("length", [14, 90])
def test_kernels_with_different_taps_keep_their_own(length: int) -> None:
    factories = [
        lambda: around(depthwise(3, 1)),
        lambda: around(depthwise(5, 4)),
        lambda: around(depthwise(2, 3)),
    ]
    assert_one_step_is_the_same(built(*factories), built(*factories), records(7, 3, length))


def test_parts_that_differ_run_each_on_its_own() -> None:
    factories = [
        lambda: around(nn.Conv1d(4, 4, 3, padding=1)),
        lambda: around(nn.Sequential(nn.Conv1d(4, 2, 1), nn.Conv1d(2, 4, 1))),
        lambda: around(nn.Identity()),
    ]
    assert_one_step_is_the_same(built(*factories), built(*factories), records(7, 3, 14))


def test_attributes_of_modules_without_parameters_count() -> None:
    factories = [lambda: around(nn.LeakyReLU(0.1)), lambda: around(nn.LeakyReLU(0.5))]
    assert_one_step_is_the_same(built(*factories), built(*factories), records(7, 3, 14))


def test_activations_may_change_their_input_in_place() -> None:
    factories = [lambda: around(nn.Sequential(nn.BatchNorm1d(4), nn.ReLU(inplace=True)))] * 2
    assert_one_step_is_the_same(built(*factories), built(*factories), records(7, 3, 14))


def test_a_network_for_features_stacks_too() -> None:
    def network() -> nn.Module:
        return nn.Sequential(nn.Linear(6, 8), nn.BatchNorm1d(8), nn.ReLU(), nn.Linear(8, 2))

    assert_one_step_is_the_same(built(network, network), built(network, network), records(7, 6))


def test_networks_stay_as_they_are_until_they_are_unstacked() -> None:
    networks = built(lambda: nn.Sequential(nn.Linear(6, 2)), lambda: nn.Sequential(nn.Linear(6, 2)))
    before = [network.state_dict()["0.weight"].clone() for network in networks]
    stack = Stack(networks)
    with torch.no_grad():
        for parameter in stack.parameters:
            parameter.add_(1)
    stack.unstack(1)
    torch.testing.assert_close(networks[0].state_dict()["0.weight"], before[0])
    torch.testing.assert_close(networks[1].state_dict()["0.weight"], before[1] + 1)


class AcrossRecords(nn.Module):
    def forward(self, x: Tensor) -> Tensor:
        return x - x.mean(0)


class LengthFirst(nn.Module):
    """Its linear layer sees records along the second axis."""

    def __init__(self) -> None:
        super().__init__()
        self.linear = nn.Linear(4, 4)

    def forward(self, x: Tensor) -> Tensor:
        mapped: Tensor = self.linear(x.permute(2, 0, 1))
        return mapped.permute(1, 2, 0)


class OwnBatchSize(nn.Module):
    def forward(self, x: Tensor) -> Tensor:
        return x.view(8, -1, x.shape[2])


@pytest.mark.parametrize(
    "part", [AcrossRecords, LengthFirst, OwnBatchSize, lambda: nn.Dropout(0.5)]
)
def test_the_check_finds_what_mixes_members_or_draws_lots(part: Callable[[], nn.Module]) -> None:
    # Equal members too: mixed up, they would go on to differ.
    for networks in (built(*[lambda: around(part())] * 2), [*built(lambda: around(part()))] * 2):
        copies = [around(part()).double() for _ in networks]
        for network, copied in zip(networks, copies, strict=True):
            network(records(8, 3, 12)), copied(records(8, 3, 12))
            copied.load_state_dict(network.state_dict())
        state = torch.get_rng_state()
        with pytest.raises(Unstackable, match=r"affect each other|cannot be computed"):
            Stack(copies).check(records(8, 3, 12))
        assert torch.equal(torch.get_rng_state(), state)


def test_the_check_changes_nothing() -> None:
    networks = built(*[lambda: nn.Sequential(nn.Linear(6, 8), nn.BatchNorm1d(8))] * 2)
    stack = Stack(networks)
    before = [parameter.detach().clone() for parameter in stack.parameters]
    buffers = networks[0].state_dict()["1.running_mean"].clone()
    stack.check(records(7, 6))
    torch.testing.assert_close([one.detach() for one in stack.parameters], before, atol=0, rtol=0)
    assert all(parameter.grad is None for parameter in stack.parameters)
    stack.unstack(0)
    torch.testing.assert_close(networks[0].state_dict()["1.running_mean"], buffers)


def test_tied_frozen_shared_and_foreign_networks_are_refused() -> None:
    def tied() -> nn.Module:
        first, second = nn.Linear(4, 4), nn.Linear(4, 4)
        second.weight = first.weight
        return nn.Sequential(first, second)

    with pytest.raises(Unstackable, match="in two places"):
        Stack(built(tied, tied))
    network = nn.Sequential(nn.Linear(4, 4))
    with pytest.raises(Unstackable, match="in two places"):
        Stack([network, network])
    frozen = built(*[lambda: nn.Sequential(nn.Linear(4, 4))] * 2)
    frozen[1].requires_grad_(False)
    with pytest.raises(Unstackable, match="frozen"):
        Stack(frozen)
    with pytest.raises(Unstackable, match="as wholes"):
        Stack(built(lambda: nn.Sequential(nn.Linear(4, 4)), lambda: nn.Linear(4, 4)))
    with pytest.raises(Unstackable, match="no network"):
        Stack([])


def test_networks_of_layers_that_gain_nothing_are_refused() -> None:
    def image_network() -> nn.Module:
        return nn.Sequential(nn.Conv2d(3, 4, 3), nn.BatchNorm2d(4), nn.Flatten(), nn.Linear(16, 2))

    with pytest.raises(Unstackable, match="2 of 3 layers would run once for each"):
        Stack(built(image_network, image_network))


def test_raw_parameters_of_a_part_go_with_all_of_it() -> None:
    class Scaled(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.scale = nn.Parameter(torch.rand(4, 1))
            self.conv = nn.Conv1d(4, 4, 1)

        def forward(self, x: Tensor) -> Tensor:
            scaled: Tensor = self.conv(self.scale * functional.relu(x))
            return scaled

    factories = [lambda: around(Scaled())] * 2
    assert_one_step_is_the_same(built(*factories), built(*factories), records(7, 3, 14))
