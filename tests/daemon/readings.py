"""What the store says of a running stream."""

from adaptd.registry import episodes, proposals, releases, scores
from adaptd.registry.episodes import Episode
from adaptd.registry.proposals import Proposal
from adaptd.registry.releases import Release
from adaptd.registry.scores import BlockScore
from tests.daemon.conftest import STREAM, Running


def released(running: Running) -> list[Release]:
    with running.context.database.read() as connection:
        return releases.history(connection, STREAM)


def told(running: Running) -> list[Episode]:
    with running.context.database.read() as connection:
        return episodes.history(connection, STREAM)


def proposed(running: Running) -> list[Proposal]:
    with running.context.database.read() as connection:
        return proposals.listing(connection, STREAM)


def blocks(running: Running) -> list[BlockScore]:
    with running.context.database.read() as connection:
        return scores.series(connection, STREAM, limit=10_000)


def is_at(running: Running, state: str, rung: str) -> bool:
    """Whether the open episode is in this state, of this rung."""
    with running.context.database.read() as connection:
        episode = episodes.active(connection, STREAM)
    return episode is not None and episode.state == state and episode.plan["rungs"] == [rung]
