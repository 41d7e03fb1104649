"""Files that a crash or a disk has cut short: a start has what was committed, or is refused."""

import sqlite3
from collections.abc import Callable, Iterator
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest

from adaptd.clock import FakeClock
from adaptd.daemon.context import StreamContext
from adaptd.daemon.memory import Memory
from adaptd.errors import ArtifactError, StateDirectoryError
from adaptd.store.database import Database
from adaptd.store.directory import StateDirectory
from adaptd.stream.segment import write_segment
from tests.daemon.test_memory import SHAPE, batch, context_of

QUICK = Path("/dev/shm")

# Bytes of a database page: the smallest there is, so that a log is small enough to be cut at every
# byte. The log's own header has 32 bytes, that of each page in it 24.
PAGE_BYTES, LOG_HEADER_BYTES, FRAME_HEADER_BYTES = 512, 32, 24
# Elsewhere than in the last transaction, the log is cut every so many bytes.
STRIDE = 97

# Segments of 30 records in a window of 100: from the fifth on each checkpoint drops one.
RECORDS = 30


class Files:
    """A state directory whose files a test can put back as often as it likes."""

    def __init__(self, directory: Path) -> None:
        self._directory = directory
        self._files = {path: path.read_bytes() for path in self._present()}

    def put_back(self, **changed: bytes) -> None:
        """As it was, but for these files, by their names with `_` for what is no letter."""
        names = {path.name.replace("-", "_").replace(".", "_"): path for path in self._files}
        for path in self._present():
            if path not in self._files:
                path.unlink()
        for path, data in self._files.items():
            path.write_bytes(data)
        for name, data in changed.items():
            names[name].write_bytes(data)

    def _present(self) -> list[Path]:
        return [path for path in self._directory.rglob("*") if path.is_file()]


@pytest.fixture
def quick_directory(tmp_path: Path) -> Iterator[Path]:
    """In memory where the system has such a place: thousands of starts here, and each syncs."""
    if not QUICK.is_dir():
        yield tmp_path
        return
    with TemporaryDirectory(dir=QUICK, prefix="adaptd-") as directory:
        yield Path(directory)


@pytest.fixture
def context(quick_directory: Path, empty_database: bytes, clock: FakeClock) -> StreamContext:
    """As the daemon has it, over a database of small pages."""
    state = StateDirectory.open(quick_directory / "state")
    state.database.write_bytes(empty_database)
    connection = sqlite3.connect(state.database, isolation_level=None)
    connection.execute("PRAGMA journal_mode = DELETE")
    connection.execute(f"PRAGMA page_size = {PAGE_BYTES}")
    connection.execute("VACUUM")
    connection.execute("PRAGMA journal_mode = WAL")
    connection.close()
    database = Database.attach(state.database)
    return context_of(state, database, clock)


def fill(context: StreamContext, *, checkpoints: int, then: Callable[[], None]) -> None:
    """So many checkpoints of one segment each; `then` is called after each of them."""
    with context.database.read() as connection:
        memory, _ = Memory.open(context, connection, shape=SHAPE)
    for number in range(checkpoints):
        first = number * RECORDS
        memory.append(batch(first, RECORDS))
        memory.positions[0] = first + RECORDS
        memory.save({"checkpoint": number})
        then()


def opened(state: StateDirectory, context: StreamContext) -> tuple[int, int, dict[int, int], int]:
    """What a start finds: first and next record of the window, positions, number of the
    checkpoint. Fails unless the window holds what was sent."""
    database = Database.attach(state.database)
    try:
        with database.read() as connection:
            memory, document = Memory.open(context, connection, shape=SHAPE)
    finally:
        database.close()
    window = memory.window
    held = window.between(window.first_record, window.next_record)
    assert held.ids.tolist() == [
        str(number) for number in range(window.first_record, window.next_record)
    ]
    number = -1 if document is None else int(document["checkpoint"])
    return window.first_record, window.next_record, memory.positions, number


@pytest.mark.slow
def test_a_log_cut_at_any_byte_gives_the_last_whole_checkpoint_or_is_refused(
    context: StreamContext,
) -> None:
    state, count = context.state, 6
    log = state.database.with_name("adaptd.db-wal")
    ends: list[int] = []
    fill(context, checkpoints=count, then=lambda: ends.append(log.stat().st_size))
    # While the database is open: the last to close it folds the log in.
    files, whole = Files(state.path), log.read_bytes()
    context.database.close()
    frame = FRAME_HEADER_BYTES + PAGE_BYTES
    assert (ends[-1] - LOG_HEADER_BYTES) % frame == 0

    cuts = {*range(ends[-2] - 1, ends[-1] + 1), *range(0, ends[-2], STRIDE)}
    cuts |= {end + beside for end in ends[:-1] for beside in (-1, 0, 1)}
    seen: set[object] = set()
    for cut in sorted(cuts):
        files.put_back(adaptd_db_wal=whole[:cut])
        kept = sum(end <= cut for end in ends)
        if 0 < kept < count - 1:
            # So much is lost only where a disk forgets what it said was written. Files of records
            # that have left the window since are gone.
            with pytest.raises(ArtifactError, match="adaptd repair"):
                opened(state, context)
            seen.add("refused")
            continue
        found = opened(state, context)
        end = kept * RECORDS
        positions = {0: end} if kept else {}
        assert found == (max(0, end - 100), end, positions, kept - 1), f"cut at byte {cut}"
        seen.add(kept)
    assert seen == {0, "refused", count - 1, count}


