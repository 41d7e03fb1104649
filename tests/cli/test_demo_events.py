"""The story that a demo's facts tell."""

import pytest

from adaptd.cli.demo import ScenarioName
from adaptd.cli.demo_events import DRIFTS, Event, events
from adaptd.cli.demo_facts import read
from adaptd.cli.demo_setup import Demo
from adaptd.clock import FakeClock
from adaptd.registry import decisions
from adaptd.registry.proposals import Proposal
from adaptd.server.decision import ACTOR
from adaptd.store.database import Database


def _events(database: Database, demo: Demo) -> list[Event]:
    with database.read() as connection:
        return events(read(connection, demo.stream), demo)


def test_nothing_has_happened_in_an_empty_store(store: Database, demo: Demo) -> None:
    assert _events(store, demo) == []


def test_a_whole_demo_is_told_in_order(finished: Database, demo: Demo) -> None:
    keys = [event.key.split()[0] for event in _events(finished, demo)]
    assert keys == [
        "release",
        "drift",
        "alarm",
        "opened",
        "proposal",
        "decision",
        "release",
        "closed",
    ]


def test_the_phase_under_way_is_told_with_what_it_counts(alarmed: Database, demo: Demo) -> None:
    phase = _events(alarmed, demo)[-1]
    assert phase.text == "collecting records (1,500 records)"


def test_an_event_keeps_its_key_so_that_it_is_told_once(alarmed: Database, demo: Demo) -> None:
    first = [event.key for event in _events(alarmed, demo)]
    assert len(set(first)) == len(first)
    assert [event.key for event in _events(alarmed, demo)] == first


def test_the_policy_is_not_taken_for_a_person(finished: Database, demo: Demo) -> None:
    [text] = [event.text for event in _events(finished, demo) if event.key.startswith("decision")]
    assert text.startswith("approved by policy:automatic")
    assert "no person" in text


@pytest.mark.parametrize("actor", ["user:ana", ACTOR])
def test_a_person_is_named_with_the_comment(
    alarmed: Database, proposed: Proposal, demo: Demo, clock: FakeClock, actor: str
) -> None:
    with alarmed.write() as connection:
        decisions.decide(
            connection,
            proposal_id=proposed.id,
            digest=proposed.digest,
            verdict="reject",
            actor=actor,
            comment="too early",
            now=clock.now(),
        )
    [text] = [event.text for event in _events(alarmed, demo) if event.key.startswith("decision")]
    assert text == f"rejected by {actor} (too early)"


def test_every_scenario_says_what_happens_to_its_sensor() -> None:
    assert set(DRIFTS) == {name.value for name in ScenarioName}
