"""What a training step keeps in memory, known before it is run at its full batch."""

import copy
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import cached_property, partial
from itertools import combinations
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional
from torch.utils._pytree import tree_leaves

from adaptd.space.mixed import CORE, MixedEdge
from adaptd.space.recompute import observed

Loss = Callable[[Tensor, Tensor], Tensor]
_Draw = tuple[int, ...]

# Records. Hardly more than batch norm asks for: the probe must cost next to nothing itself.
_FEW, _MANY = 4, 8
# Passes over all edges in search of the draw that keeps most; the second hardly ever finds more.
_PASSES = 2
# Of the edge's input, by which a path may keep more or less in a network than alone: the input
# counts as its own or not, and must be copied to another layout or not.
_UNCERTAIN_INPUTS = 2


def predict_bytes(
    network: nn.Module,
    x: Tensor,
    target: Tensor,
    *,
    batch: int,
    loss: Loss = functional.cross_entropy,
) -> int:
    """Bytes that a training step on `batch` records keeps at most, parameters and buffers left out.

    What `step_bytes` measures, on the straight line through two small batches: all that a step
    keeps is constant (kernels, statistics) or proportional to its records. Not so where a network
    relates records to each other, nor quite where an operator rounds what it needs for itself:
    oneDNN's LSTM takes up to 2 % more.

    network: plain or a supernet, left as it was, as are torch's generators. x: float [m, *shape];
    target: [m, ...]; any records of the kind, repeated where they are too few.
    Raises ValueError for a batch below 1 or no records.
    """
    if batch < 1 or len(x) < 1:
        raise ValueError(
            f"expected a batch and an example of at least one record, got {batch} and {len(x)}"
        )
    probes = _probes(x, target, batch)
    return _most_kept(network, probes, probes, loss)


def step_bytes(
    network: nn.Module, x: Tensor, target: Tensor, *, loss: Loss = functional.cross_entropy
) -> int:
    """Bytes that one training step on these very records keeps at most; measured by running it.

    Storages of saved tensors less parameters and buffers. Where edges draw their paths: of the draw
    that keeps most, found on a few records by changing one edge at a time while that adds to the
    whole. Where parts are computed twice: plus what the largest keeps the second time, which may
    meet nearly all else.
    """
    # A slice of a larger tensor would count as all of that.
    these = _Runs([(x.clone(), target.clone())], lambda kept: kept[0])
    return _most_kept(network, _probes(x, target, len(x)), these, loss)


def saved_bytes(run: Callable[[], object], *, besides: Sequence[Tensor]) -> int:
    """Bytes of the storages that autograd saves in a run, each once, but for those of `besides`.

    Where parts of it are `recomputed`: plus what the largest of them saves the second time.
    """
    second_time = 0

    def compute_again(function: Callable[..., Tensor], arguments: tuple[Any, ...]) -> None:
        nonlocal second_time
        kept = [leaf for leaf in tree_leaves(arguments) if isinstance(leaf, Tensor)]
        size = saved_bytes(partial(function, *arguments), besides=[*besides, *kept])
        second_time = max(second_time, size)

    with observed(compute_again):
        once = kept_bytes(run, besides=besides)
    return once + second_time


def kept_bytes(run: Callable[[], object], *, besides: Sequence[Tensor]) -> int:
    """Bytes of the storages that autograd saves in a run, each once, but for those of `besides`."""
    known = {tensor.untyped_storage().data_ptr() for tensor in besides}
    # The storages themselves are kept, so that none is freed and its address counted for another.
    saved: dict[int, torch.UntypedStorage] = {}

    def note(tensor: Tensor) -> None:
        # Nothing goes into the graph, which is never run backwards: a node that held its own
        # outcome would never be freed.
        storage = tensor.untyped_storage()
        if storage.data_ptr() not in known:
            saved[storage.data_ptr()] = storage

    with torch.enable_grad(), torch.autograd.graph.saved_tensors_hooks(note, _no_way_back):
        run()
    return sum(storage.nbytes() for storage in saved.values())


def _no_way_back(_: object) -> Tensor:
    raise RuntimeError("a step that is measured has no backward pass")


@dataclass(frozen=True)
class _Runs:
    """Batches, and what the bytes that each of them keeps, in their order, say together."""

    batches: list[tuple[Tensor, Tensor]]
    combine: Callable[[Sequence[int]], int]


def _probes(x: Tensor, target: Tensor, batch: int) -> _Runs:
    """Two small batches, and the line through them at a larger one."""

    def on_the_line(kept: Sequence[int]) -> int:
        few, many = kept
        # Rounded up: the promise is that a step keeps no more.
        return few - (few - many) * (batch - _FEW) // (_MANY - _FEW)

    return _Runs(
        [(_repeated(x, records), _repeated(target, records)) for records in (_FEW, _MANY)],
        on_the_line,
    )


