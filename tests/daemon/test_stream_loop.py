from dataclasses import replace
from datetime import timedelta
from itertools import pairwise
from typing import Any

import pytest
from sqlalchemy import Connection, text

from adaptd.adaptation.job import FINE_TUNED, REOPENED
from adaptd.adaptation.trigger import Trigger
from adaptd.clock import FakeClock
from adaptd.config import ApprovalConfig
from adaptd.daemon import allowance
from adaptd.daemon.ledger import Effect, Ledger
from adaptd.daemon.stream_loop import POLL_RECORDS
from adaptd.errors import (
    ConfigError,
    JobError,
    SourceError,
    SourceUnavailable,
    StaleEpochError,
    StoreUnavailable,
    WorkerFailed,
)
from adaptd.registry import (
    alarms,
    concentrations,
    dead_letters,
    decisions,
    episodes,
    proposals,
    releases,
)
from adaptd.registry.proposals import Proposal
from adaptd.store import checkpoints, epochs, outbox
from adaptd.store.database import Database
from adaptd.stream.reject import Reject
from adaptd.stream.segment import read_segment
from adaptd.stream.source import Poll
from tests.daemon.conftest import (
    AFTER,
    BEFORE,
    DRIFT_AT,
    FOLLOWS,
    SCHEMA,
    STREAM,
    LoopMaker,
    MemorySource,
    Running,
    loops,
    weight_of,
)
from tests.daemon.readings import blocks, released, told
from tests.disks import Disk


def state_of(running: Running) -> str | None:
    with running.context.database.read() as connection:
        episode = episodes.active(connection, STREAM)
    return None if episode is None else episode.state


def rungs(running: Running) -> list[str]:
    """What the episode's job was of last."""
    return [*running.executor.jobs[-1].rungs]


def outcome(running: Running) -> str | None:
    latest = told(running)
    return latest[0].outcome if latest else None


def decide(running: Running, verdict: str) -> Proposal:
    """A person decides on the proposal that waits."""
    with running.context.database.write() as connection:
        proposal = proposals.awaiting(connection, STREAM)
        assert proposal is not None
        decisions.decide(
            connection,
            proposal_id=proposal.id,
            digest=proposal.digest,
            verdict=verdict,
            actor="user:ana",
            comment="looked at it",
            now=running.clock.now(),
        )
    return proposal


def drift_again(running: Running) -> None:
    """The old concept comes back for a while, then goes again."""
    running.source.drift_at = 10**6
    at = running.source.next
    running.until(lambda: running.source.next > at + 1_500)
    running.source.drift_at = running.source.next


def test_a_drift_is_answered_with_a_release_that_predicts_from_then_on(loop: LoopMaker) -> None:
    running = loop()
    running.until(lambda: len(released(running)) == 2)
    second, first = released(running)
    assert (first.architecture, second.architecture) == (BEFORE, AFTER)
    assert second.parent == first.digest
    with running.context.database.read() as connection:
        (alarm,) = alarms.listing(connection, STREAM)
        assert concentrations.load(connection, second.digest)["cell"]["right"] == 0.8
        assert [
            event.document["number"]
            for event in outbox.pending(connection)
            if event.kind == "release"
        ] == [1, 2]
    assert alarm.record >= DRIFT_AT
    at = running.source.next
    running.until(lambda: running.source.next > at + 200)
    latest = blocks(running)[-1]
    assert latest.release_digest == second.digest
    assert latest.hits == latest.records
    assert outcome(running) == "released"


@pytest.mark.parametrize("labels", [None, {"delay_records": 100, "wait_seconds": 10_000}])
def test_whatever_is_trained_on_has_its_weights(
    loop: LoopMaker, labels: dict[str, Any] | None
) -> None:
    episode = {"records": 200, "minimum_records": 100, "rehearsal_share": 0.25}
    running = loop(MemorySource(is_weighted=True), labels=labels, episode=episode)
    running.until(lambda: state_of(running) == "collecting")
    # Also what comes back from the store.
    again = running.again()
    again.until(lambda: len(released(again)) == 2)
    jobs = running.executor.jobs + again.executor.jobs
    parts = [(job.records, job.records_digest) for job in jobs]
    rehearsals = [job.rehearsal for job in jobs if job.rehearsal is not None]
    assert {job.kind for job in jobs} == {"initial", "adapt"}
    assert rehearsals
    for path, digest in [*parts, *((one.records, one.records_digest) for one in rehearsals)]:
        batch = read_segment(path, digest)
        assert batch.weight is not None
        assert batch.weight.tolist() == weight_of(batch).tolist()


