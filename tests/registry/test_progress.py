"""One row of a stream."""

from adaptd.clock import FakeClock
from adaptd.registry import progress
from adaptd.store.database import Database


def test_the_latest_report_of_a_stream_stands_until_it_is_cleared(
    database: Database, clock: FakeClock
) -> None:
    with database.write() as connection:
        for step in (1, 2):
            clock.advance(1)
            progress.report(
                connection,
                stream="pump",
                episode_id="E1",
                document={"phase": "search", "step": step, "steps": 800, "loss": None},
                now=clock.now(),
            )
        progress.report(
            connection,
            stream="fan",
            episode_id=None,
            document={"phase": "initial", "step": 5, "steps": 10, "loss": 1.5},
            now=clock.now(),
        )
    with database.read() as connection:
        assert progress.latest(connection, "pump") == {
            "phase": "search",
            "step": 2,
            "steps": 800,
            "loss": None,
            "episode_id": "E1",
            "at": clock.now().isoformat(),
        }
    with database.write() as connection:
        progress.clear(connection, "pump")
        progress.clear(connection, "pump")
        assert progress.latest(connection, "pump") is None
        fan = progress.latest(connection, "fan")
    assert fan is not None
    assert (fan["phase"], fan["episode_id"]) == ("initial", None)
