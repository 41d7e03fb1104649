"""`inspect`: what could be opened in a network, and what that would cost, without training it."""

from collections.abc import Callable, Collection, Iterable, Mapping
from dataclasses import asdict, dataclass, replace
from typing import Any

import torch
from torch import Tensor, nn

from adaptd.space.alternatives import candidates_for
from adaptd.space.convolution import ConvSite
from adaptd.space.cost import count_macs
from adaptd.space.memory import predict_bytes
from adaptd.space.openable import (
    FORWARD_ERRORS,
    Openable,
    Refusal,
    one_line,
    survey,
    tensors_of,
    working_copy,
)
from adaptd.space.operation import LinearOperation, parse_operation
from adaptd.space.placed import Placed
from adaptd.space.supernet import Reopening, Supernet

SCHEMA_VERSION = 1

# Records to measure with: predictions go from there along a straight line.
_PROBE = 8


@dataclass(frozen=True)
class Candidate:
    """What an edge may become. macs: multiply-accumulates on one record. merges: whether it is
    part of the edge's one kernel while the edge is open."""

    operation: str
    macs: int
    merges: bool


@dataclass(frozen=True)
class InspectedEdge:
    """A layer that can be opened.

    kind: its class. operation: what it is now, the first of the candidates. inputs, outputs:
    channels or features; None for an edge of a cell, which keeps them. shape: of what enters,
    without the batch axis; rows: how many of these are one record. macs: of the layer on one
    record. open_bytes: what a training step keeps more when this edge alone is open.
    """

    name: str
    kind: str
    operation: str
    inputs: int | None
    outputs: int | None
    groups: int
    shape: tuple[int, ...]
    rows: int
    macs: int
    open_bytes: int
    candidates: tuple[Candidate, ...]

    @property
    def merged_share(self) -> float:
        """Share of the candidates that merge."""
        return _share(self.candidates)


@dataclass(frozen=True)
class Inspection:
    """shape: of a record. batch: records of a training step. macs: of the network on one record.
    step_bytes: what a training step of the network as it is keeps, parameters left out.
    is_marked: whether the network marks its edges, so that nothing else of it is looked at."""

    shape: tuple[int, ...]
    batch: int
    macs: int
    step_bytes: int
    is_marked: bool
    edges: tuple[InspectedEdge, ...]
    refused: tuple[Refusal, ...]

    @property
    def merged_share(self) -> float:
        """Share of the candidates of all edges that merge; 1 where there is none."""
        return _share([candidate for edge in self.edges for candidate in edge.candidates])

    @property
    def open_bytes(self) -> int:
        """What a training step keeps more, at most, when all edges are open."""
        return sum(edge.open_bytes for edge in self.edges)

    def to_document(self) -> dict[str, Any]:
        """Plain values for JSON, with `schema_version`."""
        edges = [{**asdict(edge), "merged_share": edge.merged_share} for edge in self.edges]
        return {
            "schema_version": SCHEMA_VERSION,
            **asdict(self),
            "open_bytes": self.open_bytes,
            "merged_share": self.merged_share,
            "edges": edges,
        }


def inspect(
    network: nn.Module,
    shape: tuple[int, ...],
    *,
    batch: int = 64,
    only: Collection[str] | None = None,
) -> Inspection:
    """Runs records of zeros and noise through copies of the network; itself it stays as it was.

    shape: of a float32 record, without the batch axis. only: names of the edges to look at; None:
    all. Bytes are measured on two small batches and extended along a straight line to `batch`,
    with a loss that keeps one tensor of the answer's size.
    Raises ValueError for a record that the network does not take, named edges that it does not
    have or that cannot be opened, a batch below 1, and a network that cannot be trained or copied.
    """
    if batch < 1:
        raise ValueError(f"a training step has at least one record, got batch {batch}")
    found = survey(network, shape)
    chosen = found.openable if only is None else _only(found.openable, found.refused, only)
    with torch.random.fork_rng(devices=[]):
        measured = working_copy(network)
        macs = count_macs(measured, shape)
        kept = _step_bytes(measured, shape, batch)
        differentiable = _differentiable(measured, chosen, shape)
        edges = tuple(
            _inspect_edge(
                measured.get_submodule(name),
                one,
                record=tuple(shape),
                batch=batch,
                is_inner=name in differentiable,
            )
            for name, one in chosen.items()
        )
    return Inspection(
        shape=tuple(shape),
        batch=batch,
        macs=macs,
        step_bytes=kept,
        is_marked=any(isinstance(module, Placed) for module in network.modules()),
        edges=edges,
        refused=found.refused,
    )


