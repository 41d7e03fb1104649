"""What a challenger must not exceed, whatever a trial would say of it."""

from typing import Any

import pytest
from sqlalchemy import text

from adaptd.adaptation.job import (
    FINE_TUNED,
    REOPENED,
    RETRAINED,
    RUNGS,
    WIDER,
    Job,
    Member,
    Result,
)
from adaptd.config import EpisodeConfig
from adaptd.daemon.limits import limits_of, within_limits, without_challenger
from tests.daemon.conftest import AFTER, FOLLOWS, LoopMaker, MemorySource, Running
from tests.daemon.readings import is_at, proposed, released, told

LIMITS = {"maximum_parameters": 1_000, "maximum_latency_milliseconds": 2.0}
NOTHING = "there is no other architecture to try: "
SHORT = {"records": 200, "minimum_records": 100}


def result(**takes: tuple[int | None, float | None]) -> Result:
    return Result(
        members={
            name.replace("_", "-"): Member(
                architecture=AFTER.to_document(),
                macs=1,
                parameters=parameters,
                latency_seconds=seconds,
                steps=1,
                seconds=1.0,
                directory=name,
            )
            for name, (parameters, seconds) in takes.items()
        },
        skipped={"recalibrated": "for a reason of its own"},
    )


def left(found: Result, **limits: Any) -> tuple[set[str], dict[str, str]]:
    kept = within_limits(found, limits_of(EpisodeConfig(**limits)))
    return set(kept.members), kept.skipped


def test_what_is_not_limited_is_let_through() -> None:
    found = result(reopened=(10**9, 10.0))
    assert within_limits(found, {}) == found
    assert limits_of(EpisodeConfig()) == {}


@pytest.mark.parametrize(
    ("takes", "reason"),
    [
        ((1_001, 0.001), "1,001 parameters, where 1,000 are allowed"),
        ((1_000, 0.0025), "2.5 ms a prediction, where 2 ms are allowed"),
    ],
)
def test_a_challenger_beyond_a_limit_is_left_out_and_why_is_said(
    takes: tuple[int, float], reason: str
) -> None:
    for name in (REOPENED, WIDER):
        members, skipped = left(result(**{name: takes}), **LIMITS)
        assert members == set()
        assert skipped == {"recalibrated": "for a reason of its own", name: reason}


def test_a_limit_may_be_reached() -> None:
    assert left(result(reopened=(1_000, 0.002)), **LIMITS)[0] == {REOPENED}


def test_what_is_never_proposed_or_takes_what_the_champion_takes_is_let_through() -> None:
    found = result(**{FINE_TUNED: (2_000, 0.004), "random-neighbour": (2_000, 0.004)})
    assert left(found, **LIMITS)[0] == {FINE_TUNED, "random-neighbour"}


def test_only_a_search_of_its_own_can_find_nothing() -> None:
    nothing = Result(skipped={REOPENED: "too large", WIDER: "too slow"})
    assert without_challenger(nothing, ("reopen",)) == f"{NOTHING}too large"
    assert without_challenger(nothing, ("wider",)) == f"{NOTHING}too slow"
    assert without_challenger(nothing, RUNGS) is None
    assert without_challenger(nothing, ("weights",)) is None
    assert without_challenger(result(reopened=(1, 1.0)), ("reopen",)) is None


@pytest.mark.parametrize(
    ("limit", "takes", "reason"),
    [
        ({"maximum_parameters": 5}, {"parameters": {REOPENED: 6}}, "6 parameters"),
        (
            {"maximum_latency_milliseconds": 1.5},
            {"latency_seconds": {REOPENED: 0.002}},
            "2 ms a prediction",
        ),
    ],
)
def test_what_is_too_large_or_slow_is_never_tried(
    loop: LoopMaker, limit: dict[str, float], takes: dict[str, Any], reason: str
) -> None:
    running = loop(episode={**SHORT, **limit})
    running.executor.parameters = takes.get("parameters", {})
    running.executor.latency_seconds = takes.get("latency_seconds", {})
    running.until(lambda: bool(told(running)) and told(running)[0].outcome is not None)
    (episode,) = told(running)
    assert episode.outcome == "refused"
    assert episode.reason is not None
    assert episode.reason.startswith(NOTHING)
    assert reason in episode.reason
    # The trial of the weights, and none of what was searched for.
    assert [job.rungs for job in adaptations(running)] == [("weights",), ("reopen",)]
    assert kinds_of_trials(running) == ["weights"]
    assert proposed(running) == []


def test_the_search_and_the_evidence_know_the_limits(loop: LoopMaker) -> None:
    running = loop(episode={**SHORT, **LIMITS})
    running.until(lambda: len(released(running)) == 2)
    assert {job.maximum_parameters for job in adaptations(running)} == {1_000}
    assert {job.maximum_latency_seconds for job in adaptations(running)} == {0.002}
    (proposal,) = proposed(running)
    assert proposal.evidence["challenger"] == REOPENED
    assert proposal.evidence["parameters"] == {"champion": 3, "challenger": 4, "cap": 1_000}
    assert proposal.evidence["latency_seconds"] == {
        "champion": 0.0005,
        "challenger": 0.001,
        "cap": 0.002,
    }


def test_what_was_proved_before_is_proposed_where_the_search_breaks_a_limit(
    loop: LoopMaker,
) -> None:
    running = loop(
        MemorySource(blurred_from=700),
        episode={**SHORT, "maximum_parameters": 5},
        trial={"minimum_records": 400, "maximum_records": 2_000},
    )
    running.executor.follows = {**FOLLOWS, RETRAINED: 1}
    running.executor.parameters = {REOPENED: 6}
    running.until(lambda: len(released(running)) == 2)
    (proposal,) = proposed(running)
    assert proposal.evidence["challenger"] == RETRAINED
    assert "6 parameters" in told(running)[0].plan["given_up"]["reason"]


def test_without_the_new_architecture_the_rest_is_tried_where_all_came_at_once(
    loop: LoopMaker,
) -> None:
    running = loop(episode={**SHORT, "maximum_parameters": 5, "good_enough_points": None})
    running.executor.follows = {**FOLLOWS, RETRAINED: 1}
    running.executor.parameters = {REOPENED: 6}
    running.until(lambda: len(released(running)) == 2)
    (proposal,) = proposed(running)
    assert proposal.evidence["challenger"] == RETRAINED
    assert REOPENED not in proposal.evidence["accuracy"]
    assert "6 parameters" in proposal.evidence["skipped"][REOPENED]


def test_a_kill_while_it_searches_comes_to_the_same(loop: LoopMaker) -> None:
    running = loop(episode={**SHORT, "maximum_parameters": 5})
    running.executor.parameters = {REOPENED: 6}
    running.until(lambda: is_at(running, "searching", "reopen"))
    again = running.again()
    again.until(lambda: told(again)[0].outcome is not None)
    assert told(again)[0].outcome == "refused"


def adaptations(running: Running) -> list[Job]:
    return [job for job in running.executor.jobs if job.kind == "adapt"]


def kinds_of_trials(running: Running) -> list[str]:
    with running.context.database.read() as connection:
        return [*connection.execute(text("SELECT kind FROM trials ORDER BY number")).scalars()]
