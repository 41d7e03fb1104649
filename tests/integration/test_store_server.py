"""A daemon whose store is a database server, which goes away for a while."""

import signal
from pathlib import Path

import pytest

from tests.integration.conftest import DaemonMaker
from tests.integration.recordings import FIRST, check_counted_once, counted, recording, replay_of
from tests.integration.recordings import stream_of as settings_of
from tests.postgres import Postgres

pytestmark = pytest.mark.slow

RECORDS = 4_000


def test_a_daemon_waits_for_its_store_and_counts_every_record_once(
    daemon: DaemonMaker, postgres: Postgres, tmp_path: Path
) -> None:
    made = recording(RECORDS)
    running = daemon(
        server_of_store=postgres.make_database(),
        source=replay_of(made, tmp_path / "sensors.jsonl", records_per_second=400),
        **settings_of(RECORDS, checkpoint_seconds=0.1),
    ).start()
    running.wait_for_event("release.published", number=1)
    running.wait_for(
        lambda: len(counted(running.state, place=running.place).ids) > FIRST,
        name="records that count",
    )
    postgres.kill()
    try:
        running.wait_for_event("store.unavailable")
    finally:
        postgres.start()
    running.wait_for_event("store.available")
    running.wait_for(
        lambda: len(counted(running.state, place=running.place).ids) >= len(made.ids),
        name="all records",
    )
    assert running.end(signal.SIGTERM) == 0
    assert "Traceback" not in running.log
    check_counted_once(running.state, made, place=running.place)
