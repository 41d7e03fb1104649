"""`adaptd repair` as an operator calls it."""

import json

from typer.testing import CliRunner

from adaptd.cli.main import app
from adaptd.store import segments
from adaptd.store.database import Database
from adaptd.store.directory import StateDirectory
from adaptd.store.segments import SegmentRow
from adaptd.stream.segment import write_segment
from tests.stream.conftest import batch_of


def test_a_damaged_file_is_dropped_and_named(
    runner: CliRunner, state: StateDirectory, store: Database
) -> None:
    options = ["--state", str(state.path)]
    paths = []
    for first in (0, 10, 20):
        digest, path = write_segment(state.segments("pump"), batch_of(10, first=first))
        paths.append(path)
        name = path.relative_to(state.path).as_posix()
        with store.write() as connection:
            segments.add(connection, SegmentRow("pump", first, 10, digest, name))
    whole = runner.invoke(app, ["repair", *options])
    assert (whole.exit_code, whole.stdout) == (0, "no file of a window is damaged\n")
    paths[1].write_bytes(b"")
    done = runner.invoke(app, ["repair", *options, "--json"])
    assert done.exit_code == 0
    assert json.loads(done.stdout) == [
        {"stream": "pump", "records": 20, "damaged": [str(paths[1])]}
    ]
    with store.read() as connection:
        assert [row.first_record for row in segments.listing(connection, "pump")] == [20]
    paths[2].unlink()
    told = runner.invoke(app, ["repair", *options]).stdout
    assert "pump: 10 records dropped from the window" in told
    assert str(paths[2]) in told
