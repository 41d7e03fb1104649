"""A release that is worse than what it replaced is taken back, by policy and on record."""

from pathlib import Path
from typing import Any

import pytest

from adaptd.adaptation.executor import Report
from adaptd.adaptation.job import REOPENED
from adaptd.adaptation.trigger import Trigger
from adaptd.clock import FakeClock
from adaptd.config import WatchConfig
from adaptd.daemon import allowance, recall
from adaptd.daemon.ledger import Effect, Ledger
from adaptd.errors import StoreUnavailable
from adaptd.registry import (
    alarms,
    concentrations,
    decisions,
    episodes,
    manifest,
    proposals,
    spendings,
    watches,
)
from adaptd.registry.publisher import envelope
from adaptd.registry.releases import Release
from adaptd.server import proposal_view
from adaptd.store import outbox
from adaptd.store.database import Database
from adaptd.stream.delayed_labels import DelayedLabels
from tests.daemon.conftest import (
    BEFORE,
    DRIFT_AT,
    FOLLOWS,
    STREAM,
    LoopMaker,
    MemorySource,
    Running,
    loops,
)
from tests.daemon.readings import released
from tests.events import validate_event

BY_OPERATOR = {"policy": "operator"}


def watched(running: Running) -> list[watches.Watch]:
    with running.context.database.read() as connection:
        return watches.listing(connection, STREAM)


def sample(running: Running, name: str, **labels: str) -> float | None:
    registry = running.context.metrics.registry
    return registry.get_sample_value(f"adaptd_{name}", {"stream": STREAM, **labels})


def approve(running: Running) -> None:
    with running.context.database.write() as connection:
        proposal = proposals.awaiting(connection, STREAM)
        assert proposal is not None
        decisions.decide(
            connection,
            proposal_id=proposal.id,
            digest=proposal.digest,
            verdict="approve",
            actor="user:ana",
            comment="looked at it",
            now=running.clock.now(),
        )


def is_proposed(running: Running) -> bool:
    with running.context.database.read() as connection:
        return proposals.awaiting(connection, STREAM) is not None


def approve_too_late(running: Running) -> None:
    """The old concept is back when a person approves of what was learnt of the new one."""
    running.until(lambda: is_proposed(running))
    running.source.drift_at = 10**6
    at = running.source.next
    running.until(lambda: running.source.next > at + 96)
    approve(running)
    running.until(lambda: len(released(running)) == 2)


def until_watched(running: Running, records: int) -> None:
    """Until the store says that the watch that runs has counted so many."""

    def counts() -> int:
        with running.context.database.read() as connection:
            found = watches.running(connection, STREAM)
        return 0 if found is None else int(found.evidence["records"])

    running.until(lambda: counts() >= records)


def go_on(running: Running, records: int) -> None:
    at = running.source.next
    running.until(lambda: running.source.next > at + records)


def test_a_release_that_is_worse_is_taken_back(loop: LoopMaker) -> None:
    running = loop(approval=BY_OPERATOR)
    approve_too_late(running)
    at = running.source.next
    running.until(lambda: len(released(running)) == 3)
    third, second, first = released(running)
    assert (third.number, third.parent, third.episode_id) == (3, second.digest, None)
    assert third.architecture == first.architecture == BEFORE
    assert third.macs == first.macs
    # The minimum of records, and what a poll and a round are long.
    assert running.source.next - at < 400 + 3 * 48
    path = running.context.absolute(third.path)
    document = manifest.verify(path, digest=third.digest)
    for name in manifest.REQUIRED:
        earlier = running.context.absolute(first.path) / name
        assert (path / name).read_bytes() == earlier.read_bytes()
    assert document["lineage"] == {"parent": second.digest, "episode": second.episode_id}
    with running.context.database.read() as connection:
        decision = decisions.listing(connection)[-1]
        decisions.verify_chain(connection)
        proposal = proposals.get(connection, decision.proposal_id)
        (watch,) = watches.listing(connection, STREAM)
        assert concentrations.load(connection, third.digest) == concentrations.load(
            connection, first.digest
        )
    assert decision.actor == "policy:rollback"
    assert (decision.digest, decision.verdict) == (third.digest, "approve")
    assert decision.comment == watch.reason
    assert "400 records" in decision.comment
    assert proposal.state == "published"
    assert proposal.evidence == document["evidence"]
    assert proposal.evidence["challenger"] == "release-1"
    assert proposal.evidence["accuracy"]["release-1"] == 1
    assert 0.3 < proposal.evidence["accuracy"]["deployed"] < 0.7
    assert proposal.evidence["e_value"]["deployed"] >= 1 / proposal.evidence["alpha"]
    assert proposal.evidence["training_records"] == [0, 199]
    assert (watch.outcome, watch.rollback_digest) == ("rolled-back", third.digest)
    assert watch.evidence["verdict"] == "worse"


