"""A segment: a file of consecutive records, written once and named by its content."""

import hashlib
import json
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from adaptd.errors import ArtifactError
from adaptd.store.files import disk_errors, write_atomically
from adaptd.stream.batch import Batch, id_column

SCHEMA_VERSION = 1

_METADATA = b"adaptd"


def write_segment(directory: Path, batch: Batch) -> tuple[str, Path]:
    """Writes the batch as Arrow IPC to `<digest>.arrow`, atomically; on disk when it returns.

    Returns the hex sha256 of the file's bytes, and its path. The directory is made if it is absent.
    Raises StoreUnavailable where the disk is full.
    """
    sink = pa.BufferOutputStream()
    table = _table(batch)
    with pa.ipc.new_file(sink, table.schema) as writer:
        writer.write_table(table)
    data = sink.getvalue().to_pybytes()
    digest = hashlib.sha256(data).hexdigest()
    path = directory / f"{digest}.arrow"
    with disk_errors(directory):
        directory.mkdir(parents=True, exist_ok=True)
    write_atomically(path, data)
    return digest, path


def read_segment(path: Path, digest: str) -> Batch:
    """The batch that was written.

    Raises ArtifactError, naming the file, if it is absent, damaged, or of a newer version.
    """
    try:
        data = path.read_bytes()
    except OSError as error:
        raise ArtifactError(f"{path}: the segment cannot be read: {error.strerror}") from error
    seen = hashlib.sha256(data).hexdigest()
    if seen != digest:
        raise ArtifactError(f"{path}: expected sha256 {digest}, got {seen}")
    try:
        table = pa.ipc.open_file(pa.BufferReader(data)).read_all()
    except pa.ArrowException as error:
        raise ArtifactError(f"{path}: not a segment: {error}") from error
    return _batch(table, path)


def _table(batch: Batch) -> pa.Table:
    # The shape stands beside the numbers: Arrow's own lists know only their length.
    facts = {"schema_version": SCHEMA_VERSION, "shape": list(batch.shape)}
    values = np.ascontiguousarray(batch.x, np.float32).reshape(-1)
    columns = {
        "x": pa.FixedSizeListArray.from_arrays(pa.array(values), int(np.prod(batch.shape))),
        "target": pa.array(batch.target),
        "id": pa.array(batch.ids, pa.string()),
        "timestamp": pa.array(batch.timestamps),
        "partition": pa.array(batch.positions[:, 0]),
        "offset": pa.array(batch.positions[:, 1]),
    }
    # Without weights the bytes, and so the name, are those of the time before there were any.
    if batch.weight is not None:
        columns["weight"] = pa.array(batch.weight)
    return pa.table(columns, metadata={_METADATA: json.dumps(facts).encode()})


def _batch(table: pa.Table, path: Path) -> Batch:
    facts = json.loads((table.schema.metadata or {}).get(_METADATA, b"{}"))
    if facts.get("schema_version") != SCHEMA_VERSION:
        raise ArtifactError(
            f"{path}: segment schema_version must be {SCHEMA_VERSION}, "
            f"got {facts.get('schema_version')!r}"
        )
    x = np.asarray(pc.list_flatten(table["x"]))
    return Batch(
        # Arrow's memory is read-only; a batch's columns are ordinary arrays.
        x=x.reshape(table.num_rows, *facts["shape"]).copy(),
        target=table["target"].to_numpy().copy(),
        ids=id_column(table["id"].to_pylist()),
        timestamps=table["timestamp"].to_numpy().copy(),
        positions=np.stack([table["partition"].to_numpy(), table["offset"].to_numpy()], axis=1),
        weight=table["weight"].to_numpy().copy() if "weight" in table.column_names else None,
    )