def test_nobody_trains_on_what_the_trial_counts(loop: LoopMaker) -> None:
    running = loop()
    running.until(lambda: len(released(running)) == 2)
    with running.context.database.read() as connection:
        (proposal,) = proposals.listing(connection, STREAM)
    first, last = proposal.evidence["training_records"]
    assert last - first + 1 == 200
    assert proposal.evidence["first_record"] > last


def spent(running: Running) -> list[tuple[int, float]]:
    with running.context.database.read() as connection:
        rows = connection.execute(text("SELECT test, alpha FROM spendings ORDER BY test"))
        return [(test, alpha) for test, alpha in rows]


def kinds(running: Running) -> list[str]:
    """Of the tests that have spent something."""
    with running.context.database.read() as connection:
        rows = connection.execute(text("SELECT kind FROM spendings ORDER BY test"))
        return [*rows.scalars()]


def test_each_test_spends_its_share_of_the_alpha_of_the_stream(loop: LoopMaker) -> None:
    running = loop()
    running.until(lambda: len(released(running)) == 2)
    # The old concept comes back, for good, once the release has been seen to do well.
    at = running.source.next
    running.until(lambda: running.source.next > at + 500)
    running.source.drift_at = 10**6
    # Of the trial, of the watch over its release, and of the earlier release that comes back.
    running.until(lambda: len(spent(running)) == 3)
    assert [test for test, _ in spent(running)] == [1, 2, 3]
    assert [alpha for _, alpha in spent(running)] == pytest.approx([0.025, 0.05 / 6, 0.05 / 12])
    with running.context.database.read() as connection:
        evidence = proposals.listing(connection, STREAM)[-1].evidence
    # New weights were tried first, with half of it. Half of the rest is the challenger's, what is
    # left is shared by what keeps the architecture.
    assert evidence["trial_alpha"] == pytest.approx(0.0125)
    assert evidence["alpha"] == pytest.approx(0.00625)
    assert evidence["alpha_budget"] == {
        "stream": 0.05,
        "test": 1,
        "spent_before": 0,
        "spent": pytest.approx(0.025),
    }
    assert min(evidence["e_value"].values()) >= 160


def test_a_trial_that_a_kill_interrupts_spends_once(loop: LoopMaker) -> None:
    running = loop()
    running.until(lambda: state_of(running) == "trial")
    again = running.again()
    again.until(lambda: len(released(again)) == 2)
    assert kinds(again) == ["trial"]


def test_an_episode_without_a_trial_spends_nothing(loop: LoopMaker) -> None:
    running = loop()
    running.executor.refused = "too few"
    running.until(lambda: outcome(running) == "refused")
    assert spent(running) == []


def test_an_old_concept_that_returns_brings_its_release_back(loop: LoopMaker) -> None:
    running = loop()
    running.until(lambda: len(released(running)) == 2)
    at = running.source.next
    running.until(lambda: running.source.next > at + 500)
    running.source.drift_at = 10**6
    jobs, returned_at = len(running.executor.jobs), running.source.next
    running.until(lambda: len(released(running)) == 3)
    # Without any training, and within a few hundred records.
    assert len(running.executor.jobs) == jobs
    assert running.source.next - returned_at < 500
    third, second, first = released(running)
    assert third.parent == second.digest
    assert third.architecture == first.architecture == BEFORE
    with running.context.database.read() as connection:
        proposal = proposals.listing(connection, STREAM)[0]
        assert concentrations.load(connection, third.digest) == concentrations.load(
            connection, first.digest
        )
    evidence = proposal.evidence
    assert evidence["challenger"] == "release-1"
    assert set(evidence["e_value"]) == {"deployed"}
    assert evidence["training_records"] == [0, 199]
    assert evidence["trial_alpha"] == pytest.approx(0.05 / 12)
    at = running.source.next
    running.until(lambda: running.source.next > at + 200)
    assert blocks(running)[-1].hits == blocks(running)[-1].records
    assert blocks(running)[-1].release_digest == third.digest


