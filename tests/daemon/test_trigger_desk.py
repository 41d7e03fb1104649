"""Which trigger begins an episode, and why the others wait: on the loop of one stream."""

from datetime import timedelta
from typing import Any

import structlog

from adaptd.adaptation.trigger import Kind, Trigger
from adaptd.daemon.schedule import timing
from adaptd.registry import episodes, releases, requests, schedules, waits
from adaptd.registry.requests import Answer
from adaptd.registry.waits import Wait
from tests.daemon.conftest import STREAM, LoopMaker, MemorySource, Running

# Each record of the source is a second later than the one before it.
COOL_DOWN = 1_000
DAY = timedelta(days=1)


def steady() -> MemorySource:
    return MemorySource(drift_at=10**6)


def ask(running: Running, *, over: bool = False) -> Answer:
    with running.context.database.write() as connection:
        return requests.ask(
            connection,
            stream=STREAM,
            actor="user:ada",
            reason="new bearing",
            is_over_budget=over,
            now=running.clock.now(),
        )


def enqueue(running: Running, kind: Kind = "schedule", *, since: int = 0) -> None:
    running.context.queue.put(
        Trigger(kind, STREAM, record=since, since_record=since, detail="periodic")
    )


def told(running: Running) -> list[episodes.Episode]:
    with running.context.database.read() as connection:
        return episodes.history(connection, STREAM)


def queue_of(running: Running) -> dict[str, Wait]:
    with running.context.database.read() as connection:
        return {wait.kind: wait for wait in waits.listing(connection, STREAM)}


def gauge(running: Running, kind: str, reason: str) -> float | None:
    return running.context.metrics.registry.get_sample_value(
        "adaptd_triggers_waiting", {"stream": STREAM, "kind": kind, "reason": reason}
    )


def released(running: Running) -> int:
    with running.context.database.read() as connection:
        return len(releases.history(connection, STREAM))


def ready(loop: LoopMaker, **changes: Any) -> Running:
    """A loop whose release 1 predicts, on a stream without a drift."""
    running = loop(steady(), **changes)
    running.until(lambda: released(running) == 1)
    return running


def ended_once(running: Running) -> None:
    """An episode begins by the schedule and ends."""
    enqueue(running)
    running.until(lambda: any(one.closed_at is not None for one in told(running)))


def test_a_request_becomes_an_episode_that_says_who_asked_and_why(loop: LoopMaker) -> None:
    running = ready(loop)
    ask(running)
    running.until(lambda: len(told(running)) == 1)
    (episode,) = told(running)
    trigger = Trigger.from_document(episode.trigger)
    assert (trigger.kind, trigger.actor, trigger.detail) == ("manual", "user:ada", "new bearing")
    assert trigger.record == trigger.since_record >= 199
    with running.context.database.read() as connection:
        assert requests.waiting(connection, STREAM) == []
    running.until(lambda: told(running)[0].outcome is not None)
    at = running.source.next
    running.until(lambda: running.source.next > at + 500)
    # Answered once.
    assert [one.id for one in told(running)] == [episode.id]


def test_a_request_is_answered_though_the_daemon_dies_before_and_after(loop: LoopMaker) -> None:
    running = ready(loop)
    ask(running)
    again = running.again()
    again.until(lambda: len(told(again)) == 1)
    third = again.again()
    third.until(lambda: told(third)[0].outcome is not None)
    at = third.source.next
    third.until(lambda: third.source.next > at + 500)
    assert len(told(third)) == 1


