"""What a broken sensor gave is neither learnt from nor counted, in one stream's loop."""

from typing import Any

import pytest

from adaptd.adaptation.counted import Counted
from adaptd.adaptation.trigger import Trigger
from adaptd.daemon.planning import members_directory
from adaptd.daemon.replay import recorded, rerun
from adaptd.observer.predictor import Predictor
from adaptd.registry import (
    alarms,
    decisions,
    proposals,
    releases,
    scores,
    trials,
    watches,
)
from adaptd.store import checkpoints
from adaptd.stream.segment import read_segment
from tests.daemon.conftest import DRIFT_AT, STREAM, LoopMaker, MemorySource, Running
from tests.daemon.readings import told

NEVER = 10**6
# What the sensor gives while it is stuck.
STUCK = 3
# Signals have learnt after 120 blocks of 8.
WATCHED: dict[str, Any] = {
    "alarm": {"block_records": 8, "reference_blocks": 120, "stride_blocks": 4},
}


def raised(running: Running) -> list[str]:
    with running.context.database.read() as connection:
        return [alarm.signal for alarm in alarms.listing(connection, STREAM)]


def number(running: Running) -> int:
    with running.context.database.read() as connection:
        return len(releases.history(connection, STREAM))


def is_broken(running: Running) -> bool:
    name = "adaptd_sensor_broken"
    return running.context.metrics.registry.get_sample_value(name, {"stream": STREAM}) == 1


def watched(running: Running) -> int:
    """Records that the watch over the latest release has counted; -1 before it has begun."""
    running.loop.checkpoint()
    with running.context.database.read() as connection:
        found = watches.listing(connection, STREAM)
    return int(found[0].evidence["records"]) if found else -1


def ask(running: Running, kind: Any) -> None:
    running.context.queue.put(Trigger(kind=kind, stream=STREAM, record=0, since_record=0))


@pytest.mark.parametrize("kind", ["schedule", "manual"])
@pytest.mark.parametrize("is_killed", [False, True])
def test_an_episode_after_an_outage_learns_from_what_was_before_it(
    loop: LoopMaker, kind: str, is_killed: bool
) -> None:
    running = loop(MemorySource(drift_at=NEVER, stuck=(1_900, 200)), **WATCHED)
    running.until(lambda: is_broken(running))
    running.until(lambda: not is_broken(running))
    assert running.source.next < 2_200
    running.loop.checkpoint()
    with running.context.database.read() as connection:
        shown = checkpoints.shown(connection, STREAM)
    assert shown is not None
    assert shown["latest_outage"] == pytest.approx([1_892, 2_110], abs=12)
    if is_killed:
        running = running.again()
    ask(running, kind)
    running.until(lambda: bool(told(running)) and bool(told(running)[0].plan))
    plan = told(running)[0].plan
    assert plan["left_out"] != []
    path = running.context.absolute(plan["records"])
    learnt = read_segment(path, plan["records_digest"])
    assert len(learnt) == 200
    assert (learnt.x[:, 0] != STUCK).all()
    assert learnt.positions[0, 1] < 1_900
    assert plan["end_record"] > 2_100


