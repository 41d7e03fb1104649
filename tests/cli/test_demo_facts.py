"""When a demo has ended, and how, as its store tells it."""

from typing import Any

import pytest

from adaptd.cli.demo_facts import Facts, Failure, Success, awaiting, ending, read
from adaptd.cli.demo_setup import Demo
from adaptd.clock import FakeClock
from adaptd.registry import episodes, proposals
from adaptd.registry.proposals import Proposal
from adaptd.store.database import Database


def _facts(database: Database, demo: Demo) -> Facts:
    with database.read() as connection:
        return read(connection, demo.stream)


def _close(database: Database, clock: FakeClock, *, outcome: str, reason: str | None) -> None:
    with database.write() as connection:
        [episode] = episodes.history(connection, "lag-shift")
        episodes.close(connection, episode.id, outcome=outcome, reason=reason, now=clock.now())


def test_an_empty_store_has_no_facts_and_no_end(store: Database, demo: Demo) -> None:
    facts = _facts(store, demo)
    assert facts.records == 0
    assert facts.accuracy is None
    assert facts.progress is None
    assert ending(facts, demo) is None


def test_it_goes_on_while_an_episode_is_open(alarmed: Database, demo: Demo) -> None:
    facts = _facts(alarmed, demo)
    assert facts.records == 4_224
    assert facts.progress is not None
    assert facts.progress["phase"] == "collecting"
    assert ending(facts, demo) is None
    assert awaiting(facts) is None


def test_a_proposal_that_waits_is_no_end(alarmed: Database, proposed: Proposal, demo: Demo) -> None:
    facts = _facts(alarmed, demo)
    assert awaiting(facts) == proposed
    assert ending(facts, demo) is None


def test_a_release_is_an_end_only_once_it_was_seen_at_work(released: Database, demo: Demo) -> None:
    assert ending(_facts(released, demo), demo) is None


def test_the_release_is_found_with_its_proposal_and_its_parent(
    finished: Database, proposed: Proposal, demo: Demo
) -> None:
    success = ending(_facts(finished, demo), demo)
    assert isinstance(success, Success)
    assert success.release.number == 2
    assert success.proposal.id == proposed.id
    assert success.champion.number == 1


@pytest.mark.parametrize(
    ("outcome", "reason"),
    [("no-better", "35.0 % against 36.0 %"), ("rejected", None)],
)
def test_an_episode_without_release_is_an_end_with_its_reason(
    alarmed: Database, demo: Demo, clock: FakeClock, outcome: str, reason: str | None
) -> None:
    _close(alarmed, clock, outcome=outcome, reason=reason)
    failure = ending(_facts(alarmed, demo), demo)
    assert isinstance(failure, Failure)
    assert failure.reason.startswith(f"{outcome}: ")
    assert (reason or "no reason") in failure.reason


def test_a_false_alarm_before_the_drift_is_no_end(alarmed: Database, clock: FakeClock) -> None:
    _close(alarmed, clock, outcome="no-better", reason="no drift")
    later = Demo("lag-shift", 3, drift_at=5_000)
    assert ending(_facts(alarmed, later), later) is None


def test_a_release_on_evidence_from_before_the_drift_is_no_end(finished: Database) -> None:
    later = Demo("lag-shift", 3, drift_at=7_000)
    assert ending(_facts(finished, later), later) is None


def test_it_goes_on_while_a_later_episode_is_open(
    alarmed: Database, demo: Demo, clock: FakeClock
) -> None:
    _close(alarmed, clock, outcome="inconclusive", reason="too few")
    trigger: dict[str, Any] = {"kind": "drift", "record": 9_000}
    with alarmed.write() as connection:
        episodes.open_(
            connection, id="second", stream="lag-shift", trigger=trigger, now=clock.now()
        )
    assert ending(_facts(alarmed, demo), demo) is None


def test_settled_proposals_wait_no_longer(finished: Database, demo: Demo) -> None:
    facts = _facts(finished, demo)
    assert [proposal.state for proposal in facts.proposals] == ["published"]
    assert awaiting(facts) is None
    with finished.read() as connection:
        assert proposals.awaiting(connection, "lag-shift") is None
