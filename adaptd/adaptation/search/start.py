"""The network that a search goes out from."""

from dataclasses import dataclass
from pathlib import Path

from torch import nn

from adaptd.adaptation.search.job import SearchJob
from adaptd.adaptation.search.records import file_schema, is_file, known_schema, recorded_shape
from adaptd.architecture import Architecture, Contract
from adaptd.errors import ArtifactError, ConfigError
from adaptd.registry import manifest
from adaptd.space.export import load_network
from adaptd.space.network import build
from adaptd.space.openable import (
    FACTORY_ERRORS,
    logits_of,
    made_architecture,
    one_line,
    openable_edges,
)
from adaptd.space.weights import load_weights
from adaptd.store.files import sha256_of
from adaptd.stream.schema import Schema


@dataclass(frozen=True, eq=False)
class Start:
    """network: of `architecture`. openable: those of its edges that can be opened, at least one.

    schema: of the records it takes. digest: of a release it is; None if it is none. has_weights:
    whether its weights were trained, not only drawn. weights_digest: sha256 of a file of weights.
    """

    network: nn.Module
    architecture: Architecture
    openable: tuple[str, ...]
    schema: Schema
    digest: str | None
    has_weights: bool
    weights_digest: str | None = None


def start_of(job: SearchJob) -> Start:
    """The network that --from names, with the weights of its release or of --weights.

    Raises ConfigError, naming the option, for whatever does not fit.
    """
    path = Path(job.start)
    schema = known_schema(job)
    if path.is_dir():
        return _released(job, path, schema)
    architecture = _architecture(job, path)
    shape = schema.shape if schema is not None else _file_shape(job)
    if schema is not None and job.shape not in (None, schema.shape):
        raise ConfigError(
            f"--shape {_sizes(job.shape)}: records of {job.stream} are {_sizes(schema.shape)}"
        )
    try:
        if not architecture.operations:
            architecture = made_architecture(
                architecture.network, architecture.settings, shape, seed=job.seed
            )
        network = build(architecture, seed=job.seed)
        openable = _openable(network, architecture, shape)
        outputs = logits_of(network, shape)
    except FACTORY_ERRORS as error:
        told = str(error) if isinstance(error, ImportError | ValueError) else one_line(error)
        raise ConfigError(f"--from {job.start}: {' '.join(told.split())}") from error
    schema = schema or _file_schema(job, shape, outputs)
    _check_classes(job, schema, outputs)
    weights_digest = None
    if job.weights is not None:
        try:
            load_weights(network, job.weights)
        except ArtifactError as error:
            raise ConfigError(f"--weights {error}") from error
        weights_digest = sha256_of(job.weights)
    return Start(
        network=network,
        architecture=architecture,
        openable=openable,
        schema=schema,
        digest=None,
        has_weights=job.weights is not None,
        weights_digest=weights_digest,
    )


def _released(job: SearchJob, path: Path, schema: Schema | None) -> Start:
    if job.settings or job.weights is not None:
        raise ConfigError(
            f"--from {path} is a release, which has its settings and weights: "
            "leave --set and --weights out"
        )
    try:
        document = manifest.verify(path)
        contract = Contract.from_document(document["contract"])
        network, architecture = load_network(path)
        openable = _openable(network, architecture, contract.shape)
    except (ArtifactError, ValueError, KeyError) as error:
        raise ConfigError(f"--from {path}: {error}") from error
    taken = Schema(contract.shape, contract.classes, contract.features)
    if schema is not None and schema.contract().schema_digest != contract.schema_digest:
        raise ConfigError(
            f"--from {path} takes records of {_sizes(taken.shape)} with the classes "
            f"{', '.join(taken.classes)}; {job.stream} has {_sizes(schema.shape)} with "
            f"{', '.join(schema.classes)}"
        )
    if job.shape not in (None, taken.shape):
        raise ConfigError(
            f"--shape {_sizes(job.shape)}: --from {path} takes records of {_sizes(taken.shape)}"
        )
    return Start(
        network=network.train(),
        architecture=architecture,
        openable=openable,
        schema=taken,
        digest=manifest.release_digest(document),
        has_weights=True,
    )


def _architecture(job: SearchJob, path: Path) -> Architecture:
    """Of a document as it is; of a factory without an edge yet."""
    if path.suffix == ".json":
        if job.settings:
            raise ConfigError(f"--from {path} has its own settings: leave --set out")
        try:
            return Architecture.from_json(path.read_text(encoding="utf-8"))
        except (OSError, ValueError) as error:
            raise ConfigError(f"--from {path}: no architecture document: {error}") from error
    try:
        return Architecture(job.start, job.settings)
    except ValueError as error:
        raise ConfigError(
            f"--from {job.start!r}: expected a release directory, an architecture's .json file, "
            f"or a factory package.module:name"
        ) from error


def _openable(
    network: nn.Module, architecture: Architecture, shape: tuple[int, ...]
) -> tuple[str, ...]:
    openable = openable_edges(network, shape)
    found = tuple(edge for edge in openable if edge in architecture.operations)
    if not found:
        raise ValueError(f"{architecture.network}: no layer can be opened; see `adaptd inspect`")
    return found


def _file_shape(job: SearchJob) -> tuple[int, ...]:
    told, _ = recorded_shape(Path(job.stream))
    if told is not None and job.shape not in (None, told):
        raise ConfigError(
            f"--shape {_sizes(job.shape)}: {job.stream} says its records are {_sizes(told)}"
        )
    shape = job.shape or told
    if shape is None:
        raise ConfigError(
            f"STREAM {job.stream}: the file does not tell the shape of its records; "
            "give --shape, such as --shape 3,128"
        )
    return shape


def _file_schema(job: SearchJob, shape: tuple[int, ...], outputs: int) -> Schema:
    _, classes = recorded_shape(Path(job.stream)) if is_file(job.stream) else (None, None)
    return file_schema(shape, classes or outputs)


def _check_classes(job: SearchJob, schema: Schema, outputs: int) -> None:
    if len(schema.classes) != outputs:
        raise ConfigError(
            f"--from {job.start}: gives {outputs} logits a record, "
            f"but {job.stream} has {len(schema.classes)} classes"
        )


def _sizes(shape: tuple[int, ...] | None) -> str:
    return "x".join(map(str, shape or ()))
