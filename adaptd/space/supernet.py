"""`Supernet`: a deployed network with some edges open to several operations at once."""

import copy
import random
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from types import MappingProxyType

import torch
from torch import Tensor, nn
from torch.nn import functional

from adaptd.space.edges import Edge, edges_of
from adaptd.space.folding import FoldingEdge
from adaptd.space.mixed import MixedEdge
from adaptd.space.operation import parse_operation
from adaptd.space.relaxation import MERGED, Relaxation
from adaptd.space.seeds import seeded
from adaptd.space.settled import floats_of

# Logit by which the deployed operation is ahead at the start: the others' weights, 2e-14 together,
# are lost in float32.
_CERTAIN = 32.0


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

    @property
    def has_choice(self) -> bool:
        """Whether any edge has more than one candidate."""
        return any(len(operations) > 1 for operations in self.candidates.values())


class Supernet(nn.Module):
    """A network with open edges, made by `reopen`; `fold` and `discretise` lead back."""

    def __init__(
        self,
        network: nn.Module,
        reopening: Reopening,
        alphas: Mapping[str, nn.Parameter],
        draws: random.Random,
    ) -> None:
        super().__init__()
        self.network = network
        self.reopening = reopening
        # Which paths a step computes; its state belongs to a checkpoint.
        self.draws = draws
        self._alphas = dict(alphas)

    @classmethod
    def reopen(
        cls,
        network: nn.Module,
        reopening: Reopening,
        *,
        edges: Mapping[str, Edge] | None = None,
        relaxation: Relaxation = MERGED,
        noise: float = 0.06,
        generator: torch.Generator | None = None,
    ) -> "Supernet":
        """A copy of the deployed network with mixed edges, that computes what the network does.

        All weight is on the deployed operations, on each edge on its own; `equalise` or
        `set_logits` distributes it, from when on the edges of a group have the same weights.
        edges: what stands where, `edges_of(network)` if None; an architecture's come from
        `architecture_edges`. noise: standard deviation, as a share of the deployed kernel's, of
        what new kernels start with beside the inherited taps; without any, candidates with the same
        taps could never come apart. generator: its source, and that of the drawn paths; None:
        seeded with 0.
        Raises ValueError for an edge the network does not have, whose deployed operation is no
        candidate, or that a candidate does not fit.
        """
        generator = generator or torch.Generator().manual_seed(0)
        draws = random.Random(_draw_seed(generator))
        opened = copy.deepcopy(network)
        known = edges_of(opened) if edges is None else dict(edges)
        like = next(floats_of(network), torch.zeros(()))
        # Alphas move by less than half precision can tell.
        precision = torch.promote_types(like.dtype, torch.float32)
        alphas: dict[str, nn.Parameter] = {}
        for name, texts in reopening.candidates.items():
            if name not in known:
                raise ValueError(f"no edge {name!r} to open; the edges are {list(known)}")
            edge, group = known[name], reopening.groups[name]
            candidates = tuple(parse_operation(text) for text in texts)
            deployed = opened.get_submodule(name)
            start = like.new_tensor(
                [0.0 if candidate == edge.operation else -_CERTAIN for candidate in candidates],
                dtype=precision,
            )
            alpha = alphas.setdefault(group, nn.Parameter(start.clone()))
            with seeded(_draw_seed(generator)):
                mixed = MixedEdge(
                    edge,
                    deployed,
                    candidates,
                    alpha,
                    relaxation=relaxation,
                    noise=noise,
                    generator=generator,
                    draws=draws,
                )
            mixed.lead.copy_(start - alpha.detach())
            opened.set_submodule(name, mixed.train(deployed.training))
        return cls(opened, reopening, alphas, draws)

    def forward(self, x: Tensor) -> Tensor:
        """What the network gives, e.g. logits float32 [n, classes]."""
        outcome: Tensor = self.network(x)
        return outcome

    def architecture_parameters(self) -> list[nn.Parameter]:
        """The alphas, one float [candidates] a group, in the order of the groups."""
        return list(self._alphas.values())

    def weight_parameters(self) -> list[nn.Parameter]:
        """All other parameters that are not frozen."""
        alphas = set(map(id, self._alphas.values()))
        return [
            parameter
            for parameter in self.parameters()
            if id(parameter) not in alphas and parameter.requires_grad
        ]

    def alphas(self) -> dict[str, dict[str, float]]:
        """Group -> operation -> its weight; those of a group sum to 1.

        Before `equalise` or `set_logits`: of the group's first edge.
        """
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

    def equalise(self) -> None:
        """Gives every candidate the same weight."""
        for group, alpha in self._alphas.items():
            self.set_logits(group, [0.0] * len(alpha))

    def set_logits(self, group: str, logits: Iterable[float]) -> None:
        """Sets a group's alphas. Raises KeyError for an unknown group, ValueError for another
        number of them."""
        alpha, values = self._alphas[group], list(logits)
        if len(values) != len(alpha):
            raise ValueError(f"group {group!r} has {len(alpha)} candidates, got {len(values)}")
        with torch.no_grad():
            alpha.copy_(alpha.new_tensor(values))
        for name, mixed in self.mixed_edges().items():
            if self.reopening.groups[name] == group:
                mixed.lead.zero_()

    def mixed_edges(self) -> dict[str, MixedEdge]:
        """Name -> edge of those still mixed, in the order of the network."""
        return {
            name: module
            for name, module in self.network.named_modules()
            if isinstance(module, MixedEdge)
        }

    def fold(self, operations: Mapping[str, str]) -> None:
        """Begins the way back: each open edge becomes a `FoldingEdge` that computes the same.

        operations: open edge -> operation. The alphas no longer act; weight_parameters() are others
        afterwards.
        Raises ValueError, with all edges as they were, unless every mixed edge, and no other, gets
        one that `FoldingEdge` takes.
        """
        mixed = self.mixed_edges()
        if mixed.keys() != operations.keys():
            raise ValueError(
                f"fold needs an operation for each of {list(mixed)}, got {list(operations)}"
            )
        with seeded(0):
            folding = {
                name: FoldingEdge(module, parse_operation(operations[name]))
                for name, module in mixed.items()
            }
        for name, edge in folding.items():
            self.network.set_submodule(name, edge)

    def anneal(self, residual_share: float) -> None:
        """Sets how much of the mixture beyond the chosen operations still acts, from 1 to 0."""
        for module in self.network.modules():
            if isinstance(module, FoldingEdge):
                module.residual_share = residual_share

    def discretise(self) -> nn.Module:
        """Ends the way back: the plain network, of ordinary modules, parameters and all.

        An optimiser over weight_parameters() goes on with it. Exact after `anneal(0)`; before it,
        the rest is lost.
        Raises ValueError while an edge is still mixed. The supernet must not be used afterwards.
        """
        for name, module in list(self.network.named_modules()):
            if isinstance(module, MixedEdge):
                raise ValueError(f"edge {name!r} is still open; fold it first")
            if isinstance(module, FoldingEdge):
                self.network.set_submodule(name, module.target)
        return self.network


def _draw_seed(generator: torch.Generator) -> int:
    return int(torch.randint(2**31, (), generator=generator, device=generator.device))
