"""Listing, showing and deciding on a real store."""

import json
import os
import pwd
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner, Result

from adaptd.cli.main import app
from adaptd.clock import FakeClock
from adaptd.errors import ArtifactError, ConflictError, NotFoundError
from adaptd.registry import decisions, episodes, proposals
from adaptd.registry.proposals import Proposal
from adaptd.store.database import Database
from adaptd.store.directory import StateDirectory

Call = Callable[..., Result]
Make = Callable[..., Proposal]


@pytest.fixture
def call(runner: CliRunner, state: StateDirectory) -> Call:
    """Calls `adaptd proposals …` on the state directory."""

    def invoke(*arguments: str, **environment: str) -> Result:
        return runner.invoke(
            app, ["proposals", *arguments, "--state", str(state.path)], env=environment
        )

    return invoke


@pytest.fixture
def make(store: Database, evidence: dict[str, Any], clock: FakeClock) -> Make:
    """Makes a proposal of another stream at this moment."""

    def create(**replaced: Any) -> Proposal:
        with store.write() as connection:
            episodes.open_(connection, id="other", stream="another", trigger={}, now=clock.now())
            return proposals.create(
                connection,
                stream="another",
                episode_id="other",
                digest="e" * 64,
                champion_digest="f" * 64,
                evidence={**evidence, **replaced},
                created_record=1,
                now=clock.now(),
            )

    return create


def _state_of(database: Database, proposal: Proposal) -> str:
    with database.read() as connection:
        return proposals.get(connection, proposal.id).state


def test_list_shows_what_awaits(call: Call, proposed: Proposal) -> None:
    done = call("list")
    assert done.exit_code == 0, done.output
    [row] = [line for line in done.output.splitlines() if proposed.id in line]
    assert "awaiting" in row
    assert "+33.0" in row


def test_list_says_so_where_nothing_awaits(call: Call, finished: Database) -> None:
    done = call("list")
    assert (done.exit_code, done.output) == (0, "No proposal awaits a decision.\n")
    assert "published" in call("list", "--all").output


def test_list_takes_one_stream(call: Call, proposed: Proposal, make: Make) -> None:
    other = make()
    document = json.loads(call("list", "--stream", "another", "--json").output)
    assert document["schema_version"] == 1
    assert [item["id"] for item in document["proposals"]] == [other.id]


def test_show_prints_the_evidence_without_cutting_anything(call: Call, proposed: Proposal) -> None:
    done = call("show", proposed.id)
    assert done.exit_code == 0, done.output
    for text in (
        proposed.digest,
        proposed.champion_digest,
        "68.0",
        "31.0",
        "35.0",
        "62.0",
        "27.0",
        "dw k9 d4",
        "at record 4,224",
        "1.004",
        "0.45 was spent before it",
        "records as one",
        "at most 1 in 31,000,000",
        "3,226 (champion 3,000)",
        "the cap is 1\N{NO-BREAK SPACE}ms",
        "its last layer is no linear one",
    ):
        assert text in done.output
    assert "\x1b" not in done.output
    assert "…" not in done.output
    assert "NO " not in done.output


def test_show_names_who_decided(call: Call, finished: Database, proposed: Proposal) -> None:
    assert "approve by policy:automatic" in call("show", proposed.id).output
    document = json.loads(call("show", proposed.id, "--json").output)
    assert document["decision"]["actor"] == "policy:automatic"
    assert document["decision"]["digest"] == proposed.digest


def test_show_as_json_holds_the_evidence_as_stored(call: Call, proposed: Proposal) -> None:
    document = json.loads(call("show", proposed.id, "--json").output)
    assert document["evidence"] == proposed.evidence
    assert document["decision"] is None


def test_evidence_of_another_version_is_no_traceback(call: Call, make: Make) -> None:
    odd = make(schema_version=99)
    assert odd.id in call("list").output
    done = call("show", odd.id)
    assert done.exit_code == 0
    assert "cannot read its evidence" in done.output


@pytest.mark.parametrize(("verdict", "becomes"), [("approve", "approved"), ("reject", "rejected")])
def test_a_decision_is_signed_by_the_account_that_made_it(
    call: Call, store: Database, proposed: Proposal, verdict: str, becomes: str
) -> None:
    done = call(verdict, proposed.id, "--comment", " seen ", USER="somebody", LOGNAME="somebody")
    assert done.exit_code == 0, done.output
    assert _state_of(store, proposed) == becomes
    with store.read() as connection:
        [decision] = decisions.listing(connection)
        decisions.verify_chain(connection)
    assert decision.actor == f"user:{pwd.getpwuid(os.getuid()).pw_name}"
    assert decision.comment == "seen"
    assert decision.digest == proposed.digest


