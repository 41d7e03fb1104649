"""When an episode goes on to a dearer rung, in a stream's loop, and what is proposed in the end."""

from typing import Any

import numpy as np
import pytest
from sqlalchemy import text

from adaptd.adaptation.job import (
    FINE_TUNED,
    PRIOR_CORRECTED,
    REOPENED,
    RETRAINED,
    WIDENED,
    WIDER,
    Rung,
)
from adaptd.adaptation.trial import DEPLOYED, Trial
from adaptd.daemon.climbing import climbed as next_plan
from adaptd.daemon.climbing import falls_behind_earlier
from adaptd.drift.diagnosis import Diagnosis
from adaptd.errors import JobError, WorkerFailed
from adaptd.registry import concentrations
from tests.daemon.conftest import AFTER, FOLLOWS, LoopMaker, MemorySource, Running
from tests.daemon.readings import blocks, is_at, proposed, released, told

WIDER_CONFIG = {"records": 200, "minimum_records": 100, "wider_macs_ratio": 2}


def kinds(running: Running) -> list[str]:
    """Of the tests that have spent something."""
    with running.context.database.read() as connection:
        rows = connection.execute(text("SELECT kind FROM spendings ORDER BY test"))
        return [*rows.scalars()]


def climbed(running: Running) -> list[tuple[Rung, ...]]:
    return [job.rungs for job in running.executor.jobs if job.kind == "adapt"]


def test_new_weights_that_come_near_to_what_was_are_enough(loop: LoopMaker) -> None:
    running = loop()
    running.executor.follows = {**FOLLOWS, FINE_TUNED: 1}
    running.until(lambda: len(released(running)) == 2)
    assert climbed(running) == [("weights",)]
    (proposal,) = proposed(running)
    with running.context.database.read() as connection:
        kept = concentrations.load(connection, released(running)[0].digest)
    assert proposal.evidence["challenger"] == FINE_TUNED
    assert set(proposal.evidence["e_value"]) == {"deployed"}
    assert kept == {}
    at = running.source.next
    running.until(lambda: running.source.next > at + 200)
    assert blocks(running)[-1].hits == blocks(running)[-1].records


def test_new_weights_that_fall_short_are_followed_by_a_search_and_tried_beside_it(
    loop: LoopMaker,
) -> None:
    running = loop()
    running.until(lambda: len(released(running)) == 2)
    jobs = [job for job in running.executor.jobs if job.kind == "adapt"]
    assert climbed(running) == [("weights",), ("reopen",)]
    # Both rungs learn from the same records.
    assert jobs[0].records_digest == jobs[1].records_digest
    (proposal,) = proposed(running)
    (episode,) = told(running)
    assert proposal.evidence["challenger"] == "reopened"
    assert FINE_TUNED in proposal.evidence["accuracy"]
    assert episode.plan["reference_accuracy"] == 1
    first = episode.plan["weights_trial"]
    # It does not take evidence to see that nothing came near, only the minimum of records.
    assert (first["verdict"], first["records"]) == ("short", 64)
    assert proposal.evidence["first_record"] > first["first_record"] + first["records"] - 1


NO_CHOICE = {REOPENED: "no edge has another candidate"}


def test_new_weights_whose_trial_was_cut_short_get_a_whole_one_where_there_is_no_search(
    loop: LoopMaker,
) -> None:
    # One record in five can be answered by nobody, so that new weights fall short of what was.
    running = loop(
        MemorySource(blurred_from=700), trial={"minimum_records": 16, "maximum_records": 512}
    )
    running.executor.follows = {**FOLLOWS, RETRAINED: 1}
    running.executor.skips = NO_CHOICE
    running.until(lambda: len(released(running)) == 2)
    assert climbed(running) == [("weights",), ("reopen",)]
    (proposal,) = proposed(running)
    (episode,) = told(running)
    first = episode.plan["last_trial"]
    assert (first["verdict"], first["winner"]) == ("short", None)
    assert proposal.evidence["challenger"] == RETRAINED
    assert proposal.evidence["first_record"] > first["first_record"] + first["records"] - 1
    assert proposal.evidence["skipped"] == NO_CHOICE
    # A half for the first of two trials, and all that was left for the second.
    assert proposal.evidence["trial_alpha"] == pytest.approx(0.0125)