def test_weights_that_were_given_are_gone_back_to_as_any_others(
    loop: LoopMaker, tmp_path: Path
) -> None:
    weights = tmp_path / "detector.pt"
    weights.write_bytes(b"theirs")
    running = loop(approval=BY_OPERATOR, model={"weights": str(weights)})
    approve_too_late(running)
    running.until(lambda: len(released(running)) == 3)
    third = manifest.verify(running.context.absolute(released(running)[0].path))["evidence"]
    assert third["challenger"] == "release-1"
    assert third["given_weights"] == "detector.pt"
    assert third["training_records"] is None


def test_where_others_may_own_the_stream_the_way_back_has_a_folder_of_its_own(
    loop: LoopMaker,
) -> None:
    running = loop(approval=BY_OPERATOR, is_shared=True)
    approve_too_late(running)
    running = running.again()
    episode = running.context.state.episodes(STREAM) / str(released(running)[0].episode_id)
    # Into which others, who were stopped in the middle of it, may copy at any time.
    for folder in ("rollback", "rollback-1"):
        (episode / folder).mkdir(parents=True)
        (episode / folder / "model.onnx").write_text("half")
    running.until(lambda: len(released(running)) == 3)
    for folder in ("rollback", "rollback-1"):
        assert (episode / folder / "model.onnx").read_text() == "half"


def test_what_was_taken_back_predicts_no_longer_and_the_stream_goes_on(loop: LoopMaker) -> None:
    running = loop(approval=BY_OPERATOR)
    approve_too_late(running)
    running.until(lambda: len(released(running)) == 3)
    go_on(running, 1_000)
    assert len(released(running)) == 3
    assert len(watched(running)) == 1
    assert sample(running, "watches_total", outcome="rolled-back") == 1
    assert sample(running, "watch_active") == 0
    assert sample(running, "watch_records") is None
    assert sample(running, "accuracy") > 0.9  # type: ignore[operator]
    assert sample(running, "release_info", number="3", digest=released(running)[0].digest) == 1


def test_its_evidence_reads_as_that_of_every_proposal(loop: LoopMaker) -> None:
    running = loop(approval=BY_OPERATOR)
    approve_too_late(running)
    running.until(lambda: len(released(running)) == 3)
    with running.context.database.read() as connection:
        proposal = proposals.listing(connection, STREAM)[0]
        shown = proposal_view.view(connection, proposal, now=running.clock.now())
    assert shown.evidence is not None
    assert shown.trigger == "the watch over a fresh release"
    assert shown.summary.startswith("Release 1, brought back, as it was. Right on 100.0")
    assert [check.text for check in shown.checks if not check.holds] == []
    assert [row.title for row in shown.rivals] == ["deployed model, unchanged"]
    assert shown.budget is not None
    assert "This is test 2: 0 was spent before it, 0.00833 is spent by it" in shown.budget
    assert shown.decision is not None
    assert shown.decision.actor == "policy:rollback"


def test_it_is_told_as_every_release_is(loop: LoopMaker) -> None:
    running = loop(approval=BY_OPERATOR)
    approve_too_late(running)
    running.until(lambda: len(released(running)) == 3)
    with running.context.database.read() as connection:
        told = [envelope(event) for event in outbox.pending(connection)]
    for event in told:
        validate_event(event)
    third, second, first = released(running)
    assert [event["data"]["number"] for event in told if event["kind"] == "release"] == [1, 2, 3]
    begun, ended = (event["data"] for event in told if event["kind"] == "watch")
    assert (begun["state"], begun["release"], begun["predecessor"]) == (
        "watching",
        second.digest,
        first.digest,
    )
    assert (ended["state"], ended["rollback"]) == ("rolled-back", third.digest)
    assert ended["accuracy"]["predecessor"] == 1


