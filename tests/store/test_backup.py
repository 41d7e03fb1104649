"""A copy is whole whatever the daemon does meanwhile, and goes back to where it came from."""

import json
import threading
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest
from sqlalchemy import insert, select

from adaptd.clock import FakeClock
from adaptd.errors import ArtifactError, NotFoundError, StateDirectoryError
from adaptd.registry import episodes
from adaptd.store import pins, segments
from adaptd.store.backup import MANIFEST, back_up, read_backup, restore
from adaptd.store.database import Database
from adaptd.store.directory import DaemonLock, StateDirectory
from adaptd.store.pins import Wanted
from adaptd.store.segments import SegmentRow
from adaptd.store.tables import epochs
from adaptd.store.tables import pins as pin_table

NOW = FakeClock().now()


@dataclass
class Deployment:
    """A state directory with a database, as a daemon keeps it."""

    state: StateDirectory
    database: Database

    def add_segment(self, number: int) -> None:
        path = self.state.segments("pump") / f"{number}.arrow"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(str(number).encode())
        name = str(path.relative_to(self.state.path))
        with self.database.write() as connection:
            segments.add(connection, SegmentRow("pump", number, 1, "0" * 64, name))

    def drop_before(self, number: int) -> None:
        with self.database.write() as connection:
            gone = segments.drop_before(connection, "pump", record=number)
        for row in gone:
            (self.state.path / row.path).unlink()

    def own(self, stream: str) -> None:
        row = {"stream": stream, "epoch": 1, "owner": "test", "acquired_at": NOW}
        with self.database.write() as connection:
            connection.execute(insert(epochs).values(**row))

    def pin(self, number: int) -> None:
        """What leaves the window is kept for an episode."""
        with self.database.write() as connection:
            episodes.open_(connection, id="E", stream="pump", trigger={}, now=NOW)
            gone = segments.drop_before(connection, "pump", record=number + 1)
            pins.keep(connection, gone, [Wanted("E", 0, None)])


@pytest.fixture
def deployment(tmp_path: Path, empty_database: bytes) -> Iterator[Deployment]:
    state = StateDirectory.open(tmp_path / "state")
    state.database.write_bytes(empty_database)
    release = state.releases("pump") / ("a" * 64)
    release.mkdir(parents=True)
    (release / "model.onnx").write_bytes(b"a model")
    (state.releases("pump") / ".half.partial").mkdir()
    (state.releases("pump") / ".half.partial" / "model.onnx").write_bytes(b"half")
    database = Database.attach(state.database)
    made = Deployment(state, database)
    for number in range(3):
        made.add_segment(number)
    (state.segments("pump") / "orphan.arrow").write_bytes(b"nobody names it")
    made.own("pump")
    yield made
    database.close()


def owned(directory: Path) -> list[str]:
    database = Database.attach(directory / "adaptd.db")
    try:
        with database.read() as connection:
            return list(connection.scalars(select(epochs.c.stream)))
    finally:
        database.close()


def test_a_backup_holds_what_counts_and_nothing_else(
    deployment: Deployment, tmp_path: Path
) -> None:
    made = back_up(deployment.state, tmp_path / "backups" / "one", now=NOW)
    assert set(made.files) == {
        "adaptd.db",
        "state.json",
        f"releases/pump/{'a' * 64}/model.onnx",
        "segments/pump/0.arrow",
        "segments/pump/1.arrow",
        "segments/pump/2.arrow",
    }
    assert read_backup(made.path) == made
    assert made.size_bytes > 0
    assert owned(made.path) == ["pump"]


def test_a_restored_state_is_that_of_the_backup_and_what_was_there_is_kept(
    deployment: Deployment, tmp_path: Path
) -> None:
    made = back_up(deployment.state, tmp_path / "one", now=NOW)
    deployment.own("fan")
    deployment.drop_before(3)
    deployment.database.close()
    aside = restore(made, deployment.state.path, now=NOW)
    assert aside is not None
    assert sorted(owned(aside)) == ["fan", "pump"]
    assert owned(deployment.state.path) == ["pump"]
    assert (deployment.state.segments("pump") / "2.arrow").read_bytes() == b"2"
    assert not (deployment.state.path / MANIFEST).exists()
    StateDirectory.open(deployment.state.path)