def test_where_nothing_is_ahead_there_is_no_second_trial(loop: LoopMaker) -> None:
    running = loop()
    running.executor.skips = NO_CHOICE
    running.until(lambda: bool(told(running)) and told(running)[0].outcome is not None)
    (episode,) = told(running)
    assert episode.outcome == "refused"
    assert episode.reason is not None
    assert NO_CHOICE[REOPENED] in episode.reason
    assert climbed(running) == [("weights",), ("reopen",)]


def test_a_wider_network_is_searched_around_also_where_the_champion_could_not_be(
    loop: LoopMaker,
) -> None:
    running = loop(episode=WIDER_CONFIG)
    running.executor.skips = NO_CHOICE
    running.executor.follows = {**FOLLOWS, WIDER: 1}
    running.until(lambda: len(released(running)) == 2)
    assert climbed(running) == [("weights",), ("reopen",), ("wider",)]
    (proposal,) = proposed(running)
    assert proposal.evidence["challenger"] == WIDER
    assert proposal.evidence["skipped"] == NO_CHOICE
    assert proposal.evidence["trial_alpha"] == pytest.approx(0.0125)


@pytest.mark.parametrize("rung", ["reopen", "wider"])
def test_a_kill_after_a_skipped_search_costs_nothing(loop: LoopMaker, rung: str) -> None:
    running = loop(episode=WIDER_CONFIG)
    running.executor.skips = NO_CHOICE
    running.executor.follows = {**FOLLOWS, WIDER: 1}
    running.until(lambda: is_at(running, "searching", rung))
    again = running.again()
    again.until(lambda: len(released(again)) == 2)
    assert climbed(again)[-1] == ("wider",)


@pytest.fixture
def of_priors(monkeypatch: pytest.MonkeyPatch) -> None:
    """Whatever comes looks like classes in other shares."""
    found = Diagnosis("prior")
    monkeypatch.setattr("adaptd.daemon.diagnosing.diagnose", lambda *_, **__: found)


@pytest.mark.usefixtures("of_priors")
def test_where_classes_come_in_other_shares_nothing_is_trained_if_that_is_enough(
    loop: LoopMaker,
) -> None:
    running = loop()
    running.executor.follows = {**FOLLOWS, PRIOR_CORRECTED: 1}
    running.until(lambda: len(released(running)) == 2)
    (job,) = [job for job in running.executor.jobs if job.kind == "adapt"]
    assert job.rungs == ("prior",)
    (proposal,) = proposed(running)
    plan = told(running)[0].plan
    assert proposal.evidence["challenger"] == PRIOR_CORRECTED
    assert proposal.evidence["training_steps"] == 0
    assert proposal.evidence["trial_alpha"] == pytest.approx(0.0125)
    # The first release says what it had learnt from, and so will this one.
    assert sum(plan["learnt_counts"]) == sum(proposal.evidence["training_classes"]) == 200
    assert plan["class_counts"] == proposal.evidence["training_classes"]
    assert job.learnt_shares == pytest.approx(
        [(count + 0.5) / 201 for count in plan["learnt_counts"]]
    )


@pytest.mark.usefixtures("of_priors")
def test_where_other_shares_do_not_explain_it_the_episode_climbs_rung_by_rung(
    loop: LoopMaker,
) -> None:
    running = loop()
    running.until(lambda: len(released(running)) == 2)
    assert climbed(running) == [("prior",), ("weights",), ("reopen",)]
    (proposal,) = proposed(running)
    assert proposal.evidence["challenger"] == REOPENED
    assert PRIOR_CORRECTED in proposal.evidence["accuracy"]
    # Three trials: a half, a quarter, and what is left of what the episode may spend.
    assert proposal.evidence["trial_alpha"] == pytest.approx(0.025 / 4)
    assert len(kinds(running)) == 1


@pytest.mark.usefixtures("of_priors")
@pytest.mark.parametrize("state", ["searching", "trial"])
def test_a_kill_on_the_first_rung_costs_nothing(loop: LoopMaker, state: str) -> None:
    running = loop()
    running.until(lambda: is_at(running, state, "prior"))
    again = running.again()
    again.until(lambda: len(released(again)) == 2)
    assert released(again)[0].architecture == AFTER


@pytest.mark.parametrize("rung", ["weights", "reopen"])
@pytest.mark.parametrize("state", ["searching", "trial"])
def test_a_kill_on_either_rung_costs_nothing(loop: LoopMaker, state: str, rung: str) -> None:
    running = loop()
    running.until(lambda: is_at(running, state, rung))
    again = running.again()
    again.until(lambda: len(released(again)) == 2)
    assert released(again)[0].architecture == AFTER
    assert kinds(again) == ["trial"]
    starts = [block.first_record for block in blocks(again)]
    assert starts == sorted(set(starts))


