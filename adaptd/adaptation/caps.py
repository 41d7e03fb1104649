"""What an episode's search must not exceed."""

import copy
from typing import Any

from torch import nn

from adaptd.adaptation.job import Job
from adaptd.architecture import Architecture
from adaptd.observer.latency import prediction_seconds
from adaptd.observer.predictor import Predictor
from adaptd.search.candidates import reopening_of
from adaptd.search.caps import Cap
from adaptd.space.cost import EdgeCosts, EdgeParameters
from adaptd.space.latency import EdgeLatency, times_as_long
from adaptd.space.network import architecture_edges

# Of the limit on latency that a search leaves free: what it adds up by edges is measured as a whole
# in the end, and a search that then exceeds it by a little was for nothing.
_MARGIN = 0.05


def counted_caps(job: Job, network: nn.Module, architecture: Architecture) -> tuple[Cap, ...]:
    """On multiply-accumulates, and on parameters where the job limits them; exact.

    network: of the architecture.
    """
    if job.macs_cap is None:
        raise ValueError("a job that searches names its cap on MACs")
    shape, edges = tuple(job.contract["shape"]), architecture_edges(architecture)
    caps = [Cap(EdgeCosts.of(architecture, shape), job.macs_cap)]
    if job.maximum_parameters is not None:
        caps.append(Cap(EdgeParameters.measured(network, edges), job.maximum_parameters))
    return tuple(caps)


def measured_latency(
    job: Job,
    around: tuple[Architecture, nn.Module],
    champion: tuple[Architecture, nn.Module],
) -> dict[str, Any]:
    """The cap on latency, for `latency_cap`, as JSON values; another measurement gives another.

    around: the network that is searched around, and its architecture. The limit is about exported
    networks, and edges are timed in torch: as exported, the network is taken to need what the
    champion needs so, times what it needs in torch over what the champion needs there; and each
    edge the share of it that it has in torch.
    """
    if job.maximum_latency_seconds is None or job.champion is None:
        raise ValueError("a job whose latency is limited names its champion and the limit")
    architecture, network = around[0], copy.deepcopy(around[1]).cpu()
    shape = tuple(job.contract["shape"])
    costs = EdgeCosts.measured(network, architecture_edges(architecture), shape)
    candidates = reopening_of(architecture, shape).candidates
    table = EdgeLatency.measured(network, costs, candidates, shape, most_macs=job.macs_cap)
    exported = prediction_seconds({"champion": Predictor.load(job.champion)})["champion"]
    exported *= times_as_long(network, copy.deepcopy(champion[1]).cpu(), shape)
    return {
        "most": (1 - _MARGIN) * job.maximum_latency_seconds,
        "table": table.scaled(exported / table.total({})).to_document(),
    }


def latency_cap(document: dict[str, Any]) -> Cap:
    """Undoes `measured_latency`."""
    return Cap(EdgeLatency(**document["table"]), document["most"])