def test_while_an_episode_runs_others_wait_and_it_shows(loop: LoopMaker) -> None:
    running = ready(loop)
    enqueue(running)
    running.until(lambda: len(told(running)) == 1)
    asked = ask(running).request
    enqueue(running, "drift", since=250)
    with structlog.testing.capture_logs() as logs:
        running.until(lambda: len(queue_of(running)) == 2)
    shown = queue_of(running)
    assert {wait.reason for wait in shown.values()} == {"episode"}
    assert shown["manual"].since == asked.asked_at
    assert shown["manual"].trigger["actor"] == "user:ada"
    assert gauge(running, "manual", "episode") == 1
    assert gauge(running, "manual", "budget") == 0
    waits_logged = [line for line in logs if line["event"] == "trigger.waits"]
    assert sorted((line["trigger"], line["reason"]) for line in waits_logged) == [
        ("drift", "episode"),
        ("manual", "episode"),
    ]
    running.until(lambda: len(told(running)) == 3)
    kinds = [one.trigger["kind"] for one in reversed(told(running))]
    assert kinds == ["schedule", "drift", "manual"]
    assert queue_of(running) == {}
    assert gauge(running, "manual", "episode") == 0


def test_a_cool_down_holds_the_schedule_in_the_records_time(loop: LoopMaker) -> None:
    running = ready(loop, triggers={"cool_down_seconds": COOL_DOWN})
    ended_once(running)
    ended_at = running.source.next
    enqueue(running)
    running.until(lambda: "schedule" in queue_of(running))
    wait = queue_of(running)["schedule"]
    assert wait.reason == "cool-down"
    assert wait.until is None
    assert wait.until_time is not None
    # Between the record that was latest when it was looked at, and a round before.
    assert ended_at - 257 + COOL_DOWN <= wait.until_time <= ended_at + COOL_DOWN
    running.until(lambda: len(told(running)) == 2)
    assert told(running)[0].trigger["record"] >= wait.until_time


def test_a_cool_down_outlasts_a_restart(loop: LoopMaker) -> None:
    running = ready(loop, triggers={"cool_down_seconds": COOL_DOWN})
    ended_once(running)
    enqueue(running)
    running.until(lambda: "schedule" in queue_of(running))
    before = queue_of(running)["schedule"]
    again = running.again()
    again.step()
    again.loop.checkpoint()
    assert queue_of(again)["schedule"] == before
    assert gauge(again, "schedule", "cool-down") == 1
    again.until(lambda: len(told(again)) == 2)
    assert told(again)[0].trigger["record"] >= (before.until_time or 0)


def test_an_episode_that_ended_right_before_a_kill_is_cooled_down_from(loop: LoopMaker) -> None:
    running = ready(loop, triggers={"cool_down_seconds": COOL_DOWN})
    enqueue(running)
    running.until(lambda: len(told(running)) == 1)
    now = running.clock.now()
    with running.context.database.write() as connection:
        # As the transaction of an expiry does, which no checkpoint has followed yet.
        episodes.close(
            connection, told(running)[0].id, outcome="expired", reason="for a test", now=now
        )
    again = running.again()
    enqueue(again)
    again.until(lambda: "schedule" in queue_of(again))
    assert queue_of(again)["schedule"].reason == "cool-down"


def test_a_person_does_not_wait_for_a_cool_down(loop: LoopMaker) -> None:
    running = ready(loop, triggers={"cool_down_seconds": 10**6})
    ended_once(running)
    enqueue(running)
    ask(running)
    running.until(lambda: len(told(running)) == 2)
    assert told(running)[0].trigger["kind"] == "manual"
    running.until(lambda: queue_of(running)["schedule"].reason == "episode")


def test_a_drift_in_quiet_hours_waits_until_they_end_through_a_restart(loop: LoopMaker) -> None:
    # The clock starts at midnight.
    running = loop(triggers={"quiet_hours": ["23:00-01:00"]})
    running.until(lambda: "drift" in queue_of(running))
    wait = queue_of(running)["drift"]
    assert wait.reason == "quiet-hours"
    assert wait.until == running.clock.now().replace(hour=1, minute=0, second=0, microsecond=0)
    again = running.again()
    again.until(lambda: again.source.next > 1_500)
    assert told(again) == []
    assert queue_of(again)["drift"] == wait
    again.clock.advance(3_600)
    again.until(lambda: len(told(again)) == 1)
    assert told(again)[0].trigger["kind"] == "drift"
    assert told(again)[0].trigger["since_record"] == wait.trigger["since_record"]
    # What runs goes on: quiet hours only keep episodes from beginning.
    again.clock.advance(22 * 3_600)
    again.until(lambda: told(again)[0].outcome == "released")