def test_a_release_of_a_harder_concept_is_brought_back_all_the_same(loop: LoopMaker) -> None:
    # Of the first concept one class in five cannot be told, of the second all can.
    running = loop(MemorySource(blurred_from=0))
    running.until(lambda: running.source.next >= DRIFT_AT - 48)
    running.source.blurred_from = None
    running.until(lambda: len(released(running)) == 2)
    at = running.source.next
    running.until(lambda: running.source.next > at + 500)
    running.source.drift_at, running.source.blurred_from = 10**6, running.source.next
    jobs = len(running.executor.jobs)
    running.until(lambda: len(released(running)) == 3)
    assert len(running.executor.jobs) == jobs
    third, _, first = released(running)
    assert third.architecture == first.architecture
    with running.context.database.read() as connection:
        evidence = proposals.listing(connection, STREAM)[0].evidence
    assert evidence["challenger"] == "release-1"
    assert evidence["accuracy"]["release-1"] < 0.9


def test_where_others_may_own_the_stream_a_recall_has_folders_of_its_own(loop: LoopMaker) -> None:
    running = loop(is_shared=True)
    running.until(lambda: len(released(running)) == 2)
    at = running.source.next
    running.until(lambda: running.source.next > at + 500)
    # Whoever owned it before may still be copying.
    running = running.again()
    running.source.drift_at = 10**6
    running.until(lambda: len(released(running)) == 3)
    episode = told(running)[0]
    (member,) = episode.result["members"].values()
    epoch = running.context.ledger.epoch
    assert (epoch, member["directory"]) == (2, "recall-2/release-1")


def test_a_kill_while_an_earlier_release_is_tried_costs_nothing(loop: LoopMaker) -> None:
    running = loop()
    running.until(lambda: len(released(running)) == 2)
    at = running.source.next
    running.until(lambda: running.source.next > at + 500)
    running.source.drift_at = 10**6
    running.until(lambda: state_of(running) == "collecting" and len(spent(running)) == 3)
    running.step()
    again = running.again()
    again.until(lambda: len(released(again)) == 3)
    assert released(again)[0].architecture == BEFORE
    assert kinds(again) == ["trial", "watch", "recall"]


def test_an_earlier_release_that_is_damaged_is_left_out(loop: LoopMaker) -> None:
    running = loop()
    running.until(lambda: len(released(running)) == 2)
    at = running.source.next
    running.until(lambda: running.source.next > at + 500)
    first = released(running)[-1]
    (running.context.absolute(first.path) / "model.onnx").write_bytes(b"torn")
    running.source.drift_at = 10**6
    jobs = len(running.executor.jobs)
    running.until(lambda: len(running.executor.jobs) > jobs)
    assert "recall" not in kinds(running)


def test_a_declined_return_is_followed_by_an_episode_without_it(loop: LoopMaker) -> None:
    running = loop()
    running.until(lambda: len(released(running)) == 2)
    at = running.source.next
    running.until(lambda: running.source.next > at + 500)
    running = running.again(approval=ApprovalConfig(policy="operator"))
    running.executor.follows = {**FOLLOWS, FINE_TUNED: 0, REOPENED: 0}
    running.source.drift_at = 10**6
    running.until(lambda: state_of(running) == "proposed")
    assert decide(running, "reject").evidence["challenger"] == "release-1"
    running.until(lambda: told(running)[-1].outcome is not None and len(told(running)) == 3)
    running.until(lambda: state_of(running) == "proposed")
    with running.context.database.read() as connection:
        waiting = proposals.awaiting(connection, STREAM)
    assert waiting is not None
    assert waiting.evidence["challenger"] != "release-1"
    assert waiting.evidence["drift"]["signal"] == "loss; an earlier release was declined"