def test_a_decision_needs_words(call: Call, store: Database, proposed: Proposal) -> None:
    assert call("approve", proposed.id).exit_code == 2
    assert call("approve", proposed.id, "--comment", " ").exit_code == 2
    assert _state_of(store, proposed) == "awaiting"


def test_a_decision_on_another_digest_is_refused(
    call: Call, store: Database, proposed: Proposal
) -> None:
    done = call("approve", proposed.id, "--comment", "x", "--digest", "0" * 64)
    assert isinstance(done.exception, ConflictError)
    assert _state_of(store, proposed) == "awaiting"
    assert call("approve", proposed.id, "--comment", "x", "--digest", "d" * 64).exit_code == 0
    assert _state_of(store, proposed) == "approved"


def test_a_second_decision_is_told_who_made_the_first(
    call: Call, finished: Database, proposed: Proposal
) -> None:
    done = call("reject", proposed.id, "--comment", "x")
    assert isinstance(done.exception, ConflictError)
    assert "is published (approve by policy:automatic)" in str(done.exception)


def test_the_beginning_of_an_id_is_enough_where_it_fits_one(
    call: Call, proposed: Proposal, make: Make
) -> None:
    beginning = proposed.id[:10].lower()
    assert call("show", beginning).exit_code == 0
    other = make()
    assert other.id[:10] == proposed.id[:10]
    done = call("show", beginning)
    assert isinstance(done.exception, ConflictError)
    assert other.id in str(done.exception)


@pytest.mark.parametrize("wrong", ["01NOTHERE", "%"])
def test_an_unknown_id_is_named(call: Call, proposed: Proposal, wrong: str) -> None:
    done = call("show", wrong)
    assert isinstance(done.exception, NotFoundError)
    assert repr(wrong) in str(done.exception)


def test_decisions_that_hold_are_counted_and_the_latest_hash_is_said(
    call: Call, store: Database, proposed: Proposal, make: Make
) -> None:
    assert (call("verify").exit_code, call("verify").output) == (0, "No decisions.\n")
    call("reject", proposed.id, "--comment", "too early")
    assert call("verify").output.startswith("1 decision holds.")
    call("reject", make().id, "--comment", "too late")
    with store.read() as connection:
        latest = decisions.listing(connection)[-1].hash
    done = call("verify")
    assert (done.exit_code, done.output) == (
        0,
        f"2 decisions hold. The latest has the hash {latest}.\n",
    )


def test_a_decision_that_was_changed_is_named(
    call: Call, store: Database, proposed: Proposal, make: Make
) -> None:
    call("reject", proposed.id, "--comment", "too early")
    call("reject", make().id, "--comment", "too late")
    with store.write() as connection:
        connection.exec_driver_sql("DROP TRIGGER decisions_refuse_update")
        connection.exec_driver_sql("UPDATE decisions SET comment = 'fine' WHERE number = 2")
    done = call("verify")
    assert done.exit_code == 1
    assert isinstance(done.exception, ArtifactError)
    assert "decision 2 is not what was decided" in str(done.exception)
    assert "hold" not in done.output


def test_the_configuration_leads_to_the_store_as_well(
    runner: CliRunner, state: StateDirectory, proposed: Proposal, tmp_path: Path
) -> None:
    path = tmp_path / "adaptd.yaml"
    path.write_text(
        f"state_directory: {state.path}\nstreams: [{{name: a, source: {{kind: scenario}}}}]\n"
    )
    assert proposed.id in runner.invoke(app, ["proposals", "list", "-c", str(path)]).output


def test_exactly_one_place_is_asked_for(runner: CliRunner, tmp_path: Path) -> None:
    done = runner.invoke(app, ["proposals", "list"])
    assert done.exit_code == 2
    assert "give either -c FILE or --state DIR" in done.output
    both = ["proposals", "list", "-c", str(tmp_path / "x"), "--state", str(tmp_path)]
    assert runner.invoke(app, both).exit_code == 2


def test_looking_at_an_absent_store_makes_none(runner: CliRunner, tmp_path: Path) -> None:
    done = runner.invoke(app, ["proposals", "list", "--state", str(tmp_path)])
    assert isinstance(done.exception, NotFoundError)
    assert list(tmp_path.iterdir()) == []