def test_a_day_whose_compute_is_used_up_waits_for_the_next(loop: LoopMaker) -> None:
    running = ready(loop, triggers={"compute_seconds_per_day": 5})
    running.executor.costs_seconds = 8.0
    ended_once(running)
    enqueue(running)
    running.until(lambda: "schedule" in queue_of(running))
    wait = queue_of(running)["schedule"]
    midnight = running.clock.now().replace(hour=0, minute=0, second=0, microsecond=0) + DAY
    assert (wait.reason, wait.until) == ("budget", midnight)
    again = running.again()
    again.until(lambda: again.source.next > running.source.next + 500)
    assert len(told(again)) == 1
    again.clock.advance(DAY.total_seconds())
    again.until(lambda: len(told(again)) == 2)


def test_what_failed_has_used_compute_too(loop: LoopMaker) -> None:
    running = ready(loop, triggers={"compute_seconds_per_day": 5})
    running.executor.costs_seconds = 8.0
    running.executor.refused = "too few"
    ended_once(running)
    assert told(running)[0].outcome == "refused"
    enqueue(running)
    running.until(lambda: "schedule" in queue_of(running))
    assert queue_of(running)["schedule"].reason == "budget"


def test_a_person_waits_for_the_budget_unless_it_is_asked_over_it(loop: LoopMaker) -> None:
    running = ready(loop, triggers={"compute_seconds_per_day": 5})
    running.executor.spent_seconds += 6
    ask(running)
    running.until(lambda: "manual" in queue_of(running))
    assert queue_of(running)["manual"].reason == "budget"
    assert told(running) == []
    assert ask(running, over=True).is_new
    running.until(lambda: len(told(running)) == 1)
    with running.context.database.read() as connection:
        assert requests.waiting(connection, STREAM) == []
    assert told(running)[0].trigger["is_over_budget"]


def test_a_run_of_the_schedule_is_recorded_where_it_begins(loop: LoopMaker) -> None:
    running = ready(loop, schedule={"every_seconds": 3_600})
    config, due = running.context.config.schedule, running.clock.now()
    with running.context.database.write() as connection:
        schedules.expect(connection, STREAM, next_due=due, timing=timing(config))
    enqueue(running)
    running.until(lambda: len(told(running)) == 1)
    with running.context.database.read() as connection:
        row = schedules.get(connection, STREAM)
    assert row is not None
    assert row.last_run == told(running)[0].opened_at
    assert row.next_due == due + timedelta(seconds=3_600)


def test_after_a_release_only_a_later_drift_and_a_person_still_wait(loop: LoopMaker) -> None:
    running = loop(schedule={"every_seconds": 3_600}, approval={"policy": "automatic"})
    running.until(lambda: len(told(running)) == 1)
    due = running.clock.now()
    with running.context.database.write() as connection:
        schedules.expect(connection, STREAM, next_due=due, timing="every 3600 s")
    enqueue(running)
    ask(running)
    running.until(lambda: released(running) == 2)
    running.until(lambda: len(told(running)) == 2)
    assert told(running)[0].trigger["kind"] == "manual"
    running.until(lambda: told(running)[0].outcome is not None)
    running.loop.checkpoint()
    assert len(told(running)) == 2
    with running.context.database.read() as connection:
        row = schedules.get(connection, STREAM)
    assert row is not None
    # Not run, and not missed either.
    assert (row.last_run, row.next_due) == (None, due + timedelta(seconds=3_600))


def test_a_drift_that_goes_on_without_a_declined_release_needs_no_cool_down(
    loop: LoopMaker,
) -> None:
    running = ready(loop, triggers={"cool_down_seconds": 10**6})
    ended_once(running)
    running.context.queue.put(
        Trigger("drift", STREAM, 300, 250, "loss; an earlier release was declined")
    )
    running.until(lambda: len(told(running)) == 2)
    assert told(running)[0].trigger["kind"] == "drift"
