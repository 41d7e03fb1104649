"""Which submodules are edges."""

import warnings

import pytest
import torch
from torch import Tensor, nn
from torch.nn.utils import parametrizations, prune

from adaptd.space.cell import CellSite
from adaptd.space.convolution import Convolution, ConvSite
from adaptd.space.edges import edges_of, read_edge, tied_parameters
from adaptd.space.kernels import Depthwise
from adaptd.space.linear import LinearMap, LinearSite
from adaptd.space.network import resolve
from tests.networks import FOREIGN


def test_every_layer_of_a_foreign_network_is_an_edge_in_its_order() -> None:
    conv, linear = nn.Conv1d(2, 3, 5, padding=2, dilation=2), nn.Linear(3, 4, bias=False)
    network = nn.Sequential(nn.Sequential(conv, nn.ReLU()), nn.BatchNorm1d(3), linear)
    edges = edges_of(network)
    assert list(edges) == ["0.0", "2"]
    assert edges["0.0"].site == ConvSite.of(conv)
    assert edges["0.0"].operation == Convolution((5,), (2,))
    assert (edges["2"].site, edges["2"].operation) == (LinearSite(3, 4, False), LinearMap())


def test_a_network_that_marks_its_edges_has_no_others() -> None:
    site = CellSite(1, 4)
    network = nn.Sequential(nn.Conv1d(1, 4, 1), site.place(Depthwise(3)), nn.Linear(4, 2))
    edges = edges_of(network)
    assert list(edges) == ["1"]
    assert (edges["1"].site, edges["1"].operation) == (site, Depthwise(3))


@pytest.mark.parametrize("name", FOREIGN)
def test_an_edge_can_be_put_back_as_it_was(name: str) -> None:
    network = resolve(FOREIGN[name].factory)(**FOREIGN[name].settings).eval()
    x = torch.randn(2, *FOREIGN[name].shape)
    before = network(x)
    edges = edges_of(network)
    assert edges
    for place, edge in edges.items():
        fresh = edge.site.place(edge.operation)
        fresh.load_state_dict(network.get_submodule(place).state_dict())
        network.set_submodule(place, fresh)
    torch.testing.assert_close(network(x), before)


def closed(network: nn.Module) -> set[str]:
    """Layers that are no edges."""
    layers = {
        name for name, one in network.named_modules() if isinstance(one, nn.Conv1d | nn.Linear)
    }
    return layers - edges_of(network).keys()


def test_layers_with_one_parameter_are_closed() -> None:
    network = nn.Sequential(nn.Linear(4, 4), nn.Linear(4, 4), nn.Linear(4, 4))
    network[2].weight = network[0].weight
    assert closed(network) == {"0", "2"}
    assert tied_parameters(network) == {id(network[0].weight)}


def test_a_module_that_stands_in_two_places_is_closed() -> None:
    shared = nn.Linear(4, 4)
    network = nn.Sequential(shared, nn.ReLU(), shared, nn.Linear(4, 4))
    assert list(edges_of(network)) == ["3"]
    inside = nn.Sequential(nn.Linear(4, 4))
    assert list(edges_of(nn.Sequential(inside, inside, nn.Linear(4, 4)))) == ["2"]
    marked = CellSite(1, 4).place(Depthwise(3))
    assert not edges_of(nn.Sequential(marked, marked))


def test_a_marked_edge_may_share_parameters_within_itself_only() -> None:
    own, other, third = (CellSite(1, 4).place(Depthwise(3)) for _ in range(3))
    own.get_submodule("depthwise").weight = own.get_parameter("pointwise.weight")
    third.get_submodule("pointwise").weight = other.get_parameter("pointwise.weight")
    assert list(edges_of(nn.Sequential(own, other, third))) == ["0"]


class Doubling(nn.Linear):
    """Not what its class says."""

    def forward(self, x: Tensor) -> Tensor:
        return 2 * super().forward(x)


def test_a_subclass_is_closed() -> None:
    assert closed(nn.Sequential(Doubling(4, 4))) == {"0"}
    with pytest.raises(ValueError, match="Doubling is no layer that can be opened"):
        read_edge("0", Doubling(4, 4))


def test_a_weight_that_is_computed_is_closed() -> None:
    pruned, normalised, old = (nn.Linear(4, 4) for _ in range(3))
    prune.random_unstructured(pruned, "weight", 0.5)  # type: ignore[no-untyped-call]
    parametrizations.weight_norm(normalised)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        nn.utils.weight_norm(old)
    assert closed(nn.Sequential(pruned, normalised, old)) == {"0", "1", "2"}
    with pytest.raises(ValueError, match="computes its weight from other parameters"):
        read_edge("0", pruned)


def test_padding_that_is_not_zeros_is_closed() -> None:
    reflecting = nn.Conv1d(4, 4, 3, padding=1, padding_mode="reflect")
    assert closed(nn.Sequential(reflecting, nn.Conv1d(4, 4, 3))) == {"0"}
    with pytest.raises(ValueError, match="padding mode 'reflect'"):
        read_edge("0", reflecting)
