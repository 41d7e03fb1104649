"""What a finished search leaves: a release, the report, drawings of the architecture."""

import platform
import shutil
from datetime import datetime
from importlib.metadata import version
from typing import Any

import torch
from torch import nn

from adaptd import __version__
from adaptd.adaptation.search.directory import SearchDirectory
from adaptd.adaptation.search.job import SCHEMA_VERSION, SearchJob, skip_share
from adaptd.adaptation.search.plan import Plan
from adaptd.adaptation.search.start import Start
from adaptd.architecture import Architecture, diff, to_dot, to_svg
from adaptd.registry.artifact import seal
from adaptd.search.problem import Found
from adaptd.search.training import BATCH_RECORDS, accuracy
from adaptd.space.cost import EdgeCosts, EdgeParameters, count_macs, count_parameters
from adaptd.space.export import export
from adaptd.space.latency import EdgeLatency
from adaptd.space.memory import predict_bytes
from adaptd.store.files import PARTIAL_SUFFIX, publish_directory, write_atomically

# How a cost is called in the report, by what it counts.
_CAPS = {
    EdgeCosts.unit: "macs",
    EdgeParameters.unit: "parameters",
    EdgeLatency.unit: "latency_seconds",
}


def versions(device: torch.device) -> dict[str, str]:
    """Of everything that an outcome depends on, and what computes it."""
    return {
        "device": str(device),
        "adaptd": __version__,
        "python": platform.python_version(),
        "torch": version("torch"),
        "numpy": version("numpy"),
        "scipy": version("scipy"),
    }


def leave(
    directory: SearchDirectory,
    job: SearchJob,
    *,
    start: Start,
    plan: Plan,
    found: Found,
    records: dict[str, Any],
    now: datetime,
) -> dict[str, Any]:
    """Writes release and drawings, and returns the report, which is not written yet.

    records: what the report says of them. Raises ArtifactError if the network cannot be exported.
    """
    problem = plan.problem
    outcome = {
        "method": plan.method.name,
        "seed": problem.seed,
        "steps": found.steps,
        "stopped": found.stopped,
        "records": records,
        "caps": {
            **{_CAPS[cap.cost.unit]: cap.most for cap in problem.caps},
            "memory_ratio": plan.budget.memory_ratio,
        },
        "given": {
            "digest": start.digest,
            "weights_digest": start.weights_digest,
            "accuracy": (
                accuracy(problem.network, plan.held_out, task=problem.task)
                if start.has_weights
                else None
            ),
            **_costs(plan, problem.network, start.architecture, start.schema.shape),
            "architecture": start.architecture.to_document(),
        },
        "found": {
            "accuracy": accuracy(found.network, plan.held_out, task=problem.task),
            **_costs(plan, found.network, found.architecture, start.schema.shape),
            "architecture": found.architecture.to_document(),
            "edits": [str(edit) for edit in diff(start.architecture, found.architecture)],
        },
    }
    release = _release(
        directory, start=start, found=found, records=records, evidence=outcome, now=now
    )
    write_atomically(directory.svg, to_svg(found.architecture, start.architecture).encode())
    write_atomically(directory.dot, to_dot(found.architecture, start.architecture).encode())
    return {
        "schema_version": SCHEMA_VERSION,
        **outcome,
        "release": release,
        "alphas": {group: dict(weights) for group, weights in found.alphas.items()},
        "opened": list(problem.reopening.groups),
        "sensitivity": {edge: dict(of_edge) for edge, of_edge in plan.measured.sensitivity.items()},
        "skip_share": skip_share(found.alphas),
        "memory": {
            "deployed_bytes": plan.deployed_bytes,
            "supernet_bytes": plan.supernet_bytes,
            "ratio": None
            if plan.supernet_bytes is None
            else plan.supernet_bytes / plan.deployed_bytes,
            "found_bytes": predict_bytes(
                found.network, problem.samples.x, problem.samples.target, batch=BATCH_RECORDS
            ),
            "relaxation": plan.relaxation,
        },
        "guards": {name: dict(report) for name, report in found.guards.items()},
        "phase_seconds": {name: round(value, 3) for name, value in found.phase_seconds.items()},
        "warnings": list(plan.warnings),
        "threads": torch.get_num_threads(),
        "versions": versions(problem.samples.x.device),
        "job": job.to_document(),
        "finished_at": now.isoformat(timespec="seconds"),
    }


def _costs(
    plan: Plan, network: nn.Module, architecture: Architecture, shape: tuple[int, ...]
) -> dict[str, float]:
    """Counted on the network itself; latency, where it is capped, by the table."""
    table = plan.measured.latency
    latency = {"latency_seconds": table.total(architecture)} if table else {}
    return {
        "macs": count_macs(network, shape),
        "parameters": count_parameters(network),
        **latency,
    }


def _release(
    directory: SearchDirectory,
    *,
    start: Start,
    found: Found,
    records: dict[str, Any],
    evidence: dict[str, Any],
    now: datetime,
) -> str:
    """The digest of the release that was written."""
    contract = start.schema.contract()
    partial = directory.path / f".release{PARTIAL_SUFFIX}"
    shutil.rmtree(partial, ignore_errors=True)
    export(found.network, found.architecture, contract, partial)
    digest = seal(
        partial,
        stream=records["stream"],
        contract=contract,
        architecture=found.architecture,
        parent=start.digest,
        episode=None,
        evidence={"search": evidence},
        now=now,
    )
    # What a kill left after the release and before the report is of the same search, but may not
    # be of the same machine.
    shutil.rmtree(directory.release, ignore_errors=True)
    publish_directory(partial, directory.release)
    return digest