def test_earlier_releases_that_do_not_fit_hold_nothing_up(loop: LoopMaker) -> None:
    running = loop()
    running.until(lambda: len(released(running)) == 2)
    at = running.source.next
    running.until(lambda: running.source.next > at + 500)
    # A third concept, which nobody has seen: the classes are exchanged.
    running.source.swapped_from = running.source.next
    running.until(lambda: len(running.executor.jobs) > 3)
    (latest, *_) = told(running)
    assert latest.plan["rungs"] == ["weights"]
    assert latest.result == {}


def test_nothing_is_learnt_from_a_sensor_that_is_broken(loop: LoopMaker) -> None:
    running = loop(MemorySource(drift_at=10**6, stuck=(900, 400)))
    running.until(lambda: outcome(running) is not None)
    (episode,) = told(running)
    assert episode.outcome == "held"
    assert episode.reason is not None
    assert "left constant" in episode.reason
    # Long before there would have been enough to learn from.
    assert running.source.next < episode.trigger["since_record"] + 200
    assert [job.kind for job in running.executor.jobs] == ["initial"]
    # The sensor is back, and so is the champion.
    running.until(lambda: running.source.next > 1_800)
    assert len(released(running)) == 1
    assert blocks(running)[-1].hits == blocks(running)[-1].records


def test_an_episode_says_what_the_drift_looks_like(loop: LoopMaker) -> None:
    running = loop()
    running.until(lambda: len(released(running)) == 2)
    with running.context.database.read() as connection:
        (proposal,) = proposals.listing(connection, STREAM)
    # The same inputs have come to mean other classes.
    assert proposal.evidence["diagnosis"]["kind"] == "concept"
    assert proposal.evidence["diagnosis"]["evidence"]["answers"]["has_changed"] is True


def test_a_store_that_is_away_when_a_job_ends_costs_no_training(
    loop: LoopMaker, monkeypatch: pytest.MonkeyPatch
) -> None:
    running = loop()
    running.until(lambda: state_of(running) == "searching")
    failures = iter([True, True])
    spend = allowance.spend

    def away(*arguments: Any, **named: Any) -> float:
        if next(failures, False):
            raise StoreUnavailable("the disk is away")
        return spend(*arguments, **named)

    monkeypatch.setattr("adaptd.daemon.trial_opening.spend", away)
    running.until(lambda: state_of(running) == "trial")
    assert len([job for job in running.executor.jobs if job.kind == "adapt"]) == 1


def test_a_block_is_not_dated_before_records_that_were_waited_for(
    loop: LoopMaker, monkeypatch: pytest.MonkeyPatch
) -> None:
    running = loop()
    running.until(lambda: len(released(running)) == 1 and len(blocks(running)) > 2)
    poll = running.source.poll

    def waiting(**named: Any) -> Poll:
        running.clock.advance(5)
        return poll(**named)

    monkeypatch.setattr(running.source, "poll", waiting)
    before = running.clock.now()
    running.step()
    assert blocks(running)[-1].at == before + timedelta(seconds=5)


def test_without_drift_nothing_happens(loop: LoopMaker) -> None:
    running = loop(MemorySource(drift_at=10**6))
    running.until(lambda: running.source.next > 4_000)
    assert told(running) == []
    assert len(released(running)) == 1


def test_where_records_say_what_was_answered_that_is_what_is_observed(loop: LoopMaker) -> None:
    # The release would be right all along.
    running = loop(MemorySource(drift_at=10**6, deployed_fails_at=1_200))
    running.until(lambda: running.source.next > 1_150)
    assert all(block.hits == block.records for block in blocks(running))
    running.until(lambda: state_of(running) is not None)
    with running.context.database.read() as connection:
        (alarm,) = alarms.listing(connection, STREAM)
    assert alarm.record >= 1_200
    assert blocks(running)[-1].hits < blocks(running)[-1].records


def test_records_are_scored_once_each_however_they_are_polled(loop: LoopMaker) -> None:
    running = loop(MemorySource(drift_at=10**6, poll_records=37))
    running.until(lambda: running.source.next > 2_000)
    first_records = [block.first_record for block in blocks(running)]
    assert first_records == list(range(200, 200 + 16 * len(first_records), 16))


