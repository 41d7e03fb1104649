"""The first model of a stream: checked, trained, or taken as it is given."""

from collections.abc import Callable
from pathlib import Path
from tempfile import TemporaryDirectory

from torch import nn

from adaptd.adaptation.bench import Bench
from adaptd.adaptation.job import INITIAL, Job, Result
from adaptd.adaptation.training import fresh, train_together
from adaptd.architecture import Architecture, Contract
from adaptd.errors import ArtifactError, JobError
from adaptd.search.training import Samples
from adaptd.space.export import EXPORT_ERRORS, export
from adaptd.space.network import build, initial_architecture
from adaptd.space.openable import FACTORY_ERRORS, logits_of, made_architecture, one_line
from adaptd.space.weights import load_weights
from adaptd.store.files import sha256_of


def check(job: Job, samples: Samples) -> None:
    """Builds the first model, and exports it to nowhere. Raises JobError, naming what is wrong."""
    architecture = first_architecture(job)
    network = (
        _untrained(job, architecture, samples)
        if job.weights is None
        else _given(job, job.weights, architecture)
    )
    with TemporaryDirectory() as directory:
        try:
            export(network, architecture, Contract.from_document(job.contract), Path(directory))
        except EXPORT_ERRORS as error:
            raise JobError(
                f"stream {job.stream}: model: {architecture.network} cannot be exported: "
                f"{one_line(error)}"
            ) from error


def initial(job: Job, samples: Samples, open_bench: Callable[[], Bench]) -> Result:
    """The first model: trained from a fresh initialisation, or with the weights that are given.

    Raises JobError, naming what is wrong, for a model that can never be built.
    """
    architecture = first_architecture(job)
    if job.weights is None:
        _untrained(job, architecture, samples)
    bench = open_bench()
    if job.weights is None:
        train_together(
            bench,
            job,
            samples,
            INITIAL,
            lambda: {INITIAL: (architecture, fresh(job, architecture, samples))},
        )
    elif bench.lacks(INITIAL):
        given = _given(job, job.weights, architecture)
        bench.add(INITIAL, architecture, given, steps=0, seconds=0.0)
        bench.complete(INITIAL)
    return bench.result()


def first_architecture(job: Job) -> Architecture:
    """The wanted operation on every edge, or what the factory makes. Raises JobError, naming the
    model, if no network can be built like that for the job's records and classes."""
    wanted = Architecture.from_document(job.architecture)
    try:
        return _first_architecture(job, wanted)
    except FACTORY_ERRORS as error:
        operation = "" if job.operation is None else f" and {job.operation!r} on every edge"
        told = str(error) if isinstance(error, ImportError | ValueError) else one_line(error)
        raise JobError(
            f"stream {job.stream}: model: cannot build {wanted.network} with "
            f"{dict(wanted.settings)}{operation}: {told}"
        ) from error


def _first_architecture(job: Job, wanted: Architecture) -> Architecture:
    contract = Contract.from_document(job.contract)
    if job.operation is None:
        found = made_architecture(wanted.network, wanted.settings, contract.shape, seed=job.seed)
    else:
        found = initial_architecture(wanted.network, wanted.settings, operation=job.operation)
    logits = logits_of(build(found, seed=job.seed), contract.shape)
    if logits != len(contract.classes):
        raise ValueError(
            f"it gives {logits} logits a record, and there are {len(contract.classes)} classes"
        )
    return found


def _untrained(job: Job, architecture: Architecture, samples: Samples) -> nn.Module:
    """Raises JobError where its normaliser does not take the records."""
    try:
        return fresh(job, architecture, samples)
    except ValueError as error:
        raise JobError(
            f"stream {job.stream}: model: {architecture.network} does not take the stream's "
            f"records: {error}"
        ) from error


def _given(job: Job, weights: Path, architecture: Architecture) -> nn.Module:
    """With the job's weights. Raises JobError for a file that does not fit, or is not the one that
    was named."""
    network = build(architecture, seed=job.seed)
    try:
        if sha256_of(weights) != job.weights_digest:
            raise ArtifactError(f"{weights}: has changed since it was first read")
        load_weights(network, weights)
    except (ArtifactError, OSError) as error:
        raise JobError(f"stream {job.stream}: model.weights: {error}") from error
    return network
