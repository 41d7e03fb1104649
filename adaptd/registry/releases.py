"""Releases, and which of them is the champion of its stream."""

from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import Connection, Row, func, insert, select

from adaptd.architecture import Architecture, Contract
from adaptd.errors import ConflictError, NotFoundError
from adaptd.store.rows import put
from adaptd.store.tables import champions, releases


@dataclass(frozen=True)
class Release:
    """A published artifact, immutable.

    digest: of its manifest, see `manifest.release_digest`. number: from 1 in its stream. parent:
    digest of the champion it replaced, None for the first. path: relative to the state directory.
    macs: multiply-accumulates for one record.
    """

    digest: str
    stream: str
    number: int
    parent: str | None
    architecture: Architecture
    contract: Contract
    episode_id: str | None
    path: str
    macs: int
    created_at: datetime


def current(connection: Connection, stream: str) -> Release | None:
    """The champion of the stream; None before release 1."""
    row = connection.execute(
        select(releases)
        .join(champions, champions.c.digest == releases.c.digest)
        .where(champions.c.stream == stream)
    ).one_or_none()
    return None if row is None else _release(row)


def get(connection: Connection, digest: str) -> Release:
    """Raises NotFoundError if nothing of that digest was released."""
    row = connection.execute(select(releases).where(releases.c.digest == digest)).one_or_none()
    if row is None:
        raise NotFoundError(f"no release {digest!r}")
    return _release(row)


def history(connection: Connection, stream: str) -> list[Release]:
    """Every release of the stream, newest first."""
    rows = connection.execute(
        select(releases).where(releases.c.stream == stream).order_by(releases.c.number.desc())
    )
    return [_release(row) for row in rows]


def promote(
    connection: Connection,
    *,
    digest: str,
    stream: str,
    architecture: Architecture,
    contract: Contract,
    episode_id: str | None,
    path: str,
    macs: int,
    expected: str | None,
    now: datetime,
) -> Release:
    """Records a release under the next number and makes it the champion. Its files are in place.

    expected: digest of the champion that the decision was made against, None for the first release;
    it becomes the parent.
    Raises ConflictError, and changes nothing, if another is champion by now or the digest was
    released before.
    """
    held = connection.scalar(select(champions.c.digest).where(champions.c.stream == stream))
    if held != expected:
        raise ConflictError(
            f"stream {stream!r}: expected {_named(expected)} as champion, found {_named(held)}"
        )
    number = connection.scalar(select(releases.c.number).where(releases.c.digest == digest))
    if number is not None:
        raise ConflictError(f"{digest} was released before, as number {number}")
    last = connection.scalar(select(func.max(releases.c.number)).where(releases.c.stream == stream))
    connection.execute(
        insert(releases).values(
            digest=digest,
            stream=stream,
            number=(last or 0) + 1,
            parent=expected,
            architecture=architecture.to_document(),
            contract=contract.to_document(),
            episode_id=episode_id,
            path=path,
            macs=macs,
            created_at=now,
        )
    )
    put(
        connection,
        champions,
        key={"stream": stream},
        values={"digest": digest, "moved_at": now},
    )
    return get(connection, digest)


def _release(row: Row[Any]) -> Release:
    return Release(
        digest=row.digest,
        stream=row.stream,
        number=row.number,
        parent=row.parent,
        architecture=Architecture.from_document(row.architecture),
        contract=Contract.from_document(row.contract),
        episode_id=row.episode_id,
        path=row.path,
        macs=row.macs,
        created_at=row.created_at,
    )


def _named(digest: str | None) -> str:
    return "none" if digest is None else digest