def _most_kept(network: nn.Module, search: _Runs, measure: _Runs, loss: Loss) -> int:
    """search: what the worst draw is found on; measure: what is then measured."""
    measured = copy.deepcopy(network).train()
    own = [*measured.parameters(), *measured.buffers()]
    for edge in _mixed_edges(measured):
        # A path of no weight could not be drawn; how much it has changes nothing else.
        edge.alpha.detach().zero_()
        edge.lead.zero_()

    def step(x: Tensor, target: Tensor) -> Tensor:
        return loss(measured(x), target)

    def kept(runs: _Runs) -> int:
        return runs.combine(
            [saved_bytes(partial(step, *batch), besides=own) for batch in runs.batches]
        )

    with torch.random.fork_rng(devices=[]):
        drawing = [one for one in _entered(measured, search) if one.is_drawing]
        _force_largest(drawing, partial(kept, search))
        return kept(measure)


class _Entered:
    """A mixed edge, with what a training step on each of the batches sends into it."""

    def __init__(
        self, edge: MixedEdge, inputs: list[Tensor], combine: Callable[[Sequence[int]], int]
    ) -> None:
        self.edge, self._inputs, self._combine = edge, inputs, combine
        branches = range(len(edge.branches))
        self._options = [*branches] if edge.frame is None else [CORE, *branches]
        paths = edge.relaxation.paths
        self._paths = len(self._options) if paths is None else paths

    @property
    def is_drawing(self) -> bool:
        """Whether a training step computes some of the edge's paths only."""
        return self._paths < len(self._options)

    @cached_property
    def draws(self) -> list[_Draw]:
        """Of an edge that draws, what could keep most in a network; first what does so alone."""
        is_exclusive = self.edge.relaxation.is_exclusive
        # Beside the draw, or among what it draws from.
        always = () if is_exclusive or self.edge.frame is None else (CORE,)
        sizes = {path: self._alone(path) for path in self._options if path not in always}
        ranked = sorted(sizes, key=lambda path: -sizes[path])
        # With replacement, where not exclusive: the worst draw is one branch every time.
        certain = ranked[self._paths - 1 if is_exclusive else 0]
        slack = _UNCERTAIN_INPUTS * self._combine([x.nbytes for x in self._inputs])
        near = [path for path in ranked if sizes[path] >= sizes[certain] - slack]
        if is_exclusive:
            return list(combinations(near, self._paths))
        return [(*always, *(path,) * self._paths) for path in near]

    def _alone(self, path: int) -> int:
        """Bytes that one path keeps besides the edge's input."""
        alone = copy.copy(self.edge)
        alone.forced = (path,)
        alone.relaxation = replace(alone.relaxation, checkpoint=False)
        own = [*alone.parameters(), *alone.buffers()]
        return self._combine(
            [saved_bytes(partial(alone, x), besides=[*own, x]) for x in self._inputs]
        )


def _force_largest(edges: list[_Entered], kept: Callable[[], int]) -> None:
    """Forces each edge to a draw such that no other draw of one edge keeps more in the whole."""
    for one in edges:
        one.edge.forced = one.draws[0]
    if all(len(one.draws) == 1 for one in edges):
        return
    most = kept()
    for _ in range(_PASSES):
        before = most
        for one in edges:
            best = one.edge.forced
            for draw in one.draws:
                if draw != best:
                    one.edge.forced = draw
                    now = kept()
                    most, best = (now, draw) if now > most else (most, best)
            one.edge.forced = best
        if most == before:
            break


def _entered(network: nn.Module, runs: _Runs) -> list[_Entered]:
    """The mixed edges, but for those that are never called."""
    edges = _mixed_edges(network)
    if not edges:
        return []
    inputs: dict[MixedEdge, list[Tensor]] = {}
    for x, _ in runs.batches:
        # Of an edge that is called several times the last call speaks for all.
        latest: dict[MixedEdge, Tensor] = {}
        handles = [edge.register_forward_pre_hook(partial(_note, latest)) for edge in edges]
        try:
            with torch.enable_grad():
                network(x)
        finally:
            for handle in handles:
                handle.remove()
        for edge, entering in latest.items():
            inputs.setdefault(edge, []).append(entering)
    return [_Entered(edge, entering, runs.combine) for edge, entering in inputs.items()]


def _mixed_edges(network: nn.Module) -> list[MixedEdge]:
    return [module for module in network.modules() if isinstance(module, MixedEdge)]


def _note(latest: dict[MixedEdge, Tensor], edge: nn.Module, arguments: tuple[Any, ...]) -> None:
    assert isinstance(edge, MixedEdge)
    latest[edge] = arguments[0].detach().requires_grad_(arguments[0].requires_grad)


def _repeated(tensor: Tensor, records: int) -> Tensor:
    """So many records, the tensor's own over and over."""
    return tensor[torch.arange(records, device=tensor.device) % len(tensor)]
