"""The remedies of an episode, each trained on the same records with the same number of steps."""

import copy
import math
import shutil
import time
from collections.abc import Callable, Mapping
from types import MappingProxyType

import torch

from adaptd.adaptation.job import (
    FINE_TUNED,
    INITIAL,
    NEIGHBOUR,
    PRIOR_CORRECTED,
    RECALIBRATED,
    REOPENED,
    RETRAINED,
    SHRUNK,
    Job,
    Member,
    Progress,
    Result,
)
from adaptd.architecture import Architecture, Contract
from adaptd.errors import JobError
from adaptd.registry import manifest
from adaptd.search.bounded import reopen
from adaptd.search.candidates import reopening_of
from adaptd.search.caps import Cap
from adaptd.search.compute import checked_device, usual_device
from adaptd.search.neighbour import random_neighbour
from adaptd.search.prior_correction import correct_priors
from adaptd.search.recalibration import recalibrate
from adaptd.search.scarcity import InsufficientData, require_records
from adaptd.search.stacked import train_stacked
from adaptd.search.training import Samples
from adaptd.space.cost import EdgeCosts, count_macs
from adaptd.space.export import export, load_network
from adaptd.space.network import build, initial_architecture, morph, shrink_and_perturb
from adaptd.space.standardise import fit_standardisation
from adaptd.stream.segment import read_segment

# What stays where records are too few to search around it.
FALLBACK = "the deployed architecture"

# Standard deviation of what a morph adds to a kernel, so that new taps break their symmetry.
NEW_TAP_NOISE = 0.02

# Share of the inherited weights that shrink-and-perturb keeps (Ash & Adams 2020).
KEPT_SHARE = 0.5

# Of the steps that other remedies have, what recalibrating takes: it trains far fewer numbers, and
# is to be the cheapest.
RECALIBRATION_SHARE = 0.25

# What is trained beside the reopened network, all at once.
RIVALS = "rivals"

# Records that show whether a network's last layer is what gives its logits.
PROBED_RECORDS = 64

# Progress goes over a pipe: a message every so many steps keeps it out of the profile.
STEPS_PER_REPORT = 10

Report = Callable[[Progress], None]


def perform(job: Job, report: Report) -> Result:
    """Does what the job's kind says, in this process, on a CUDA device or one thread.

    Raises ArtifactError if the records or the champion's files are not what was named, JobError for
    a device that is not there.
    """
    torch.set_num_threads(1)
    shutil.rmtree(job.output, ignore_errors=True)
    job.output.mkdir(parents=True)
    batch = read_segment(job.records, job.records_digest)
    try:
        device = usual_device() if job.device is None else checked_device(job.device)
    except ValueError as error:
        raise JobError(
            f"stream {job.stream}: training.device: {job.device} is not there: {error}"
        ) from error
    samples = Samples(torch.from_numpy(batch.x), torch.from_numpy(batch.target)).to(device)
    return initial(job, samples, report) if job.kind == "initial" else adapt(job, samples, report)


def initial(job: Job, samples: Samples, report: Report) -> Result:
    """The first model: the wanted operation on every edge, from a fresh initialisation.

    Raises JobError, naming the model, if no network can be built like that.
    """
    bench = _Bench(job, report)
    if job.operation is None:
        raise ValueError("an initial job names the operation on every edge")
    wanted = Architecture.from_document(job.architecture)
    try:
        architecture = initial_architecture(
            wanted.network, wanted.settings, operation=job.operation
        )
        network = bench.fresh(architecture, samples)
    except (ImportError, TypeError, ValueError) as error:
        raise JobError(
            f"stream {job.stream}: model: cannot build {wanted.network} with "
            f"{dict(wanted.settings)} and {job.operation!r} on every edge: {error}"
        ) from error
    bench.keep(INITIAL, {INITIAL: (architecture, network)}, samples)
    return bench.result()


