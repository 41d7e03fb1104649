"""The remedies of an episode, each trained on the same records with the same number of steps."""

import copy
import math
import time
from collections.abc import Callable

import torch

from adaptd.adaptation.bench import Bench, Report
from adaptd.adaptation.caps import counted_caps
from adaptd.adaptation.execution.working_directory import WorkingDirectory
from adaptd.adaptation.first_model import check, initial
from adaptd.adaptation.job import (
    FINE_TUNED,
    NEIGHBOUR,
    PRIOR_CORRECTED,
    RECALIBRATED,
    REOPENED,
    RETRAINED,
    SHRUNK,
    WIDENED,
    WIDER,
    Job,
    Result,
)
from adaptd.adaptation.keeper import Keeper
from adaptd.adaptation.remembering import remembering
from adaptd.adaptation.reopenings import reopen, skip_hopeless
from adaptd.adaptation.samples import samples_of
from adaptd.adaptation.training import Members, Trained, fresh, train_together
from adaptd.architecture import Architecture, Contract
from adaptd.errors import JobError
from adaptd.registry import manifest
from adaptd.search.candidates import reopening_within
from adaptd.search.compute import checked_device, usual_device
from adaptd.search.neighbour import random_neighbour
from adaptd.search.prior_correction import correct_priors
from adaptd.search.recalibration import begin_recalibration
from adaptd.search.scarcity import InsufficientData, require_records
from adaptd.search.training import Samples
from adaptd.search.widening import widest
from adaptd.space.elastic import resize
from adaptd.space.export import load_network
from adaptd.space.network import morph, shrink_and_perturb
from adaptd.stream.segment import read_segment
from adaptd.telemetry.provenance import provenance

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


def perform(job: Job, report: Report, *, keeper: Keeper | None = None, threads: int = 1) -> Result:
    """Does what the job's kind says, in this process, on a CUDA device or so many threads.

    Goes on where an earlier attempt at the same job was cut off, if it left a checkpoint in the
    job's output directory, and ends with the same networks to the bit (on the processor). keeper:
    of that directory. The result does not say yet who asked, nor what it has cost.
    Raises ArtifactError if the records or the champion's files are not what was named, JobError for
    a device that is not there, Interrupted.
    """
    torch.set_num_threads(threads)
    job.output.mkdir(parents=True, exist_ok=True)
    batch = read_segment(job.records, job.records_digest)
    try:
        device = usual_device() if job.device is None else checked_device(job.device)
    except ValueError as error:
        raise JobError(
            f"stream {job.stream}: training.device: {job.device} is not there: {error}"
        ) from error
    samples = samples_of(batch).to(device)
    made_by = _made_by(device)

    def open_bench() -> Bench:
        # Last of all that may draw from torch's global generator: it may set it to where it was.
        return Bench(job, report, keeper or Keeper(WorkingDirectory(job.output)), identity=made_by)

    match job.kind:
        case "check":
            check(job, samples)
            result = Result()
        case "initial":
            result = initial(job, samples, open_bench)
        case "adapt":
            result = adapt(job, samples, open_bench)
    return result.model_copy(update={"made_by": made_by})


def _made_by(device: torch.device) -> dict[str, str]:
    """Of this process, with what only torch knows: it may use less than the processor has."""
    return {
        **provenance(),
        "instructions": torch.backends.cpu.get_cpu_capability(),
        "device": torch.cuda.get_device_name(device) if device.type == "cuda" else device.type,
        "threads": str(torch.get_num_threads()),
    }


