"""`EdgeLatency`: how long an operation takes on an edge, measured once and then looked up."""

import statistics
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass

import torch
from torch import nn

from adaptd.architecture import Architecture
from adaptd.clock import Clock, SystemClock
from adaptd.space.cost import EdgeCosts
from adaptd.space.operation import LinearOperation, Operation, parse_operation
from adaptd.space.seeds import seeded
from adaptd.space.site import Site

# Rounds, each over all that is measured, so that a slow moment of the machine falls on everything;
# no more of them once that much time is over, but so many at least.
_ROUNDS = 30
_FEWEST_ROUNDS = 5
_SECONDS = 30.0
_WARM_UP_ROUNDS = 5

# Site and shape of what enters, and the operation: what stands in several places is measured once.
_Key = tuple[Site, tuple[int, ...], str]


@dataclass(frozen=True)
class EdgeLatency:
    """Seconds of a prediction on one record in torch, as the sum of what each edge takes by itself.

    An exported network takes less, a small one a tenth: a cap is best a ratio of what is deployed.
    table: edge -> operation -> seconds. fixed: of all that is no edge. An operation that was not
    measured takes for ever, so that no cap admits it. To measure again gives other figures: keep
    `to_document` where a run is to be repeated.
    Source: Cai et al. 2019, "ProxylessNAS", which sums a table of measured operations too.
    """

    fixed: float
    table: Mapping[str, Mapping[str, float]]
    deployed: Mapping[str, str]
    unit = "seconds"

    @classmethod
    def measured(
        cls,
        network: nn.Module,
        costs: EdgeCosts,
        candidates: Mapping[str, Iterable[str]],
        shape: tuple[int, ...],
        *,
        most_macs: float | None = None,
        clock: Clock | None = None,
    ) -> "EdgeLatency":
        """Medians over rounds, in evaluation mode, with as many threads as torch has now.

        network: of which `costs` are; left as it was. candidates: edge -> operations; those that
        they grow into, up to half of the axis, are measured too. shape: of a record, without the
        batch axis. most_macs: of the whole network; what could never keep to it is not measured.
        """
        clock = clock or SystemClock()
        deployed = {name: str(edge.operation) for name, edge in costs.edges.items()}
        room = _room(costs, deployed, candidates, most_macs)
        wanted = {
            name: dict.fromkeys(
                grown
                for text in (deployed[name], *candidates.get(name, ()))
                for grown in _growth(costs, name, parse_operation(text), room[name])
            )
            for name in costs.edges
        }
        modules: dict[_Key, nn.Module] = {}
        with seeded(0):
            for name, texts in wanted.items():
                site = costs.edges[name].site
                for _, *entering in costs.calls[name]:
                    for text in texts:
                        key = (site, tuple(entering), text)
                        if key not in modules:
                            modules[key] = site.place(parse_operation(text)).eval()
        records = {key: torch.zeros(1, *key[1]) for key in modules}
        taken: dict[_Key, list[float]] = {key: [] for key in modules}
        whole: list[float] = []
        was_training, record = network.training, torch.zeros(1, *shape)
        begun = clock.monotonic()
        network.eval()
        try:
            with torch.no_grad():
                for turn in range(_WARM_UP_ROUNDS + _ROUNDS):
                    for key, module in modules.items():
                        seconds = _seconds(module, records[key], clock)
                        if turn >= _WARM_UP_ROUNDS:
                            taken[key].append(seconds)
                    seconds = _seconds(network, record, clock)
                    if turn >= _WARM_UP_ROUNDS:
                        whole.append(seconds)
                    is_late = clock.monotonic() - begun > _SECONDS
                    if is_late and len(whole) >= _FEWEST_ROUNDS:
                        break
        finally:
            network.train(was_training)
        table = {
            name: {
                text: sum(
                    statistics.median(taken[costs.edges[name].site, tuple(entering), text])
                    for _, *entering in costs.calls[name]
                )
                for text in texts
            }
            for name, texts in wanted.items()
        }
        on_edges = sum(table[name][text] for name, text in deployed.items())
        return cls(max(0.0, statistics.median(whole) - on_edges), table, deployed)

    def on(self, edge: str, operation: str) -> float:
        """Of one operation on one edge."""
        return self.table[edge].get(operation, float("inf"))

    def total(self, operations: Architecture | Mapping[str, str]) -> float:
        """Of the whole network. An edge that is not named keeps its own operation."""
        named = operations.operations if isinstance(operations, Architecture) else operations
        return self.fixed + sum(
            self.on(name, named.get(name, deployed)) for name, deployed in self.deployed.items()
        )

    def scaled(self, times: float) -> "EdgeLatency":
        """As if everything took so many times as long."""
        table = {
            name: {text: times * seconds for text, seconds in of.items()}
            for name, of in self.table.items()
        }
        return EdgeLatency(times * self.fixed, table, self.deployed)

    def to_document(self) -> dict[str, object]:
        """Plain values for JSON."""
        table = {name: dict(of) for name, of in self.table.items()}
        return {"fixed": self.fixed, "table": table, "deployed": dict(self.deployed)}


def times_as_long(network: nn.Module, other: nn.Module, shape: tuple[int, ...]) -> float:
    """A prediction's time in torch, over the other network's: the least of thirty each, in turn.

    Both are put into evaluation mode. shape: of a record, without the batch axis.
    """
    clock, record = SystemClock(), torch.zeros(1, *shape)
    least = [float("inf"), float("inf")]
    with torch.no_grad():
        for _ in range(_ROUNDS):
            for place, one in enumerate((network.eval(), other.eval())):
                least[place] = min(least[place], _seconds(one, record, clock))
    return least[0] / least[1]


def _room(
    costs: EdgeCosts,
    deployed: Mapping[str, str],
    candidates: Mapping[str, Iterable[str]],
    most_macs: float | None,
) -> dict[str, float]:
    """Edge -> multiply-accumulates that are left for it where all others have their cheapest."""
    if most_macs is None:
        return dict.fromkeys(deployed, float("inf"))
    least = {
        name: min(costs.on(name, text) for text in (deployed[name], *candidates.get(name, ())))
        for name in deployed
    }
    left = most_macs - costs.fixed - sum(least.values())
    return {name: left + cheapest for name, cheapest in least.items()}


def _growth(costs: EdgeCosts, edge: str, operation: Operation, room: float) -> Iterator[str]:
    site, axes = costs.edges[edge].site, costs.shapes[edge][1:]
    grown: Operation | None = operation
    while grown is not None and grown.fits(site):
        yield str(grown)
        grown = grown.grown() if isinstance(grown, LinearOperation) else None
        if grown is not None and (
            costs.reach(edge, str(grown)) > min(axes, default=0) // 2
            or costs.on(edge, str(grown)) > room
        ):
            return


def _seconds(module: nn.Module, record: torch.Tensor, clock: Clock) -> float:
    started = clock.monotonic()
    module(record)
    return clock.monotonic() - started