def test_a_release_that_is_better_is_kept(loop: LoopMaker) -> None:
    running = loop(watch={"minimum_records": 64, "maximum_records": 300})
    running.until(lambda: len(released(running)) == 2)
    go_on(running, 96)
    assert sample(running, "watch_active") == 1
    assert sample(running, "watch_log_e_needed") == pytest.approx(4.787, abs=1e-3)
    assert sample(running, "watch_log_e_value") < 0  # type: ignore[operator]
    go_on(running, 800)
    assert len(released(running)) == 2
    (watch,) = watched(running)
    assert watch.outcome == "kept"
    assert watch.evidence["records"] == 300
    assert watch.evidence["accuracy"]["released"] == 1
    assert running.loop._lineup._predecessor is None
    assert sample(running, "watches_total", outcome="kept") == 1


def test_a_watch_spends_its_own_alpha_by_the_numbers_that_all_tests_share(loop: LoopMaker) -> None:
    running = loop(watch={"alpha": 0.3})
    running.until(lambda: len(watched(running)) == 1)
    episode = str(released(running)[0].episode_id)
    with running.context.database.read() as connection:
        watch = spendings.of_episode(connection, episode, kind="watch")
        trial = spendings.of_episode(connection, episode, kind="trial")
    assert (trial.test, watch.test, watch.spent_before) == (1, 2, 0)
    assert [trial.alpha, watch.alpha] == pytest.approx([0.025, 0.3 / 6])
    assert watched(running)[0].evidence["alpha"] == pytest.approx(0.3 / 6)


def verdict_of(running: Running) -> dict[str, Any]:
    """The evidence at the end of a watch that has found out a release that came too late."""
    running.until(lambda: any(watch.outcome for watch in watched(running)))
    return watched(running)[0].evidence


@pytest.fixture
def undisturbed(tmp_path: Path, clock: FakeClock) -> dict[str, Any]:
    """The evidence of a run that nothing happens to."""
    with loops(tmp_path / "undisturbed", clock) as make:
        running = make(approval=BY_OPERATOR)
        approve_too_late(running)
        return verdict_of(running)


@pytest.mark.parametrize("poll_records", [7, 256])
def test_the_verdict_falls_at_a_record_however_they_are_polled(
    loop: LoopMaker, undisturbed: dict[str, Any], poll_records: int
) -> None:
    running = loop(approval=BY_OPERATOR)
    approve_too_late(running)
    running.source.poll_records = poll_records
    assert verdict_of(running) == undisturbed
    assert undisturbed["records"] == 400


@pytest.mark.parametrize("kills", [1, 3])
def test_a_kill_in_the_middle_loses_no_count_and_counts_none_twice(
    loop: LoopMaker, undisturbed: dict[str, Any], kills: int
) -> None:
    running = loop(approval=BY_OPERATOR)
    approve_too_late(running)
    for kill in range(kills):
        until_watched(running, 60 * (kill + 1))
        # What came since the checkpoint is lost with the process.
        running.step()
        running = running.again()
        assert sample(running, "watch_active") == 1
    assert verdict_of(running) == undisturbed


class Killed(BaseException):
    """Nothing in the process sees it coming."""


class KilledAfterTransaction(Ledger):
    """The process dies right after its next transaction of its own has landed, or right before."""

    def __init__(self, other: Ledger, *, has_landed: bool) -> None:
        self.__dict__ = other.__dict__
        self.has_landed = has_landed

    def transact(self, database: Database, effect: Effect) -> None:
        if self.has_landed:
            super().transact(database, effect)
        raise Killed


