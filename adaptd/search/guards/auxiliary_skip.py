"""`AuxiliarySkip`: a skip beside each edge that needs no alpha to win."""

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor, nn

from adaptd.search.guard import Guard, SearchView
from adaptd.search.guards.skips import edge_skips
from adaptd.space import Supernet

# Share of the search at which it is gone. In what is left the weights, statistics of norms too,
# settle without it, so that its end is no jump.
_GONE_AT = 0.9
# Records sent through once to see which edges keep the shape.
_PROBED_RECORDS = 2


class AuxiliarySkip(Guard):
    """What enters an open edge is also added to what leaves it, with a weight that falls linearly
    from 1 to 0 and is gone after nine tenths of the search.

    A skip eases training by itself, whatever it is worth as an operation. Where one is there in
    any case, an alpha can no longer win by that. Only beside edges that have a skip among their
    candidates and give the shape that they take. A warm start is moved far from the deployed
    network by it. It is meant for long searches: in one of a hundred steps alphas follow sooner
    than weights, and put a skip in the place of the one that fades.
    Source: Chu et al. 2021, "DARTS-: robustly stepping out of performance collapse without
    indicators".
    """

    name = "auxiliary-skip"
    summary = "a fading skip beside each edge, so that no alpha wins by easing training (DARTS-)"

    def __init__(self) -> None:
        super().__init__()
        self._edges: tuple[str, ...] = ()

    def start(self, view: SearchView) -> None:
        keeping = _shape_keeping(view.supernet, view.held_out.x[:_PROBED_RECORDS])
        self._edges = tuple(
            name
            for name, mixed in view.supernet.mixed_edges().items()
            if name in keeping and edge_skips(mixed)
        )
        self.figures = {"edges": len(self._edges), "last_weight": None}
        # Already now, so that what is measured of a training step is what one takes.
        self._set(view.supernet, 1.0)

    def before_step(self, view: SearchView) -> None:
        weight = max(0.0, 1 - view.fraction / _GONE_AT)
        self._set(view.supernet, weight)
        self.acted = self.acted or (bool(self._edges) and weight > 0)
        self.figures["last_weight"] = round(weight, 6)

    def finish(self, view: SearchView) -> None:
        self._set(view.supernet, 0.0)

    def _set(self, supernet: Supernet, weight: float) -> None:
        mixed = supernet.mixed_edges()
        for name in self._edges:
            mixed[name].bypass = weight


def _shape_keeping(supernet: Supernet, x: Tensor) -> set[str]:
    """The open edges that give the shape that they take, of records x."""
    found: dict[str, bool] = {}

    def note(name: str) -> Callable[[nn.Module, tuple[Any, ...], Tensor], None]:
        def hook(_edge: nn.Module, inputs: tuple[Any, ...], outcome: Tensor) -> None:
            # An edge may be called more than once.
            found[name] = found.get(name, True) and inputs[0].shape == outcome.shape

        return hook

    handles = [
        mixed.register_forward_hook(note(name)) for name, mixed in supernet.mixed_edges().items()
    ]
    was_training = supernet.training
    try:
        with torch.no_grad():
            supernet.eval()(x)
    finally:
        supernet.train(was_training)
        for handle in handles:
            handle.remove()
    return {name for name, keeps in found.items() if keeps}
