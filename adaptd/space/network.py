"""From an `Architecture` to the network it describes, and from one network to the next."""

import copy
import importlib
from collections.abc import Callable, Mapping
from typing import Any

import torch
from torch import nn

from adaptd.architecture import Architecture, Setting, operation_edits
from adaptd.space.edges import Edge, edges_of
from adaptd.space.inherit import inherit
from adaptd.space.operation import parse_operation
from adaptd.space.seeds import seeded
from adaptd.space.settled import settled


def resolve(network: str) -> Callable[..., Any]:
    """The factory that `package.module:factory` names.

    Raises ImportError if there is no such module or no such name in it, ValueError if it cannot be
    called.
    """
    module_name, _, name = network.partition(":")
    try:
        module = importlib.import_module(module_name)
    except ImportError as error:
        raise ImportError(f"network {network!r}: cannot import {module_name!r}: {error}") from error
    factory = getattr(module, name, None)
    if factory is None:
        raise ImportError(f"network {network!r}: module {module_name!r} has no {name!r}")
    if not callable(factory):
        raise ValueError(f"network {network!r} must name a factory, got {type(factory).__name__}")
    return factory  # type: ignore[no-any-return]


def build(architecture: Architecture, *, seed: int = 0) -> nn.Module:
    """A fresh network with the architecture's operation on each edge, in training mode.

    The same architecture and seed give the same weights; torch's global generator is left as it
    was. An edge that the factory makes with the wanted operation stays as the factory made it.
    Raises ImportError or ValueError, naming what is wrong, for a network, setting, edge or
    operation that is none.
    """
    with seeded(seed):
        network = _call(architecture.network, architecture.settings)
        edges = edges_of(network)
        for name, text in architecture.operations.items():
            if name not in edges:
                raise ValueError(
                    f"{architecture.network} has no edge {name!r}; its edges are {list(edges)}"
                )
            wanted, edge = parse_operation(text), edges[name]
            if wanted != edge.operation:
                try:
                    replaced = network.get_submodule(name)
                    network.set_submodule(name, settled(edge.site.place(wanted), replaced, network))
                except ValueError as error:
                    raise ValueError(f"edge {name!r}: {error}") from error
    return network


def architecture_edges(architecture: Architecture) -> dict[str, Edge]:
    """Name -> edge, with the site that the factory gives it and the architecture's operation.

    Edges that the architecture does not name have what the factory puts there. Raises as `build`.
    """
    with seeded(0):
        edges = edges_of(_call(architecture.network, architecture.settings))
    for name in architecture.operations:
        if name not in edges:
            raise ValueError(
                f"{architecture.network} has no edge {name!r}; its edges are {list(edges)}"
            )
    return {
        name: Edge(
            name,
            edge.site,
            parse_operation(architecture.operations[name])
            if name in architecture.operations
            else edge.operation,
        )
        for name, edge in edges.items()
    }


def initial_architecture(
    network: str, settings: Mapping[str, Setting], operation: str | None = None
) -> Architecture:
    """The architecture with one operation on every edge of the network.

    operation: None leaves on each edge what the factory puts there.
    Raises ImportError or ValueError as `build` does, and ValueError for a network without an edge
    or with one that the operation does not fit.
    """
    wanted = None if operation is None else parse_operation(operation)
    edges = architecture_edges(Architecture(network, settings))
    if not edges:
        raise ValueError(f"{network} has no edge: nothing in it can be opened")
    for name, edge in edges.items():
        if wanted is not None and not wanted.fits(edge.site):
            raise ValueError(f"{wanted} does not fit edge {name!r}: {edge.site}")
    return Architecture(
        network, settings, {name: str(wanted or edge.operation) for name, edge in edges.items()}
    )


def morph(
    network: nn.Module,
    source: Architecture,
    target: Architecture,
    *,
    noise: float = 0.0,
    generator: torch.Generator | None = None,
) -> nn.Module:
    """A network of the target architecture that inherits all it can from one of the source.

    Taps that both kernels have are copied by their offset, what the operations of an edge share
    and everything else as they are. Where the operation changes, Gaussian noise of this standard
    deviation, as a share of the old kernel's, is added; without it new taps start at zero, and
    where no tap was lost the new network computes what the old one did.
    Raises ValueError if the architectures differ in more than operations.
    Sources: Wei et al. 2016, "Network morphism"; Fang et al. 2020, "FNA".
    """
    changed = {edit.edge: edit for edit in operation_edits(source, target)}
    edges = architecture_edges(source)
    successor = copy.deepcopy(network)
    fresh = build(target) if changed else successor
    for name, edit in changed.items():
        source_module = successor.get_submodule(name)
        module = settled(fresh.get_submodule(name), source_module, network)
        inherit(
            edges[name].site,
            parse_operation(edit.before),
            source_module,
            parse_operation(edit.after),
            module,
            noise=noise,
            generator=generator,
        )
        successor.set_submodule(name, module.train(source_module.training))
    return successor


def shrink_and_perturb(
    network: nn.Module, architecture: Architecture, *, factor: float, generator: torch.Generator
) -> nn.Module:
    """A new network, each parameter factor * inherited + (1 - factor) * freshly initialised.

    factor: in [0, 1]; 1 changes nothing. Buffers (running statistics, standardisation) and what is
    frozen (requires_grad=False) are kept.
    Raises ValueError for another factor.
    Source: Ash & Adams 2020, "On warm-starting neural network training".
    """
    if not 0 <= factor <= 1:
        raise ValueError(f"factor must lie in [0, 1], got {factor}")
    fresh = build(architecture, seed=int(torch.randint(2**31, (), generator=generator)))
    successor = copy.deepcopy(network)
    with torch.no_grad():
        for inherited, new in zip(successor.parameters(), fresh.parameters(), strict=True):
            if inherited.requires_grad:
                inherited.mul_(factor).add_(new.to(inherited), alpha=1 - factor)
    return successor


def _call(network: str, settings: Mapping[str, Setting]) -> nn.Module:
    factory = resolve(network)
    try:
        module = factory(**settings)
    except TypeError as error:
        raise ValueError(
            f"network {network!r} does not take the settings {dict(settings)}: {error}"
        ) from error
    if not isinstance(module, nn.Module):
        raise ValueError(
            f"network {network!r} must give a torch.nn.Module, got {type(module).__name__}"
        )
    return module