@pytest.mark.parametrize("has_landed", [True, False])
def test_a_kill_beside_the_publication_of_a_release_costs_it_no_watch(
    loop: LoopMaker, has_landed: bool
) -> None:
    running = loop()
    running.until(lambda: is_proposed(running) or len(running.executor.jobs) == 3)
    ledger = KilledAfterTransaction(running.context.ledger, has_landed=has_landed)
    object.__setattr__(running.context, "ledger", ledger)
    with pytest.raises(Killed):
        running.until(lambda: False)
    again = running.again()
    again.until(lambda: len(watched(again)) == 1)
    assert watched(again)[0].release_digest == released(again)[0].digest
    assert released(again)[0].number == 2


@pytest.mark.parametrize("has_landed", [True, False])
def test_a_kill_beside_a_rollback_goes_back_once(loop: LoopMaker, has_landed: bool) -> None:
    running = loop(approval=BY_OPERATOR)
    approve_too_late(running)
    until_watched(running, 1)
    ledger = KilledAfterTransaction(running.context.ledger, has_landed=has_landed)
    object.__setattr__(running.context, "ledger", ledger)
    with pytest.raises(Killed):
        running.until(lambda: False)
    again = running.again()
    again.until(lambda: len(released(again)) == 3)
    go_on(again, 500)
    assert [one.number for one in released(again)] == [3, 2, 1]
    (watch,) = watched(again)
    assert (watch.outcome, watch.evidence["records"]) == ("rolled-back", 400)
    with running.context.database.read() as connection:
        assert [one.actor for one in decisions.listing(connection)] == [
            "user:ana",
            "policy:rollback",
        ]
    # What was sealed before the kill is what is published after it.
    folders = running.context.absolute(released(again)[0].path).parent
    assert len(list(folders.iterdir())) == 3


def test_a_drift_ends_the_watch(loop: LoopMaker) -> None:
    running = loop()
    running.until(lambda: len(released(running)) == 2)
    go_on(running, 400)
    # A concept that nobody has seen.
    running.source.swapped_from = running.source.next
    running.until(lambda: watched(running)[0].outcome is not None)
    (watch,) = watched(running)
    with running.context.database.read() as connection:
        (alarm, _) = alarms.listing(connection, STREAM)
    assert watch.outcome == "drift"
    assert watch.reason == f"a drift alarm was raised at record {alarm.record}"
    # Of the records after the alarm none has counted.
    assert watch.evidence["first_record"] + watch.evidence["records"] == alarm.record + 1
    assert running.loop._lineup._predecessor is None


def test_a_drift_that_was_found_without_labels_ends_the_watch_too(loop: LoopMaker) -> None:
    running = loop(approval=BY_OPERATOR)
    running.until(lambda: is_proposed(running))
    approve(running)
    running.until(lambda: len(released(running)) == 2)
    until_watched(running, 20)
    record = running.source.next
    running.context.queue.put(
        Trigger(kind="drift", stream=STREAM, record=record, since_record=record, detail="input-psi")
    )
    running.until(lambda: watched(running)[0].outcome is not None)
    (watch,) = watched(running)
    assert watch.outcome == "drift"
    assert "without labels" in (watch.reason or "")


def test_a_release_whose_stream_has_drifted_already_is_not_watched(loop: LoopMaker) -> None:
    running = loop(approval=BY_OPERATOR)
    running.until(lambda: is_proposed(running))
    record = running.source.next
    running.context.queue.put(
        Trigger(kind="drift", stream=STREAM, record=record, since_record=record, detail="loss")
    )
    approve(running)
    running.until(lambda: len(released(running)) == 2)
    go_on(running, 200)
    assert watched(running) == []


def on_schedule(running: Running) -> None:
    running.context.queue.put(
        Trigger(kind="schedule", stream=STREAM, record=0, since_record=0, detail="periodic")
    )


def test_the_next_release_ends_the_watch_and_has_one_of_its_own(loop: LoopMaker) -> None:
    running = loop(approval=BY_OPERATOR, watch={"minimum_records": 3_000, "maximum_records": 4_000})
    approve_too_late(running)
    running.executor.follows = dict.fromkeys(FOLLOWS, 0)
    on_schedule(running)
    running.until(lambda: is_proposed(running))
    approve(running)
    running.until(lambda: len(watched(running)) == 2)
    third, second, first = released(running)
    found = {watch.release_digest: watch for watch in watched(running)}
    assert found[second.digest].outcome == "superseded"
    assert found[second.digest].predecessor_digest == first.digest
    assert found[third.digest].outcome is None
    assert found[third.digest].predecessor_digest == second.digest


