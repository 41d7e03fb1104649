"""Which submodules of a network are edges, and what stands on each."""

from collections import Counter
from dataclasses import dataclass

from torch import nn

from adaptd.space.convolution import Convolution, ConvSite
from adaptd.space.linear import LinearMap, LinearSite
from adaptd.space.operation import Operation
from adaptd.space.placed import Placed
from adaptd.space.site import Site

# Exactly these: a subclass may compute something else.
LAYERS = (nn.Conv1d, nn.Conv2d, nn.Linear)


@dataclass(frozen=True)
class Edge:
    """A submodule whose operation can change. name: dotted; operation: what stands there now."""

    name: str
    site: Site
    operation: Operation


def edges_of(network: nn.Module) -> dict[str, Edge]:
    """Dotted name -> edge, in the order of the network.

    A network that marks its edges (`Placed`) has no others; in any other one each `Conv1d`,
    `Conv2d` and `Linear` is one, except where it cannot be opened: padding other than zeros, a
    weight that is computed from others, a module that stands in several places, or a parameter that
    another one has too. `adaptd.space.openable` says why, and finds what only running it shows.
    """
    is_marked = any(isinstance(module, Placed) for module in network.modules())
    kinds = (Placed,) if is_marked else LAYERS
    names = Counter(id(module) for _, module in network.named_modules(remove_duplicate=False))
    holders = _holders(network)
    edges = {}
    for name, module in network.named_modules():
        if not name or not isinstance(module, kinds) or names[id(module)] > 1:
            continue
        if any(holders[parameter] > own for parameter, own in _holders(module).items()):
            continue
        try:
            edges[name] = read_edge(name, module)
        except ValueError:
            continue
    return edges


def read_edge(name: str, module: nn.Module) -> Edge:
    """What stands there now. Raises ValueError, with the reason, for what cannot be opened."""
    match module:
        case Placed():
            return Edge(name, module.site, module.operation)
        case nn.Conv1d() | nn.Conv2d() | nn.Linear() if "weight" not in module._parameters:
            raise ValueError("computes its weight from other parameters")
        case nn.Conv1d() | nn.Conv2d() if type(module) in LAYERS:
            return Edge(name, ConvSite.of(module), Convolution.of(module))
        case nn.Linear() if type(module) in LAYERS:
            return Edge(name, LinearSite.of(module), LinearMap())
    raise ValueError(f"{type(module).__name__} is no layer that can be opened")


def tied_parameters(network: nn.Module) -> set[int]:
    """Ids of the parameters that more than one submodule holds."""
    return {parameter for parameter, holders in _holders(network).items() if holders > 1}


def _holders(network: nn.Module) -> Counter[int]:
    """Id of a parameter -> number of submodules that hold it themselves."""
    return Counter(
        id(parameter)
        for module in network.modules()
        for parameter in module.parameters(recurse=False)
    )
