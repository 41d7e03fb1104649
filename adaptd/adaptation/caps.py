"""What an episode's search must not exceed."""

import copy
from collections.abc import Mapping
from typing import Any

from torch import nn

from adaptd.adaptation.job import Job
from adaptd.architecture import Architecture
from adaptd.observer.latency import prediction_seconds
from adaptd.observer.predictor import Predictor
from adaptd.search.candidates import reopening_of
from adaptd.search.caps import Cap
from adaptd.space.cost import EdgeCosts, EdgeParameters
from adaptd.space.latency import EdgeLatency
from adaptd.space.network import architecture_edges


def counted_caps(job: Job, network: nn.Module, architecture: Architecture) -> tuple[Cap, ...]:
    """On multiply-accumulates, and on parameters where the job limits them; exact.

    network: of the architecture.
    """
    if job.macs_cap is None:
        raise ValueError("a job that searches names its cap on MACs")
    shape, edges = _shape(job), architecture_edges(architecture)
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

    around: the network that is searched around, and its architecture. Edges are timed in torch,
    which takes longer than the exported network does that the limit is about: by how much is what
    the champion tells.
    """
    if job.maximum_latency_seconds is None or job.champion is None:
        raise ValueError("a job whose latency is limited names its champion and the limit")
    exported = prediction_seconds({"champion": Predictor.load(job.champion)})["champion"]
    in_torch = _edge_latency(champion, _shape(job), {}).total({})
    table = _edge_latency(around, _shape(job), reopening_of(around[0], _shape(job)).candidates)
    return {
        "most": job.maximum_latency_seconds * in_torch / exported,
        "table": table.to_document(),
    }


def latency_cap(document: dict[str, Any]) -> Cap:
    """Undoes `measured_latency`."""
    return Cap(EdgeLatency(**document["table"]), document["most"])


def _edge_latency(
    deployed: tuple[Architecture, nn.Module],
    shape: tuple[int, ...],
    candidates: Mapping[str, tuple[str, ...]],
) -> EdgeLatency:
    architecture, network = deployed
    on_cpu = copy.deepcopy(network).cpu()
    costs = EdgeCosts.measured(on_cpu, architecture_edges(architecture), shape)
    return EdgeLatency.measured(on_cpu, costs, candidates, shape)


def _shape(job: Job) -> tuple[int, ...]:
    return tuple(job.contract["shape"])
