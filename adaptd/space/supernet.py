"""`Supernet`: a deployed network with some edges open to several operations at once."""

import copy
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from types import MappingProxyType

import torch
from torch import Tensor, nn
from torch.nn import functional

from adaptd.architecture import Architecture
from adaptd.space.merged import FoldingEdge, MergedEdge
from adaptd.space.network import edges_of
from adaptd.space.operation import parse_operation


@dataclass(frozen=True)
class Reopening:
    """Which edges are open, to which operations, and which of them decide together.

    candidates: open edge -> operations, at least one. groups: open edge -> name of its group; the
    edges of one group share their architecture parameters, so they must have the same candidates.
    Raises ValueError otherwise.
    """

    candidates: Mapping[str, tuple[str, ...]]
    groups: Mapping[str, str]

    def __post_init__(self) -> None:
        if self.candidates.keys() != self.groups.keys():
            raise ValueError(
                f"open edges {list(self.candidates)} and grouped edges {list(self.groups)} "
                "must be the same"
            )
        for edge, operations in self.candidates.items():
            if not operations or len(set(operations)) != len(operations):
                raise ValueError(f"candidates of {edge!r} must be distinct, got {list(operations)}")
        of_group: dict[str, tuple[str, ...]] = {}
        for edge, group in self.groups.items():
            if of_group.setdefault(group, self.candidates[edge]) != self.candidates[edge]:
                raise ValueError(
                    f"the edges of group {group!r} share their alphas, "
                    "so they need the same candidates"
                )
        object.__setattr__(self, "candidates", MappingProxyType(dict(self.candidates)))
        object.__setattr__(self, "groups", MappingProxyType(dict(self.groups)))

    def __reduce__(
        self,
    ) -> tuple[type["Reopening"], tuple[dict[str, tuple[str, ...]], dict[str, str]]]:
        # Read-only mappings can be neither copied nor pickled; a supernet must be.
        return Reopening, (dict(self.candidates), dict(self.groups))

    def edges(self, group: str) -> tuple[str, ...]:
        """The open edges of a group, in order."""
        return tuple(edge for edge, other in self.groups.items() if other == group)

    def operations(self, group: str) -> tuple[str, ...]:
        """The candidates of a group's edges. Raises KeyError for an unknown group."""
        for edge, other in self.groups.items():
            if other == group:
                return self.candidates[edge]
        raise KeyError(group)

    @property
    def group_names(self) -> tuple[str, ...]:
        """Each group once, in the order of its first edge."""
        return tuple(dict.fromkeys(self.groups.values()))


class Supernet(nn.Module):
    """A network with open edges, made by `reopen`; `fold` and `discretise` lead back."""

    def __init__(
        self, network: nn.Module, reopening: Reopening, alphas: Mapping[str, nn.Parameter]
    ) -> None:
        super().__init__()
        self.network = network
        self.reopening = reopening
        self._alphas = dict(alphas)

    @classmethod
    def reopen(
        cls,
        network: nn.Module,
        architecture: Architecture,
        reopening: Reopening,
        *,
        noise: float = 0.02,
        generator: torch.Generator | None = None,
    ) -> "Supernet":
        """A copy of the deployed network with merged edges and all alphas zero.

        noise: standard deviation of what new kernels start with beside the inherited taps; without
        any, candidates with the same taps could never come apart. generator: its source; None:
        seeded with 0.
        Raises ValueError for an edge the network does not have or whose deployed operation is no
        candidate.
        """
        generator = generator or torch.Generator().manual_seed(0)
        opened = copy.deepcopy(network)
        edges = edges_of(opened)
        alphas = {
            group: nn.Parameter(torch.zeros(len(reopening.operations(group))))
            for group in reopening.group_names
        }
        for edge, texts in reopening.candidates.items():
            if edge not in edges or edge not in architecture.operations:
                raise ValueError(f"no edge {edge!r} to open; the edges are {list(edges)}")
            opened.set_submodule(
                edge,
                MergedEdge(
                    edges[edge],
                    tuple(parse_operation(text) for text in texts),
                    alphas[reopening.groups[edge]],
                    noise=noise,
                    generator=generator,
                ),
            )
        return cls(opened, reopening, alphas)

    def forward(self, x: Tensor) -> Tensor:
        """What the network gives: logits float32 [n, classes]."""
        logits: Tensor = self.network(x)
        return logits

    def architecture_parameters(self) -> list[nn.Parameter]:
        """The alphas, one float [candidates] a group, in the order of the groups."""
        return list(self._alphas.values())

    def weight_parameters(self) -> list[nn.Parameter]:
        """All other parameters."""
        alphas = set(map(id, self._alphas.values()))
        return [parameter for parameter in self.parameters() if id(parameter) not in alphas]

    def alphas(self) -> dict[str, dict[str, float]]:
        """Group -> operation -> its weight; those of a group sum to 1."""
        return {
            group: dict(
                zip(
                    self.reopening.operations(group),
                    functional.softmax(alpha.detach(), 0).tolist(),
                    strict=True,
                )
            )
            for group, alpha in self._alphas.items()
        }

    def set_logits(self, group: str, logits: Iterable[float]) -> None:
        """Sets a group's alphas. Raises KeyError for an unknown group."""
        with torch.no_grad():
            self._alphas[group].copy_(torch.tensor(list(logits)))

    def fold(self, operations: Mapping[str, str]) -> None:
        """Begins the way back: each open edge becomes a `FoldingEdge` that computes the same.

        operations: open edge -> operation. The alphas no longer act; weight_parameters() are others
        afterwards.
        Raises ValueError unless every merged edge, and no other, gets one.
        """
        merged = {
            name: module
            for name, module in self.network.named_modules()
            if isinstance(module, MergedEdge)
        }
        if merged.keys() != operations.keys():
            raise ValueError(
                f"fold needs an operation for each of {list(merged)}, got {list(operations)}"
            )
        for edge, module in merged.items():
            self.network.set_submodule(edge, module.fold(parse_operation(operations[edge])))

    def anneal(self, residual_share: float) -> None:
        """Sets how much of the merged kernels beyond the chosen taps still acts, from 1 to 0."""
        for module in self.network.modules():
            if isinstance(module, FoldingEdge):
                module.residual_share = residual_share

    def discretise(self) -> nn.Module:
        """Ends the way back: the plain network of `build`'s own modules, parameters and all.

        An optimiser over weight_parameters() goes on with it. Exact after `anneal(0)`; before it,
        residuals are lost.
        Raises ValueError while an edge is still merged. The supernet must not be used afterwards.
        """
        for name, module in list(self.network.named_modules()):
            if isinstance(module, MergedEdge):
                raise ValueError(f"edge {name!r} is still open; fold it first")
            if isinstance(module, FoldingEdge):
                self.network.set_submodule(name, module.target)
        return self.network
