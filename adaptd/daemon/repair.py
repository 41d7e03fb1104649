"""What a window can do without, where a file of it is damaged and no backup has it."""

from dataclasses import dataclass
from pathlib import Path

from adaptd.errors import ArtifactError
from adaptd.store import segments
from adaptd.store.database import Database
from adaptd.store.directory import DaemonLock, StateDirectory
from adaptd.stream.segment import read_segment


@dataclass(frozen=True)
class Dropped:
    """Records that left a stream's window. damaged: the files that were not as stored."""

    stream: str
    records: int
    damaged: tuple[Path, ...]


def repair(state: StateDirectory, database: Database) -> list[Dropped]:
    """Drops, of each stream, every segment up to the newest that is damaged. Returns what it was.

    A window has no gaps, so what lies before a damaged one goes with it. The records have been
    counted and scored and stay so: what is lost is what an episode could have trained on. Files go
    at the daemon's next start. Raises StateDirectoryError while a daemon holds the directory, and
    ArtifactError for a file that is there and cannot be read: whether it is damaged is not known.
    """
    dropped = []
    with DaemonLock(state.lock), database.write() as connection:
        for stream in segments.streams(connection):
            end, damaged = 0, []
            for row in segments.listing(connection, stream):
                path = state.path / row.path
                try:
                    read_segment(path, row.digest)
                except ArtifactError as error:
                    if isinstance(error.__cause__, OSError) and not isinstance(
                        error.__cause__, FileNotFoundError
                    ):
                        # It may be whole: a disk that is away, a file that is not ours to read.
                        raise
                    damaged.append(path)
                    end = row.first_record + row.records
            rows = segments.drop_before(connection, stream, record=end)
            if rows:
                records = sum(row.records for row in rows)
                dropped.append(Dropped(stream, records, tuple(damaged)))
    return dropped
