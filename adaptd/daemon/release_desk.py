"""Turns a worker's exported network into a release: sealed, installed, promoted, announced."""

from datetime import datetime
from pathlib import Path
from typing import Any

from sqlalchemy import Connection

from adaptd.architecture import Architecture, Contract
from adaptd.daemon.context import StreamContext
from adaptd.registry import artifact, releases
from adaptd.registry.releases import Release
from adaptd.store import outbox

RELEASE_EVENT = "release"


class ReleaseDesk:
    """Publishes for one stream."""

    def __init__(self, context: StreamContext, contract: Contract) -> None:
        self._context = context
        self._contract = contract

    def seal(
        self,
        directory: Path,
        *,
        architecture: Architecture,
        parent: str | None,
        episode: str | None,
        evidence: dict[str, Any],
        now: datetime,
    ) -> str:
        """Writes the manifest beside the exported files and returns the digest a decision will
        name."""
        return artifact.seal(
            directory,
            stream=self._context.stream,
            contract=self._contract,
            architecture=architecture,
            parent=parent,
            episode=episode,
            evidence=evidence,
            now=now,
        )

    def install(self, directory: Path, *, digest: str) -> Path:
        """Moves the sealed files to where releases live; doing it again after a kill is harmless.

        Raises ArtifactError if they are not what the digest says.
        """
        return artifact.install(
            directory, self._context.state.releases(self._context.stream), digest=digest
        )

    def promote(
        self,
        connection: Connection,
        *,
        digest: str,
        architecture: Architecture,
        directory: Path,
        macs: int,
        episode: str | None,
        expected: str | None,
        now: datetime,
    ) -> Release:
        """Moves the champion pointer from `expected` and adds the release event, in the caller's
        transaction.

        Raises ConflictError if the champion is no longer the expected one.
        """
        release = releases.promote(
            connection,
            digest=digest,
            stream=self._context.stream,
            architecture=architecture,
            contract=self._contract,
            episode_id=episode,
            path=self._context.relative(directory),
            macs=macs,
            expected=expected,
            now=now,
        )
        outbox.add(
            connection,
            stream=self._context.stream,
            kind=RELEASE_EVENT,
            document={
                "number": release.number,
                "digest": digest,
                "parent": expected,
                "episode": episode,
                "architecture": architecture.to_document(),
                "path": str(directory),
            },
            now=now,
        )
        return release