def test_an_episode_that_is_open_ends_with_the_release_that_it_was_to_improve_on(
    loop: LoopMaker,
) -> None:
    running = loop(approval=BY_OPERATOR)
    approve_too_late(running)
    running.executor.follows = {**dict.fromkeys(FOLLOWS, 1), REOPENED: 0}
    on_schedule(running)
    running.until(lambda: is_proposed(running))
    assert watched(running)[0].outcome is None
    running.until(lambda: len(released(running)) == 3)
    with running.context.database.read() as connection:
        episode = episodes.history(connection, STREAM)[0]
        proposal = proposals.of_episode(connection, episode.id)
    assert (episode.trigger["kind"], episode.outcome) == ("schedule", "failed")
    assert "release 2, which it was to improve on, was taken back" in str(episode.reason)
    assert proposal.state == "expired"
    assert sample(running, "proposals_awaiting") == 0
    assert sample(running, "episode_active") == 0
    # And the next one may begin.
    on_schedule(running)
    running.until(lambda: sample(running, "episode_active") == 1)


def test_a_worker_ends_with_the_release_that_its_job_was_to_improve_on(
    loop: LoopMaker, monkeypatch: pytest.MonkeyPatch
) -> None:
    running = loop(approval=BY_OPERATOR, watch={"minimum_records": 48})
    approve_too_late(running)
    # It never gets anywhere.
    monkeypatch.setattr(running.executor, "progress", lambda _: Report())
    on_schedule(running)
    running.until(lambda: running.executor.is_running)
    running.until(lambda: len(released(running)) == 3)
    assert not running.executor.is_running


def test_of_two_that_took_turns_none_is_recalled(loop: LoopMaker) -> None:
    running = loop(approval=BY_OPERATOR)
    approve_too_late(running)
    with running.context.database.read() as connection:
        assert [one.number for one in recall.earlier(connection, released(running)[0])] == [1]
    running.until(lambda: len(released(running)) == 3)
    with running.context.database.read() as connection:
        assert recall.earlier(connection, released(running)[0]) == []


def damage(running: Running, release: Release) -> None:
    (running.context.absolute(release.path) / "model.onnx").write_bytes(b"torn")


def test_a_release_whose_predecessor_is_damaged_is_not_watched_and_the_stream_goes_on(
    loop: LoopMaker,
) -> None:
    running = loop(approval=BY_OPERATOR)
    running.until(lambda: is_proposed(running))
    damage(running, released(running)[0])
    approve(running)
    running.until(lambda: len(released(running)) == 2)
    go_on(running, 300)
    assert watched(running) == []
    assert sample(running, "watches_total", outcome="damaged") == 1
    assert sample(running, "watch_active") == 0
    with running.context.database.read() as connection:
        assert spendings.next_test(connection, STREAM) == 2


@pytest.mark.parametrize("is_killed", [False, True])
def test_a_predecessor_that_is_damaged_meanwhile_is_not_gone_back_to(
    loop: LoopMaker, is_killed: bool
) -> None:
    running = loop(approval=BY_OPERATOR)
    approve_too_late(running)
    until_watched(running, 48)
    damage(running, released(running)[1])
    if is_killed:
        running = running.again()
    running.until(lambda: watched(running)[0].outcome is not None)
    assert watched(running)[0].outcome == "damaged"
    assert "model.onnx" in str(watched(running)[0].reason)
    go_on(running, 300)
    assert len(released(running)) == 2


def test_a_person_ends_a_watch(loop: LoopMaker) -> None:
    running = loop(approval=BY_OPERATOR)
    approve_too_late(running)
    until_watched(running, 48)
    with running.context.database.write() as connection:
        assert watches.end(
            connection,
            released(running)[0].digest,
            outcome="ended",
            reason="user:ana: the old sensor is gone",
            now=running.clock.now(),
        )
    go_on(running, 1_000)
    assert len(released(running)) == 2
    assert watched(running)[0].reason == "user:ana: the old sensor is gone"
    assert sample(running, "watches_total", outcome="ended") == 1
    assert running.loop._lineup._predecessor is None