@pytest.mark.parametrize("state", ["collecting", "searching", "trial", "proposed"])
def test_a_kill_in_any_state_costs_nothing(loop: LoopMaker, state: str) -> None:
    running = loop()
    running.until(lambda: state_of(running) == state)
    again = running.again()
    again.until(lambda: len(released(again)) == 2)
    assert [episode.outcome for episode in told(again)] == ["released"]
    first_records = [block.first_record for block in blocks(again)]
    assert len(set(first_records)) == len(first_records)


class Killed(BaseException):
    """Nothing in the process sees it coming."""


class KilledAfterPublication(Ledger):
    """The process dies right after a transaction of its own has landed."""

    def __init__(self, other: Ledger, *, landings: int) -> None:
        self.__dict__ = other.__dict__
        self.landings = landings

    def transact(self, database: Database, effect: Effect) -> None:
        super().transact(database, effect)
        self.landings -= 1
        if self.landings == 0:
            raise Killed


@pytest.mark.parametrize("landing", [1, 2])
def test_a_kill_between_publication_and_checkpoint_counts_no_record_twice(
    loop: LoopMaker, landing: int
) -> None:
    running = loop()
    # The loop's parts share one context; its ledger is the one thing that dies.
    object.__setattr__(
        running.context, "ledger", KilledAfterPublication(running.context.ledger, landings=landing)
    )
    with pytest.raises(Killed):
        running.until(lambda: False)
    again = running.again()
    again.until(lambda: len(released(again)) == 2)
    at = again.source.next
    again.until(lambda: again.source.next > at + 500)
    scored = blocks(again)
    for earlier, later in pairwise(scored):
        assert earlier.first_record + earlier.records <= later.first_record
    assert [release.number for release in released(again)] == [2, 1]


def test_a_trigger_that_waits_survives_a_restart(loop: LoopMaker) -> None:
    running = loop(MemorySource(drift_at=10**6))
    running.until(lambda: len(released(running)) == 1)
    running.context.queue.put(
        Trigger(kind="schedule", stream=STREAM, record=0, since_record=0, detail="periodic")
    )
    running.loop.checkpoint()
    again = running.again()
    assert [trigger.kind for trigger in again.context.queue.waiting(STREAM)] == ["schedule"]


def test_a_schedule_moves_the_concentrations_and_releases_nothing(loop: LoopMaker) -> None:
    running = loop(MemorySource(drift_at=10**6))
    running.until(lambda: len(released(running)) == 1)
    running.context.queue.put(
        Trigger(kind="schedule", stream=STREAM, record=0, since_record=0, detail="periodic")
    )
    running.until(lambda: outcome(running) is not None)
    assert outcome(running) == "no-better"
    (release,) = released(running)
    with running.context.database.read() as connection:
        assert concentrations.load(connection, release.digest)["cell"]["right"] == 0.8
    assert told(running)[0].trigger["record"] == 199


def test_a_challenger_that_is_no_better_than_the_champion_is_not_proposed(loop: LoopMaker) -> None:
    running = loop()
    running.executor.follows = {**FOLLOWS, "reopened": 0}
    running.until(lambda: outcome(running) is not None)
    assert outcome(running) == "inconclusive"
    assert len(released(running)) == 1


def test_after_an_episode_without_a_release_a_further_drift_is_seen(loop: LoopMaker) -> None:
    running = loop()
    running.executor.refused = "too few"
    running.until(lambda: outcome(running) is not None)
    assert outcome(running) == "refused"
    drift_again(running)
    running.until(lambda: len(told(running)) == 2)


def test_a_rejection_keeps_the_champion(loop: LoopMaker) -> None:
    running = loop(approval={"policy": "operator"})
    running.until(lambda: state_of(running) == "proposed")
    running.step()
    decide(running, "reject")
    running.until(lambda: outcome(running) is not None)
    assert outcome(running) == "rejected"
    assert len(released(running)) == 1


def test_a_proposal_that_nobody_decides_expires(loop: LoopMaker) -> None:
    running = loop(approval={"policy": "operator", "expires_records": 300})
    running.until(lambda: outcome(running) is not None)
    assert outcome(running) == "expired"
    with running.context.database.read() as connection:
        assert [found.state for found in proposals.listing(connection, STREAM)] == ["expired"]