@pytest.mark.slow
def test_a_log_with_a_changed_byte_gives_the_checkpoint_before_it(context: StreamContext) -> None:
    state = context.state
    log = state.database.with_name("adaptd.db-wal")
    ends: list[int] = []
    fill(context, checkpoints=2, then=lambda: ends.append(log.stat().st_size))
    files, whole = Files(state.path), log.read_bytes()
    context.database.close()
    for place in range(ends[0], ends[1], 7):
        damaged = bytearray(whole)
        damaged[place] ^= 0x40
        files.put_back(adaptd_db_wal=bytes(damaged))
        assert opened(state, context) == (0, RECORDS, {0: RECORDS}, 0), f"changed at byte {place}"


@pytest.mark.slow
def test_a_named_segment_cut_at_any_byte_is_refused_and_says_what_to_do(
    context: StreamContext,
) -> None:
    fill(context, checkpoints=2, then=lambda: None)
    newest = max(context.state.segments("s").iterdir(), key=lambda path: path.stat().st_mtime_ns)
    whole = newest.read_bytes()
    with context.database.read() as connection:
        for cut in range(len(whole)):
            newest.write_bytes(whole[:cut])
            with pytest.raises(
                ArtifactError, match=rf"{newest.name}.*a backup that has it.*repair"
            ):
                Memory.open(context, connection, shape=SHAPE)
        newest.unlink()
        with pytest.raises(ArtifactError, match=rf"{newest.name}.*a backup that has it.*repair"):
            Memory.open(context, connection, shape=SHAPE)
    # Nothing that a person may still want is swept by a start that is refused.
    newest.write_bytes(whole)
    assert opened(context.state, context)[1] == 2 * RECORDS


@pytest.mark.slow
def test_a_segment_that_no_checkpoint_names_does_not_matter(context: StreamContext) -> None:
    fill(context, checkpoints=1, then=lambda: None)
    directory = context.state.segments("s")
    _, unnamed = write_segment(directory, batch(RECORDS, RECORDS))
    whole = unnamed.read_bytes()
    for cut in range(0, len(whole) + 1, 5):
        unnamed.write_bytes(whole[:cut])
        assert opened(context.state, context) == (0, RECORDS, {0: RECORDS}, 0)
        assert not unnamed.exists()


@pytest.mark.slow
@pytest.mark.parametrize("damage", ["cut", "zeros", "noise"])
def test_a_database_with_a_damaged_page_is_refused_or_is_as_it_was(
    context: StreamContext, damage: str
) -> None:
    fill(context, checkpoints=5, then=lambda: None)
    context.database.close()
    state, files = context.state, Files(context.state.path)
    before = opened(state, context)
    whole = state.database.read_bytes()
    refused = 0
    places = range(0, len(whole), PAGE_BYTES)
    for place in places:
        page = {
            "cut": b"",
            "zeros": bytes(PAGE_BYTES) + whole[place + PAGE_BYTES :],
            "noise": b"\xa5" * PAGE_BYTES + whole[place + PAGE_BYTES :],
        }[damage]
        files.put_back(adaptd_db=whole[:place] + page)
        found: object
        try:
            state.check_database()
            Database.open(state.database).close()
            found = opened(state, context)
        except StateDirectoryError as error:
            found = str(error)
        if found != before:
            # Pages that hold nothing may hold anything.
            assert "adaptd restore" in str(found), f"damaged at byte {place}"
            refused += 1
    assert refused > 0.9 * len(places)


def test_a_database_that_is_missing_beside_what_it_named_is_refused(
    context: StreamContext,
) -> None:
    context.state.check_database()
    fill(context, checkpoints=1, then=lambda: None)
    context.database.close()
    context.state.database.unlink()
    with pytest.raises(StateDirectoryError, match="adaptd restore"):
        context.state.check_database()


def test_rows_that_leave_a_gap_are_refused(context: StreamContext) -> None:
    fill(context, checkpoints=3, then=lambda: None)
    with context.database.write() as connection:
        connection.exec_driver_sql(f"DELETE FROM segments WHERE first_record = {RECORDS}")
    with (
        context.database.read() as connection,
        pytest.raises(StateDirectoryError, match=r"leave a gap.*adaptd restore"),
    ):
        Memory.open(context, connection, shape=SHAPE)
