"""The manifest of a release: its files with their sha256, its contract, whence it came, why."""

import json
from collections.abc import Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from adaptd.architecture import Architecture, Contract
from adaptd.architecture.canonical import digest_of
from adaptd.errors import ArtifactError
from adaptd.store.files import sha256_of

SCHEMA_VERSION = 1

MANIFEST = "manifest.json"
MODEL = "model.onnx"
WEIGHTS = "weights.safetensors"
ARCHITECTURE = "architecture.json"

# What every release holds beside its manifest.
REQUIRED = (MODEL, WEIGHTS, ARCHITECTURE)


def build_manifest(
    directory: Path,
    *,
    stream: str,
    contract: Contract,
    architecture: Architecture,
    parent: str | None,
    episode: str | None,
    evidence: Mapping[str, Any],
    now: datetime,
) -> dict[str, Any]:
    """The manifest of the files that are in the directory now; writes nothing.

    parent: digest of the release it follows. episode: id of the one it comes from.
    Raises ArtifactError if a required file is missing, a file is not a plain one, or
    architecture.json holds another architecture.
    """
    files = {
        name: {"sha256": sha256_of(path), "bytes": path.stat().st_size}
        for name, path in _files(directory).items()
    }
    for name in REQUIRED:
        if name not in files:
            raise ArtifactError(f"{directory / name}: missing, a release needs {list(REQUIRED)}")
    _check_architecture(directory / ARCHITECTURE, architecture)
    return {
        "schema_version": SCHEMA_VERSION,
        "stream": stream,
        "architecture": architecture.to_document(),
        "contract": contract.to_document(),
        "lineage": {"parent": parent, "episode": episode},
        "evidence": dict(evidence),
        "files": files,
        "created_at": now.astimezone(UTC).isoformat(timespec="microseconds"),
    }


def release_digest(manifest: Mapping[str, Any]) -> str:
    """Hex sha256 of the canonical manifest without `created_at`: equal content, equal digest."""
    return digest_of({key: value for key, value in manifest.items() if key != "created_at"})


def verify(directory: Path, *, digest: str | None = None) -> dict[str, Any]:
    """Reads the manifest and checks every file of the directory against it.

    digest: what the release must have, if it is known from elsewhere (a row, a decision).
    Raises ArtifactError naming the first file that is missing, changed, or not in the manifest.
    """
    path = directory / MANIFEST
    try:
        manifest: dict[str, Any] = json.loads(path.read_bytes())
        version, listed = manifest["schema_version"], dict(manifest["files"])
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise ArtifactError(f"{path}: not a readable manifest: {error!r}") from error
    if version != SCHEMA_VERSION:
        raise ArtifactError(f"{path}: schema_version must be {SCHEMA_VERSION}, got {version!r}")
    found = _files(directory)
    for name in (*REQUIRED, *listed):
        if name not in listed:
            raise ArtifactError(f"{path}: does not list {name}")
        if name not in found:
            raise ArtifactError(f"{directory / name}: missing, the manifest lists it")
        expected = listed[name].get("sha256") if isinstance(listed[name], dict) else None
        actual = sha256_of(found[name])
        if actual != expected:
            raise ArtifactError(
                f"{directory / name}: sha256 is {actual}, the manifest says {expected}"
            )
    for name in found:
        if name not in listed:
            raise ArtifactError(f"{directory / name}: is not in the manifest")
    if digest is not None and release_digest(manifest) != digest:
        raise ArtifactError(
            f"{path}: the release's digest is {release_digest(manifest)}, expected {digest}"
        )
    return manifest


def _files(directory: Path) -> dict[str, Path]:
    found = {}
    for path in sorted(directory.rglob("*")):
        if path.is_symlink() or not (path.is_file() or path.is_dir()):
            raise ArtifactError(f"{path}: a release holds plain files only")
        if path.is_file() and path != directory / MANIFEST:
            found[path.relative_to(directory).as_posix()] = path
    return found


def _check_architecture(path: Path, architecture: Architecture) -> None:
    try:
        written = Architecture.from_json(path.read_text(encoding="utf-8"))
    except ValueError as error:
        raise ArtifactError(f"{path}: {error}") from error
    if written != architecture:
        raise ArtifactError(f"{path}: holds another architecture than the one to be released")
