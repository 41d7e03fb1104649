import json
import os
import pwd

import pytest
from typer.testing import CliRunner

from adaptd.cli.watches import app
from adaptd.clock import FakeClock
from adaptd.errors import NotFoundError
from adaptd.registry import releases, watches
from adaptd.store.database import Database
from adaptd.store.directory import StateDirectory
from adaptd.stream.scenario import SCENARIOS
from tests.cli.conftest import AFTER, CHALLENGER, CHAMPION, STREAM


@pytest.fixture
def watched(observed: Database, clock: FakeClock) -> Database:
    """Release 2 is watched beside release 1."""
    with observed.write() as connection:
        releases.promote(
            connection,
            digest=CHALLENGER,
            stream=STREAM,
            architecture=AFTER,
            contract=SCENARIOS[STREAM].schema.contract(),
            episode_id=None,
            path="elsewhere",
            macs=1,
            expected=CHAMPION,
            now=clock.now(),
        )
        watches.begin(
            connection,
            stream=STREAM,
            release_digest=CHALLENGER,
            predecessor_digest=CHAMPION,
            evidence={
                "records": 640,
                "accuracy": {"released": 0.71, "predecessor": 0.943},
                "log_e_value": 2.5,
                "alpha": 0.01,
                "maximum_records": 6_000,
            },
            now=clock.now(),
        )
    return observed


def test_the_list_says_how_both_do(
    runner: CliRunner, state: StateDirectory, watched: Database
) -> None:
    done = runner.invoke(app, ["list", "--state", str(state.path)])
    assert done.exit_code == 0, done.output
    for text in ("watched", "640 of 6,000", "71.0", "94.3"):
        assert text in done.output


def test_the_list_as_json_is_what_the_store_holds(
    runner: CliRunner, state: StateDirectory, watched: Database
) -> None:
    done = runner.invoke(app, ["list", "--json", "--stream", STREAM, "--state", str(state.path)])
    (watch,) = json.loads(done.output)["watches"]
    assert (watch["stream"], watch["state"]) == (STREAM, "watching")
    assert watch["release_digest"] == CHALLENGER
    done = runner.invoke(app, ["list", "--json", "--stream", "other", "--state", str(state.path)])
    assert json.loads(done.output)["watches"] == []


def test_a_person_ends_a_watch_and_says_why(
    runner: CliRunner, state: StateDirectory, watched: Database
) -> None:
    arguments = ["end", STREAM, "--state", str(state.path), "--comment"]
    assert runner.invoke(app, [*arguments, " "]).exit_code == 2
    done = runner.invoke(app, [*arguments, "the old sensor is gone"])
    assert done.exit_code == 0, done.output
    assert "release 2 has ended; it stays" in done.output
    with watched.read() as connection:
        watch = watches.get(connection, CHALLENGER)
    assert watch.outcome == "ended"
    name = pwd.getpwuid(os.getuid()).pw_name
    assert watch.reason == f"user:{name}: the old sensor is gone"
    done = runner.invoke(app, [*arguments, "once more"])
    assert isinstance(done.exception, NotFoundError)


def test_where_nothing_was_watched_the_list_says_so(
    runner: CliRunner, state: StateDirectory, observed: Database
) -> None:
    done = runner.invoke(app, ["list", "--state", str(state.path)])
    assert "No release has been watched." in done.output