def test_a_state_directory_that_is_lost_is_made_anew(
    deployment: Deployment, tmp_path: Path
) -> None:
    made = back_up(deployment.state, tmp_path / "one", now=NOW)
    assert restore(made, tmp_path / "elsewhere" / "state", now=NOW) is None
    assert owned(tmp_path / "elsewhere" / "state") == ["pump"]


def test_a_daemon_that_runs_is_not_restored_under(deployment: Deployment, tmp_path: Path) -> None:
    made = back_up(deployment.state, tmp_path / "one", now=NOW)
    with DaemonLock(deployment.state.lock), pytest.raises(StateDirectoryError, match="is held by"):
        restore(made, deployment.state.path, now=NOW)
    assert owned(deployment.state.path) == ["pump"]


def test_a_backup_is_whole_while_the_window_moves_on(
    deployment: Deployment, tmp_path: Path
) -> None:
    stop = threading.Event()

    def move() -> None:
        number = 3
        while not stop.is_set():
            deployment.add_segment(number)
            deployment.drop_before(number - 20)
            number += 1

    mover = threading.Thread(target=move)
    mover.start()
    try:
        for number in range(10):
            made = back_up(deployment.state, tmp_path / str(number), now=NOW)
            database = Database.attach(made.path / "adaptd.db")
            with database.read() as connection:
                rows = segments.listing(connection, "pump")
            database.close()
            assert rows
            for row in rows:
                assert (made.path / row.path).read_bytes() == str(row.first_record).encode()
    finally:
        stop.set()
        mover.join()


def test_a_damaged_database_is_told_and_not_backed_up(
    deployment: Deployment, tmp_path: Path
) -> None:
    deployment.database.close()
    data = bytearray(deployment.state.database.read_bytes())
    for page in range(4_096, len(data), 4_096):
        data[page : page + 64] = b"\xff" * 64
    deployment.state.database.write_bytes(bytes(data))
    with pytest.raises(StateDirectoryError, match="adaptd restore"):
        back_up(deployment.state, tmp_path / "one", now=NOW)
    assert not (tmp_path / "one").exists()
    assert not list(tmp_path.glob(".one*"))


def test_a_backup_overwrites_nothing(deployment: Deployment, tmp_path: Path) -> None:
    (tmp_path / "one").mkdir()
    with pytest.raises(StateDirectoryError, match="is there already"):
        back_up(deployment.state, tmp_path / "one", now=NOW)
    with pytest.raises(NotFoundError, match="no store"):
        back_up(StateDirectory(tmp_path / "nowhere"), tmp_path / "two", now=NOW)


def test_what_is_no_longer_as_it_was_backed_up_is_refused(
    deployment: Deployment, tmp_path: Path
) -> None:
    made = back_up(deployment.state, tmp_path / "one", now=NOW)
    segment = made.path / "segments" / "pump" / "1.arrow"
    segment.write_bytes(b"changed")
    with pytest.raises(ArtifactError, match=r"1\.arrow: is not what was backed up"):
        read_backup(made.path)
    segment.unlink()
    with pytest.raises(ArtifactError, match=r"1\.arrow: missing"):
        read_backup(made.path)
    manifest = made.path / MANIFEST
    manifest.write_text(json.dumps({**json.loads(manifest.read_text()), "schema_version": 2}))
    with pytest.raises(ArtifactError, match="of version 2"):
        read_backup(made.path)
    manifest.write_text("{")
    with pytest.raises(ArtifactError, match="damaged"):
        read_backup(made.path)
    with pytest.raises(NotFoundError, match="no backup"):
        read_backup(tmp_path / "nowhere")


def test_a_backup_holds_what_is_pinned(deployment: Deployment, tmp_path: Path) -> None:
    deployment.pin(0)
    back_up(deployment.state, tmp_path / "copy", now=NOW)
    copied = {path.name for path in (tmp_path / "copy" / "segments" / "pump").iterdir()}
    assert copied == {"0.arrow", "1.arrow", "2.arrow"}


def test_a_state_of_a_daemon_that_pins_nothing_is_backed_up(
    deployment: Deployment, tmp_path: Path
) -> None:
    with deployment.database.write() as connection:
        pin_table.drop(connection)
    back_up(deployment.state, tmp_path / "copy", now=NOW)
    assert (tmp_path / "copy" / "segments" / "pump" / "0.arrow").exists()
