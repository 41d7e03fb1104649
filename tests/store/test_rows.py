"""Insert or set."""

from adaptd.clock import FakeClock
from adaptd.store.database import Database
from adaptd.store.rows import put
from adaptd.store.tables import epochs


def test_put_inserts_once_and_then_sets(database: Database, clock: FakeClock) -> None:
    with database.write() as connection:
        for stream, epoch in [("pump", 1), ("fan", 1), ("pump", 2)]:
            put(
                connection,
                epochs,
                key={"stream": stream},
                values={"epoch": epoch, "owner": "test", "acquired_at": clock.now()},
            )
    with database.write() as connection:
        put(connection, epochs, key={"stream": "pump"}, values={"epoch": 3})
    with database.read() as connection:
        rows = connection.execute(epochs.select().order_by(epochs.c.stream)).all()
    assert [(row.stream, row.epoch, row.owner) for row in rows] == [
        ("fan", 1, "test"),
        ("pump", 3, "test"),
    ]
