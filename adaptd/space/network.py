"""From an `Architecture` to the network it describes, and from one network to the next."""

import copy
import importlib
from collections.abc import Callable, Mapping
from typing import Any

import torch
from torch import Tensor, nn

from adaptd.architecture import Architecture, Setting, diff
from adaptd.space.operation import parse_operation
from adaptd.space.separable import SeparableConv1d


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
    was.
    Raises ImportError or ValueError, naming what is wrong, for a network, setting, edge or
    operation that is none.
    """
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        network = _call(architecture.network, architecture.settings)
        edges = edges_of(network)
        for edge, text in architecture.operations.items():
            if edge not in edges:
                raise ValueError(
                    f"{architecture.network} has no edge {edge!r}; its edges are {list(edges)}"
                )
            network.set_submodule(
                edge, SeparableConv1d(edges[edge].channels, parse_operation(text))
            )
    return network


def edges_of(network: nn.Module) -> dict[str, SeparableConv1d]:
    """Dotted name -> module of every edge, in the order of the network."""
    return {
        name: module
        for name, module in network.named_modules()
        if isinstance(module, SeparableConv1d)
    }


def initial_architecture(
    network: str, settings: Mapping[str, Setting], operation: str
) -> Architecture:
    """The architecture with one operation on every edge of the network.

    Raises ImportError or ValueError as `build` does, and ValueError for a network without an edge.
    """
    text = str(parse_operation(operation))
    with torch.random.fork_rng(devices=[]):
        edges = edges_of(_call(network, settings))
    if not edges:
        raise ValueError(f"{network} has no edge: none of its submodules is a SeparableConv1d")
    return Architecture(network, settings, dict.fromkeys(edges, text))


def morph(
    network: nn.Module,
    source: Architecture,
    target: Architecture,
    *,
    noise: float = 0.0,
    generator: torch.Generator | None = None,
) -> nn.Module:
    """A network of the target architecture that inherits all it can from one of the source.

    Taps that both kernels have are copied by their offset, pointwise parts, norms and everything
    else as they are. Where the operation changes, Gaussian noise of this standard deviation is
    added to the kernel; without it new taps start at zero, and where no tap was lost the new
    network computes what the old one did.
    Raises ValueError if the architectures differ in more than operations.
    """
    changed = {edit.edge: edit for edit in diff(source, target)}
    successor = build(target)
    inherited = dict(network.state_dict())
    for edge, edit in changed.items():
        key = f"{edge}.depthwise.weight"
        before, after = parse_operation(edit.before), parse_operation(edit.after)
        kernel = transplant(inherited[key].squeeze(1), before.offsets, after.offsets)
        if noise:
            kernel += noise * torch.randn(kernel.shape, generator=generator)
        inherited[key] = kernel.unsqueeze(1)
    successor.load_state_dict(inherited)
    return successor


def transplant(kernel: Tensor, source: tuple[int, ...], target: tuple[int, ...]) -> Tensor:
    """A kernel [channels, taps] at other offsets: shared ones copied, the others zero."""
    successor = kernel.new_zeros(len(kernel), len(target))
    for place, offset in enumerate(target):
        if offset in source:
            successor[:, place] = kernel[:, source.index(offset)]
    return successor


def shrink_and_perturb(
    network: nn.Module, architecture: Architecture, *, factor: float, generator: torch.Generator
) -> nn.Module:
    """A new network, each parameter factor * inherited + (1 - factor) * freshly initialised.

    factor: in [0, 1]; 1 changes nothing. Buffers (running statistics, standardisation) are kept.
    Raises ValueError for another factor.
    Source: Ash & Adams 2020, "On warm-starting neural network training".
    """
    if not 0 <= factor <= 1:
        raise ValueError(f"factor must lie in [0, 1], got {factor}")
    fresh = build(architecture, seed=int(torch.randint(2**31, (), generator=generator)))
    successor = copy.deepcopy(network)
    with torch.no_grad():
        for inherited, new in zip(successor.parameters(), fresh.parameters(), strict=True):
            inherited.mul_(factor).add_(new, alpha=1 - factor)
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
