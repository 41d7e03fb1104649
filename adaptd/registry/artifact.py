"""From a directory with a model in it to an immutable release directory."""

import shutil
from collections.abc import Mapping
from datetime import datetime
from pathlib import Path
from typing import Any

from adaptd.architecture import Architecture, Contract
from adaptd.architecture.canonical import canonical_json
from adaptd.registry.manifest import MANIFEST, REQUIRED, build_manifest, release_digest, verify
from adaptd.store.files import disk_errors, publish_directory, write_atomically


def seal(
    directory: Path,
    *,
    stream: str,
    contract: Contract,
    architecture: Architecture,
    parent: str | None,
    episode: str | None,
    evidence: Mapping[str, Any],
    now: datetime,
) -> str:
    """Writes the manifest into a directory that holds the model; returns the release digest.

    Sealing the same files for the same reasons again gives the same digest, whenever it is done.
    Raises ArtifactError as `build_manifest` does; ValueError if the evidence holds NaN or infinity.
    """
    manifest = build_manifest(
        directory,
        stream=stream,
        contract=contract,
        architecture=architecture,
        parent=parent,
        episode=episode,
        evidence=evidence,
        now=now,
    )
    write_atomically(directory / MANIFEST, canonical_json(manifest).encode() + b"\n")
    return release_digest(manifest)


def copy(release: Path, target: Path, *, digest: str) -> dict[str, Any]:
    """Copies a release's model to `target`, in place of what is there, so that it can be sealed and
    released anew. Returns the manifest that it was released with.

    Raises ArtifactError if it is not what the digest says; StoreUnavailable if the disk is full.
    """
    manifest = verify(release, digest=digest)
    shutil.rmtree(target, ignore_errors=True)
    with disk_errors(target):
        target.mkdir(parents=True)
        for file in REQUIRED:
            shutil.copyfile(release / file, target / file)
    return manifest


def install(directory: Path, releases: Path, *, digest: str | None = None) -> Path:
    """Moves a sealed directory to `releases`/<digest>, whole or not at all, and returns that path.

    digest: what was decided on, if something was; nothing else is installed then. Where the release
    is there already, `directory` is removed, or may be gone: doing it again is harmless.
    Raises ArtifactError if either does not match its manifest or the digest; StoreUnavailable if
    the disk is full.
    """
    if digest is not None and not directory.exists():
        verify(releases / digest, digest=digest)
        return releases / digest
    target = releases / release_digest(verify(directory, digest=digest))
    if target.exists():
        verify(target, digest=target.name)
    publish_directory(directory, target)
    return target