def test_an_approval_against_another_champion_fails_the_episode(loop: LoopMaker) -> None:
    running = loop(approval={"policy": "operator"})
    running.until(lambda: state_of(running) == "proposed")
    running.step()
    (first,) = released(running)
    proposal = decide(running, "approve")
    with running.context.database.write() as connection:
        releases.promote(
            connection,
            digest="another",
            stream=STREAM,
            architecture=first.architecture,
            contract=first.contract,
            episode_id=None,
            path=first.path,
            macs=first.macs,
            expected=first.digest,
            now=running.clock.now(),
        )
    running.until(lambda: outcome(running) is not None)
    assert outcome(running) == "failed"
    with running.context.database.read() as connection:
        assert proposals.get(connection, proposal.id).state == "expired"


@pytest.mark.parametrize(
    ("ends_at", "expected"), [(DRIFT_AT + 150, "refused"), (DRIFT_AT + 400, "inconclusive")]
)
def test_a_stream_that_ends_leaves_no_episode_open(
    loop: LoopMaker, ends_at: int, expected: str
) -> None:
    running = loop(
        MemorySource(ends_at=ends_at), trial={"minimum_records": 500, "maximum_records": 600}
    )
    running.until(lambda: outcome(running) is not None)
    assert outcome(running) == expected


def test_a_stream_that_ends_before_the_first_window_says_so(loop: LoopMaker) -> None:
    running = loop(MemorySource(ends_at=150))
    with pytest.raises(SourceError, match="150 records"):
        running.until(lambda: False)


def test_a_worker_that_died_is_tried_once_more(loop: LoopMaker) -> None:
    running = loop()
    running.until(lambda: state_of(running) == "searching")
    running.executor.errors = [WorkerFailed("killed")]
    running.until(lambda: len(released(running)) == 2)


def test_a_worker_that_dies_again_fails_the_episode_and_not_the_stream(loop: LoopMaker) -> None:
    running = loop()
    running.until(lambda: state_of(running) == "searching")
    running.executor.errors = [WorkerFailed("killed"), WorkerFailed("killed again")]
    running.until(lambda: outcome(running) is not None)
    assert (outcome(running), told(running)[0].reason) == ("failed", "killed again")
    at = running.source.next
    running.until(lambda: running.source.next > at)


def test_a_first_training_that_died_begins_again(loop: LoopMaker) -> None:
    running = loop()
    running.executor.errors = [WorkerFailed("killed")]
    with pytest.raises(WorkerFailed):
        running.until(lambda: False)
    running.until(lambda: len(released(running)) == 1)
    assert len(running.executor.jobs) == 2


def test_a_model_that_cannot_be_built_ends_the_stream(loop: LoopMaker) -> None:
    running = loop()
    running.executor.errors = [JobError("no such network")]
    with pytest.raises(JobError, match="no such network"):
        running.until(lambda: False)


def test_a_damaged_member_fails_the_episode_and_not_the_stream(loop: LoopMaker) -> None:
    running = loop()
    running.until(lambda: state_of(running) == "trial")
    (episode,) = told(running)
    members = running.context.state.episodes(STREAM) / episode.id / "members"
    (model,) = members.glob(f"*/{FINE_TUNED}/model.onnx")
    model.write_bytes(b"torn")
    again = running.again()
    again.until(lambda: outcome(again) is not None)
    assert outcome(again) == "failed"


def test_a_trial_of_another_version_fails_the_episode_and_not_the_stream(
    loop: LoopMaker, monkeypatch: pytest.MonkeyPatch
) -> None:
    running = loop()
    with monkeypatch.context() as earlier:
        earlier.setattr("adaptd.adaptation.trial.SCHEMA_VERSION", 2)
        running.until(lambda: state_of(running) == "trial")
        running.loop.checkpoint()
    again = running.again()
    again.until(lambda: outcome(again) is not None)
    assert outcome(again) == "failed"
    assert "begun by another version of adaptd" in str(told(again)[0].reason)
    at = again.source.next
    again.until(lambda: again.source.next > at)