def test_new_weights_are_released_where_the_search_that_follows_finds_nothing(
    loop: LoopMaker,
) -> None:
    # What is learnt is better than what is deployed, but not as good as it was before the drift.
    running = loop(
        MemorySource(blurred_from=700),
        trial={"minimum_records": 200, "maximum_records": 1_000},
    )
    running.executor.follows = {**FOLLOWS, RETRAINED: 1, REOPENED: 0}
    running.until(lambda: len(released(running)) == 2)
    assert climbed(running) == [
        ("weights",),
        ("reopen",),
    ]
    (proposal,) = proposed(running)
    assert proposal.evidence["challenger"] == RETRAINED
    assert proposal.evidence["accuracy"]["reopened"] < proposal.evidence["accuracy"][RETRAINED]


@pytest.mark.parametrize("error", [WorkerFailed("out of memory"), JobError("cannot be built")])
def test_what_was_proved_before_is_proposed_where_the_search_fails(
    loop: LoopMaker, error: Exception
) -> None:
    running = loop(
        MemorySource(blurred_from=700),
        trial={"minimum_records": 400, "maximum_records": 2_000},
    )
    running.executor.follows = {**FOLLOWS, RETRAINED: 1}
    running.until(lambda: is_at(running, "searching", "reopen"))
    assert told(running)[0].plan["weights_trial"]["winner"] == RETRAINED
    running.executor.errors = [error, error]
    running.until(lambda: len(released(running)) == 2)
    (proposal,) = proposed(running)
    assert proposal.evidence["challenger"] == RETRAINED
    assert proposal.evidence["verdict"] == "short"
    assert set(proposal.evidence["e_value"]) == {"deployed"}
    assert told(running)[0].outcome == "released"


def test_without_a_margin_everything_is_tried_at_once(loop: LoopMaker) -> None:
    running = loop(episode={"records": 200, "minimum_records": 100, "good_enough_points": None})
    running.until(lambda: len(released(running)) == 2)
    assert climbed(running) == [("weights", "reopen")]


def test_where_a_search_is_not_good_enough_a_wider_network_is_searched_around(
    loop: LoopMaker,
) -> None:
    running = loop(episode=WIDER_CONFIG, trial={"minimum_records": 64, "maximum_records": 400})
    running.executor.follows = {**FOLLOWS, REOPENED: 0}
    running.until(lambda: len(released(running)) == 2)
    assert climbed(running) == [("weights",), ("reopen",), ("wider",)]
    jobs = [job for job in running.executor.jobs if job.kind == "adapt"]
    assert [job.widened_macs for job in jobs] == [None, None, 181]
    assert [job.macs_cap for job in jobs] == [110, 110, 200]
    (proposal,) = proposed(running)
    assert proposal.evidence["challenger"] == WIDER
    # It has to be better than what is cheaper, also than another architecture.
    assert set(proposal.evidence["e_value"]) >= {REOPENED, RETRAINED, "deployed"}
    assert WIDENED in proposal.evidence["accuracy"]
    assert proposal.evidence["macs"]["cap"] == 200
    # Three trials of one episode: a half of what it may spend, a quarter, and the rest.
    assert proposal.evidence["trial_alpha"] == pytest.approx(0.025 / 4)
    assert kinds(running) == ["trial"]


def blurred(loop: LoopMaker, episode: dict[str, Any]) -> Running:
    """After the drift, nothing can be as good as it was before."""
    return loop(
        MemorySource(blurred_from=700),
        episode=episode,
        trial={"minimum_records": 200, "maximum_records": 1_000},
    )


@pytest.mark.parametrize("state", ["searching", "trial"])
def test_a_kill_on_the_last_rung_costs_nothing(loop: LoopMaker, state: str) -> None:
    running = loop(episode=WIDER_CONFIG, trial={"minimum_records": 64, "maximum_records": 400})
    running.executor.follows = {**FOLLOWS, REOPENED: 0}
    running.until(lambda: is_at(running, state, "wider"))
    again = running.again()
    again.until(lambda: len(released(again)) == 2)
    assert proposed(again)[0].evidence["challenger"] == WIDER