def test_a_person_who_ends_it_at_the_last_moment_is_obeyed(loop: LoopMaker) -> None:
    running = loop(approval=BY_OPERATOR)
    approve_too_late(running)
    while not (watch := running.loop._watchman._watch) or watch.verdict() == "watching":
        running.step()
    with running.context.database.write() as connection:
        watches.end(
            connection,
            released(running)[0].digest,
            outcome="ended",
            reason="user:ana: leave it",
            now=running.clock.now(),
        )
    go_on(running, 500)
    assert len(released(running)) == 2
    assert [one.actor for one in decisions_of(running)] == ["user:ana"]
    assert watched(running)[0].outcome == "ended"


def decisions_of(running: Running) -> list[decisions.Decision]:
    with running.context.database.read() as connection:
        return decisions.listing(connection)


def test_without_a_watch_a_release_stays(loop: LoopMaker) -> None:
    running = loop(approval=BY_OPERATOR, watch={"enabled": False})
    approve_too_late(running)
    go_on(running, 1_000)
    assert len(released(running)) == 2
    assert watched(running) == []


def test_a_watch_that_is_turned_off_ends_at_the_next_start(loop: LoopMaker) -> None:
    running = loop(approval=BY_OPERATOR)
    approve_too_late(running)
    until_watched(running, 48)
    again = running.again(watch=WatchConfig(enabled=False))
    go_on(again, 1_000)
    assert (watched(again)[0].outcome, watched(again)[0].reason) == (
        "ended",
        "watch.enabled is false",
    )
    assert len(released(again)) == 2


def test_a_watch_of_another_version_ends_and_the_stream_goes_on(
    loop: LoopMaker, monkeypatch: pytest.MonkeyPatch
) -> None:
    running = loop(approval=BY_OPERATOR)
    with monkeypatch.context() as earlier:
        earlier.setattr("adaptd.adaptation.watch.SCHEMA_VERSION", 0)
        approve_too_late(running)
        until_watched(running, 48)
    again = running.again()
    go_on(again, 300)
    assert watched(again)[0].outcome == "ended"
    assert "another version" in str(watched(again)[0].reason)


def test_labels_that_come_late_count_as_well(loop: LoopMaker) -> None:
    delay = 150
    running = loop(
        MemorySource(drift_at=DRIFT_AT), approval=BY_OPERATOR, labels={"delay_records": delay}
    )
    running.until(lambda: is_proposed(running))
    # The old concept is back, with the first label that has not come yet.
    running.source.drift_at = 10**6
    labels(running).drift_at = 10**6
    go_on(running, 2 * delay)
    approve(running)
    running.until(lambda: len(released(running)) == 2)
    published_at = running.source.next
    until_watched(running, 100)
    running = running.again()
    labels(running).drift_at = 10**6
    running.until(lambda: len(released(running)) == 3)
    (watch,) = watched(running)
    assert watch.evidence["records"] == 400
    assert watch.evidence["accuracy"]["predecessor"] == 1
    # What had come before the release was there was not predicted by both. Records are numbered
    # when their labels come.
    assert watch.evidence["first_record"] >= published_at - 48


def labels(running: Running) -> MemorySource:
    """Where its late labels come from."""
    late = running.loop._intake._late
    assert late is not None
    assert isinstance(late._source, DelayedLabels)
    source = late._source._source
    assert isinstance(source, MemorySource)
    return source


def test_a_store_that_is_away_delays_the_watch_and_spends_once(
    loop: LoopMaker, monkeypatch: pytest.MonkeyPatch
) -> None:
    running = loop(approval=BY_OPERATOR)
    failures = iter([True, True])
    spend = allowance.spend

    def away(*arguments: Any, **named: Any) -> float:
        if named["kind"] == "watch" and next(failures, False):
            raise StoreUnavailable("the disk is away")
        return spend(*arguments, **named)

    monkeypatch.setattr("adaptd.daemon.watchman.spend", away)
    approve_too_late(running)
    until_watched(running, 48)
    with running.context.database.read() as connection:
        assert spendings.next_test(connection, STREAM) == 3
