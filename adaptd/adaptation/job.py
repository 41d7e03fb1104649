"""What a worker is asked for, and what it answers. Both are JSON: no pickle crosses the pipe."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field

from adaptd.architecture.canonical import digest_of

# Members of a trial, in the order in which they are trained and shown.
PRIOR_CORRECTED = "prior-corrected"
RECALIBRATED = "recalibrated"
FINE_TUNED = "fine-tuned"
RETRAINED = "retrained"
SHRUNK = "shrink-perturbed"
NEIGHBOUR = "random-neighbour"
REOPENED = "reopened"
WIDENED = "widened"
WIDER = "reopened-wider"
INITIAL = "initial"

# What a job is for, see `Job`.
Kind = Literal["check", "initial", "adapt"]
# The phase of a job that no worker has taken up yet; step is then how many are before it.
WAITING = "waiting"

# What a job is the same without: who asks, and where things lie. Digests stand for what lies there.
_CIRCUMSTANCES: Mapping[str, bool | dict[str, bool]] = {
    "epoch": True,
    "records": True,
    "champion": True,
    "weights": True,
    "output": True,
    "rehearsal": {"records": True},
}
# What a job without them is the same as before there were such.
_OPTIONS: Mapping[str, Any] = {
    "rehearsal": None,
    "distillation": None,
    "widened_macs": None,
    "method": "bounded",
    "maximum_parameters": None,
    "maximum_latency_seconds": None,
    "edge_latency": {},
    "weights_digest": None,
}

# What trains nothing, what keeps the architecture, what searches for another, and what does so
# around a wider network. The first is part of the second, and comes before it where that may be
# enough.
Rung = Literal["prior", "weights", "reopen", "wider"]
RUNGS: tuple[Rung, ...] = ("weights", "reopen")


class _Document(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class RehearsalOrder(_Document):
    """Records of old concepts that are trained on again. records: Arrow file, guarded by its hex
    digest; share: of each batch."""

    records: Path
    records_digest: str
    share: float = Field(gt=0, lt=1)


class DistillationOrder(_Document):
    """What answering unlike the champion costs, see `search.distillation`."""

    weight: float = Field(gt=0)
    temperature: float = Field(gt=0)


class Job(_Document):
    """One piece of learning under a budget.

    kind: `initial` trains the first model, and `check` says whether it can be built; `adapt` trains
    the remedies of an episode, those of `rungs`.
    architecture: the champion's; for the first model one without edges, which gets `operation` on
    each, or what its factory makes where that is None.
    weights: file of those of the first model, in place of training; its hex digest guards it.
    records: Arrow file of labelled records, all of which may be trained on; its hex digest
    guards it.
    champion: release directory whose weights are inherited (`adapt` only); its digest guards it.
    output: directory that the worker fills, one folder for each member. An attempt that was cut off
    has left there where it stood, and the next one goes on from it.
    epoch: of the stream's owner who asks; the result carries it.
    steps: optimiser steps, the same for each remedy. macs_cap: absolute, None for no cap.
    widened_macs: what the network that `wider` searches around may take. method: of
    `search.METHODS`, of every search.
    maximum_parameters, maximum_latency_seconds: of what a search finds, the latter of a prediction
    on one record by the exported network; None for no limit. edge_latency: member that a search
    finds -> the cap that an earlier run has measured, to search under the same.
    minimum_records: a reopening with fewer, or fewer than 40 × classes, is refused.
    concentrations: prior of the architecture parameters, group -> operation -> count.
    learnt_shares, class_shares: of each class, in what the champion was trained on and in the
    records; None where the first is not known.
    rehearsal, distillation: of everything that trains (`adapt` only); None for none.
    device: torch's name of where to train, None for CUDA where there is some, else the processor.
    """

    kind: Kind
    rungs: tuple[Rung, ...] = RUNGS
    stream: str
    seed: int
    architecture: dict[str, Any]
    contract: dict[str, Any]
    records: Path
    records_digest: str
    champion: Path | None = None
    champion_digest: str | None = None
    operation: str | None = None
    weights: Path | None = None
    weights_digest: str | None = None
    output: Path
    steps: int
    macs_cap: int | None = None
    widened_macs: int | None = None
    method: Literal["bounded", "race"] = "bounded"
    maximum_parameters: int | None = None
    maximum_latency_seconds: float | None = None
    edge_latency: dict[str, dict[str, Any]] = {}
    minimum_records: int = 1
    concentrations: dict[str, dict[str, float]] = {}
    learnt_shares: list[float] | None = None
    class_shares: list[float] | None = None
    rehearsal: RehearsalOrder | None = None
    distillation: DistillationOrder | None = None
    device: str | None = None
    epoch: int = 0

    @property
    def digest(self) -> str:
        """Of what is asked for: jobs of one digest have one outcome, whoever asks, wherever."""
        document = self.model_dump(mode="json", exclude=dict(_CIRCUMSTANCES))
        for option, without in _OPTIONS.items():
            if document[option] == without:
                del document[option]
        return digest_of(document)


class Member(_Document):
    """One trained and exported network. seconds: of training; directory: below the job's output;
    parameters: None where nobody has counted them; latency_seconds: of a prediction on one record
    as exported, and of the champion beside it, None where nobody has measured them; weights: hex
    sha256 of its weights' file, None where nobody has taken it."""

    architecture: dict[str, Any]
    macs: int
    parameters: int | None
    steps: int
    seconds: float
    directory: str
    latency_seconds: float | None = None
    champion_latency_seconds: float | None = None
    weights: str | None = None


class Result(_Document):
    """What came of a job. refused: why nothing was searched, or None.

    champion_parameters: None where nobody has counted them. edge_latency: the
    caps that searches have measured, as of `Job`.
    skipped: remedy -> why it could not be had. made_by: versions and the machine, see
    `telemetry.provenance`. job: digest of what was asked for. epoch: of the owner who asked.
    cpu_seconds: user and system, of all attempts at the job.
    """

    schema_version: Literal[1] = 1
    members: dict[str, Member] = {}
    alphas: dict[str, dict[str, float]] = {}
    concentrations: dict[str, dict[str, float]] = {}
    supernet_memory_ratio: float | None = None
    champion_parameters: int | None = None
    edge_latency: dict[str, dict[str, Any]] = {}
    phase_seconds: dict[str, float] = {}
    made_by: dict[str, str] = {}
    skipped: dict[str, str] = {}
    refused: str | None = None
    job: str = ""
    epoch: int = 0
    cpu_seconds: float = 0.0


class Progress(_Document):
    """Where a worker stands. loss: of the latest step, None in phases without one."""

    phase: str
    step: int
    steps: int
    loss: float | None = None
