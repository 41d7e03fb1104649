"""What a trial's members have forgotten, and what follows from it."""

from typing import Any

import pytest

from adaptd.adaptation.job import FINE_TUNED, REOPENED
from adaptd.adaptation.trial import DEPLOYED
from adaptd.daemon.forgetting import OLD_CONCEPTS, over_limit
from adaptd.registry import episodes, old_concepts, proposals, releases
from adaptd.registry.proposals import Proposal
from tests.daemon.conftest import DRIFT_AT, LoopMaker, MemorySource, Running


def proposals_of(running: Running) -> list[Proposal]:
    with running.context.database.read() as connection:
        return proposals.listing(connection, running.context.stream)


def releases_of(running: Running) -> int:
    with running.context.database.read() as connection:
        return len(releases.history(connection, running.context.stream))


def test_a_proposal_says_what_champion_and_challenger_know_of_each_old_concept(
    loop: LoopMaker,
) -> None:
    running = loop()
    running.until(lambda: bool(proposals_of(running)))
    (concept,) = proposals_of(running)[0].evidence[OLD_CONCEPTS]
    with running.context.database.read() as connection:
        (kept,) = old_concepts.listing(connection, running.context.stream)
    assert (concept["release"], concept["digest"]) == (1, kept.digest)
    assert (concept["first_record"], concept["last_record"]) == (
        kept.first_record,
        kept.end_record - 1,
    )
    # Half of what is kept; the other half may be rehearsed.
    records = concept["records"]
    assert records == kept.records // 2
    accuracy = concept["accuracy"]
    assert set(accuracy) >= {DEPLOYED, FINE_TUNED, REOPENED}
    # The left channel is right there, and says nothing of the right one: an accuracy of a half,
    # with a standard deviation of 3.3 points. Beyond 5 of them in one run of 10^6.
    assert accuracy[DEPLOYED] == accuracy[FINE_TUNED] == concept["accuracy_then"] == 1.0
    assert 0.33 < accuracy[REOPENED] < 0.67
    assert concept["lost"][REOPENED] == round(records * (1 - accuracy[REOPENED]))
    assert concept["gained"][REOPENED] == concept["lost"][FINE_TUNED] == 0


def test_it_is_measured_in_every_trial_and_survives_a_restart(loop: LoopMaker) -> None:
    running = loop(trial={"minimum_records": 400, "maximum_records": 512})

    def plan(one: Running) -> dict[str, Any]:
        with one.context.database.read() as connection:
            episode = episodes.active(connection, one.context.stream)
        return {} if episode is None or episode.state != "trial" else episode.plan

    running.until(lambda: bool(plan(running)))
    measured = plan(running)[OLD_CONCEPTS]
    assert measured[0]["accuracy"][DEPLOYED] == 1.0
    again = running.again()
    again.until(lambda: bool(proposals_of(again)))
    # With the reopened network there were two trials, and it is not known to the first.
    found = proposals_of(again)[0].evidence[OLD_CONCEPTS]
    assert found[0]["accuracy"].items() >= measured[0]["accuracy"].items()


def test_an_earlier_release_that_is_brought_back_is_measured_too(loop: LoopMaker) -> None:
    # A, B, and A again: release 1 knows A, release 2 was made for B.
    source = MemorySource()
    running = loop(source, watch={"enabled": False})
    running.until(lambda: releases_of(running) == 2)
    running.until(lambda: source.next > 2_000)
    source.drift_at = 20_000
    running.until(lambda: releases_of(running) == 3)
    evidence = proposals_of(running)[0].evidence
    assert evidence["challenger"] == "release-1"
    by_release = {concept["release"]: concept["accuracy"] for concept in evidence[OLD_CONCEPTS]}
    assert list(by_release) == [1, 2]
    assert by_release[1]["release-1"] == by_release[2][DEPLOYED] == 1.0
    assert by_release[1][DEPLOYED] < 0.67
    assert by_release[2]["release-1"] < 0.67


def test_what_forgets_too_much_waits_for_a_person(loop: LoopMaker) -> None:
    running = loop(approval={"policy": "automatic", "maximum_forgetting_points": 20})
    running.until(lambda: bool(proposals_of(running)))
    for _ in range(20):
        running.step()
    (proposal,) = proposals_of(running)
    assert proposal.state == "awaiting"
    assert proposal.evidence["maximum_forgetting_points"] == 20
    assert releases_of(running) == 1


def test_a_limit_that_is_kept_to_leaves_the_policy_its_say(loop: LoopMaker) -> None:
    running = loop(approval={"policy": "automatic", "maximum_forgetting_points": 90})
    running.until(lambda: releases_of(running) == 2)


def test_a_sample_that_cannot_be_read_is_told_and_ends_nothing(loop: LoopMaker) -> None:
    running = loop(approval={"policy": "automatic", "maximum_forgetting_points": 90})
    directory = running.context.state.reservoir(running.context.stream)
    running.until(lambda: directory.is_dir() and any(directory.iterdir()))
    for path in directory.iterdir():
        path.write_bytes(b"no segment")
    running.until(lambda: bool(proposals_of(running)))
    (proposal,) = proposals_of(running)
    (concept,) = proposal.evidence[OLD_CONCEPTS]
    assert (concept["records"], concept["accuracy"]) == (0, {})
    # A limit that cannot be looked at is not kept to.
    assert proposal.state == "awaiting"


def concept(*, lost: int, gained: int) -> dict[str, Any]:
    """Of 200 records, of which the champion has 180 right."""
    return {
        "release": 3,
        "records": 200,
        "accuracy": {DEPLOYED: 0.9, REOPENED: 0.9 - (lost - gained) / 200},
        "lost": {REOPENED: lost},
        "gained": {REOPENED: gained},
    }


UNREADABLE: dict[str, Any] = {"release": 3, "records": 0, "accuracy": {}, "lost": {}, "gained": {}}


@pytest.mark.parametrize(
    ("concepts", "maximum", "reason"),
    [
        ([concept(lost=80, gained=0)], None, None),
        # As much as is allowed is allowed, though 0.9 - 0.75 is more than 0.15 to a computer.
        ([concept(lost=31, gained=1)], 15.0, None),
        ([concept(lost=5, gained=15)], 0.0, None),
        ([], 0.0, None),
        (
            [concept(lost=0, gained=0), concept(lost=40, gained=0)],
            15.0,
            "20.0 points are forgotten of the concept of release 3, 15 are allowed",
        ),
        ([UNREADABLE], 15.0, "what is forgotten of the concept of release 3 is not known"),
    ],
)
def test_a_limit_holds_for_each_concept(
    concepts: list[dict[str, Any]], maximum: float | None, reason: str | None
) -> None:
    assert over_limit(concepts, REOPENED, maximum_points=maximum) == reason


def test_the_drift_lies_after_what_is_kept(loop: LoopMaker) -> None:
    running = loop()
    running.until(lambda: bool(proposals_of(running)))
    (concept,) = proposals_of(running)[0].evidence[OLD_CONCEPTS]
    assert concept["last_record"] < DRIFT_AT