@pytest.mark.parametrize("is_killed", [False, True])
def test_a_trial_counts_nothing_of_an_outage(loop: LoopMaker, is_killed: bool) -> None:
    running = loop(
        **WATCHED,
        episode={"records": 200, "minimum_records": 100, "good_enough_points": None},
        trial={"minimum_records": 300, "maximum_records": 512},
    )
    running.until(lambda: bool(told(running)) and told(running)[0].state == "trial")
    began = running.source.next + 60
    running.source.stuck = (began, 200)
    running.until(lambda: is_broken(running))
    if is_killed:
        running = running.again()
    running.until(lambda: told(running)[0].state in ("proposed", "closed"))
    with running.context.database.read() as connection:
        (row,) = trials.of_episode(connection, told(running)[0].id)
        blocks = scores.series(connection, STREAM)
    assert row.counted is not None
    counted = [
        one for first, end in Counted.restore(row.counted).ranges for one in range(first, end)
    ]
    assert len(counted) >= 300
    assert not set(counted) & set(range(began, began + 200))
    # Before it was noticed, and after it was over.
    assert counted[0] < began < began + 200 < counted[-1]
    # A replay holds the same trial over the same records.
    with running.context.database.read() as connection:
        kept = recorded.find(connection, row.episode_id)
    state, champion = running.context.state, kept.champion
    folder = members_directory(running.context, row.episode_id)
    members = {
        name: Predictor.load(folder / member["directory"], champion.contract)
        for name, member in kept.episode.result["members"].items()
    }
    deployed = Predictor.load(running.context.absolute(champion.path), champion.contract)
    records = recorded.counted_records(kept, row, state.path)
    assert rerun.held(row, records, members, deployed).evidence() == row.evidence
    spoiled = {block.first_record for block in blocks if block.is_broken}
    assert set(range(began // 8 * 8 + 8, began + 190, 8)) <= spoiled
    assert len(spoiled) <= 30


def test_a_watch_counts_nothing_of_an_outage(loop: LoopMaker) -> None:
    running = loop(**WATCHED, watch={"minimum_records": 64, "maximum_records": 400})
    running.until(lambda: number(running) == 2)
    running.until(lambda: watched(running) >= 0)
    began = running.source.next + 60
    running.source.stuck = (began, 200)
    running.until(lambda: running.source.next > began + 60)
    so_far = watched(running)
    assert 40 <= so_far <= 110
    running.until(lambda: running.source.next > began + 140)
    assert is_broken(running)
    assert watched(running) == so_far
    running.until(lambda: running.source.next > began + 300)
    assert watched(running) > so_far


def test_a_release_in_an_outage_does_not_forget_it(loop: LoopMaker) -> None:
    running = loop(**WATCHED, approval={"policy": "operator"})
    running.until(lambda: bool(told(running)) and told(running)[0].state == "proposed")
    running.source.stuck = (running.source.next, 400)
    ends = running.source.next + 400
    running.until(lambda: is_broken(running))
    with running.context.database.write() as connection:
        (proposal,) = proposals.listing(connection, STREAM)
        decisions.decide(
            connection,
            proposal_id=proposal.id,
            digest=proposal.digest,
            verdict="approve",
            actor="person",
            comment="fine",
            now=running.clock.now(),
        )
    running.until(lambda: number(running) == 2)
    assert running.source.next < ends - 100
    running.step()
    assert is_broken(running)
    ask(running, "manual")
    running.until(lambda: running.source.next >= ends - 48)
    assert is_broken(running)
    assert len(told(running)) == 1
    assert raised(running).count("input-faults") == 1
    running.until(lambda: not is_broken(running))
    assert running.source.next <= ends + 96


@pytest.mark.parametrize("is_killed", [False, True])
def test_an_outage_in_the_first_training_is_told_and_never_learnt(
    loop: LoopMaker, is_killed: bool
) -> None:
    running = loop(MemorySource(drift_at=NEVER, stuck=(350, 200)), **WATCHED)
    running.until(lambda: is_broken(running))
    assert running.source.next < 350 + 100
    if is_killed:
        running = running.again()
    running.until(lambda: not is_broken(running))
    # Neither had it become what is ordinary.
    running.source.stuck = (1_900, 200)
    running.until(lambda: is_broken(running))
    assert set(raised(running)) == {"input-faults"}
    assert DRIFT_AT < running.source.next < 2_100


def test_a_drift_that_was_called_by_a_broken_sensor_is_held_after_it(loop: LoopMaker) -> None:
    running = loop(MemorySource(drift_at=NEVER, stuck=(1_900, 200)), **WATCHED)
    running.until(lambda: is_broken(running))
    running.until(lambda: not is_broken(running))
    held = len(told(running))
    running.context.queue.put(
        Trigger(kind="drift", stream=STREAM, record=1_960, since_record=1_904, detail="loss")
    )
    running.until(lambda: len(told(running)) > held)
    running.until(lambda: told(running)[0].outcome is not None)
    assert told(running)[0].outcome == "held"
    assert "by which the drift was called" in str(told(running)[0].reason)
    assert all(job.kind == "initial" for job in running.executor.jobs)


@pytest.mark.parametrize("is_killed", [False, True])
def test_an_episode_that_collects_as_a_sensor_breaks_goes_on_with_what_comes_after(
    loop: LoopMaker, is_killed: bool
) -> None:
    running = loop(**WATCHED)
    running.until(lambda: bool(told(running)))
    began = running.source.next + 30
    running.source.stuck = (began, 150)
    running.until(lambda: is_broken(running))
    assert told(running)[0].state == "collecting"
    if is_killed:
        running = running.again()
    running.until(lambda: bool(told(running)[0].plan.get("records")))
    (episode,) = told(running)
    learnt = read_segment(
        running.context.absolute(episode.plan["records"]), episode.plan["records_digest"]
    )
    numbers = learnt.positions[:, 1]
    assert len(learnt) == 200
    assert (learnt.x[:, 0] != STUCK).all()
    assert numbers[0] == episode.trigger["since_record"] < began
    assert numbers[-1] >= began + 150
    running.until(lambda: number(running) == 2)


def test_what_is_not_known_yet_is_not_learnt_either(loop: LoopMaker) -> None:
    running = loop(MemorySource(drift_at=NEVER, stuck=(1_900, 200), poll_records=3), **WATCHED)
    running.until(lambda: running.source.next > 1_904)
    ask(running, "manual")
    running.until(lambda: bool(told(running)) and bool(told(running)[0].plan))
    plan = told(running)[0].plan
    assert 1_880 <= plan["end_record"] <= 1_900 < running.source.next
    assert plan["left_out"] == []