def test_records_that_do_not_fit_are_kept_with_their_reason(loop: LoopMaker) -> None:
    running = loop(MemorySource(drift_at=10**6))
    running.until(lambda: len(released(running)) == 1)
    running.source.rejects = [Reject("not-finite", 0, 7, "NaN in x", b"{}")]
    at = running.source.next
    running.until(lambda: running.source.next > at + 500)
    with running.context.database.read() as connection:
        assert dead_letters.counts(connection, STREAM) == {"not-finite": 1}
        (letter,) = dead_letters.listing(connection, STREAM)
    assert (letter.offset, letter.detail) == (7, "NaN in x")


def test_a_checkpoint_comes_after_so_many_records_or_seconds(loop: LoopMaker) -> None:
    running = loop(MemorySource(drift_at=10**6), checkpoint={"seconds": 3600, "records": 300})
    running.until(lambda: len(released(running)) == 1)
    running.loop.checkpoint()

    def saved() -> int:
        with running.context.database.read() as connection:
            kept = checkpoints.load(connection, STREAM)
        assert kept is not None
        return kept.next_record

    at = saved()
    running.until(lambda: saved() > at)
    assert 300 <= saved() - at < 300 + POLL_RECORDS
    running.clock.advance(3600)
    at = saved()
    running.step()
    assert 0 <= saved() - at <= POLL_RECORDS
    assert saved() == running.source.next


def test_more_bad_records_than_may_wait_come_through_where_they_are_delivered(
    loop: LoopMaker,
) -> None:
    running = loop(MemorySource(drift_at=10**6), rejects={"maximum_share": 1})
    running.until(lambda: len(released(running)) == 1)
    database, made = running.context.database, 0
    while made < 25_000:
        running.source.rejects = [
            Reject("unreadable", 0, made + place, "not JSON", b"{") for place in range(250)
        ]
        made += 250
        running.step()
        with database.write() as connection:
            for number, _ in dead_letters.pending(connection, STREAM)[-1:]:
                dead_letters.mark_sent(connection, STREAM, up_to=number, now=running.clock.now())
    running.until(lambda: not running.source.rejects)
    running.loop.checkpoint()
    with database.read() as connection:
        assert dead_letters.counts(connection, STREAM) == {"unreadable": made}
    assert running.loop.trouble is None