def adapt(job: Job, samples: Samples, open_bench: Callable[[], Bench]) -> Result:
    """The remedies of the job's rungs. With too few records none: the result then says why.

    prior: correct the class priors, without a step; where that cannot be done, weights.
    weights: the same; recalibrate, in a quarter of the steps; fine-tune, retrain, shrink and
    perturb.
    reopen: a random one-edit neighbour, and the search around the champion.
    wider: the champion widened, and the search around that.
    """
    contract = Contract.from_document(job.contract)
    shortage = record_shortage(len(samples.target), len(contract.classes), job.minimum_records)
    if shortage is not None:
        return Result(refused=f"{shortage}; {FALLBACK} stays")
    if job.champion is None or job.macs_cap is None:
        raise ValueError("an adapt job names its champion and its cap on MACs")
    manifest.verify(job.champion, digest=job.champion_digest)
    champion, architecture = load_network(job.champion)
    champion.to(samples.x.device)
    samples = remembering(job, samples, champion)

    def draws() -> torch.Generator:
        return torch.Generator().manual_seed(job.seed)

    wide = widened(job, champion, architecture) if "wider" in job.rungs else None
    if "wider" in job.rungs and wide is None:
        limit = job.maximum_parameters
        return Result(
            refused=f"{architecture.network} cannot be made wider within {job.widened_macs} "
            "multiply-accumulates"
            f"{'' if limit is None else f' and with room left of {limit} parameters'}"
        )
    bench = open_bench()
    deployed = architecture, champion
    searches: Members = {REOPENED: deployed} if "reopen" in job.rungs else {}
    if wide is not None:
        searches[WIDER] = wide
    for name, around in searches.items():
        skip_hopeless(bench, job, samples, name, around=around, champion=deployed)
    changes_weights = "weights" in job.rungs or "prior" in job.rungs
    if not changes_weights and not any(bench.lacks(one) or bench.has(one) for one in searches):
        # Nothing to prove anything against.
        return bench.result()
    if changes_weights:
        is_corrected = correct(bench, job, samples, champion=champion, architecture=architecture)
        if is_corrected and job.rungs == ("prior",):
            bench.weigh((), champion, job.champion)
            return bench.result()
        recalibrate(bench, job, samples, champion=champion, architecture=architecture)

    def rivals() -> Members:
        """All that are trained alike, so that they are trained at once."""
        made: Members = {}
        if changes_weights:
            shrunk = shrink_and_perturb(
                champion, architecture, factor=KEPT_SHARE, generator=draws()
            )
            made[FINE_TUNED] = architecture, copy.deepcopy(champion)
            made[RETRAINED] = architecture, fresh(job, architecture, samples)
            made[SHRUNK] = architecture, shrunk
        if "reopen" in job.rungs:
            caps = counted_caps(job, champion, architecture)
            candidates = reopening_within(architecture, contract.shape, caps)
            neighbour = random_neighbour(architecture, candidates, caps=caps, seed=job.seed)
            # Where nothing else fits, it is what fine-tuning has already.
            if neighbour != architecture:
                morphed = morph(
                    champion, architecture, neighbour, noise=NEW_TAP_NOISE, generator=draws()
                )
                made[NEIGHBOUR] = neighbour, morphed
        if wide is not None:
            made[WIDENED] = wide[0], copy.deepcopy(wide[1])
        return made

    train_together(bench, job, samples, RIVALS, rivals)
    for name, around in searches.items():
        reopen(bench, job, samples, name, around=around, champion=deployed)
    bench.weigh(searches, champion, job.champion)
    return bench.result()


def widened(job: Job, champion: torch.nn.Module, architecture: Architecture) -> Trained | None:
    """The champion with as many more channels as the job allows, None where that is none. It
    computes what the champion does, as far as its layers allow."""
    if job.widened_macs is None or job.macs_cap is None:
        raise ValueError("a job that reopens wider says how wide")
    shape, parameters = Contract.from_document(job.contract).shape, job.maximum_parameters
    if parameters is not None:
        # The search has as much room for them as for multiply-accumulates.
        parameters = int(parameters * job.widened_macs / job.macs_cap)
    target = widest(architecture, shape, macs=job.widened_macs, parameters=parameters)
    if target is None:
        return None
    return target, resize(champion, architecture, target, seed=job.seed)


def correct(
    bench: Bench,
    job: Job,
    samples: Samples,
    *,
    champion: torch.nn.Module,
    architecture: Architecture,
) -> bool:
    """Adds a copy of the champion whose class priors are those of the records; False where that
    cannot be, with the reason kept."""
    if bench.lacks(PRIOR_CORRECTED):
        started, network = time.monotonic(), copy.deepcopy(champion)
        old, new = job.learnt_shares, job.class_shares
        skipped = None
        try:
            if old is None or new is None:
                raise ValueError("what the champion was trained on is not known any more")
            correct_priors(network, old=old, new=new, probe=samples.x[:PROBED_RECORDS])
        except ValueError as error:
            skipped = {PRIOR_CORRECTED: str(error)}
        else:
            seconds = time.monotonic() - started
            bench.add(PRIOR_CORRECTED, architecture, network, steps=0, seconds=seconds)
        bench.complete(PRIOR_CORRECTED, skipped=skipped)
    return bench.has(PRIOR_CORRECTED)


def recalibrate(
    bench: Bench,
    job: Job,
    samples: Samples,
    *,
    champion: torch.nn.Module,
    architecture: Architecture,
) -> None:
    """Trains normalisation and head of a copy of the champion."""
    if not bench.lacks(RECALIBRATED):
        return
    steps = math.ceil(job.steps * RECALIBRATION_SHARE)
    network = bench.carry_out(
        RECALIBRATED,
        lambda: begin_recalibration(
            copy.deepcopy(champion),
            samples,
            steps=steps,
            seed=job.seed,
            progress=lambda step, loss: bench.show(RECALIBRATED, step, steps, loss),
        ),
    )
    seconds = bench.phase_seconds[RECALIBRATED]
    bench.add(RECALIBRATED, architecture, network, steps=steps, seconds=seconds)
    bench.complete(RECALIBRATED)


def record_shortage(records: int, classes: int | None, minimum: int) -> str | None:
    """Why so few labelled records do not carry a reopening, or None if they do.

    classes: None for a regression.
    """
    try:
        require_records(records, classes, is_warm=True, fallback=FALLBACK, minimum_warm=minimum)
    except InsufficientData as error:
        return error.shortage
    return None
