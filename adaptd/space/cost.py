"""What a network costs: multiply-accumulates of a record, parameters, memory of a training step."""

import copy
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from functools import lru_cache
from typing import Any, Protocol

import torch
from torch import Tensor, nn
from torch.nn import functional

from adaptd.architecture import Architecture
from adaptd.space.edges import Edge, edges_of
from adaptd.space.memory import kept_bytes
from adaptd.space.network import architecture_edges, build
from adaptd.space.operation import LinearOperation, Operation, parse_operation
from adaptd.space.site import Site
from adaptd.space.trace import Hook, trace, traced_macs

Loss = Callable[[Tensor, Tensor], Tensor]


def count_macs(network: nn.Module | Architecture, shape: tuple[int, ...]) -> int:
    """Multiply-accumulates of all convolutions and linear layers on one record.

    shape: of the record, without the batch axis. Norms, biases and activations are not counted.
    """
    return traced_macs(build(network) if isinstance(network, Architecture) else network, shape)


def count_parameters(network: nn.Module) -> int:
    """Numbers that are learnt, also where they are frozen, biases and those of norms among them."""
    return sum(parameter.numel() for parameter in network.parameters())


def edge_shapes(
    network: nn.Module, edges: Iterable[str], shape: tuple[int, ...]
) -> dict[str, tuple[int, ...]]:
    """Edge -> shape of what enters it, without the batch axis, when a record of this shape does.

    Of the first call; () for an edge that is never called.
    """
    return _shapes(_calls(network, edges, shape))


def _shapes(calls: Mapping[str, tuple[tuple[int, ...], ...]]) -> dict[str, tuple[int, ...]]:
    return {edge: made[0][1:] if made else () for edge, made in calls.items()}


def _calls(
    network: nn.Module, edges: Iterable[str], shape: tuple[int, ...]
) -> dict[str, tuple[tuple[int, ...], ...]]:
    """Edge -> shapes with which one record enters it, call by call, batch axis and all."""
    calls: dict[str, tuple[tuple[int, ...], ...]] = dict.fromkeys(edges, ())

    def note(edge: str) -> Hook:
        def hook(_layer: nn.Module, inputs: tuple[Any, ...], _output: Any) -> None:
            if inputs:
                calls[edge] = (*calls[edge], tuple(inputs[0].shape))

        return hook

    trace(network, shape, [(network.get_submodule(edge), note(edge)) for edge in calls])
    return calls


class Cost(Protocol):
    """What operations cost on the edges of one network: that of the whole is the sum."""

    @property
    def unit(self) -> str:
        """What is counted."""

    def on(self, edge: str, operation: str) -> float:
        """Of one operation on one edge."""

    def total(self, operations: Architecture | Mapping[str, str]) -> float:
        """Of the whole network. An edge that is not named keeps its own operation."""


@dataclass(frozen=True)
class EdgeCosts:
    """Multiply-accumulates of any operations on the edges of one network, without building each.

    fixed: of all that is no edge. calls: edge -> shapes with which one record enters it, one a
    call, with the batch axis: a network may call an edge several times, never, or on parts of a
    record.
    """

    fixed: int
    edges: Mapping[str, Edge]
    calls: Mapping[str, tuple[tuple[int, ...], ...]]
    unit = "multiply-accumulates"

    @classmethod
    def of(cls, architecture: Architecture, shape: tuple[int, ...]) -> "EdgeCosts":
        """Measured on one record of this shape, without the batch axis."""
        return cls.measured(build(architecture), architecture_edges(architecture), shape)

    @classmethod
    def measured(
        cls,
        network: nn.Module,
        edges: Mapping[str, Edge] | None,
        shape: tuple[int, ...],
    ) -> "EdgeCosts":
        """Of a network as it stands; edges: `edges_of` it if None."""
        known = edges_of(network) if edges is None else dict(edges)
        costs = cls(0, known, _calls(network, known, shape))
        on_edges = sum(costs.on(name, str(edge.operation)) for name, edge in known.items())
        return cls(traced_macs(network, shape) - on_edges, known, costs.calls)

    @property
    def shapes(self) -> dict[str, tuple[int, ...]]:
        """As `edge_shapes` gives them."""
        return _shapes(self.calls)

    def on(self, edge: str, operation: str) -> int:
        """Of one operation on one edge."""
        site, parsed = self.edges[edge].site, parse_operation(operation)
        return sum(rows * parsed.macs(site, tuple(shape)) for rows, *shape in self.calls[edge])

    def reach(self, edge: str, operation: str) -> int:
        """Samples from the position of an outcome to the furthest that its operation sees."""
        parsed = parse_operation(operation)
        if not isinstance(parsed, LinearOperation):
            return 0
        return parsed.lattice(self.edges[edge].site).reach

    def total(self, operations: Architecture | Mapping[str, str]) -> int:
        """Of the whole network; equals `count_macs`. An edge that is not named keeps its own."""
        named = operations.operations if isinstance(operations, Architecture) else operations
        return self.fixed + sum(
            self.on(name, named.get(name, str(edge.operation))) for name, edge in self.edges.items()
        )


@dataclass(frozen=True)
class EdgeParameters:
    """Trainable numbers, biases and those of norms among them.

    fixed: of all that is no edge. edges: of one network.
    """

    fixed: int
    edges: Mapping[str, Edge]
    unit = "parameters"

    @classmethod
    def measured(cls, network: nn.Module, edges: Mapping[str, Edge] | None) -> "EdgeParameters":
        """Of a network as it stands; edges: `edges_of` it if None."""
        known = edges_of(network) if edges is None else dict(edges)
        on_edges = sum(_placed_parameters(edge.site, edge.operation) for edge in known.values())
        return cls(count_parameters(network) - on_edges, known)

    def on(self, edge: str, operation: str) -> int:
        """Of one operation on one edge."""
        return _placed_parameters(self.edges[edge].site, parse_operation(operation))

    def total(self, operations: Architecture | Mapping[str, str]) -> int:
        """Of the whole network. An edge that is not named keeps its own operation."""
        named = operations.operations if isinstance(operations, Architecture) else operations
        return self.fixed + sum(
            self.on(name, named.get(name, str(edge.operation))) for name, edge in self.edges.items()
        )


@lru_cache(maxsize=4096)
def _placed_parameters(site: Site, operation: Operation) -> int:
    with torch.random.fork_rng(devices=[]):
        return sum(one.numel() for one in site.place(operation).parameters())


def saved_activation_bytes(
    network: nn.Module, x: Tensor, target: Tensor, *, loss: Loss = functional.cross_entropy
) -> int:
    """Bytes that a training step keeps from forward to backward, parameters and buffers left out.

    x: float [n, *shape]; target and loss: what the network is trained with. Each storage counts
    once, however many saved tensors lie in it. What a part that is computed twice keeps the second
    time is left out; `adaptd.space.memory.step_bytes` has it. The network is left as it was.
    """
    measured = copy.deepcopy(network).train()
    own = (*measured.parameters(), *measured.buffers())
    return kept_bytes(lambda: loss(measured(x), target), besides=own)
