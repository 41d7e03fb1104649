"""What is kept of an episode, so that it can be replayed, and for how long."""

import shutil

from sqlalchemy import Connection

from adaptd.adaptation.job import INITIAL
from adaptd.daemon.context import StreamContext
from adaptd.registry import trials
from adaptd.store import pins
from adaptd.store.segments import SegmentRow


def settle(
    connection: Connection, context: StreamContext, leaving: list[SegmentRow]
) -> list[SegmentRow]:
    """Pins, of the segments whose rows have just left the window, those that a replay needs, and
    takes the pins off that are too old. Returns the rows whose files nobody needs any more."""
    if not leaving:
        return []
    kept = _kept(connection, context)
    pins.keep(connection, leaving, trials.wanted(connection, kept))
    dropped = pins.drop(connection, context.stream, keep=kept)
    return pins.unnamed(connection, [*leaving, *dropped])


def sweep(context: StreamContext, *, opening: str) -> None:
    """Deletes what episodes that are over have left in their folders: their networks, and, of all
    but the latest that can be replayed, the records that they were trained on.

    opening: the episode that is open, which keeps all. Rows stay for good.
    """
    with context.database.read() as connection:
        kept = {opening, INITIAL, *_kept(connection, context)}
    root = context.state.episodes(context.stream)
    for directory in root.iterdir() if root.is_dir() else ():
        if directory.name != opening:
            # In a group, an owner's folder carries its epoch.
            for members in directory.glob("members*"):
                shutil.rmtree(members, ignore_errors=True)
        if directory.name not in kept:
            shutil.rmtree(directory, ignore_errors=True)


def _kept(connection: Connection, context: StreamContext) -> list[str]:
    return trials.latest_episodes(connection, context.stream, context.config.episode.replayable)