def test_a_receiver_of_bad_records_that_is_away_is_not_taken_for_a_store_that_is(
    loop: LoopMaker, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(dead_letters, "MOST_WAITING", 1_000)
    running = loop(MemorySource(drift_at=10**6), rejects={"maximum_share": 1})
    running.until(lambda: len(released(running)) == 1)

    def bad() -> bool:
        running.source.rejects = [Reject("unreadable", 0, 1, "not JSON", b"{")] * 60
        return running.loop.trouble is not None

    running.until(bad)
    assert "wait for delivery" in str(running.loop.trouble)
    assert stopped_writes(running) == 0
    with running.context.database.write() as connection:
        (*_, (number, _)) = dead_letters.pending(connection, STREAM)
        dead_letters.mark_sent(connection, STREAM, up_to=number, now=running.clock.now())
    running.source.rejects = []
    running.until(lambda: running.loop.trouble is None)


def test_a_schema_that_has_changed_stops_the_stream_before_what_does_not_fit(
    loop: LoopMaker,
) -> None:
    running = loop(MemorySource(drift_at=10**6))
    running.until(lambda: len(released(running)) == 1)
    at = running.source.next
    running.source.rejects = [
        Reject("wrong-shape", 0, at + place, "got 3 where 2 belong", b"[]") for place in range(501)
    ]
    with pytest.raises(SourceError, match="501 of the latest"):
        running.until(lambda: running.source.next > at + 500)
    with running.context.database.read() as connection:
        assert dead_letters.counts(connection, STREAM) == {}


def test_a_store_that_cannot_be_written_pauses_the_stream_and_loses_nothing(
    loop: LoopMaker,
) -> None:
    running = loop(MemorySource(drift_at=10**6))
    running.until(lambda: running.source.next > 400)
    other = Database.attach(running.context.state.database)
    with other.write() as connection:
        epochs.acquire(connection, stream="other", owner="test", now=running.clock.now())
        running.until(lambda: running.loop.trouble is not None)
        at = running.source.next
        for _ in range(10):
            running.step()
        assert running.source.next == at
        assert "the store cannot be written: " in str(running.loop.trouble)
    other.close()
    running.until(lambda: running.source.next > at + 1_000)
    assert running.loop.trouble is None
    first_records = [block.first_record for block in blocks(running)]
    assert first_records == list(range(200, 200 + 16 * len(first_records), 16))


def test_a_source_that_is_away_is_asked_again_and_the_rest_goes_on(loop: LoopMaker) -> None:
    running = loop()
    running.until(lambda: state_of(running) == "searching")
    running.source.error = SourceUnavailable("broker away")
    running.until(lambda: state_of(running) == "trial")
    running.step()
    assert running.loop.trouble == "broker away"
    running.source.error = None
    running.until(lambda: len(released(running)) == 2)
    assert running.loop.trouble is None


def test_an_older_owner_stops_at_its_next_checkpoint(loop: LoopMaker) -> None:
    running = loop(MemorySource(drift_at=10**6))
    running.until(lambda: running.source.next > 400)
    with running.context.database.write() as connection:
        epochs.acquire(connection, stream=STREAM, owner="newer", now=running.clock.now())
    with pytest.raises(StaleEpochError):
        running.until(lambda: False)


def test_a_round_that_broke_off_is_not_checkpointed(loop: LoopMaker) -> None:
    running = loop(MemorySource(drift_at=10**6))
    running.until(lambda: running.source.next > 400)
    running.loop.checkpoint()
    scored = len(blocks(running))

    def fail(_connection: Connection) -> None:
        raise AssertionError("it was checkpointed")

    running.source.error = RuntimeError("a defect")
    with pytest.raises(RuntimeError, match="a defect"):
        running.step()
    running.context.ledger.add(fail)
    running.loop.close()
    assert running.source.is_closed
    assert len(blocks(running)) == scored


def test_another_schema_is_another_lineage(loop: LoopMaker) -> None:
    running = loop()
    running.until(lambda: len(released(running)) == 1)
    running.source.schema = replace(SCHEMA, classes=("plus", "minus"))
    with pytest.raises(ConfigError, match=r"record.*another lineage"):
        running.again()


def test_networks_of_episodes_that_are_over_are_deleted(loop: LoopMaker) -> None:
    running = loop()
    running.executor.refused = "too few"
    running.until(lambda: outcome(running) is not None)
    running.executor.refused = None
    drift_again(running)
    running.until(lambda: state_of(running) == "trial")
    kept = [path.parent.name for path in running.context.state.episodes(STREAM).glob("*/members")]
    assert kept == [told(running)[0].id]


def test_the_database_is_whole_after_all(loop: LoopMaker) -> None:
    running = loop()
    running.until(lambda: len(released(running)) == 2)
    with running.context.database.read() as connection:
        assert connection.execute(text("PRAGMA integrity_check")).scalar() == "ok"
        decisions.verify_chain(connection)


def stopped_writes(running: Running) -> float:
    value = running.context.metrics.registry.get_sample_value(
        "adaptd_store_unavailable_total", {"stream": STREAM}
    )
    return value or 0.0


@pytest.mark.parametrize("at", ["collecting", "trial"])
def test_a_disk_that_is_full_in_an_episode_pauses_it_and_it_goes_on(
    disk: Disk, clock: FakeClock, at: str
) -> None:
    with loops(disk.path / "state", clock) as loop:
        running = loop()
        # Of the second trial, after which nothing is trained that has to be written.
        running.until(
            lambda: state_of(running) == at and (at != "trial" or rungs(running) == ["reopen"])
        )
        disk.fill()
        running.until(lambda: running.loop.trouble is not None)
        assert "the store cannot be written: " in str(running.loop.trouble)
        assert stopped_writes(running) > 0
        for _ in range(10):
            running.step()
        disk.empty()
        running.until(lambda: len(released(running)) == 2)
        assert running.loop.trouble is None
        first_records = [block.first_record for block in blocks(running)]
        assert first_records == list(range(200, 200 + 16 * len(first_records), 16))
