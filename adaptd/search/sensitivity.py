"""Which edges are worth opening: by how much the loss would fall if they could do something new."""

import math
from collections.abc import Mapping, Sequence
from typing import Any

import torch
from torch import Tensor, nn

from adaptd.search.ladder import MemoryBudgetExceeded
from adaptd.search.problem import Problem
from adaptd.search.training import BATCH_RECORDS, Minibatches, loss_on
from adaptd.space import LinearOperation, Relaxation, Reopening, Supernet
from adaptd.space.memory import predict_bytes
from adaptd.space.mixed import MixedEdge
from adaptd.space.seeds import seeded

# Enough that what all batches want can be told from what one of them does.
_BATCHES = 16
# Fewer records a batch than this give a batch norm's statistics no sense.
_FEWEST_RECORDS = 8
# Every candidate is computed: none may be judged by its chance of being drawn.
_ALL = Relaxation(paths=None)
# Of a shut gate. Not zero, so that candidates which share a kernel have shares in it.
_SHUT = 1e-6

Scores = Mapping[str, Mapping[str, float]]


def sensitivity(
    problem: Problem, *, batches: int = _BATCHES, byte_budget: int | None = None
) -> Scores:
    """Open edge -> candidate -> fall of the loss a unit of relative change, at the start.

    Every candidate stands beside what is deployed, behind a gate that is shut; what counts is the
    gradient of opening it. For one with taps where the deployed kernel has none that is the
    gradient of those taps times the size of the kernel; for one that shares no kernel with what is
    deployed, the gradient of its weight. What the noise between batches would give is taken off. A
    candidate that adds nothing, such as a shorter kernel, has 0.

    batches: of 64 records, at least 2, in training mode. byte_budget: activations that one of them
    may keep; where 64 records keep more, twice as many batches are of half as many, and so on. The
    network is left as it was. Raises MemoryBudgetExceeded if 8 records keep more.
    Source: Evci et al. 2022, "GradMax: growing neural networks using gradient information".
    """
    if batches < 2:
        raise ValueError(f"signal and noise are told apart by at least 2 batches, got {batches}")
    generator = torch.Generator().manual_seed(problem.seed)
    supernet = Supernet.reopen(
        problem.network,
        problem.reopening,
        edges=problem.edges,
        relaxation=_ALL,
        generator=generator,
    ).train()
    records = _batch_records(problem, supernet, byte_budget)
    batches *= BATCH_RECORDS // records
    measured = {name: _Gradients(edge) for name, edge in supernet.mixed_edges().items()}
    drawn = Minibatches(problem.samples, generator, size=records)
    # A network may draw at random itself, as dropout does.
    with seeded(problem.seed):
        for _ in range(batches):
            batch = next(drawn)
            torch.autograd.backward(loss_on(batch, supernet(batch.x), problem.task.loss))
            for edge in measured.values():
                edge.note()
    return {name: edge.scores() for name, edge in measured.items()}


def most_sensitive(problem: Problem, scores: Scores, edges: int) -> Reopening:
    """The problem's reopening without all but the most sensitive groups, as far as they have
    together no more than so many edges; at least one group. In the order of the network.

    A group is as sensitive as the root of its edges' summed squares, each by its best candidate.
    """
    reopening = problem.reopening
    of_group = {
        group: math.hypot(*(max(scores[edge].values()) for edge in reopening.edges(group)))
        for group in reopening.group_names
    }
    chosen: set[str] = set()
    left = edges
    for group in sorted(of_group, key=lambda group: -of_group[group]):
        count = len(reopening.edges(group))
        if count <= left or not chosen:
            chosen.add(group)
            left -= count
    kept = [edge for edge, group in reopening.groups.items() if group in chosen]
    return Reopening(
        {edge: reopening.candidates[edge] for edge in kept},
        {edge: reopening.groups[edge] for edge in kept},
    )


def _batch_records(problem: Problem, supernet: Supernet, byte_budget: int | None) -> int:
    if byte_budget is None:
        return BATCH_RECORDS
    samples = problem.samples
    records = BATCH_RECORDS
    while True:
        needed = predict_bytes(
            supernet, samples.x, samples.target, batch=records, loss=problem.task.loss
        )
        if needed <= byte_budget:
            return records
        if records == _FEWEST_RECORDS:
            raise MemoryBudgetExceeded(
                f"measuring which edges to open keeps {needed:,} bytes of activations, also with "
                f"{records} records at a time, and {byte_budget:,} are allowed: give fewer "
                "candidates, allow more memory, or open all edges"
            )
        records //= 2


class _Gradients:
    """What one edge's gates and its shared kernel want, batch by batch."""

    def __init__(self, edge: MixedEdge) -> None:
        self._edge = edge
        self._deployed = edge.candidates.index(edge.edge.operation)
        self._gates = torch.full_like(edge.alpha.detach(), _SHUT)
        self._gates[self._deployed] = 1
        edge.gates = self._gates.requires_grad_()
        self._kernel: Tensor | None = None
        self._kernel_size = 0.0
        self._of_gates: list[Tensor] = []
        self._of_kernel: list[Tensor] = []
        if edge.kernel is not None and isinstance(edge.edge.operation, LinearOperation):
            edge.kernel.register_forward_hook(self._take)

    def _take(self, _module: nn.Module, _inputs: Any, kernel: Tensor) -> Tensor:
        """The kernel as a tensor of its own, whose taps have gradients also where they are zero.

        The same one however often a forward pass calls the edge.
        """
        if self._kernel is None:
            self._kernel = kernel.detach().requires_grad_()
            self._kernel_size = float(self._kernel.detach().norm())
        return self._kernel

    def note(self) -> None:
        """After each backward pass."""
        for tensor, noted in ((self._gates, self._of_gates), (self._kernel, self._of_kernel)):
            if tensor is not None:
                gradient = tensor.grad
                noted.append(torch.zeros_like(tensor) if gradient is None else gradient.clone())
                tensor.grad = None
        self._kernel = None

    def scores(self) -> dict[str, float]:
        """Candidate -> score."""
        return {
            str(candidate): self._score(place)
            for place, candidate in enumerate(self._edge.candidates)
        }

    def _score(self, place: int) -> float:
        if place == self._deployed:
            return 0.0
        edge, candidate, deployed = (
            self._edge,
            self._edge.candidates[place],
            self._edge.edge.operation,
        )
        if (
            edge.kernel is None
            or not self._of_kernel
            or not isinstance(candidate, LinearOperation)
            or not isinstance(deployed, LinearOperation)
        ):
            return _signal([gradient[place : place + 1] for gradient in self._of_gates])
        positions, site = edge.kernel.support.positions, edge.edge.site
        new = set(candidate.lattice(site).positions) - set(deployed.lattice(site).positions)
        if not new:
            return 0.0
        places = [place for place, position in enumerate(positions) if position in new]
        return self._kernel_size * _signal([gradient[..., places] for gradient in self._of_kernel])


def _signal(gradients: Sequence[Tensor]) -> float:
    """Size of the mean gradient, less what noise alone adds to its square; at least 0."""
    stacked = torch.stack([gradient.flatten() for gradient in gradients]).double()
    of_mean = float(stacked.mean(0).square().sum())
    of_noise = float(stacked.var(0).sum()) / len(stacked)
    return math.sqrt(max(0.0, of_mean - of_noise))