def test_what_costs_more_and_is_no_better_gives_way_to_what_was_found_before(
    loop: LoopMaker,
) -> None:
    # Better than what is deployed, and not as good as it was before the drift: so is the wider one.
    running = blurred(loop, WIDER_CONFIG)
    running.until(lambda: len(released(running)) == 2)
    assert climbed(running) == [("weights",), ("reopen",), ("wider",)]
    (proposal,) = proposed(running)
    assert proposal.evidence["challenger"] == REOPENED
    assert proposal.evidence["macs"]["cap"] == 110
    assert released(running)[0].architecture == AFTER


@pytest.mark.parametrize(
    ("shares", "expected"),
    [
        ({REOPENED: 0.75, RETRAINED: 0.65}, True),
        # What was ahead in the trial before is behind by now.
        ({REOPENED: 0.6, RETRAINED: 0.7}, False),
    ],
)
def test_new_weights_come_after_an_architecture_that_was_proved_and_still_is_ahead(
    shares: dict[str, float], expected: bool
) -> None:
    draws = np.random.default_rng(0).random(4_000)
    scores = {name: draws < share for name, share in {**shares, DEPLOYED: 0.5, WIDER: 0.3}.items()}
    trial = Trial.start([*scores], alpha=0.05, minimum_records=400, maximum_records=4_000)
    trial.update(scores, first_record=0)
    assert trial.winner == RETRAINED
    before = {"winner": REOPENED, "challenger": REOPENED}
    assert falls_behind_earlier({"weights_trial": before}, trial) == expected


@pytest.mark.parametrize(("now", "expected"), [(0.6, FINE_TUNED), (0.2, None)])
def test_a_proof_is_not_carried_on_past_a_trial_that_shows_the_opposite(
    now: float, expected: str | None
) -> None:
    plan = {"rungs": ["reopen"], "wider": {}, "weights_trial": {"winner": FINE_TUNED}}
    evidence = {"winner": None, "accuracy": {FINE_TUNED: now, DEPLOYED: 0.5}}
    found = next_plan(plan, {"members": {}}, evidence)
    assert found["weights_trial"]["winner"] == expected
    assert found["last_trial"] is evidence


@pytest.mark.parametrize("points", [2.0, None])
def test_what_is_good_enough_or_cannot_be_told_is_not_followed_by_a_wider_search(
    loop: LoopMaker, points: float | None
) -> None:
    running = loop(episode={**WIDER_CONFIG, "good_enough_points": points})
    running.until(lambda: len(released(running)) == 2)
    assert ("wider",) not in climbed(running)
    assert proposed(running)[0].evidence["challenger"] == REOPENED


def test_where_the_cap_has_no_room_nothing_is_kept_for_a_wider_search(loop: LoopMaker) -> None:
    running = blurred(loop, {**WIDER_CONFIG, "wider_macs_ratio": 1.101})
    running.until(lambda: len(released(running)) == 2)
    assert climbed(running) == [("weights",), ("reopen",)]
    assert proposed(running)[0].evidence["trial_alpha"] == pytest.approx(0.025 / 2)


def test_a_network_that_cannot_be_widened_gives_way_to_what_was_found_before(
    loop: LoopMaker,
) -> None:
    running = blurred(loop, WIDER_CONFIG)
    running.until(lambda: is_at(running, "searching", "wider"))
    running.executor.refused = "it cannot be made wider"
    running.until(lambda: len(released(running)) == 2)
    assert proposed(running)[0].evidence["challenger"] == REOPENED
    assert "it cannot be made wider" in told(running)[0].plan["given_up"]["reason"]


def test_a_network_that_cannot_be_widened_ends_as_the_trial_before_has_ended(
    loop: LoopMaker,
) -> None:
    running = loop(episode=WIDER_CONFIG, trial={"minimum_records": 64, "maximum_records": 400})
    running.executor.follows = {**FOLLOWS, REOPENED: 0}
    running.until(lambda: is_at(running, "searching", "wider"))
    running.executor.refused = "it cannot be made wider"
    running.until(lambda: told(running)[0].outcome is not None)
    assert told(running)[0].outcome == "inconclusive"
    assert "it cannot be made wider" in (told(running)[0].reason or "")


def test_the_method_that_is_configured_is_the_job_s(loop: LoopMaker) -> None:
    running = loop(episode={"records": 200, "minimum_records": 100, "method": "race"})
    running.until(lambda: len(released(running)) == 2)
    assert {job.method for job in running.executor.jobs if job.kind == "adapt"} == {"race"}