def adapt(job: Job, samples: Samples, report: Report) -> Result:
    """The remedies of the job's rungs. With too few records none: the result then says why.

    prior: correct the class priors, without a step; where that cannot be done, weights.
    weights: the same; recalibrate, in a quarter of the steps; fine-tune, retrain, shrink and
    perturb.
    reopen: a random one-edit neighbour, and the bounded reopening.
    """
    contract = Contract.from_document(job.contract)
    shortage = record_shortage(len(samples.target), len(contract.classes), job.minimum_records)
    if shortage is not None:
        return Result(refused=f"{shortage}; {FALLBACK} stays")
    if job.champion is None or job.macs_cap is None:
        raise ValueError("an adapt job names its champion and its cap on MACs")
    manifest.verify(job.champion, digest=job.champion_digest)
    bench = _Bench(job, report)
    champion, architecture = load_network(job.champion)
    champion.to(samples.x.device)
    caps = (Cap(EdgeCosts.of(architecture, contract.shape), job.macs_cap),)

    def draws() -> torch.Generator:
        return torch.Generator().manual_seed(job.seed)

    # All that are trained alike, so that they are trained at once.
    rivals: dict[str, tuple[Architecture, torch.nn.Module]] = {}
    if "weights" in job.rungs or "prior" in job.rungs:
        is_corrected = bench.correct_priors(champion, architecture, samples)
        if is_corrected and job.rungs == ("prior",):
            return bench.result()
        bench.recalibrate(champion, architecture, samples)
        shrunk = shrink_and_perturb(champion, architecture, factor=KEPT_SHARE, generator=draws())
        rivals[FINE_TUNED] = architecture, copy.deepcopy(champion)
        rivals[RETRAINED] = architecture, bench.fresh(architecture, samples)
        rivals[SHRUNK] = architecture, shrunk
    if "reopen" in job.rungs:
        neighbour = random_neighbour(
            architecture, reopening_of(architecture, contract.shape), caps=caps, seed=job.seed
        )
        morphed = morph(champion, architecture, neighbour, noise=NEW_TAP_NOISE, generator=draws())
        rivals[NEIGHBOUR] = neighbour, morphed
    bench.keep(RIVALS, rivals, samples)
    if "reopen" not in job.rungs:
        return bench.result()

    started = time.monotonic()
    reopened = reopen(
        champion,
        architecture,
        samples,
        steps=job.steps,
        seed=job.seed,
        caps=caps,
        concentrations=job.concentrations,
        progress=lambda phase, step, loss: bench.show(phase, step, job.steps, loss),
    )
    bench.phase_seconds.update(reopened.phase_seconds)
    bench.add(
        REOPENED,
        reopened.architecture,
        reopened.network,
        steps=reopened.steps,
        seconds=time.monotonic() - started,
    )
    return bench.result(
        alphas=reopened.alphas,
        concentrations=reopened.concentrations,
        supernet_memory_ratio=reopened.supernet_memory_ratio,
    )


def record_shortage(records: int, classes: int | None, minimum: int) -> str | None:
    """Why so few labelled records do not carry a reopening, or None if they do.

    classes: None for a regression.
    """
    try:
        require_records(records, classes, is_warm=True, fallback=FALLBACK, minimum_warm=minimum)
    except InsufficientData as error:
        return error.shortage
    return None