def _only(
    openable: Mapping[str, Openable], refused: tuple[Refusal, ...], names: Collection[str]
) -> dict[str, Openable]:
    reasons = {refusal.name: refusal.reason for refusal in refused}
    for name in names:
        if name in reasons:
            raise ValueError(f"edge {name!r} cannot be opened: it {reasons[name]}")
        if name not in openable:
            raise ValueError(f"there is no edge {name!r}; expected one of {list(openable)}")
    return {name: one for name, one in openable.items() if name in names}


class _Alone(nn.Module):
    """One layer, as its network calls it. is_inner: whether what enters has a gradient."""

    def __init__(self, layer: nn.Module, *, is_inner: bool) -> None:
        super().__init__()
        self.layer = layer
        self.is_inner = is_inner

    def forward(self, x: Tensor) -> Tensor:
        outcome: Tensor = self.layer(x.requires_grad_(self.is_inner))
        return outcome


def _inspect_edge(
    layer: nn.Module,
    found: Openable,
    *,
    record: tuple[int, ...],
    batch: int,
    is_inner: bool,
) -> InspectedEdge:
    edge, entering, site = found.edge, found.shape, found.edge.site
    texts = candidates_for(edge, entering, record)
    candidates = tuple(
        Candidate(
            text,
            macs=found.rows * operation.macs(site, entering),
            merges=isinstance(operation, LinearOperation),
        )
        for text, operation in ((text, parse_operation(text)) for text in texts)
    )
    # Opening one edge changes nothing elsewhere, and copying a large network for each takes long.
    deployed = _Alone(layer, is_inner=is_inner)
    opened = Supernet.reopen(
        deployed,
        Reopening({"layer": texts}, {"layer": "layer"}),
        edges={"layer": replace(edge, name="layer")},
    )
    before, after = (_step_bytes(one, entering, batch * found.rows) for one in (deployed, opened))
    return InspectedEdge(
        name=edge.name,
        kind=type(layer).__name__,
        operation=str(edge.operation),
        inputs=getattr(site, "inputs", None),
        outputs=getattr(site, "outputs", None),
        groups=site.groups if isinstance(site, ConvSite) else 1,
        shape=entering,
        rows=found.rows,
        macs=candidates[0].macs,
        open_bytes=after - before,
        candidates=candidates,
    )


def _differentiable(network: nn.Module, names: Iterable[str], shape: tuple[int, ...]) -> set[str]:
    """The layers that a gradient passes through, not only into."""
    found = set()

    def note(name: str) -> Callable[[nn.Module, tuple[Tensor, ...]], None]:
        def hook(_layer: nn.Module, inputs: tuple[Tensor, ...]) -> None:
            if inputs and inputs[0].requires_grad:
                found.add(name)

        return hook

    handles = [network.get_submodule(name).register_forward_pre_hook(note(name)) for name in names]
    try:
        with torch.enable_grad():
            network(_records(network, shape))
    finally:
        for handle in handles:
            handle.remove()
    return found


def _step_bytes(network: nn.Module, shape: tuple[int, ...], batch: int) -> int:
    x = _records(network, shape)
    try:
        return predict_bytes(network, x, torch.zeros(len(x)), batch=batch, loss=_energy)
    except FORWARD_ERRORS as error:
        raise ValueError(
            f"the network cannot be trained on records of shape {list(shape)}: {one_line(error)}"
        ) from error


def _records(network: nn.Module, shape: tuple[int, ...]) -> Tensor:
    device = next((one.device for one in network.parameters()), torch.device("cpu"))
    return torch.randn(_PROBE, *shape, generator=torch.Generator().manual_seed(0)).to(device)


def _energy(answer: Any, _target: Tensor) -> Tensor:
    """Keeps as much as cross entropy, one tensor of the answer's size, and needs no target."""
    parts = [part.square().sum() for part in tensors_of(answer) if part.requires_grad]
    if not parts:
        raise ValueError("no part of the answer depends on a parameter")
    return torch.stack(parts).sum()


def _share(candidates: Collection[Candidate]) -> float:
    if not candidates:
        return 1.0
    return sum(candidate.merges for candidate in candidates) / len(candidates)