class _Bench:
    """Trains, times and exports the members of one job."""

    def __init__(self, job: Job, report: Report) -> None:
        self._job = job
        self._report = report
        self._contract = Contract.from_document(job.contract)
        self._members: dict[str, Member] = {}
        self._skipped: dict[str, str] = {}
        self.phase_seconds: dict[str, float] = {}

    def fresh(self, architecture: Architecture, samples: Samples) -> torch.nn.Module:
        """A new initialisation whose normaliser knows the samples."""
        network = build(architecture, seed=self._job.seed).to(samples.x.device)
        fit_standardisation(network, samples.x)
        return network

    def show(self, phase: str, step: int, steps: int, loss: float | None) -> None:
        """Reports now and then, and always the last step."""
        if step % STEPS_PER_REPORT == 0 or step == steps:
            self._report(Progress(phase=phase, step=step, steps=steps, loss=loss))

    def correct_priors(
        self, champion: torch.nn.Module, architecture: Architecture, samples: Samples
    ) -> bool:
        """Adds a copy whose priors are those of the records; False where that cannot be, with the
        reason kept."""
        old, new = self._job.learnt_shares, self._job.class_shares
        started, network = time.monotonic(), copy.deepcopy(champion)
        try:
            if old is None or new is None:
                raise ValueError("what the champion was trained on is not known any more")
            correct_priors(network, old=old, new=new, probe=samples.x[:PROBED_RECORDS])
        except ValueError as error:
            self._skipped[PRIOR_CORRECTED] = str(error)
            return False
        seconds = time.monotonic() - started
        self.add(PRIOR_CORRECTED, architecture, network, steps=0, seconds=seconds)
        return True

    def recalibrate(
        self, champion: torch.nn.Module, architecture: Architecture, samples: Samples
    ) -> None:
        """Trains normalisation and head of a copy, and adds it."""
        started = time.monotonic()
        network, steps = copy.deepcopy(champion), math.ceil(self._job.steps * RECALIBRATION_SHARE)
        recalibrate(
            network,
            samples,
            steps=steps,
            seed=self._job.seed,
            progress=lambda step, loss: self.show(RECALIBRATED, step, steps, loss),
        )
        seconds = self.phase_seconds[RECALIBRATED] = time.monotonic() - started
        self.add(RECALIBRATED, architecture, network, steps=steps, seconds=seconds)

    def keep(
        self,
        phase: str,
        members: Mapping[str, tuple[Architecture, torch.nn.Module]],
        samples: Samples,
    ) -> None:
        """Trains the networks for the job's steps, all at once where they can be, and adds them."""
        started, steps = time.monotonic(), self._job.steps
        train_stacked(
            [network for _, network in members.values()],
            samples,
            steps=steps,
            seed=self._job.seed,
            progress=lambda _member, step, loss: self.show(phase, step, steps, loss),
        )
        self.phase_seconds[phase] = time.monotonic() - started
        for name, (architecture, network) in members.items():
            seconds = self.phase_seconds[phase] / len(members)
            self.add(name, architecture, network, steps=steps, seconds=seconds)

    def add(
        self,
        name: str,
        architecture: Architecture,
        network: torch.nn.Module,
        *,
        steps: int,
        seconds: float,
    ) -> None:
        """Exports a trained network as a member."""
        started = time.monotonic()
        self.show("export", 0, 0, None)
        directory = self._job.output / name
        export(network, architecture, self._contract, directory)
        self._members[name] = Member(
            architecture=architecture.to_document(),
            macs=count_macs(network, self._contract.shape),
            parameters=sum(parameter.numel() for parameter in network.parameters()),
            steps=steps,
            seconds=seconds,
            directory=name,
        )
        self.phase_seconds["export"] = (
            self.phase_seconds.get("export", 0.0) + time.monotonic() - started
        )

    def result(
        self,
        *,
        alphas: Mapping[str, Mapping[str, float]] = MappingProxyType({}),
        concentrations: Mapping[str, Mapping[str, float]] = MappingProxyType({}),
        supernet_memory_ratio: float | None = None,
    ) -> Result:
        return Result(
            members=self._members,
            alphas=_plain(alphas),
            concentrations=_plain(concentrations),
            supernet_memory_ratio=supernet_memory_ratio,
            phase_seconds={name: round(seconds, 3) for name, seconds in self.phase_seconds.items()},
            skipped=self._skipped,
        )


def _plain(groups: Mapping[str, Mapping[str, float]]) -> dict[str, dict[str, float]]:
    return {group: dict(weights) for group, weights in groups.items()}
